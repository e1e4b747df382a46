"""Drives: what is told of them, trays, media, sizes; all refusals."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.drive import Policy
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box

LOCKED = (
    "Device '%s' is locked and force was not specified, "
    "wait for tray to open and try again"
)
NEED_ONE = ("GenericError", "Need exactly one of 'device' and 'id'")


def drive(box: Box, name: str) -> Any:
    """Return what ``query-block`` tells of one drive."""
    (told,) = [each for each in box.run("query-block") if each["device"] == name]
    return told


def moved(*, is_open: bool) -> tuple[str, dict[str, Any]]:
    """Return the event that tells of the CD-ROM's tray."""
    data = {"device": "cd0", "id": "/dev/cd", "tray-open": is_open}
    return "DEVICE_TRAY_MOVED", data


def test_what_is_told_of_a_disk(box: Box) -> None:
    assert drive(box, "disk0") == {
        "device": "disk0",
        "qdev": "/dev/disk",
        "type": "unknown",
        "locked": False,
        "removable": False,
        "io-status": "ok",
        "inserted": {
            "file": "disk.img",
            "node-name": "disk-node",
            "ro": False,
            "drv": "raw",
            "backing_file_depth": 0,
            "encrypted": False,
            "detect_zeroes": "off",
            "bps": 0,
            "bps_rd": 0,
            "bps_wr": 0,
            "iops": 0,
            "iops_rd": 0,
            "iops_wr": 0,
            "write_threshold": 0,
            "image": {
                "filename": "disk.img",
                "format": "raw",
                "virtual-size": 1048576,
                "dirty-flag": False,
            },
            "cache": {"writeback": True, "direct": False, "no-flush": False},
        },
    }


def test_what_is_told_of_a_tray_and_of_an_empty_drive(box: Box) -> None:
    told = drive(box, "cd0")
    assert (told["removable"], told["tray_open"]) == (True, False)
    assert told["inserted"]["ro"] is True
    told = drive(box, "slot0")
    assert not told.keys() & {"inserted", "tray_open"}
    assert [each["device"] for each in box.run("query-block")] == [
        "disk0",
        "cd0",
        "slot0",
    ]


