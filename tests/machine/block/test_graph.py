"""The block graph: nodes by name, drives that show them, locks, read-only."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.block import graph as graphs
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.happenings import WriteThresholdReached
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph

MIB = 1 << 20


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[BlockGraph]:
    """Make a graph, and two images: ``raw``, and ``cow`` in front of it."""
    (tmp_path / "raw").write_bytes(b"\1" * MIB)
    content = new_image(MIB, backing_file="raw", backing_format="raw", version=3)
    (tmp_path / "cow").write_bytes(content)
    machine = Machine()
    yield machine.blocks
    machine.close()


def file(tmp_path: Path, name: str, **more: Any) -> dict[str, Any]:
    """Return the options of a file's node."""
    return {"driver": "file", "filename": str(tmp_path / name), **more}


def test_what_a_header_names_is_opened_and_goes_with_it(
    graph: BlockGraph, tmp_path: Path
) -> None:
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    node = graph.add(options)
    chain = [(each.driver, each.read_only) for each in graph.chain(node)]
    assert chain == [("qcow2", False), ("raw", True)]
    assert node.filename == str(tmp_path / "cow")
    assert node.read(0, 4) == b"\1\1\1\1"
    assert len(graph.nodes) == 4
    graph.delete("c")
    assert graph.nodes == {}


def test_another_backing_shows_in_the_name(graph: BlockGraph, tmp_path: Path) -> None:
    below = file(tmp_path, "cow")
    node = graph.add(
        {"driver": "qcow2", "node-name": "c", "file": below, "backing": None}
    )
    assert node.filename == (
        'json:{"backing": null, "driver": "qcow2", "file": '
        f'{{"driver": "file", "filename": "{below["filename"]}"}}}}'
    )
    assert node.read(0, 4) == bytes(4)


def test_a_refused_node_leaves_nothing(graph: BlockGraph, tmp_path: Path) -> None:
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "raw")}
    with pytest.raises(GenericError, match="Image is not in qcow2 format"):
        graph.add(options)
    assert graph.nodes == {}


def test_there_is_an_end_to_nodes(
    graph: BlockGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MAX_NODES", 2)
    for name in "ab":
        graph.add({"driver": "null-co", "node-name": name})
    with pytest.raises(GenericError, match="more than 2 block nodes"):
        graph.add({"driver": "null-co", "node-name": "c"})


def test_a_drive_reads_and_writes_its_node(graph: BlockGraph, tmp_path: Path) -> None:
    graph.add({"driver": "raw", "node-name": "r", "file": file(tmp_path, "raw")})
    drive = graph.plug("r", "disk")
    drive.write(0, b"\2" * 512)
    assert (tmp_path / "raw").read_bytes()[:513] == b"\2" * 512 + b"\1"
    with pytest.raises(GenericError, match="Node r is in use"):
        graph.delete("r")
    graph.resize(graph.nodes["r"], 2 * MIB)
    assert drive.sectors == 2 * MIB // 512
    graph.unplug(drive)
    graph.delete("r")
    assert graph.machine.drives == {}


def test_a_node_s_image_keeps_snapshots(graph: BlockGraph, tmp_path: Path) -> None:
    below = {"driver": "qcow2", "file": file(tmp_path, "cow")}
    graph.add({"driver": "copy-on-read", "node-name": "c", "file": below})
    image = graph.plug("c", "disk").image
    assert image is not None
    assert image.can_save
    image.write(0, b"\2" * 512)
    shot = image.save("before", [b"state"], seconds=1)
    image.write(0, b"\3" * 512)
    assert [each.name for each in image.snapshots()] == ["before"]
    assert image.read_state(shot, 0, 99) == b"state"
    image.load(shot)
    assert image.read(0, 1) == b"\2"
    image.delete(shot)
    assert image.snapshots() == []


def test_a_drive_s_own_image_becomes_nodes(graph: BlockGraph, tmp_path: Path) -> None:
    path = str(tmp_path / "cow")
    drive = graph.machine.plug_drive({"file": path, "if": "none", "id": "d"})
    assert drive is not None
    graph.adopt(drive)
    assert [node.driver for node in graph.nodes.values()] == [
        *("file", "qcow2", "file", "raw")
    ]
    assert drive.read(0, 1) == b"\1" * 512
    graph.adopt(drive)
    assert len(graph.nodes) == 4
    graph.unplug(drive)
    assert graph.nodes == {}


def test_two_drives_cannot_write_one_node(graph: BlockGraph) -> None:
    graph.add({"driver": "null-co", "node-name": "n"})
    graph.plug("n", "one")
    with pytest.raises(GenericError, match="Permission conflict on node 'n'"):
        graph.plug("n", "two")
    with pytest.raises(GenericError, match="Permission conflict on node 'n'"):
        graph.plug("n", "cd", removable=True, has_tray=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("1st", "Invalid node-name: '1st'"),
        ("x" * 32, "Node name too long"),
        ("taken", "Duplicate nodes with node-name='taken'"),
        ("disk0", "node-name=disk0 is conflicting with a device id"),
    ],
)
def test_names_are_checked(graph: BlockGraph, name: str, said: str) -> None:
    graph.add({"driver": "null-co", "node-name": "taken"})
    graph.machine.add_drive("disk0", id="disk0")
    with pytest.raises(GenericError) as caught:
        graph.add({"driver": "null-co", "node-name": name})
    assert caught.value.desc == said


