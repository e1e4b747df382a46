"""Conversations about block nodes: a real QEMU and the stand-in say the same.

What is compared is the reply and the events before it, so that nothing depends on how
fast a job is: the jobs here are ones that wait.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tools.comparison.pair import Pair
from tools.comparison.set_ups import make_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

MIB = 1 << 20
Step = tuple[str, dict[str, Any]]
NODES: Step = ("query-named-block-nodes", {"flat": True})
DRIVES: Step = ("query-block", {})
GRAPH: Step = ("x-debug-query-block-graph", {})
JOBS: Step = ("query-jobs", {})
EXPORTS: Step = ("query-block-exports", {})


def say(command: str, **arguments: Any) -> Step:
    """Return a step; underscores of names stand for hyphens."""
    return command, {key.replace("_", "-"): each for key, each in arguments.items()}


def null(name: str, size: int = MIB) -> Step:
    """Return the step that makes a node of nothing."""
    return say("blockdev-add", driver="null-co", node_name=name, size=size)


def add(driver: str, name: str, file: Any, **more: Any) -> Step:
    """Return the step that makes a node over another."""
    return say("blockdev-add", driver=driver, node_name=name, file=file, **more)


def reopen(driver: str, name: str, **more: Any) -> Step:
    """Return the step that changes a node."""
    named = {key.replace("_", "-"): each for key, each in more.items()}
    options = {"driver": driver, "node-name": name, **named}
    return "blockdev-reopen", {"options": [options]}


def backup(device: str, target: str, job_id: str, **more: Any) -> Step:
    """Return the step that begins a job that waits for somebody to write."""
    return say("blockdev-backup", device=device, target=target, sync="none",
               job_id=job_id, **more)  # fmt: skip


def action(kind: str, **data: Any) -> dict[str, Any]:
    """Return an action of a transaction."""
    return {"type": kind, "data": say("", **data)[1]}


def many(*actions: dict[str, Any], **properties: Any) -> Step:
    """Return a transaction."""
    more = {"properties": say("", **properties)[1]} if properties else {}
    return "transaction", {"actions": list(actions), **more}


def overlay(name: str, file: str, **more: Any) -> Step:
    """Return the step that makes a node for a qcow2 image."""
    below = {"driver": "file", "filename": file}
    return add("qcow2", name, below, **more)


def by_hand(device: str, command: str) -> Step:
    """Return the step that does to a drive or a node what qemu-io does."""
    return say("human-monitor-command", command_line=f'qemu-io {device} "{command}"')


ADD_BITMAP = "block-dirty-bitmap-add"
FILE = {"driver": "file", "filename": "spare.qcow2"}

TALKS: dict[str, list[Step]] = {
    "the node that a backup puts in front can be named": [
        null("t"),
        null("u"),
        backup("disk0", "t", "j", filter_node_name="front"),
        *(NODES, GRAPH, DRIVES),
        say("blockdev-del", node_name="front"),
        say("blockdev-del", node_name="disk0"),
        say("blockdev-del", node_name="t"),
        backup("front", "u", "k"),
        say("blockdev-mirror", device="front", target="u", sync="full", job_id="k"),
        say("block-stream", device="front", job_id="k"),
        say("block-commit", device="front", job_id="k"),
        say("blockdev-snapshot", node="front", overlay="u"),
        say(ADD_BITMAP, node="front", name="b"),
        say("block_resize", node_name="front", size=2 * MIB),
        reopen("raw", "front", file="file0"),
        add("raw", "over", "front"),
        NODES,
        say("block-job-cancel", device="j"),
        *(NODES, GRAPH, DRIVES, JOBS),
    ],
    "a second job on a drive that is busy": [
        *(null(name) for name in "tuv"),
        backup("disk0", "t", "j"),
        *(DRIVES, NODES),
        backup("disk0", "u", "k", filter_node_name="second"),
        NODES,
        backup("u", "t", "l"),
        backup("t", "v", "l"),
        say("blockdev-mirror", device="t", target="v", sync="full", job_id="l"),
        say("blockdev-mirror", device="v", target="t", sync="full", job_id="l"),
        say("block-export-add", type="nbd", id="e", node_name="t"),
        say("block-job-cancel", device="k"),
        say("block-job-cancel", device="j"),
        *(NODES, JOBS),
    ],
    "backups that cannot begin": [
        *(null("t"), null("small", 512)),
        backup("disk0", "small", "j"),
        backup("disk0", "nope", "j"),
        backup("nope", "t", "j"),
        backup("disk0", "disk0", "j"),
        backup("disk0", "disk1", "j"),
        backup("disk0", "null1", "j"),
        backup("disk0", "t", "1x"),
        backup("disk0", "t", "j", speed=-1),
        backup("disk0", "t", "j", compress=True),
        backup("disk0", "t", "j", filter_node_name="disk1"),
        backup("disk0", "t", "j", filter_node_name="1x"),
        say("blockdev-mirror", device="disk0", target="disk1", sync="full", job_id="j"),
        say("blockdev-mirror", device="disk0", target="null1", sync="full", job_id="j"),
        say("drive-mirror", device="disk1", target="o", sync="none", job_id="j",
            format="raw"),
        say("drive-backup", device="disk1", target="o", sync="none", job_id="j",
            format="raw"),
        *(NODES, JOBS),
    ],
    "nodes are changed, or it is told why not": [
        null("n"),
        *(add("throttle", "t", "n", throttle_group="tg0"), add("raw", "r", "t")),
        add("copy-on-read", "c", "r"),
        *(reopen("raw", "r", file="n"), NODES, reopen("raw", "r", file="t")),
        *(reopen("raw", "r", file=name) for name in ("r", "c", "nope")),
        reopen("raw", "r", file={"driver": "null-co"}),
        reopen("raw", "r", file="t", offset=512, size=2 * MIB),
        reopen("raw", "r", file="t", offset=2 * MIB),
        *(reopen("raw", "r", file="t", offset=512, size=512), NODES),
        reopen("throttle", "t", file="n", throttle_group="nope"),
        reopen("copy-on-read", "c", file="r"),
        reopen("null-co", "n", size=2 * MIB),
        reopen("null-co", "n"),
        reopen("null-co", "n", size=MIB, latency_ns=5),
        *(reopen("null-co", "n", size=MIB, detect_zeroes="on"), NODES),
        reopen("null-co", "n", size=MIB, detect_zeroes="unmap"),
        reopen("null-co", "n", size=MIB, force_share=True, read_only=True),
        reopen("null-aio", "n", size=MIB),
        reopen("file", "file0", filename="spare.raw"),
        reopen("file", "file0", filename="disk.raw", read_only=True),
        reopen("raw", "disk0", file="file0", read_only=True),
        reopen("qcow2", "disk1", file="file1"),
        *(reopen("qcow2", "disk1", file="file1", backing=None), DRIVES),
        reopen("qcow2", "disk1", file="file1", backing="disk1"),
        reopen("qcow2", "disk1", file="file1", backing="file1"),
        *(reopen("qcow2", "disk1", file="file1", backing="null0"), DRIVES),
        ("blockdev-reopen", {"options": [
            {"driver": "qcow2", "node-name": "disk1", "file": "file1",
             "backing": "base1"},
            {"driver": "qcow2", "node-name": "nope", "file": "file2"},
        ]}),
        NODES,
    ],
    "nodes are called, joined and refused": [
        null("n"),
        *(add("raw", "a", "disk0"), add("raw", "b", "a"), add("raw", "c", "n")),
        add("raw", "d", "n", offset=512, size=1024),
        overlay("q", "spare.qcow2"),
        add("copy-on-read", "e", "q"),
        say("blockdev-add", driver="blkdebug", node_name="f", image="n"),
        add("raw", "g", "f"),
        say("blockdev-add", driver="null-aio", node_name="h", size=512,
            read_zeroes=True, latency_ns=1),
        *(NODES, ("query-named-block-nodes", {}), GRAPH),
        add("raw", "x", "n", offset=1 << 30),
        add("raw", "x", "n", offset=0, size=513),
        add("qcow2", "x", "file1"),
        add("qcow2", "x", "file1", read_only=True),
        overlay("x", "top.qcow2"),
        overlay("x", "over.qcow2", backing="nope"),
        overlay("x", "over.qcow2", backing="x"),
        say("device_add", driver="virtio-blk-pci", drive="a", id="dd"),
        say("blockdev-del", node_name="n"),
    ],
    "transactions are undone": [
        null("t"),
        say(ADD_BITMAP, node="disk0", name="b"),
        many(action("blockdev-backup", device="disk0", target="t", sync="none",
                    job_id="j"), action("abort")),
        *(NODES, JOBS),
        many(action("blockdev-backup", device="disk0", target="t", sync="incremental",
                    bitmap="b", job_id="j"),
             action("block-dirty-bitmap-clear", node="disk0", name="b")),
        *(NODES, JOBS),
        many(action("blockdev-snapshot-sync", node_name="disk1", snapshot_file="o",
                    snapshot_node_name="o"), action("abort")),
        *(NODES, DRIVES),
        many(action("block-dirty-bitmap-remove", node="disk0", name="b"),
             action(ADD_BITMAP, node="disk1", name="b", persistent=True),
             action("blockdev-snapshot-internal-sync", device="disk1", name="s"),
             action("abort")),
        *(NODES, DRIVES),
        many(action(ADD_BITMAP, node="disk1", name="b"), completion_mode="grouped"),
    ],
    "exports come and go by their ids": [
        say("block-export-add", type="nbd", id="e", node_name="null0"),
        say("nbd-server-start", addr={"type": "unix", "data": {"path": "nbd0"}}),
        *(say("block-export-add", type="nbd", id=name, node_name=node, **more)
          for name, node, more in (
              ("e", "null0", {}), ("e", "null0", {}), ("f", "null0", {}),
              ("f", "disk0", {"writable": True}), ("f", "disk0", {}),
              ("g", "slow0", {"writable": True, "name": "other"}),
              ("h", "null1", {"writable": True}))),
        *(EXPORTS, GRAPH),
        *(say("nbd-server-remove", name=name) for name in ("disk0", "f", "nope")),
        *(say("block-export-del", id=name) for name in ("g", "nope")),
        *(EXPORTS, say("nbd-server-stop"), say("nbd-server-stop"), EXPORTS),
    ],
    "media are exchanged": [
        *(say("blockdev-open-tray", id="icd0"), DRIVES),
        say("blockdev-insert-medium", id="icd0", node_name="disk0"),
        say("blockdev-insert-medium", id="icd0", node_name="null0"),
        *(say("blockdev-remove-medium", id="icd0"),
          say("blockdev-close-tray", id="icd0")),
        *(say("blockdev-change-medium", id="icd0", filename="spare.raw"), DRIVES),
        say("blockdev-change-medium", id="icd0", filename="spare.raw", format="zz"),
        say("blockdev-change-medium", id="icd0", filename=""),
        say("blockdev-change-medium", id="icd0", filename="disk.raw"),
        *(NODES, DRIVES),
        say("human-monitor-command",
            command_line="drive_add 0 if=none,id=d,file=spare.raw,format=raw"),
        say("device_add", driver="virtio-blk-pci", drive="d", id="v"),
        say("human-monitor-command", command_line="drive_del d"),
        DRIVES,
    ],
    "drives and nodes are written by hand": [
        say(ADD_BITMAP, node="null0", name="b", granularity=65536),
        *(by_hand(name, "write -P 5 0 64k")
          for name in ("disk0", "null1", "base1", "file2", "nope", "-d shd0",
                       "-d scd0", "-d vblk0", "-d icd0", "-d nope",
                       "-d /machine/peripheral/vblk0/virtio-backend")),
        *(by_hand("slow0", line)
          for line in ("write -z 0 128k", "read 0 4k", "aio_write 128k 1k", "foo",
                       "write 5M 4k", "read a", "flush", "length", "map")),
        *(by_hand("disk1", "read -P 5 0 512"), by_hand("null0", "discard 0 64k")),
        *(by_hand(name, "truncate 2M") for name in ("null1", "disk1", "-d shd0")),
        *(NODES, DRIVES),
    ],
    "a copy is refused for the first reason that there is": [
        null("small", 512),
        backup("disk0", "file2", "j"),
        backup("file2", "disk1", "j"),
        *(say("drive-mirror", device="disk1", target="o", sync="full", job_id="j",
              replaces=name) for name in ("base1", "nope")),
        *(say("drive-backup", device="null0", target="spare.raw", sync="none",
              job_id="j", mode="existing", **more)
          for more in ({}, {"format": "raw"})),
        say("block-stream", device="base1", job_id="j", base="base.qcow2"),
        say("blockdev-snapshot", node="base1", overlay="base1"),
        *(NODES, JOBS),
    ],
    "files that are in use are not made anew": [
        overlay("q", "spare.qcow2"),
        say("blockdev-snapshot-sync", node_name="null0", snapshot_file="spare.qcow2",
            snapshot_node_name="n"),
        *(say(command, device="null0", target="spare.qcow2", sync="full", job_id="j",
              format=kind)
          for command in ("drive-mirror", "drive-backup") for kind in ("raw", "qcow2")),
        say("drive-backup", device="null0", target="no/o", sync="full", job_id="j",
            format="raw"),
        *(NODES, JOBS),
    ],
    "exports need that nobody resizes their node": [
        *(say("block-export-add", type="nbd", id="e", node_name=node, bitmaps=["b"])
          for node in ("file1", "null0")),
        say("nbd-server-add", device="null0", bitmap="b"),
        say("nbd-server-start", addr={"type": "unix", "data": {"path": "nbd0"}}),
        *(say("block-export-add", type="nbd", id="e", node_name=node, bitmaps=["b"])
          for node in ("file1", "file2", "null0")),
        *(EXPORTS, GRAPH),
    ],
    "children are opened as their parents are": [
        add("copy-on-read", "c", {**FILE, "node-name": "f", "locking": "off"},
            cache={"direct": False, "no-flush": True}),
        overlay("q", "over.qcow2", force_share=True),
        overlay("q", "over.qcow2", force_share=True, read_only=True),
        say("blockdev-add", driver="blkdebug", node_name="b", image="disk1"),
        say("blockdev-add", driver="blkdebug", node_name="d", image="null0",
            inject_error=[{"event": "none", "iotype": "read"}]),
        *(say("blockdev-add", driver="blkdebug", node_name="x", image="null0", **more)
          for more in ({"align": 3}, {"align": 4096, "max-transfer": 65537})),
        *(add(kind, "x", "file1", read_only=True)
          for kind in ("vmdk", "qed", "bochs", "vdi")),
        null("odd", 1000),
        add("raw", "part", "file2", size=65536),
        add("raw", "x", {"driver": "nbd", "tls-creds": "t",
                         "server": {"type": "unix", "path": "none"}}),
        *(NODES, GRAPH),
    ],
    "overlays come to stay or go": [
        say("blockdev-snapshot-sync", node_name="base1", snapshot_file="o1",
            snapshot_node_name="o1"),
        null("n"),
        say("blockdev-snapshot-sync", node_name="n", snapshot_file="o2",
            snapshot_node_name="o2"),
        NODES,
        many(action("blockdev-snapshot-sync", node_name="disk1", snapshot_file="o3",
                    snapshot_node_name="o3"), action("abort")),
        *(GRAPH, NODES),
        say("human-monitor-command",
            command_line="drive_add 0 if=none,id=d,file=spare.raw,format=raw"),
        GRAPH,
        say("device_add", driver="virtio-blk-pci", drive="d", id="v",
            write_cache="off"),
        *(DRIVES, say("human-monitor-command", command_line="delvm s")),
        say("blockdev-snapshot-sync", device="d", snapshot_file="o4",
            snapshot_node_name="o4"),
        *(NODES, DRIVES, GRAPH),
        say("human-monitor-command", command_line="info block -v"),
        *(say("device_add", driver=kind, drive="null0", id="x", bus="scsi0.0")
          for kind in ("scsi-block", "scsi-generic")),
        *(say("human-monitor-command", command_line="drive_del d"), DRIVES),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that both sides work on."""
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    return folder


