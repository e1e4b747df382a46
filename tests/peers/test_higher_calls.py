"""What takes more than one command, on a real QEMU, by both clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx import errors
from qmpx.client.pictures import PNG_SIGNATURE
from tests.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu", "qemu-img"), pytest.mark.slow]

SECONDS = 20.0
SIZE = 16 * 1024 * 1024


class Blocking:
    """The blocking client."""

    def __init__(self, command: list[str]) -> None:
        self._launched = qmpx.launch(command)
        self.vm: Any = self._launched.vm

    def call(self, method: str, /, *words: Any, **options: Any) -> Any:
        """Call a method of the client."""
        return getattr(self.vm, method)(*words, **options)

    def job(
        self, inside: Callable[[Any], list[Any]], /, *words: Any, **more: Any
    ) -> Any:
        """Run a job; *inside* says what to call of it, and so on with the outcome."""
        with self.vm.job(*words, **more) as job:
            return [getattr(job, name)(**options) for name, options in inside(job)]

    def stop(self) -> None:
        """End it."""
        self._launched.__exit__(None, None, None)


class Asyncio:
    """The asyncio client, on a loop in a thread."""

    def __init__(self, command: list[str]) -> None:
        self._thread = LoopThread()
        self._thread.__enter__()

        async def launch() -> Any:
            return await qmpx.launch_async(command)

        self._launched = self._thread.wait_for(launch())
        self.vm: Any = self._launched.vm

    def call(self, method: str, /, *words: Any, **options: Any) -> Any:
        """Call a method of the client."""
        return self._thread.wait_for(getattr(self.vm, method)(*words, **options))

    def job(
        self, inside: Callable[[Any], list[Any]], /, *words: Any, **more: Any
    ) -> Any:
        """Run a job; *inside* says what to call of it, and so on with the outcome."""

        async def run() -> Any:
            async with self.vm.job(*words, **more) as job:
                return [
                    await getattr(job, name)(**options) for name, options in inside(job)
                ]

        return self._thread.wait_for(run())

    def stop(self) -> None:
        """End it."""
        self._thread.wait_for(self._launched.__aexit__(None, None, None))
        self._thread.__exit__()


@pytest.fixture(params=[Blocking, Asyncio], ids=["blocking", "asyncio"])
def launch(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Launch a paused PC with one of the two clients."""
    started: list[Any] = []

    def start(*arguments: str) -> Any:
        command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "32"]
        command += ["-display", "none", "-nodefaults", "-S", *arguments]
        started.append(request.param(command))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def image(path: Path, kind: str = "qcow2") -> Path:
    """Make a disk image."""
    command = ["qemu-img", "create", "-q", "-f", kind, str(path), str(SIZE)]
    subprocess.run(command, check=True, timeout=20)
    return path


def disk(path: Path, kind: str = "qcow2") -> list[str]:
    """Return options for a disk that can be unplugged."""
    node = {
        "driver": kind,
        "node-name": "disk",
        "file": {"driver": "file", "filename": str(path)},
    }
    device = "virtio-blk-pci,drive=disk,id=disk0"
    return ["-blockdev", json.dumps(node), "-device", device]


@pytest.fixture
def with_target(launch: Callable[..., Any], tmp_path: Path) -> Any:
    """Launch a PC with a disk, and an image to copy it to."""
    qemu = launch(*disk(image(tmp_path / "disk")))
    file = {"driver": "file", "filename": str(image(tmp_path / "target"))}
    node = {"driver": "qcow2", "node-name": "target", "file": file}
    qemu.call("execute", "blockdev-add", node)
    return qemu


# Jobs.


def test_a_job_is_run_to_its_end_and_dismissed(with_target: Any) -> None:
    seen: list[Any] = []
    waits = [("wait", {"timeout": SECONDS, "on_progress": seen.append})]
    (last,) = with_target.job(
        lambda _: waits, "blockdev-backup", device="disk", target="target", sync="full"
    )
    assert (last.status, last.type) == ("concluded", "backup")
    assert (last.current, last.total, last.fraction) == (SIZE, SIZE, 1.0)
    assert seen[-1] == last
    assert with_target.call("execute", "query-jobs") == []