def test_a_write_beyond_the_threshold_is_told_once(graph: BlockGraph) -> None:
    told: list[Any] = []
    graph.machine.listen(told.append)
    node = graph.add({"driver": "null-co", "node-name": "n", "size": MIB})
    node.write_threshold = 1000
    for offset in (0, 900, 2000):
        node.write(offset, bytes(200))
    assert told == [WriteThresholdReached("n", 100, 1000)]
    assert node.write_threshold == 0


def test_copy_on_read_keeps_what_was_read(graph: BlockGraph, tmp_path: Path) -> None:
    inside = {"driver": "qcow2", "file": file(tmp_path, "cow"), "node-name": "c"}
    node = graph.add({"driver": "copy-on-read", "node-name": "r", "file": inside})
    below = graph.nodes["c"]
    assert below.status(0)[0] == "behind"
    assert node.read(0, 512) == b"\1" * 512
    assert below.status(0)[0] == "data"


def test_a_part_of_a_file_is_a_node(graph: BlockGraph, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512) + b"\2" * 512 + bytes(512))
    options = {"driver": "raw", "node-name": "p", "offset": 512, "size": 512}
    node = graph.add({**options, "file": file(tmp_path, "raw")})
    assert (node.size, node.read(0, 514)) == (512, b"\2" * 512 + bytes(2))


def test_a_file_that_others_write_is_refused(graph: BlockGraph, tmp_path: Path) -> None:
    other = Machine()
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    graph.add(options)
    with pytest.raises(CommandError) as caught:
        other.blocks.add(options)
    assert caught.value.desc == 'Failed to get "write" lock'
    assert other.blocks.nodes == {}
    graph.delete("c")
    other.blocks.add(options)
    other.close()


def test_who_awaits_a_machine_locks_nothing_until_it_has_come(
    graph: BlockGraph, tmp_path: Path
) -> None:
    other = Machine()
    other.state = RunState.INMIGRATE
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    node = graph.add(options)
    copy = other.blocks.add(options)
    node.write(0, b"\7" * 512)
    graph.inactivate()
    other.transfer(RunState.PAUSED)
    assert copy.read(0, 2) == b"\7\7"
    with pytest.raises(OSError, match='Failed to get "write" lock'):
        graph.lock()
    other.close()


@pytest.mark.peer("qemu-img")
def test_qemu_heeds_our_locks_and_we_heed_its(
    graph: BlockGraph, tmp_path: Path
) -> None:
    graph.add({"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")})
    done = subprocess.run(
        ["qemu-img", "info", str(tmp_path / "cow")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert 'Failed to get shared "write" lock' in done.stderr
    graph.delete("c")
    subprocess.run(
        ["qemu-img", "info", str(tmp_path / "cow")],
        capture_output=True,
        timeout=20,
        check=True,
    )
