"""Commands that begin jobs, tell of them and end them; their refusals and events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.block.qcow2_header import new_image
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box

MIB = 1 << 20
SECONDS = 10.0


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Serve a machine with a raw image, one in front of it, and a drive."""
    (tmp_path / "base").write_bytes(b"\1" * MIB)
    content = new_image(MIB, backing_file="base", backing_format="raw", version=3)
    (tmp_path / "top").write_bytes(content)
    machine = Machine()
    with boxed(machine) as served:
        for name, driver in (("base", "raw"), ("top", "qcow2")):
            file = {"driver": "file", "filename": str(tmp_path / name)}
            behind = {"backing": "base"} if name == "top" else {}
            served.run(
                "blockdev-add", driver=driver, node_name=name, file=file, **behind
            )
        served.do(lambda: machine.blocks.plug("top", "disk"))
        yield served
        served.do(machine.close)


def wait(box: Box, id_: str, status: str) -> None:
    """Wait until a job is in a state; one that is gone is ``null``."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = {job["id"]: job["status"] for job in box.run("query-jobs")}
        if found.get(id_, "null") == status:
            return
    pytest.fail(f"{id_} is not {status}")


def statuses(box: Box) -> list[str]:
    """Return the states that jobs have come to."""
    return [data["status"] for name, data in box.events() if name.startswith("JOB")]


def test_an_image_is_made_in_a_file_that_is_made(box: Box, tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    options: dict[str, Any] = {"driver": "file", "filename": path, "size": MIB}
    box.run("blockdev-create", job_id="j", options=options)
    wait(box, "j", "concluded")
    box.run("job-dismiss", id="j")
    below = {"driver": "file", "filename": path}
    options = {"driver": "qcow2", "file": below, "size": 2 * MIB, "version": "v2"}
    box.run("blockdev-create", job_id="j", options=options)
    wait(box, "j", "concluded")
    box.run("blockdev-add", driver="qcow2", node_name="n", file=below)
    (told, *_) = box.run("query-named-block-nodes", flat=True)
    assert told["image"]["virtual-size"] == 2 * MIB
    assert told["image"]["format-specific"]["data"]["compat"] == "0.10"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"size": 511}, "Image size must be a multiple of 512 bytes"),
        (
            {"cluster-size": 1000},
            "Cluster size must be a power of two between 512 and 2048k",
        ),
        (
            {"backing-fmt": "raw"},
            "Backing format cannot be used without backing file",
        ),
    ],
)
def test_a_create_job_fails_with_a_reason(
    box: Box, more: dict[str, Any], error: str
) -> None:
    box.run("blockdev-add", driver="null-co", node_name="null", size=MIB)
    options = {"driver": "qcow2", "file": "null", "size": MIB, **more}
    box.run("blockdev-create", job_id="j", options=options)
    wait(box, "j", "concluded")
    (told,) = box.run("query-jobs")
    assert told["error"] == error
    assert statuses(box) == ["created", "running", "aborting", "concluded"]


@pytest.mark.parametrize("driver", ["raw", "qcow2"])
def test_a_drive_is_mirrored_to_a_file(box: Box, tmp_path: Path, driver: str) -> None:
    target = str(tmp_path / "copy")
    box.run(
        "drive-mirror",
        device="top",
        job_id="m",
        target=target,
        sync="full",
        format=driver,
        node_name="copy",
    )
    wait(box, "m", "ready")
    (told,) = box.run("query-block-jobs")
    assert told == {
        "type": "mirror",
        "device": "m",
        "len": MIB,
        "offset": MIB,
        "busy": False,
        "paused": False,
        "speed": 0,
        "io-status": "ok",
        "ready": True,
        "status": "ready",
        "auto-finalize": True,
        "auto-dismiss": True,
    }
    box.run("job-complete", id="m")
    wait(box, "m", "null")
    inserted = box.run("query-block")[0]["inserted"]
    assert (inserted["node-name"], inserted["drv"]) == ("copy", driver)
    assert box.do(lambda: box.machine.drives["disk"].read(0, 1)) == b"\1" * 512


def test_a_drive_is_backed_up_to_a_file(box: Box, tmp_path: Path) -> None:
    target = str(tmp_path / "copy")
    arguments = {"device": "top", "job_id": "b", "target": target, "sync": "full"}
    box.run("drive-backup", **arguments, format="raw")
    wait(box, "b", "null")
    assert (tmp_path / "copy").read_bytes() == b"\1" * MIB
    assert len(box.run("query-named-block-nodes", flat=True)) == 4
    assert statuses(box) == [
        *("created", "running", "paused", "running"),
        *("waiting", "pending", "concluded", "null"),
    ]


@pytest.mark.parametrize(
    ("command", "arguments", "desc"),
    [
        (
            "block-stream",
            {"base": "x", "base_node": "y"},
            "'base' and 'base-node' cannot be specified at the same time",
        ),
        ("block-stream", {"base": "x"}, "Can't find 'x' in the backing chain"),
        (
            "block-stream",
            {"base_node": "top"},
            "Node 'top' is not a backing image of 'top'",
        ),
        (
            "block-stream",
            {"backing_file": "x"},
            "backing file specified, but streaming the entire chain",
        ),
        (
            "block-commit",
            {"top": "x", "top_node": "y"},
            "'top-node' and 'top' are mutually exclusive",
        ),
        (
            "block-commit",
            {"base": "x", "base_node": "y"},
            "'base-node' and 'base' are mutually exclusive",
        ),
        (
            "block-commit",
            {"backing_file": "x"},
            "'backing-file' specified, but 'top' is the active layer",
        ),
        (
            "block-commit",
            {"speed": -1},
            "Parameter 'speed' expects a non-negative value",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    box: Box, command: str, arguments: dict[str, Any], desc: str
) -> None:
    refusal = box.refusal(command, device="top", job_id="j", **arguments)
    assert refusal == ("GenericError", desc)
    assert box.run("query-jobs") == []
    assert box.events() == []


def test_a_group_of_limits_is_in_use_while_a_node_has_it(box: Box) -> None:
    box.run("object-add", qom_type="throttle-group", id="g")
    options = {"driver": "throttle", "node_name": "t", "throttle_group": "g"}
    box.run("blockdev-add", **options, file="base")
    refusal = box.refusal("object-del", id="g")
    assert refusal == ("GenericError", "object 'g' is in use, can not be deleted")
    box.run("blockdev-del", node_name="t")
    box.run("object-del", id="g")


def test_stopping_drains_what_is_ready(box: Box) -> None:
    box.run("block-commit", device="top", job_id="c")
    wait(box, "c", "ready")
    statuses(box)
    box.run("cont")
    box.run("stop")
    assert statuses(box) == ["standby", "ready"]


def test_a_job_shows_the_node_that_it_puts_in_front(box: Box) -> None:
    size = {"driver": "null-co", "size": MIB}
    box.run("blockdev-add", node_name="copy", **size)
    box.run("blockdev-mirror", job_id="m", device="top", target="copy", sync="full",
            speed=1, filter_node_name="front")  # fmt: skip
    box.run("blockdev-add", node_name="later", **size)
    told = box.run("query-named-block-nodes")
    assert [each["node-name"] for each in told[:3]] == ["later", "front", "copy"]
    front, top = told[1], next(x for x in told if x["node-name"] == "top")
    assert front["drv"] == front["image"]["format"] == "mirror_top"
    assert front["image"]["backing-image"] == top["image"]
    assert front["backing_file_depth"] == top["backing_file_depth"] + 1
    shown = box.run("query-block")[0]["inserted"]
    assert shown["node-name"] == "front"
    taken = ("GenericError", "Duplicate nodes with node-name='front'")
    assert box.refusal("blockdev-add", node_name="front", **size) == taken
    box.run("block-job-cancel", device="m", force=True)
    wait(box, "m", "null")
    names = [each["node-name"] for each in box.run("query-named-block-nodes")]
    assert "front" not in names


def test_a_nameless_front_is_not_shown_as_what_is_in_the_drive(box: Box) -> None:
    box.run("blockdev-add", driver="null-co", node_name="copy", size=MIB)
    box.run("blockdev-backup", job_id="b", device="top", target="copy", sync="none")
    front = box.run("query-named-block-nodes", flat=True)[0]
    assert front["drv"] == "copy-before-write"
    assert front["node-name"].startswith("#block")
    assert box.run("query-block")[0]["inserted"]["node-name"] == "top"