def test_a_mirror_is_completed_when_it_is_ready(with_target: Any) -> None:
    steps = [("wait_ready", {"timeout": SECONDS}), ("wait", {"timeout": SECONDS})]
    ready, last = with_target.job(
        lambda _: steps, "blockdev-mirror", device="disk", target="target", sync="full"
    )
    assert (ready.status, last.status) == ("ready", "concluded")
    assert with_target.call("execute", "query-jobs") == []
    drives = with_target.call("execute", "query-block")
    assert drives[0]["inserted"]["node-name"] == "target"


def test_a_mirror_that_is_ready_can_end_without_taking_over(with_target: Any) -> None:
    steps = [
        ("wait_ready", {"timeout": SECONDS}),
        ("cancel", {"force": False}),
        ("wait", {"timeout": SECONDS}),
    ]
    with_target.job(
        lambda _: steps, "blockdev-mirror", device="disk", target="target", sync="full"
    )
    drives = with_target.call("execute", "query-block")
    assert drives[0]["inserted"]["node-name"] == "disk"


SLOW = {"device": "disk", "target": "target", "sync": "full", "speed": 1}


@pytest.fixture
def with_data(launch: Callable[..., Any], tmp_path: Path) -> Any:
    """Launch a PC with a disk that holds data, so that copying can be slow."""
    (tmp_path / "disk").write_bytes(bytes(range(256)) * (SIZE // 256))
    qemu = launch(*disk(tmp_path / "disk", "raw"))
    file = {"driver": "file", "filename": str(image(tmp_path / "target"))}
    node = {"driver": "qcow2", "node-name": "target", "file": file}
    qemu.call("execute", "blockdev-add", node)
    return qemu


def test_a_job_can_be_cancelled(with_data: Any) -> None:
    steps = [("cancel", {}), ("wait", {"timeout": SECONDS})]
    _, last = with_data.job(lambda _: steps, "blockdev-backup", SLOW)
    assert last.status == "concluded"
    assert with_data.call("execute", "query-jobs") == []


def test_leaving_the_block_by_an_exception_cancels_the_job(with_data: Any) -> None:
    def fail(_: Any) -> Any:
        raise KeyError("so it is")

    with pytest.raises(KeyError):
        with_data.job(fail, "blockdev-backup", SLOW)
    assert with_data.call("execute", "query-jobs") == []


def test_a_job_that_somebody_else_cancels_has_failed(with_data: Any) -> None:
    def inside(job: Any) -> Any:
        yield "refresh", {}
        other = {"id": job.id}
        yield from [("wait", {"timeout": SECONDS, "on_progress": cancel(other)})]

    def cancel(arguments: Any) -> Any:
        is_told = threading.Event()

        def tell(_: Any) -> None:
            if not is_told.is_set():
                is_told.set()
                pool.submit(with_data.call, "execute", "job-cancel", arguments)

        return tell

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(qmpx.OperationFailed, match=r"it was cancelled|Operation cancel"),
    ):
        with_data.job(inside, "blockdev-backup", SLOW)
    assert with_data.call("execute", "query-jobs") == []


def test_a_job_that_fails_says_why(launch: Callable[..., Any], tmp_path: Path) -> None:
    qemu = launch()
    options = {"driver": "file", "filename": str(tmp_path / "no" / "x"), "size": SIZE}
    waits = [("wait", {"timeout": SECONDS})]
    with pytest.raises(qmpx.OperationFailed, match=r"^job 'made' failed: Could not cr"):
        qemu.job(lambda _: waits, "blockdev-create", options=options, id="made")
    assert qemu.call("execute", "query-jobs") == []


def test_a_job_that_is_not_there_cannot_be_joined(launch: Callable[..., Any]) -> None:
    with pytest.raises(qmpx.OperationFailed, match="there is no such job"):
        launch().job(lambda _: [], id="nope")


def test_a_job_that_runs_already_can_be_joined(with_data: Any) -> None:
    with_data.call("execute", "blockdev-backup", {**SLOW, "job-id": "mine"})
    steps = [("refresh", {}), ("cancel", {}), ("wait", {"timeout": SECONDS})]
    running, _, last = with_data.job(lambda _: steps, id="mine")
    assert (running.id, running.type, running.is_over) == ("mine", "backup", False)
    assert last.is_over


def test_a_job_that_dismisses_itself_is_not_missed(with_target: Any) -> None:
    more = {"device": "disk", "target": "target", "sync": "full", "auto-dismiss": True}
    steps = [("wait", {"timeout": SECONDS})]
    (last,) = with_target.job(lambda _: steps, "blockdev-backup", more)
    assert (last.status, last.error) == ("concluded", "")


# Devices.


def test_a_device_is_unplugged_when_the_guest_lets_it_go(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    qemu = launch(*disk(image(tmp_path / "disk")))
    with pytest.raises(qmpx.DeadlineExceeded, match="no end of device 'disk0' within"):
        qemu.call("unplug", "disk0", timeout=0.2)
    # This guest has no system that would answer; a reset lets the device go.
    happened = qemu.vm.events("DEVICE_DELETED")
    qemu.call("execute", "system_reset")
    with pytest.raises(errors.DeviceNotFound):
        qemu.call("unplug", "disk0")
    if isinstance(qemu, Blocking):
        gone = [happened.get(SECONDS).data for _ in range(2)]
        assert [each.get("device") for each in gone] == [None, "disk0"]


def test_a_device_on_a_bus_without_a_guest_goes_at_once(
    launch: Callable[..., Any],
) -> None:
    qemu = launch("-device", "qemu-xhci,id=usb", "-device", "usb-tablet,id=tablet")
    qemu.call("unplug", "tablet", timeout=SECONDS)
    with pytest.raises(errors.DeviceNotFound):
        qemu.call("unplug", "tablet")


# Migration and snapshots.


def test_a_machine_is_migrated_into_a_file(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    qemu = launch()
    seen: list[Any] = []
    last = qemu.call("migrate", f"exec:cat > {state}", on_progress=seen.append)
    assert (last.status, last.fraction) == ("completed", 1.0)
    assert state.stat().st_size > 10_000
    assert seen[-1] == last


@pytest.mark.parametrize("uri", ["exec:false", "unix:/nope/nope"])
def test_a_migration_that_fails_is_an_error(
    launch: Callable[..., Any], uri: str
) -> None:
    qemu = launch()
    with pytest.raises((qmpx.OperationFailed, errors.GenericError)):
        qemu.call("migrate", uri, timeout=SECONDS)
    assert qemu.call("execute", "query-status")["status"] == "prelaunch"


def test_a_migration_that_takes_too_long_is_cancelled(
    launch: Callable[..., Any],
) -> None:
    qemu = launch()
    qemu.call("execute", "migrate-set-parameters", {"max-bandwidth": 1000})
    with pytest.raises(qmpx.DeadlineExceeded, match="end of the migration to 'exec:"):
        qemu.call("migrate", "exec:cat > /dev/null", timeout=0.3)
    deadline = time.monotonic() + SECONDS
    while (now := qemu.call("execute", "query-migrate"))["status"] != "cancelled":
        assert time.monotonic() < deadline, now
    assert qemu.call("execute", "query-status")["status"] == "prelaunch"


def test_a_snapshot_is_taken_restored_and_deleted(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    qemu = launch(*disk(image(tmp_path / "disk")))
    seen: list[Any] = []
    qemu.call("snapshot", "so it is", timeout=SECONDS, on_progress=seen.append)
    assert seen[-1].type == "snapshot-save"
    assert "so it is" in qemu.call("hmp", "info snapshots")
    qemu.call("restore", "so it is", timeout=SECONDS)
    qemu.call("delete_snapshot", "so it is", timeout=SECONDS)
    assert "so it is" not in qemu.call("hmp", "info snapshots")
    with pytest.raises(
        qmpx.OperationFailed, match=r"does not have the requested|exist"
    ):
        qemu.call("restore", "nope", timeout=SECONDS)
    assert qemu.call("execute", "query-jobs") == []


def test_a_machine_without_a_disk_has_no_place_for_a_snapshot(
    launch: Callable[..., Any],
) -> None:
    with pytest.raises(qmpx.LocalProtocolError, match="no disk of this machine"):
        launch().call("snapshot", "x")


def test_a_disk_without_snapshots_says_so(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    qemu = launch(*disk(image(tmp_path / "disk", "raw"), "raw"))
    with pytest.raises(qmpx.OperationFailed, match="does not support snapshots"):
        qemu.call("snapshot", "x", timeout=SECONDS)


# Screen, keyboard, people's commands.


def size_of(png: bytes) -> tuple[int, int]:
    """Return the width and the height of a PNG."""
    assert png.startswith(PNG_SIGNATURE)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_the_screen_comes_as_png(launch: Callable[..., Any]) -> None:
    qemu = launch("-device", "VGA,id=vga0", "-device", "secondary-vga,id=vga1")
    assert size_of(qemu.call("screendump")) == (640, 480)
    assert size_of(qemu.call("screendump", "vga1")) == (640, 480)
    assert qemu.call("execute", "query-fdsets") == []
    with pytest.raises(errors.DeviceNotFound):
        qemu.call("screendump", "nope")
    assert qemu.call("execute", "query-fdsets") == []


def test_the_screen_comes_through_a_descriptor_where_there_is_no_file(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if QEMU ran in another root directory than we do.
    elsewhere = lambda prefix: contextlib.nullcontext(f"/nope/{prefix}")  # noqa: E731
    monkeypatch.setattr("qmpx.client.screen.tempfile.TemporaryDirectory", elsewhere)
    qemu = launch("-device", "VGA,id=vga0")
    qemu.call("execute", "cont")
    assert size_of(qemu.call("screendump")) == (640, 480)
    # QEMU 7.2 forgets the descriptor, and keeps the empty set.
    assert [each["fds"] for each in qemu.call("execute", "query-fdsets")] == [[]]


def test_without_a_screen_there_is_no_picture(launch: Callable[..., Any]) -> None:
    with pytest.raises(errors.GenericError, match=r"[Nn]o (console|graphic)"):
        launch().call("screendump")


def test_a_text_is_typed(launch: Callable[..., Any]) -> None:
    qemu = launch("-device", "VGA")
    qemu.call("execute", "cont")
    qemu.call("type_text", "Qm_p\n", pause=0.005)
    with pytest.raises(qmpx.LocalProtocolError, match="types 'é'"):
        qemu.call("type_text", "é")
    qemu.call("type_text", "é", keys={"é": ["alt_r", "e"]}, pause=0.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nope", "unknown command: 'nope'"),
        ("info nope", "unknown command: 'info nope'"),
        ("device_del nope", "Device 'nope' not found"),
        ("cont 3 4", "cont|c: extraneous characters at the end of line"),
        ("stop -x", "stop|s: extraneous characters at the end of line"),
    ],
)
def test_a_human_command_that_fails_is_an_error(
    launch: Callable[..., Any], line: str, reason: str
) -> None:
    qemu = launch()
    with pytest.raises(qmpx.OperationFailed) as caught:
        qemu.call("hmp", line)
    assert caught.value.operation == repr(line)
    assert caught.value.reason == reason
    assert qemu.call("hmp", line, check=False).strip()


def test_what_people_are_told_has_plain_line_ends(launch: Callable[..., Any]) -> None:
    qemu = launch()
    assert qemu.call("hmp", "info status") == "VM status: paused (prelaunch)\n"
    assert "CPU#0" in qemu.call("hmp", "info registers", cpu_index=0)
    assert "\r" not in qemu.call("hmp", "help")


# Events, and the end.


def test_an_event_is_waited_for_with_what_causes_it(
    launch: Callable[..., Any],
) -> None:
    qemu = launch("-device", "qemu-xhci,id=usb")
    event = qemu.call("wait_for", "RESUME", after="cont", timeout=SECONDS)
    assert event.name == "RESUME"
    # The same event once more: that of before does not count.
    qemu.call("execute", "stop")
    event = qemu.call("wait_for", ["RESUME", "X*"], after="cont", timeout=SECONDS)
    assert event.name == "RESUME"
    after = ("device_add", {"driver": "usb-tablet", "id": "tablet"})
    with pytest.raises(qmpx.DeadlineExceeded, match="no event DEVICE_DELETED within"):
        qemu.call("wait_for", "DEVICE_DELETED", after=after, timeout=0.1)
    matching = {"device": "tablet"}
    after = ("device_del", {"id": "tablet"})
    event = qemu.call(
        "wait_for", "DEVICE_DELETED", matching, after=after, timeout=SECONDS
    )
    assert event.data["path"] == "/machine/peripheral/tablet"
    with pytest.raises(errors.DeviceNotFound):
        qemu.call("wait_for", "DEVICE_DELETED", after=after, timeout=SECONDS)


def test_a_guest_that_does_not_shut_down_can_be_forced(
    launch: Callable[..., Any],
) -> None:
    qemu = launch()
    with pytest.raises(qmpx.DeadlineExceeded, match="no shutdown of the guest within"):
        qemu.call("shutdown", timeout=0.1)
    told = qemu.call("shutdown", timeout=0.1, force=True)
    assert told in ({"guest": False, "reason": "host-qmp-quit"}, {})


@contextmanager
def frozen(process: Any) -> Iterator[None]:
    """Stop a process, and let it go on."""
    process.send_signal(19)
    try:
        yield
    finally:
        process.send_signal(18)


def test_a_job_whose_start_is_answered_late_is_found(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(range(256)) * (SIZE // 256))
    command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "32"]
    command += ["-display", "none", "-nodefaults", "-S"]
    file = {"driver": "file", "filename": str(image(tmp_path / "target"))}
    node = {"driver": "qcow2", "node-name": "target", "file": file}
    with qmpx.launch([*command, *disk(tmp_path / "disk", "raw")]) as qemu:
        qemu.vm.execute("blockdev-add", node)
        process = qemu.process
        process.send_signal(19)
        waking = threading.Timer(0.5, process.send_signal, [18])
        waking.start()
        try:
            with qemu.vm.job("blockdev-backup", SLOW, timeout=0.1) as job:
                assert job.refresh().type == "backup"
                job.cancel()
            assert job.progress.is_over
        finally:
            waking.join()
        assert qemu.vm.late_replies == 1
        assert qemu.vm.execute("query-jobs") == []


def test_a_task_that_is_cancelled_in_a_job_cancels_the_job(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(range(256)) * (SIZE // 256))
    command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "32"]
    command += ["-display", "none", "-nodefaults", "-S"]
    file = {"driver": "file", "filename": str(image(tmp_path / "target"))}
    node = {"driver": "qcow2", "node-name": "target", "file": file}

    async def main() -> None:
        arguments = [*command, *disk(tmp_path / "disk", "raw")]
        async with qmpx.launch_async(arguments) as qemu:
            await qemu.vm.execute("blockdev-add", node)
            with pytest.raises(TimeoutError):
                async with (
                    asyncio.timeout(0.2),
                    qemu.vm.job("blockdev-backup", SLOW) as job,
                ):
                    await job.wait()
            assert await qemu.vm.execute("query-jobs") == []

    asyncio.run(main())
