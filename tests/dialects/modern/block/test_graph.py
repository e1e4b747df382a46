"""Nodes and drives as libvirt uses them: disks, media, limits, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.machine import Machine
from qmpx.machine.block.qcow2_header import new_image
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box

MIB = 1 << 20
BACKEND = "/machine/peripheral/vda/virtio-backend"
THROTTLE = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}


class Host:
    """A machine that is served, and a folder of images.

    Args:
        box: The machine and its client.
        folder: The folder.
    """

    def __init__(self, box: Box, folder: Path) -> None:
        self.box = box
        self.folder = folder

    def add(
        self, name: str, driver: str = "raw", *, read_only: bool = False, **more: Any
    ) -> None:
        """Make the two nodes that libvirt makes for an image."""
        run = self.box.client.execute
        file = str(self.folder / name)
        below = {"driver": "file", "filename": file, "node-name": f"{name}-storage"}
        run("blockdev-add", {**below, "auto-read-only": True, "discard": "unmap"})
        above = {"driver": driver, "node-name": name, "file": f"{name}-storage"}
        run("blockdev-add", {"read-only": read_only, **above, **more})

    def plug(self, name: str | None, id_: str, **more: Any) -> None:
        """Plug a drive in."""
        self.box.do(lambda: self.box.machine.blocks.drives.plug(name, id_, **more))

    def drive(self, id_: str) -> Any:
        """Return what ``query-block`` tells of a drive."""
        told = self.box.run("query-block")
        (found,) = [each for each in told if each["qdev"] == id_]
        return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Serve a machine; make a raw image, an image in front of it, and two CDs."""
    (tmp_path / "raw").write_bytes(b"\1" * MIB)
    content = new_image(MIB, backing_file="raw", backing_format="raw", version=3)
    (tmp_path / "cow").write_bytes(content)
    for name in ("cd1", "cd2"):
        (tmp_path / name).write_bytes(name.encode() * 1024)
    machine = Machine()
    with boxed(machine) as box:
        yield Host(box, tmp_path)
        box.do(machine.close)


def test_a_disk_comes_and_goes(host: Host) -> None:
    host.add("raw")
    host.plug("raw", BACKEND)
    told = host.drive(BACKEND)
    assert (told["device"], told["removable"], told["io-status"]) == ("", False, "ok")
    assert "tray_open" not in told
    assert told["inserted"]["image"]["virtual-size"] == MIB
    desc = "Node raw is in use"
    refusal = host.box.refusal("blockdev-del", node_name="raw")
    assert refusal == ("GenericError", desc)
    machine = host.box.machine
    host.box.do(lambda: machine.blocks.drives.unplug(machine.drives[BACKEND]))
    for name in ("raw", "raw-storage"):
        host.box.run("blockdev-del", node_name=name)
    assert host.box.run("query-named-block-nodes", flat=True) == []
    assert host.box.run("query-block") == []


def test_what_is_told_of_an_image_in_front_of_another(host: Host) -> None:
    host.add("raw")
    host.add("cow", "qcow2", backing="raw")
    front = host.box.run("query-named-block-nodes", flat=True)[0]
    assert front["image"]["cluster-size"] == 65536
    assert front["image"]["format-specific"] == {
        "type": "qcow2",
        "data": {
            "compat": "1.1",
            "compression-type": "zlib",
            "lazy-refcounts": False,
            "refcount-bits": 16,
            "corrupt": False,
            "extended-l2": False,
        },
    }
    assert "backing-image" not in front["image"]
    deep = host.box.run("query-named-block-nodes")[0]
    assert deep["backing_file_depth"] == 1
    assert deep["image"]["backing-image"]["filename"] == str(host.folder / "raw")


def test_media_change_as_libvirt_changes_them(host: Host) -> None:
    run = host.box.run
    options = {"removable": True, "has_tray": True}
    host.add("cd1", read_only=True)
    host.plug("cd1", "ide0-1-0", **options)
    host.box.events()
    refusal = host.box.refusal("blockdev-remove-medium", id="ide0-1-0")
    assert refusal == ("GenericError", "Tray of device 'ide0-1-0' is not open")
    run("blockdev-open-tray", id="ide0-1-0", force=False)
    run("blockdev-remove-medium", id="ide0-1-0")
    run("blockdev-del", node_name="cd1")
    run("blockdev-del", node_name="cd1-storage")
    assert "inserted" not in host.drive("ide0-1-0")
    host.add("cd2", read_only=True)
    run("blockdev-insert-medium", id="ide0-1-0", node_name="cd2")
    refusal = host.box.refusal("blockdev-insert-medium", id="ide0-1-0", node_name="cd2")
    assert refusal == ("GenericError", "Node 'cd2' is already in use")
    run("blockdev-close-tray", id="ide0-1-0")
    told = host.drive("ide0-1-0")
    assert (told["tray_open"], told["inserted"]["ro"]) == (False, True)
    moves = [
        ("DEVICE_TRAY_MOVED", {"device": "", "id": "ide0-1-0", "tray-open": is_open})
        for is_open in (True, False)
    ]
    assert host.box.events() == moves


def test_a_medium_is_exchanged_for_a_file(host: Host) -> None:
    host.plug(None, "cd", removable=True, has_tray=True)
    path = str(host.folder / "cd2")
    host.box.run("blockdev-change-medium", id="cd", filename=path)
    inserted = host.drive("cd")["inserted"]
    assert (inserted["file"], inserted["drv"], inserted["ro"]) == (path, "raw", True)
    refusal = host.box.refusal("blockdev-change-medium", id="cd", filename="/nope")
    desc = "Could not open '/nope': No such file or directory"
    assert refusal == ("GenericError", desc)


