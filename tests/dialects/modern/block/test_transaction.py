"""Transactions: all of it or nothing; bitmaps and snapshots alone."""

from __future__ import annotations

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


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Serve a machine with two disks, an empty image and one to copy to."""
    (tmp_path / "copy").write_bytes(bytes(MIB))
    machine = Machine()
    with boxed(machine) as served:
        for name in ("one", "two", "new"):
            (tmp_path / name).write_bytes(new_image(MIB, version=3))
            add(served, tmp_path, name, "qcow2")
        add(served, tmp_path, "copy", "raw")
        served.do(lambda: machine.blocks.drives.plug("one", "disk1"))
        served.do(lambda: machine.blocks.drives.plug("two", "disk2"))
        yield served
        served.do(machine.close)


def add(box: Box, folder: Path, name: str, driver: str) -> None:
    """Make the node of an image."""
    file = {"driver": "file", "filename": str(folder / name)}
    box.run("blockdev-add", driver=driver, node_name=name, file=file)


def action(kind: str, **data: Any) -> dict[str, Any]:
    """Return an action; its arguments have underscores for hyphens."""
    named = {key.replace("_", "-"): value for key, value in data.items()}
    return {"type": kind, "data": named}


def state(box: Box) -> Any:
    """Return all that transactions change."""
    nodes = box.run("query-named-block-nodes", flat=True)
    shown = [each["inserted"]["node-name"] for each in box.run("query-block")]
    kept = ("node-name", "backing_file", "dirty-bitmaps", "ro")
    told = [{key: node.get(key) for key in kept} for node in nodes]
    return told, shown, box.run("query-jobs")


FAILING = action("block-dirty-bitmap-remove", node="two", name="nope")


@pytest.mark.parametrize(
    "done",
    [
        action("block-dirty-bitmap-add", node="one", name="b"),
        action("block-dirty-bitmap-remove", node="one", name="a"),
        action("block-dirty-bitmap-clear", node="one", name="a"),
        action("block-dirty-bitmap-disable", node="one", name="a"),
        action("block-dirty-bitmap-enable", node="two", name="a"),
        action("block-dirty-bitmap-merge", node="two", target="a",
               bitmaps=[{"node": "one", "name": "a"}]),
        action("blockdev-snapshot", node="one", overlay="new"),
        action("blockdev-snapshot-internal-sync", device="one", name="s"),
        action("blockdev-backup", device="one", target="copy", sync="full",
               job_id="b"),
    ],
    ids=lambda given: given["type"],
)  # fmt: skip
def test_what_cannot_be_done_whole_is_not_done(box: Box, done: Any) -> None:
    for node in ("one", "two"):
        disabled = node == "two"
        name = {"node": node, "name": "a", "disabled": disabled}
        box.run("block-dirty-bitmap-add", **name)
    box.do(lambda: box.machine.drives["disk1"].write(0, bytes(512)))
    before = state(box)
    box.events()
    refusal = box.refusal("transaction", actions=[done, FAILING])
    assert refusal == ("GenericError", "Dirty bitmap 'nope' not found")
    assert state(box) == before
    statuses = [data["status"] for name, data in box.events()]
    is_job = done["type"] == "blockdev-backup"
    told = ["created", "aborting", "concluded", "null"]
    assert statuses == (told if is_job else [])
    assert box.run("transaction", actions=[done]) == {}


def test_an_action_may_be_to_give_up(box: Box) -> None:
    before = state(box)
    actions = [
        action("block-dirty-bitmap-add", node="one", name="b"),
        action("abort"),
    ]
    refusal = box.refusal("transaction", actions=actions)
    assert refusal == ("GenericError", "Transaction aborted using Abort action")
    assert state(box) == before


def test_two_snapshots_are_one_moment(box: Box, tmp_path: Path) -> None:
    (tmp_path / "new2").write_bytes(new_image(MIB, version=3))
    add(box, tmp_path, "new2", "qcow2")
    actions = [
        action("blockdev-snapshot", node=node, overlay=overlay)
        for node, overlay in (("one", "new"), ("two", "new2"))
    ]
    box.run("transaction", actions=actions)
    assert state(box)[1] == ["new", "new2"]
    box.do(lambda: box.machine.drives["disk1"].write(0, b"\1" * 512))
    assert box.do(lambda: box.machine.blocks.nodes["one"].read(0, 1)) == b"\0"
    assert box.do(lambda: box.machine.blocks.nodes["new"].read(0, 1)) == b"\1"


def test_jobs_of_a_group_fail_together(box: Box) -> None:
    box.run("blockdev-add", driver="null-co", node_name="null", size=MIB)
    image = {"driver": "null-co", "size": MIB}
    faults = [{"event": "none", "iotype": "write"}]
    box.run(
        "blockdev-add", driver="blkdebug", node_name="bad", image=image,
        inject_error=faults,
    )  # fmt: skip
    options = {"sync": "full", "auto_dismiss": False}
    actions = [
        action("blockdev-backup", device="one", target="copy", job_id="b1", speed=1,
               **options),
        action("blockdev-backup", device="null", target="bad", job_id="b2",
               **options),
    ]  # fmt: skip
    box.run("transaction", actions=actions, properties={"completion-mode": "grouped"})
    jobs: Any = []
    while {job["status"] for job in jobs} != {"concluded"}:
        jobs = box.run("query-jobs")
    assert {job["id"]: job["error"] for job in jobs} == {
        "b1": "Operation canceled",
        "b2": "Input/output error",
    }


def test_some_actions_are_no_part_of_a_group(box: Box) -> None:
    actions = [action("block-dirty-bitmap-add", node="one", name="b")]
    properties = {"completion-mode": "grouped"}
    refusal = box.refusal("transaction", actions=actions, properties=properties)
    desc = (
        "Action 'block-dirty-bitmap-add' does not support Transaction property "
        "completion-mode = grouped"
    )
    assert refusal == ("GenericError", desc)


def test_bitmaps_note_what_is_written(box: Box) -> None:
    box.run("block-dirty-bitmap-add", node="one", name="a", granularity=512)
    box.do(lambda: box.machine.drives["disk1"].write(1, bytes(1024)))
    box.run("block-dirty-bitmap-disable", node="one", name="a")
    box.do(lambda: box.machine.drives["disk1"].write(9, bytes(1024)))
    (told,) = [each for each in state(box)[0] if each["node-name"] == "one"]
    assert told["dirty-bitmaps"] == [
        {
            "name": "a",
            "count": 1024,
            "granularity": 512,
            "recording": False,
            "busy": False,
            "persistent": False,
        }
    ]
    box.run("block-dirty-bitmap-add", node="one", name="sum")
    merged = {"node": "one", "target": "sum", "bitmaps": ["a"]}
    box.run("block-dirty-bitmap-merge", **merged)
    bitmaps = box.do(lambda: box.machine.blocks.nodes["one"].bitmaps)
    assert bitmaps["sum"].count == 65536


def test_a_snapshot_file_is_made(box: Box, tmp_path: Path) -> None:
    path = str(tmp_path / "snap")
    arguments = {"node_name": "one", "snapshot_file": path}
    box.run("blockdev-snapshot-sync", **arguments, snapshot_node_name="snap")
    told, shown, _ = state(box)
    assert shown == ["snap", "two"]
    assert told[0]["backing_file"] == str(tmp_path / "one")
    image = box.run("query-block")[0]["inserted"]["image"]
    assert image["backing-filename"] == str(tmp_path / "one")
    refusal = box.refusal("blockdev-snapshot-sync", **arguments)
    desc = "Node 'one' is busy: node is used as backing hd of 'snap'"
    assert refusal == ("GenericError", desc)
    arguments["node_name"] = "snap"
    refusal = box.refusal("blockdev-snapshot-sync", **arguments)
    assert refusal == ("GenericError", "New overlay node-name missing")


def test_a_snapshot_inside_an_image_is_made_and_forgotten(box: Box) -> None:
    arguments = {"device": "one", "name": "s"}
    box.run("blockdev-snapshot-internal-sync", **arguments)
    told = box.run("blockdev-snapshot-delete-internal-sync", **arguments)
    assert (told["id"], told["name"], told["vm-state-size"]) == ("1", "s", 0)
    refusal = box.refusal("blockdev-snapshot-delete-internal-sync", **arguments)
    desc = "Snapshot with id 'null' and name 's' does not exist on device 'one'"
    assert refusal == ("GenericError", desc)


def test_there_is_an_end_to_actions_and_bitmaps(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmpx.machine.block.bitmap_changes.MAX_BITMAPS", 1)
    box.run("block-dirty-bitmap-add", node="one", name="a")
    refusal = box.refusal("block-dirty-bitmap-add", node="one", name="b")
    assert refusal == ("GenericError", "more than 1 bitmaps of one node")
    monkeypatch.setattr("qmpx.dialects.modern.block.transaction.MAX_ACTIONS", 1)
    refusal = box.refusal("transaction", actions=[action("abort")] * 2)
    assert refusal == ("GenericError", "more than 1 actions")