def test_what_is_told_of_a_real_image(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(bytes(1024 * 1024))
    path = tmp_path / "over.qcow2"
    content = new_image(1024 * 1024, backing_file="base.img", backing_format="raw")
    path.write_bytes(content)
    machine = Machine()
    options = {"file": str(path), "if": "none", "id": "d0"}
    plugged = machine.drives.plug(options)
    assert plugged is not None
    assert plugged.image is not None
    plugged.image.save("one", [b"state"], seconds=5, clock=1_000_000_002)
    with boxed(machine) as box:
        told = drive(box, "d0")
        inserted, image = told["inserted"], told["inserted"]["image"]
        assert (inserted["backing_file"], inserted["drv"]) == ("base.img", "qcow2")
        assert inserted["backing_file_depth"] == 1
        behind = {
            "filename": str(tmp_path / "base.img"),
            "format": "raw",
            "virtual-size": 1024 * 1024,
            "actual-size": (tmp_path / "base.img").stat().st_blocks * 512,
            "dirty-flag": False,
        }
        assert image == {
            "filename": str(path),
            "format": "qcow2",
            "virtual-size": 1024 * 1024,
            "actual-size": path.stat().st_blocks * 512,
            "dirty-flag": False,
            "cluster-size": 65536,
            "snapshots": [
                {
                    "id": "1",
                    "name": "one",
                    "vm-state-size": 5,
                    "date-sec": 5,
                    "date-nsec": 0,
                    "vm-clock-sec": 1,
                    "vm-clock-nsec": 2,
                }
            ],
            "backing-filename": "base.img",
            "full-backing-filename": str(tmp_path / "base.img"),
            "backing-filename-format": "raw",
            "backing-image": behind,
        }
        desc = "Can't resize a v2 image which has snapshots"
        refused = box.refusal("block_resize", device="d0", size=2**21)
        assert refused == ("GenericError", desc)


def test_a_drive_that_stopped_the_machine_says_so(box: Box) -> None:
    def fail() -> None:
        failed = box.machine.drives["disk0"]
        error = OSError(errno.ENOSPC, "No space left on device")
        failed.tell_error("write", error, Policy.STOP)
        box.machine.stop_on_io_error()

    box.run("cont")
    box.events()
    box.do(fail)
    assert drive(box, "disk0")["io-status"] == "nospace"
    assert box.events() == [
        (
            "BLOCK_IO_ERROR",
            {
                "device": "disk0",
                "operation": "write",
                "action": "stop",
                "nospace": True,
                "reason": "No space left on device",
            },
        ),
        ("STOP", {}),
    ]
    assert box.run("query-status")["status"] == "io-error"
    box.run("cont")
    assert drive(box, "disk0")["io-status"] == "ok"


@pytest.mark.parametrize("name", [{"device": "cd0"}, {"id": "/dev/cd"}])
def test_eject_opens_the_tray_and_takes_the_medium_out(
    box: Box, name: dict[str, str]
) -> None:
    assert box.run("eject", **name) == {}
    assert box.events() == [moved(is_open=True)]
    told = drive(box, "cd0")
    assert (told["tray_open"], "inserted" in told) == (True, False)
    assert box.run("eject", **name) == {}  # nothing is in there any more
    assert box.events() == []


@pytest.mark.parametrize("name", [{"device": "cd0"}, {"id": "/dev/cd"}])
def test_the_tray_opens_and_closes_with_the_medium_in_it(
    box: Box, name: dict[str, str]
) -> None:
    for _ in range(2):
        assert box.run("blockdev-open-tray", **name) == {}
    assert drive(box, "cd0")["tray_open"] is True
    for _ in range(2):
        assert box.run("blockdev-close-tray", **name) == {}
    assert box.events() == [moved(is_open=True), moved(is_open=False)]
    told = drive(box, "cd0")
    assert (told["tray_open"], "inserted" in told) == (False, True)


@pytest.mark.parametrize("command", ["eject", "blockdev-open-tray"])
def test_a_lock_holds_unless_forced(box: Box, command: str) -> None:
    box.do(lambda: setattr(box.machine.drives["cd0"], "is_locked", True))
    assert drive(box, "cd0")["locked"] is True
    for force in ({}, {"force": False}):
        refusal = box.refusal(command, device="cd0", **force)
        assert refusal == ("GenericError", LOCKED % "cd0")
        refusal = box.refusal(command, id="/dev/cd", **force)
        assert refusal == ("GenericError", LOCKED % "/dev/cd")
    assert box.events() == []
    assert box.run(command, device="cd0", force=True) == {}
    assert box.events() == [moved(is_open=True)]


def test_a_drive_without_a_tray_is_emptied_silently(box: Box) -> None:
    assert box.run("eject", device="slot0") == {}
    assert box.run("blockdev-open-tray", device="slot0") == {}
    assert box.run("blockdev-close-tray", device="slot0") == {}
    assert box.events() == []


COMMANDS = ["eject", "blockdev-open-tray", "blockdev-close-tray"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_built_in_medium_stays(box: Box, command: str) -> None:
    desc = "Device 'disk0' is not removable"
    assert box.refusal(command, device="disk0") == ("GenericError", desc)
    desc = "Device '/dev/disk' is not removable"  # named as the command does
    assert box.refusal(command, id="/dev/disk") == ("GenericError", desc)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_drive_has_to_be_named_rightly(box: Box, command: str) -> None:
    assert box.refusal(command) == NEED_ONE
    assert box.refusal(command, device="cd0", id="/dev/cd") == NEED_ONE
    for name in ("nothing", "", "/dev/cd"):
        desc = f"Device '{name}' not found"
        assert box.refusal(command, device=name) == ("DeviceNotFound", desc)
    for name in ("nothing", "cd0"):
        desc = f"Device '{name}' not found"
        assert box.refusal(command, id=name) == ("DeviceNotFound", desc)
    desc = " is not a hotpluggable device"
    assert box.refusal(command, id="") == ("GenericError", desc)


@pytest.mark.parametrize("name", [{"device": "disk0"}, {"node_name": "disk-node"}])
@pytest.mark.parametrize(("size", "rounded"), [(0, 0), (512, 512), (513, 1024)])
def test_an_image_changes_its_size(
    box: Box, name: dict[str, str], size: int, rounded: int
) -> None:
    assert box.run("block_resize", size=size, **name) == {}
    assert drive(box, "disk0")["inserted"]["image"]["virtual-size"] == rounded


@pytest.mark.parametrize(
    ("arguments", "desc"),
    [
        ({"device": "disk0"}, "Parameter 'size' is missing"),
        ({"device": "disk0", "size": -1}, "Parameter 'size' expects a >0 size"),
        (
            {"device": "disk0", "size": "1"},
            "Invalid parameter type for 'size', expected: integer",
        ),
        ({"device": "cd0", "size": 512}, "Cannot resize read-only node"),
        ({"device": "slot0", "size": 512}, "Device 'slot0' has no medium"),
        ({"size": 512}, "Cannot find device='' nor node-name=''"),
        (
            {"device": "a", "node_name": "b", "size": 512},
            "Cannot find device='a' nor node-name='b'",
        ),
    ],
)
def test_what_cannot_be_resized(box: Box, arguments: dict[str, Any], desc: str) -> None:
    assert box.refusal("block_resize", **arguments) == ("GenericError", desc)
    image = drive(box, "disk0")["inserted"]["image"]
    assert image["virtual-size"] == 1024 * 1024
