"""The races that catch programs that drive QEMU, brought about on purpose.

Each happens in the stand-in, a program of its own, with the fault that brings it about,
and to both clients.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.testing import StandIn
from tests.peers.faces import FACES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.faces import Face

pytestmark = pytest.mark.slow

PAUSED = ["-M", "pc", "-nodefaults", "-S", "-accel", "tcg"]
SIZE = 2**20  # bytes of a disk


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn(PAUSED) as standin:
        yield standin


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest, standin: StandIn) -> Iterator[Face]:
    standin.connect(timeout=10.0).close()  # it is up
    with closing(FACES[request.param](standin.path, timeout=10.0)) as client:
        yield client


def plugged(client: Face) -> list[str]:
    """Return the ids of what is plugged in."""
    items = client.execute("qom-list", path="/machine/peripheral")
    return [item["name"] for item in items if item["name"] != "type"]


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_a_deletion_that_is_told_twice_does_not_end_the_next_wait(
    standin: StandIn, face: Face, seconds: float
) -> None:
    """AutoHCK#1112: what is left of one unplug is not the end of the next."""
    with standin.control() as control:
        control.execute("x-qmpx-guest-set", unplug=seconds)
    face.execute("cont")
    standin.add_fault("event-twice", event_name="DEVICE_DELETED")
    told = face.events("DEVICE_DELETED")
    for _ in range(5):
        face.execute("device_add", driver="virtio-net-pci", id="nic")
        face.call("unplug", "nic", timeout=10)
        assert plugged(face) == []
    paths = [told.get().data["path"] for _ in range(20)]
    # Each time the device and a part of it, and each of the two twice.
    assert len(set(paths)) == 2


def test_a_guest_that_refuses_is_told_from_one_that_does_nothing(
    standin: StandIn, face: Face
) -> None:
    face.execute("device_add", driver="virtio-net-pci", id="nic")
    standin.add_fault("unplug-refused", times=1)
    with pytest.raises(qmpx.OperationFailed):
        face.call("unplug", "nic", timeout=10)
    standin.add_fault("unplug-ignored", times=1)
    with pytest.raises(qmpx.DeadlineExceeded):
        face.call("unplug", "nic", timeout=0.2)
    assert plugged(face) == ["nic"]


def mirror(vm: qmpx.Client, folder: Path) -> None:
    """Bring a mirror into the state in which it waits to be completed."""
    with vm.events("BLOCK_JOB_READY") as ready:
        for name in ("from", "to"):
            (folder / name).write_bytes(bytes(SIZE))
            file = {"driver": "file", "filename": str(folder / name)}
            vm.execute("blockdev-add", {**file, "node-name": name})
        arguments = {"job-id": "copy", "device": "from", "target": "to", "sync": "full"}
        vm.execute("blockdev-mirror", {**arguments, "auto-dismiss": False})
        ready.get(timeout=10)


def test_a_job_that_ends_between_query_and_complete_is_done(tmp_path: Path) -> None:
    """tp-qemu#3429: what the query said is not true any more when the command comes."""
    other = f"unix:{tmp_path}/other.sock"
    with (
        StandIn([*PAUSED, "-qmp", f"{other},server=on,wait=off"]) as standin,
        standin.connect(timeout=10.0) as vm,
        qmpx.connect(other, wait=10.0) as somebody,
        ThreadPoolExecutor(1) as pool,
    ):
        mirror(somebody, tmp_path)
        standin.add_fault("reply-late", connection=1, command="query-jobs", seconds=0.3)
        with vm.job(id="copy") as job:
            waiting = pool.submit(job.wait, timeout=10)
            somebody.wait_for(
                "JOB_STATUS_CHANGE",
                {"status": "concluded"},
                after=("job-complete", {"id": "copy"}),
                timeout=10,
            )
            assert waiting.result(10).status == "concluded"
        with standin.control() as control:
            crossed = control.execute("x-qmpx-conversation-query")["entries"]
    refused = [x for x in crossed if "cannot accept command verb" in str(x)]
    assert len(refused) == 1  # the race was there, and nobody was told


def test_an_event_that_comes_before_the_reply_is_not_missed(
    standin: StandIn, face: Face
) -> None:
    """SwiftQEMU: a waiter that is put in place after the reply comes too late."""
    face.execute("cont")
    standin.add_fault("reply-after-event", command="stop", event="STOP")
    event = face.call("wait_for", "STOP", after="stop", timeout=10)
    assert event.name == "STOP"


def test_an_event_that_comes_after_the_reply_is_waited_for(
    standin: StandIn, face: Face
) -> None:
    face.execute("cont")
    standin.add_fault("events-after-reply", command="stop")
    standin.add_fault("event-late", event_name="STOP", seconds=0.2)
    event = face.call("wait_for", "STOP", after="stop", timeout=10)
    assert event.name == "STOP"


def test_a_late_reply_is_nobodys(standin: StandIn, face: Face) -> None:
    """The blocking client of QEMU gives it to the next command."""
    standin.add_fault("reply-late", command="query-uuid", nth=1, seconds=0.4)
    with pytest.raises(qmpx.DeadlineExceeded):
        face.execute("query-uuid", timeout=0.1)
    for _ in range(3):
        assert face.execute("query-status")["status"] == "prelaunch"
    assert "UUID" in face.execute("query-uuid")


def test_many_late_replies_are_nobodys(standin: StandIn, face: Face) -> None:
    standin.add_fault("reply-late", command="query-name", seconds=0.3, times=1)

    def ask(_: int) -> Any:
        try:
            return face.execute("query-name", timeout=0.1)
        except qmpx.DeadlineExceeded:
            return None

    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(ask, range(4)))
    assert None in asked
    assert face.execute("query-status")["status"] == "prelaunch"
