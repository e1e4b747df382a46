"""The same block commands to a real QEMU and to our machine: replies and events agree.

Each side works on images of its own, made alike, in a directory of its own; the names
of the directories are taken out of what is said before it is compared.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.machine.block.images import MIB, qemu_img, qemu_io
from tests.peers.twins import twins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.twins import Message, Talk, Twins

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

ADD = "blockdev-add"
BACKEND = "/machine/peripheral/d0/virtio-backend"


def node(name: str, file: str, driver: str = "qcow2", **more: Any) -> tuple[str, Any]:
    """Return the command that makes a node for an image."""
    below = {"driver": "file", "filename": f"@/{file}"}
    return ADD, {"driver": driver, "node-name": name, "file": below, **more}


class Pair:
    """A QEMU and our machine, each with a directory of images.

    Args:
        both: The two.
        folders: The directories.
    """

    def __init__(self, both: Twins, folders: tuple[Path, Path]) -> None:
        self.both = both
        self.folders = folders

    def _said(self, talk: Talk, folder: Path, step: tuple[str, Any]) -> list[Message]:
        text = json.dumps(step[1]).replace("@", str(folder))
        name, arguments = step[0], json.loads(text)
        if name == "until":
            heard = talk.until("JOB_STATUS_CHANGE", **arguments)
        else:
            heard = talk.run(name, arguments)
        return [plain(message, folder) for message in heard]

    def say(self, *steps: tuple[str, Any]) -> tuple[list[Any], list[Any]]:
        """Take steps on both sides; return what each said, all of it."""
        said: tuple[list[Any], list[Any]] = ([], [])
        for step in steps:
            talks = self.both.theirs, self.both.ours
            for told, talk, folder in zip(said, talks, self.folders, strict=True):
                told.append((step[0], self._said(talk, folder, step)))
        return said

    def agree(self, *steps: tuple[str, Any]) -> None:
        """Take steps; both sides say the same, in the same order."""
        for step in steps:
            theirs, ours = self.say(step)
            assert (step, differences(theirs, ours)) == (step, {})

    def plug(self, name: str) -> None:
        """Plug a disk in that shows a node."""
        options = {"driver": "virtio-blk-pci", "drive": name, "id": "d0"}
        assert self.both.theirs.run("device_add", options)[-1] == {"return": {}}
        self.both.do(lambda: self.both.machine.blocks.drives.plug(name, BACKEND))

    def flush(self, name: str) -> None:
        """Let QEMU write down what it keeps of an image in memory."""
        line = {"command-line": f'qemu-io {name} "flush"'}
        assert self.both.theirs.run("human-monitor-command", line)[-1]["return"] == ""

    def images(self, name: str) -> tuple[Path, Path]:
        """Return the paths of an image on both sides."""
        return self.folders[0] / name, self.folders[1] / name


def differences(theirs: Any, ours: Any, at: str = "") -> dict[str, Any]:
    """Return where two values differ, and what each has there."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = theirs.keys() | ours.keys()
        pairs = [(f"{at}.{key}", theirs.get(key), ours.get(key)) for key in keys]
    elif isinstance(theirs, list | tuple) and len(theirs) == len(ours):
        both = zip(theirs, ours, strict=True)
        pairs = [(f"{at}[{number}]", *pair) for number, pair in enumerate(both)]
    else:
        return {} if theirs == ours else {at: (theirs, ours)}
    found: dict[str, Any] = {}
    for where, one, other in pairs:
        found |= differences(one, other, where)
    return found