def test_limits_come_back_until_they_are_lifted(host: Host) -> None:
    host.add("raw")
    host.plug("raw", BACKEND)
    limits = {**THROTTLE, "bps": 1000000, "iops": 500, "iops_max": 700}
    execute = host.box.client.execute
    execute("block_set_io_throttle", {"id": BACKEND, **limits})
    inserted = host.drive(BACKEND)["inserted"]
    assert {key: inserted[key] for key in ("bps", "iops", "group", "iops_max")} == {
        "bps": 1000000,
        "iops": 500,
        "group": BACKEND,
        "iops_max": 700,
    }
    execute("block_set_io_throttle", {"id": BACKEND, **THROTTLE})
    assert "group" not in host.drive(BACKEND)["inserted"]


@pytest.mark.parametrize(
    ("limits", "desc"),
    [
        (
            {"bps": 1, "bps_wr": 1},
            (
                "bps/iops/max total values and read/write values cannot be used at "
                "the same time"
            ),
        ),
        (
            {"bps": -1},
            "bps/iops/max values must be within [0, 1000000000000000]",
        ),
        ({"iops_max": 1}, "bps_max/iops_max require corresponding bps/iops values"),
        ({"iops": 2, "iops_max": 1}, "bps_max/iops_max cannot be lower than bps/iops"),
        ({"iops_size": 1}, "iops size requires an iops value to be set"),
        ({"bps": 1, "bps_max_length": 0}, "the burst length cannot be 0"),
        ({"bps": 1, "bps_max_length": 2}, "burst length set without burst rate"),
    ],
)
def test_limits_have_to_make_sense(
    host: Host, limits: dict[str, int], desc: str
) -> None:
    host.add("raw")
    host.plug("raw", BACKEND)
    given = {"id": BACKEND, **THROTTLE, **limits}
    with pytest.raises(qmpx.CommandError) as caught:
        host.box.client.execute("block_set_io_throttle", given)
    assert caught.value.desc == desc


def test_an_image_grows(host: Host) -> None:
    host.add("raw")
    host.plug("raw", "disk")
    host.box.run("block_resize", node_name="raw", size=2 * MIB)
    image = host.drive("disk")["inserted"]["image"]
    assert image["virtual-size"] == 2 * MIB == (host.folder / "raw").stat().st_size


def test_counters_are_those_of_drives_and_nodes(host: Host) -> None:
    host.add("raw")
    host.add("cow", "qcow2", backing="raw")
    host.plug("cow", "disk")
    machine = host.box.machine
    host.box.do(lambda: machine.drives["disk"].write(0, bytes(512)))
    host.box.do(lambda: machine.drives["disk"].read(0, 2))
    (told,) = host.box.run("query-blockstats")
    stats = told["stats"]
    assert (told["qdev"], told["node-name"]) == ("disk", "cow")
    assert (stats["wr_bytes"], stats["rd_bytes"], stats["rd_operations"]) == (
        512,
        1024,
        1,
    )
    assert told["parent"]["driver-specific"]["driver"] == "file"
    assert told["backing"]["node-name"] == "raw"
    nodes = host.box.run("query-blockstats", query_nodes=True)
    names = [each["node-name"] for each in nodes]
    assert names == ["raw-storage", "raw", "cow-storage", "cow"]


def test_a_node_is_reopened_with_something_else_behind_it(host: Host) -> None:
    host.add("raw")
    host.add("cow", "qcow2", backing=None)
    options = {"driver": "qcow2", "node-name": "cow", "file": "cow-storage"}
    host.box.run("blockdev-reopen", options=[{**options, "backing": "raw"}])
    told = host.box.run("query-named-block-nodes", flat=True)[0]
    assert told["backing_file"] == str(host.folder / "raw")


def test_a_header_is_told_to_name_something_else(host: Host) -> None:
    host.add("raw")
    host.add("cow", "qcow2", backing="raw")
    arguments = {"device": "cow", "image_node_name": "cow", "backing_file": "./raw"}
    host.box.run("change-backing-file", **arguments)
    told = host.box.run("query-named-block-nodes", flat=True)[0]
    assert told["image"]["backing-filename"] == "./raw"


def test_what_is_written_beyond_a_threshold_is_told(host: Host) -> None:
    host.add("raw")
    host.plug("raw", "disk")
    host.box.run("block-set-write-threshold", node_name="raw", write_threshold=1000)
    assert host.drive("disk")["inserted"]["write_threshold"] == 1000
    host.box.do(lambda: host.box.machine.drives["disk"].write(1, bytes(512)))
    data = {"node-name": "raw", "amount-exceeded": 24, "write-threshold": 1000}
    assert host.box.events() == [("BLOCK_WRITE_THRESHOLD", data)]
    assert host.drive("disk")["inserted"]["write_threshold"] == 0


def test_a_group_of_limits_is_in_use_while_a_node_has_it(host: Host) -> None:
    host.add("raw")
    host.box.run("object-add", qom_type="throttle-group", id="g")
    options = {"driver": "throttle", "node_name": "t", "throttle_group": "g"}
    host.box.run("blockdev-add", **options, file="raw")
    refusal = host.box.refusal("object-del", id="g")
    assert refusal == ("GenericError", "object 'g' is in use, can not be deleted")
    host.box.run("blockdev-del", node_name="t")
    host.box.run("object-del", id="g")