@pytest.fixture
def pair(template: Path) -> Iterator[Pair]:
    """Run a QEMU and a stand-in."""
    both = Pair("pc", template)
    yield both
    both.close()


def plain(said: Any) -> Any:
    """Return messages without what is another thing each time."""
    text = re.sub(r"#block[0-9]+", "#block", json.dumps(said, sort_keys=True))
    text = re.sub(r'"virtual-size": \d+', _whole, text)  # of files it is no fact
    text = re.sub(r'"(actual-size|vm-clock-n?sec|date-n?sec)": \d+', r'"\1": 0', text)
    return json.loads(text)


def _whole(found: re.Match[str]) -> str:
    size = int(found[0].split()[1])
    return found[0] if size in (512, 1024, MIB, 2 * MIB) else '"virtual-size": 0'


@pytest.mark.parametrize("talk", TALKS)
def test_both_say_the_same(pair: Pair, talk: str) -> None:
    for command, arguments in TALKS[talk]:
        request = {
            "execute": command,
            **({"arguments": arguments} if arguments else {}),
        }
        theirs, ours = pair.run(request)
        if theirs.has_ended:
            break  # it has crashed, which is nothing of ours
        heard = plain([ours.before, ours.reply])
        assert (request, heard) == (request, plain([theirs.before, theirs.reply]))