def plain(message: Message, folder: Path) -> Any:
    """Return a message without what cannot be alike."""
    text = json.dumps(message, sort_keys=True).replace(str(folder), "@")
    text = re.sub(r"#block\d+", "#block", text)
    text = re.sub(r'"actual-size": \d+', '"actual-size": 0', text)
    text = re.sub(r'"busy": (true|false), "device"', '"device"', text)
    return json.loads(re.sub(r'"date-n?sec": \d+', '"date": 0', text))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Run both sides, each with a chain of three images and places to copy to."""
    folders = tmp_path / "theirs", tmp_path / "ours"
    for folder in folders:
        folder.mkdir()
        qemu_img("create", "-q", "-f", "raw", folder / "base.img", "8M")
        qemu_io(folder / "base.img", "write -P 17 0 3M", options="-f raw")
        behind = {"m1.qcow2": ("base.img", "raw"), "top.qcow2": ("m1.qcow2", "qcow2")}
        for name, (base, format_) in behind.items():
            words = ("create", "-q", "-f", "qcow2", "-b", base, "-F", format_)
            qemu_img(*words, folder / name)
        qemu_io(folder / "m1.qcow2", "write -P 34 1M 256k")
        qemu_io(folder / "top.qcow2", "write -P 51 5M 64k")
        qemu_img("create", "-q", "-f", "raw", folder / "dst.img", "8M")
        qemu_img("create", "-q", "-f", "raw", folder / "small.img", "1M")
        qemu_img("create", "-q", "-f", "qcow2", folder / "ov.qcow2", "8M")
    with twins() as both:
        yield Pair(both, folders)


CHAIN = (
    node("base", "base.img", "raw"),
    node("m1", "m1.qcow2", backing="base"),
    node("top", "top.qcow2", backing="m1"),
)


def test_nodes_are_made_refused_told_of_and_deleted(pair: Pair) -> None:
    pair.agree(
        (ADD, {}),
        (ADD, {"driver": "file"}),
        (ADD, {"driver": "file", "filename": "/nope", "node-name": "x"}),
        (ADD, {"driver": "file", "filename": "@/dst.img"}),
        (ADD, {"driver": "file", "filename": "@/dst.img", "node-name": "1bad"}),
        (ADD, {"driver": "file", "filename": "@/dst.img", "node-name": "s"}),
        (ADD, {"driver": "file", "filename": "@/dst.img", "node-name": "s"}),
        (ADD, {"driver": "qcow2", "file": "s", "node-name": "q"}),
        (ADD, {"driver": "qcow2", "file": "nope", "node-name": "q"}),
        (ADD, {"driver": "raw", "file": "s", "node-name": "f"}),
        ("blockdev-del", {"node-name": "s"}),
        ("blockdev-del", {"node-name": "zz"}),
        (ADD, {"driver": "throttle", "node-name": "t", "throttle-group": "g",
               "file": "f"}),
        (ADD, {"driver": "copy-on-read", "node-name": "c", "file": "f"}),
        (ADD, {"driver": "null-co", "node-name": "n", "size": 4096}),
        (ADD, {"driver": "null-co", "node-name": "n2"}),
        *CHAIN,
        node("top2", "top.qcow2"),
        ("query-named-block-nodes", {"flat": True}),
        ("query-named-block-nodes", {}),
        ("block_resize", {"node-name": "f", "size": 9 * MIB}),
        ("block_resize", {"node-name": "zz", "size": 512}),
        ("block_resize", {"node-name": "n", "size": 512}),
        ("block-set-write-threshold", {"node-name": "zz", "write-threshold": 1}),
        ("block-set-write-threshold", {"node-name": "f", "write-threshold": 9}),
        ("blockdev-del", {"node-name": "m1"}),
        ("blockdev-del", {"node-name": "top"}),
        ("blockdev-del", {"node-name": "m1"}),
        ("query-named-block-nodes", {"flat": True}),
    )  # fmt: skip


def test_what_a_drive_shows_and_is_held_to(pair: Pair) -> None:
    none = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    throttle = "block_set_io_throttle"
    pair.agree(*CHAIN)
    pair.plug("top")
    theirs, ours = pair.say(("query-blockstats", {}))
    assert [sorted(each) for each in ours[0][1][0]["return"]] == [
        sorted(each) for each in theirs[0][1][0]["return"]
    ]
    pair.agree(
        ("query-block", {}),
        ("blockdev-del", {"node-name": "top"}),
        (throttle, {"id": "zz", **none}),
        (throttle, {"id": BACKEND, **none, "bps": 1, "bps_rd": 1}),
        (throttle, {"id": BACKEND, **none, "bps": 1000, "bps_max": 100}),
        (throttle, {"id": BACKEND, **none, "bps_max": 100}),
        (throttle, {"id": BACKEND, **none, "iops_size": 100}),
        (throttle, {"id": BACKEND, **none, "bps": 1000, "iops": 7, "bps_max": 2000}),
        ("query-block", {}),
        (throttle, {"id": BACKEND, **none}),
        ("query-block", {}),
        ("blockdev-insert-medium", {"id": "zz", "node-name": "base"}),
        ("blockdev-remove-medium", {"id": "d0"}),
        ("eject", {"id": "d0"}),
    )


def test_an_active_commit_is_paused_resumed_and_pivots(pair: Pair) -> None:
    job = {"device": "top", "job-id": "c", "auto-dismiss": False}
    pair.agree(*CHAIN)
    pair.plug("top")
    pair.agree(
        ("block-commit", {"device": "zz"}),
        ("block-commit", {"device": "top", "top-node": "base"}),
        ("block-commit", {"device": "top", "job-id": "1 2"}),
        ("block-commit", {"device": "top"}),
        ("block-commit", job),
        ("until", {"id": "c", "status": "ready"}),
        ("query-jobs", {}),  # after BLOCK_JOB_READY
        ("query-block-jobs", {}),
        ("block-commit", job),
        ("block-stream", {"device": "top", "job-id": "s"}),
        ("blockdev-del", {"node-name": "m1"}),
        ("job-pause", {"id": "c"}),
        ("job-pause", {"id": "c"}),
        ("query-jobs", {}),
        ("block-job-cancel", {"device": "c"}),
        ("job-resume", {"id": "c"}),
        ("job-resume", {"id": "c"}),
        ("job-complete", {"id": "c"}),
        ("until", {"id": "c", "status": "concluded"}),
        ("query-jobs", {}),
        ("job-complete", {"id": "c"}),
        ("job-dismiss", {"id": "c"}),
        ("job-dismiss", {"id": "c"}),
        ("blockdev-del", {"node-name": "top"}),
        ("blockdev-del", {"node-name": "m1"}),
        ("query-block", {}),
    )
    assert_same_content(pair, "base.img", "raw")


def test_a_commit_of_what_is_between_shortens_the_chain(pair: Pair) -> None:
    job = {"device": "top", "job-id": "c", "top-node": "m1", "base-node": "base"}
    pair.agree(*CHAIN)
    pair.plug("top")
    pair.agree(
        ("block-commit", {**job, "auto-finalize": False}),
        ("until", {"id": "c", "status": "pending"}),
        ("query-jobs", {}),
        ("job-finalize", {"id": "c"}),
        ("query-jobs", {}),
        ("query-block", {}),
        ("blockdev-del", {"node-name": "m1"}),
    )
    assert_same_content(pair, "base.img", "raw")
    assert_same_header(pair, "top.qcow2")


@pytest.mark.parametrize("base", [None, "base"])
def test_a_stream_copies_what_is_behind(pair: Pair, base: str | None) -> None:
    job = {"device": "top", "job-id": "s", "auto-dismiss": False}
    if base is not None:
        job["base-node"] = base
    pair.agree(*CHAIN)
    pair.plug("top")
    pair.agree(
        ("block-stream", {"device": "top", "base-node": "top"}),
        ("block-stream", job),
        ("until", {"id": "s", "status": "concluded"}),
        ("query-jobs", {}),
        ("job-dismiss", {"id": "s"}),
        ("blockdev-del", {"node-name": "m1"}),
        ("query-block", {}),
    )
    pair.flush("top")
    assert_same_header(pair, "top.qcow2")
    assert_same_content(pair, "top.qcow2", "qcow2")


@pytest.mark.parametrize("ending", ["job-complete", "block-job-cancel", "job-cancel"])
def test_a_mirror_ends_as_it_is_told_to(pair: Pair, ending: str) -> None:
    job = {"job-id": "m", "device": "top", "target": "dst", "sync": "full"}
    name = "device" if ending.startswith("block") else "id"
    pair.agree(*CHAIN, node("dst", "dst.img", "raw"), node("small", "small.img", "raw"))
    pair.plug("top")
    pair.agree(
        ("blockdev-mirror", {**job, "target": "top"}),
        ("blockdev-mirror", {**job, "target": "zz"}),
        ("blockdev-mirror", {**job, "target": "small"}),
        ("until", {"id": "m", "status": "null"}),
        ("blockdev-mirror", {**job, "auto-dismiss": False}),
        ("until", {"id": "m", "status": "ready"}),
        ("transaction", {"actions": []}),
        ("block-job-set-speed", {"device": "m", "speed": 10 * MIB}),
        (ending, {name: "m"}),
        ("until", {"id": "m", "status": "concluded"}),
        ("query-jobs", {}),
        ("job-dismiss", {"id": "m"}),
    )
    used = "dst" if ending == "job-complete" else "top"
    free = "top" if used == "dst" else "dst"
    pair.agree(
        ("blockdev-del", {"node-name": used}), ("blockdev-del", {"node-name": free})
    )
    assert_same_content(pair, "dst.img", "raw")


def test_a_slow_stream_takes_the_verbs_of_its_state(pair: Pair) -> None:
    job = {"device": "top", "job-id": "s", "speed": 1000, "auto-dismiss": False}
    verbs = ("job-finalize", "job-dismiss", "job-complete", "job-pause", "job-pause")
    pair.agree(*CHAIN)
    pair.agree(
        ("block-stream", job),
        ("block-job-set-speed", {"device": "s", "speed": -1}),
        *((verb, {"id": "s"}) for verb in verbs),
        ("block-job-resume", {"device": "s"}),
        ("block-job-resume", {"device": "s"}),
        ("block-stream", {**job, "device": "base"}),
        ("block-job-cancel", {"device": "s"}),
        ("job-cancel", {"id": "s"}),
        ("job-pause", {"id": "s"}),
        ("job-dismiss", {"id": "s"}),
        ("job-cancel", {"id": "nope"}),
        ("block-job-cancel", {"device": "nope"}),
    )


def test_a_backup_and_its_refusals(pair: Pair) -> None:
    job = {"job-id": "b", "device": "top", "target": "dst", "sync": "full"}
    pair.agree(*CHAIN, node("dst", "dst.img", "raw"))
    pair.plug("top")
    pair.agree(
        ("blockdev-backup", {**job, "sync": "incremental"}),
        ("blockdev-backup", {**job, "bitmap": "zz"}),
        ("blockdev-backup", {**job, "target": "top"}),
        ("blockdev-backup", {**job, "auto-finalize": False}),
        ("until", {"id": "b", "status": "pending"}),
        ("query-jobs", {}),
        ("block-job-finalize", {"id": "b"}),
        ("blockdev-backup", {**job, "sync": "none", "auto-dismiss": False}),
        ("block-job-cancel", {"device": "b", "force": True}),
        ("query-jobs", {}),
        ("job-dismiss", {"id": "b"}),
    )
    assert_same_content(pair, "dst.img", "raw")


def test_an_image_is_created_and_put_in_front(pair: Pair) -> None:
    for image in pair.images("new.qcow2"):
        image.touch()
    options = {
        "driver": "qcow2",
        "file": "ns",
        "size": 8 * MIB,
        "cluster-size": 65536,
        "backing-file": "@/top.qcow2",
        "backing-fmt": "qcow2",
    }
    snapshot = {"node": "top", "overlay": "new"}
    create = {"job-id": "j", "options": options}
    pair.agree(*CHAIN)
    pair.plug("top")
    pair.agree(
        (ADD, {"driver": "file", "filename": "@/new.qcow2", "node-name": "ns"}),
        ("blockdev-create", create),
        ("until", {"id": "j", "status": "concluded"}),
        ("query-jobs", {}),
        ("job-dismiss", {"id": "j"}),
        (ADD, {"driver": "qcow2", "node-name": "new", "file": "ns", "backing": None}),
        ("query-named-block-nodes", {"flat": True}),
        ("blockdev-snapshot", {"node": "top", "overlay": "zz"}),
        ("blockdev-snapshot", {"node": "zz", "overlay": "new"}),
        ("blockdev-snapshot", {"node": "top", "overlay": "m1"}),
        ("transaction", {"actions": [{"type": "blockdev-snapshot", "data": snapshot}]}),
        ("query-block", {}),
        ("blockdev-snapshot-internal-sync", {"device": "new", "name": "s1"}),
        ("blockdev-snapshot-internal-sync", {"device": "new", "name": "s1"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "new", "name": "s1"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "new", "name": "s1"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "new"}),
    )
    assert_same_header(pair, "new.qcow2")


def test_bitmaps_alone_and_in_transactions(pair: Pair) -> None:
    def add(name: str, **more: Any) -> dict[str, Any]:
        data = {"node": "top", "name": name, **more}
        return {"type": "block-dirty-bitmap-add", "data": data}

    def bitmap(verb: str, name: str, **more: Any) -> tuple[str, Any]:
        return f"block-dirty-bitmap-{verb}", {"node": "top", "name": name, **more}

    merge = "block-dirty-bitmap-merge"
    pair.agree(
        *CHAIN,
        ("transaction", {"actions": [add("x"), add("y", disabled=True)]}),
        ("transaction", {"actions": [add("z"), add("x")]}),
        ("transaction", {"actions": [add("z"), {"type": "abort", "data": {}}]}),
        bitmap("add", "x"),
        bitmap("add", ""),
        bitmap("add", "q", granularity=1000),
        bitmap("add", "q", granularity=256),
        bitmap("add", "g", granularity=4096, persistent=True),
        ("block-dirty-bitmap-add", {"node": "zz", "name": "q"}),
        ("block-dirty-bitmap-add", {"node": "base", "name": "q", "persistent": True}),
        bitmap("remove", "nope"),
        bitmap("disable", "x"),
        bitmap("enable", "y"),
        bitmap("clear", "x"),
        (merge, {"node": "top", "target": "x", "bitmaps": ["nope"]}),
        (merge, {"node": "top", "target": "nope", "bitmaps": ["x"]}),
        (merge, {"node": "top", "target": "x", "bitmaps": ["y"]}),
        ("query-named-block-nodes", {"flat": True}),
        bitmap("remove", "x"),
        ("query-named-block-nodes", {"flat": True}),
    )


def test_the_nbd_server_and_its_exports(pair: Pair) -> None:
    unix = {"addr": {"type": "unix", "data": {"path": "@/nbd"}}}
    export = {"type": "nbd", "id": "e", "node-name": "top", "name": "disk"}
    pair.agree(
        *CHAIN,
        ("nbd-server-stop", {}),
        ("block-export-add", export),
        ("nbd-server-start", unix),
        ("nbd-server-start", unix),
        ("block-export-add", {**export, "node-name": "zz"}),
        ("block-export-add", export),
        ("block-export-add", export),
        ("block-export-add", {**export, "id": "e2"}),
        ("query-block-exports", {}),
        ("block-export-del", {"id": "zz"}),
        ("blockdev-del", {"node-name": "top"}),
        ("nbd-server-add", {"device": "base", "name": "b"}),
        ("nbd-server-remove", {"name": "b"}),
        ("nbd-server-remove", {"name": "b"}),
    )
    seen = [listed(image) for image in pair.images("nbd")]
    assert seen[0] == seen[1]
    copies = [folder / "copy.img" for folder in pair.folders]
    for socket, copy in zip(pair.images("nbd"), copies, strict=True):
        qemu_img("convert", "-O", "raw", f"nbd+unix:///disk?socket={socket}", copy)
    assert copies[0].read_bytes() == copies[1].read_bytes()
    pair.agree(("nbd-server-stop", {}), ("blockdev-del", {"node-name": "top"}))
    assert not any(path.exists() for path in pair.images("nbd"))


def listed(socket: Path) -> str:
    """Return what ``qemu-nbd`` says that a server has."""
    words = ["qemu-nbd", "--list", "--socket", str(socket)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    # Contexts and sizes of requests are not alike.
    kept = ("export:", "size:", "exports available")
    lines = [line.strip() for line in done.stdout.splitlines()]
    return "\n".join(line for line in lines if line.startswith(kept))


def assert_same_content(pair: Pair, name: str, format_: str) -> None:
    """Both sides have the same guest data in an image."""
    copies = []
    for image in pair.images(name):
        copy = image.with_suffix(".copy")
        qemu_img("convert", "-U", "-f", format_, "-O", "raw", image, copy)
        copies.append(copy.read_bytes())
    assert copies[0] == copies[1]
    assert copies[0].count(17) or name == "dst.img"


def assert_same_header(pair: Pair, name: str) -> None:
    """Both sides say the same of what is behind an image."""
    told = []
    for image, folder in zip(pair.images(name), pair.folders, strict=True):
        text = qemu_img("info", "-U", "--output=json", image)
        told.append(plain(json.loads(text), folder))
    assert told[0] == told[1]
