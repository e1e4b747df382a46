"""Exports: the NBD server, its clients, backups that are pulled."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block import nbd
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box

MIB = 1 << 20
NBD = {"type": "nbd", "id": "e", "node_name": "disk", "name": "sda"}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Serve a machine with a disk, and an NBD server of its own."""
    (tmp_path / "raw").write_bytes(b"\1" * MIB + bytes(MIB))
    machine = Machine()
    with boxed(machine) as served:
        file = {"driver": "file", "filename": str(tmp_path / "raw")}
        served.run("blockdev-add", driver="raw", node_name="disk", file=file)
        served.run("nbd-server-start", addr=address(tmp_path))
        yield served
        served.do(machine.close)


def address(folder: Path) -> dict[str, Any]:
    """Return where the server of a test is."""
    return {"type": "unix", "data": {"path": str(folder / "nbd")}}


def client(folder: Path, **more: Any) -> Any:
    """Return a node of another machine whose data are there."""
    server = {"type": "unix", "path": str(folder / "nbd")}
    options = {"driver": "nbd", "node-name": "n", "server": server, "export": "sda"}
    return Machine().blocks.add({**options, **more})


def test_what_is_written_there_is_here(box: Box, tmp_path: Path) -> None:
    box.run("block-export-add", **NBD, writable=True)
    node = client(tmp_path)
    assert (node.size, node.read(MIB - 1, 2)) == (2 * MIB, b"\1\0")
    node.write(MIB, b"\2" * 512)
    node.flush()
    assert (tmp_path / "raw").read_bytes()[MIB : MIB + 513] == b"\2" * 512 + b"\0"
    assert node.filename == f"nbd+unix:///sda?socket={tmp_path}/nbd"
    node.close()


def test_an_export_is_read_only_unless_it_is_told(box: Box, tmp_path: Path) -> None:
    box.run("block-export-add", **NBD)
    with pytest.raises(GenericError, match="NBD export is read-only"):
        client(tmp_path)
    node = client(tmp_path, **{"read-only": True})
    assert node.read(0, 1) == b"\1"
    node.close()


def test_there_is_no_other_export(box: Box, tmp_path: Path) -> None:
    box.run("block-export-add", **NBD)
    with pytest.raises(GenericError, match="Requested export not available"):
        client(tmp_path, export="sdb")


def test_exports_are_told_of_and_in_use(box: Box) -> None:
    box.run("block-export-add", **NBD)
    told = {"id": "e", "type": "nbd", "node-name": "disk", "shutting-down": False}
    assert box.run("query-block-exports") == [told]
    refusal = box.refusal("blockdev-del", node_name="disk")
    assert refusal == ("GenericError", "Node disk is in use")
    box.run("block-export-del", id="e")
    assert box.events() == [("BLOCK_EXPORT_DELETED", {"id": "e"})]
    box.run("blockdev-del", node_name="disk")


def test_a_client_is_in_the_way_unless_it_is_thrown_out(
    box: Box, tmp_path: Path
) -> None:
    box.run("block-export-add", **NBD, writable=True)
    node = client(tmp_path)
    refusal = box.refusal("block-export-del", id="e")
    assert refusal == ("GenericError", "export 'e' still in use")
    box.run("nbd-server-remove", name="e", mode="hard")
    with pytest.raises(OSError, match=r"has gone|reset|Broken pipe"):
        node.read(0, 1)
    node.close()


def test_the_server_goes_with_its_socket_and_its_exports(
    box: Box, tmp_path: Path
) -> None:
    box.run("nbd-server-add", device="disk", name="sda")
    assert (tmp_path / "nbd").is_socket()
    refusal = box.refusal("nbd-server-start", addr=address(tmp_path))
    assert refusal == ("GenericError", "NBD server already running")
    box.run("nbd-server-stop")
    assert not (tmp_path / "nbd").exists()
    assert box.events() == [("BLOCK_EXPORT_DELETED", {"id": "sda"})]
    refusal = box.refusal("nbd-server-stop")
    assert refusal == ("GenericError", "NBD server not running")
    box.run("nbd-server-start", addr=address(tmp_path))


def test_a_pulled_backup_is_of_the_moment(box: Box, tmp_path: Path) -> None:
    (tmp_path / "scratch").touch()
    run = box.run
    run(
        "blockdev-add", driver="file", node_name="s", filename=str(tmp_path / "scratch")
    )
    options = {"driver": "qcow2", "file": "s", "size": 2 * MIB}
    run("blockdev-create", job_id="j", options=options)
    while run("query-jobs")[0]["status"] != "concluded":
        pass
    run("job-dismiss", id="j")
    run("blockdev-add", driver="qcow2", node_name="old", file="s", backing="disk")
    run("blockdev-backup", job_id="b", device="disk", target="old", sync="none")
    run("block-export-add", type="nbd", id="e", node_name="old", name="sda")
    box.do(lambda: box.machine.blocks.nodes["disk"].write(0, b"\7" * 512))
    node = client(tmp_path, **{"read-only": True})
    assert node.read(0, 512) == b"\1" * 512
    node.close()
    assert (tmp_path / "raw").read_bytes()[:1] == b"\7"
    run("block-job-cancel", device="b", force=True)


class Raw:
    """A client of the NBD server that says what it likes."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(folder / "nbd"))
        assert self.take(18)[:16] == nbd.MAGIC + nbd.OPTION_MAGIC

    def take(self, size: int) -> bytes:
        """Return what comes; less at the end."""
        data = b""
        while len(data) < size and (part := self.socket.recv(size - len(data))):
            data += part
        return data

    def option(self, option: int, data: bytes = b"") -> tuple[int, bytes]:
        """Send an option; return the kind of the first reply, and its data."""
        self.socket.sendall(nbd.OPTION.pack(nbd.OPTION_MAGIC, option, len(data)) + data)
        _, _, kind, length = nbd.OPTION_REPLY.unpack(self.take(nbd.OPTION_REPLY.size))
        return kind, self.take(length)


def noted(box: Box, name: str, *, disabled: bool) -> None:
    """Note one write to the disk in a bitmap."""
    box.run("block-dirty-bitmap-add", node="disk", name=name)
    box.do(lambda: box.machine.blocks.nodes["disk"].write(MIB, b"\2" * 512))
    if disabled:
        box.run("block-dirty-bitmap-disable", node="disk", name=name)


BUSY = "Bitmap 'b' is currently in use by another operation and cannot be used"


@pytest.mark.parametrize(
    ("disabled", "bitmaps", "told"),
    [
        (False, ["b"], "Enabled bitmap 'b' incompatible with readonly export"),
        (True, ["no"], "Bitmap 'no' is not found"),
        (True, [{"node": "disk", "name": "no"}], "Dirty bitmap 'no' not found"),
        (True, [{"node": "disk"}], "Parameter 'bitmaps[0].name' is missing"),
    ],
)
def test_a_bitmap_that_cannot_be_told_of_is_refused(
    box: Box, bitmaps: list[Any], told: str, *, disabled: bool
) -> None:
    noted(box, "b", disabled=disabled)
    refusal = box.refusal("block-export-add", **NBD, bitmaps=bitmaps)
    assert refusal == ("GenericError", told)


def test_a_bitmap_that_is_told_of_stays_as_it_is(box: Box) -> None:
    noted(box, "b", disabled=True)
    box.run("block-export-add", **NBD, bitmaps=["b"])
    named = {"node": "disk", "name": "b"}
    for command in ("clear", "remove", "enable"):
        told = box.refusal(f"block-dirty-bitmap-{command}", **named)
        assert told == ("GenericError", BUSY)
    box.run("block-export-del", id="e")
    box.run("block-dirty-bitmap-remove", **named)


def test_clients_are_told_what_is_dirty(box: Box, tmp_path: Path) -> None:
    noted(box, "b", disabled=True)
    box.run("block-export-add", **NBD, bitmaps=["b"], allocation_depth=True)
    hand = Raw(tmp_path)
    hand.socket.sendall(struct.pack(">I", nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES))
    assert hand.option(nbd.OPT_STRUCTURED) == (nbd.REP_ACK, b"")
    name = struct.pack(">I", 3) + b"sda"
    asked = nbd.DIRTY_BITMAP.encode() + b"b"
    queries = struct.pack(">II", 1, len(asked)) + asked
    kind, told = hand.option(nbd.OPT_SET_META, name + queries)
    assert (kind, told) == (nbd.REP_META, struct.pack(">I", 2) + asked)
    hand.take(nbd.OPTION_REPLY.size)  # that was all
    hand.option(nbd.OPT_GO, name + b"\0\0")
    hand.take(nbd.OPTION_REPLY.size + 12 + nbd.OPTION_REPLY.size)  # its size, the end
    request = (nbd.REQUEST_MAGIC, 0, nbd.CMD_BLOCK_STATUS, 7, 0, 2 * MIB)
    hand.socket.sendall(nbd.REQUEST.pack(*request))
    head = nbd.CHUNK.unpack(hand.take(nbd.CHUNK.size))
    assert head[1:4] == (nbd.CHUNK_DONE, nbd.CHUNK_STATUS, 7)
    numbers = struct.unpack(f">{head[4] // 4}I", hand.take(head[4]))
    assert numbers == (2, MIB, 0, 65536, 1, MIB - 65536, 0)
    hand.socket.close()


@pytest.fixture
def raw(box: Box, tmp_path: Path) -> Iterator[Raw]:
    """Connect a client that has said which flags it knows."""
    box.run("block-export-add", **NBD)
    connected = Raw(tmp_path)
    connected.socket.sendall(struct.pack(">I", 3))
    yield connected
    connected.socket.close()


@pytest.mark.parametrize(
    ("option", "data", "kind"),
    [
        (99, b"", nbd.REP_ERR_UNSUP),
        (nbd.OPT_GO, b"", nbd.REP_ERR_INVALID),
        (nbd.OPT_GO, struct.pack(">I", 9000) + b"sda", nbd.REP_ERR_INVALID),
        (nbd.OPT_GO, struct.pack(">I2sH", 2, b"no", 0), nbd.REP_ERR_UNKNOWN),
        (nbd.OPT_INFO, struct.pack(">I3sH", 3, b"sda", 0), nbd.REP_INFO),
        (nbd.OPT_SET_META, b"\0", nbd.REP_ERR_INVALID),
        (nbd.OPT_SET_META, struct.pack(">I3sI", 3, b"sda", 0), nbd.REP_ERR_UNKNOWN),
        (nbd.OPT_STRUCTURED, b"", nbd.REP_ACK),
        (nbd.OPT_LIST, b"", nbd.REP_SERVER),
        (nbd.OPT_ABORT, b"", nbd.REP_ACK),
    ],
)
def test_options_are_answered(raw: Raw, option: int, data: bytes, kind: int) -> None:
    assert raw.option(option, data)[0] == kind


@pytest.mark.parametrize(
    "sent",
    [
        b"not an option at all...",
        nbd.OPTION.pack(nbd.OPTION_MAGIC, 1, nbd.MAX_OPTION + 1),
        nbd.OPTION.pack(nbd.OPTION_MAGIC, nbd.OPT_EXPORT_NAME, 2) + b"no",
    ],
)
def test_who_breaks_the_rules_is_left(raw: Raw, sent: bytes) -> None:
    raw.socket.sendall(sent)
    with contextlib.suppress(ConnectionResetError):  # what it sent was not read
        assert raw.take(1) == b""


@pytest.mark.parametrize(
    ("kind", "offset", "length", "code"),
    [
        (nbd.CMD_READ, 2 * MIB, 1, 22),
        (nbd.CMD_READ, 0, nbd.MAX_REQUEST + 1, 22),
        (nbd.CMD_TRIM, 0, 512, 1),
        (nbd.CMD_WRITE_ZEROES, 0, 512, 1),
        (nbd.CMD_BLOCK_STATUS, 0, 512, 22),
        (77, 0, 0, 22),
        (nbd.CMD_FLUSH, 0, 0, 0),
    ],
)
def test_requests_are_checked(
    raw: Raw, kind: int, offset: int, length: int, code: int
) -> None:
    raw.socket.sendall(nbd.OPTION.pack(nbd.OPTION_MAGIC, nbd.OPT_EXPORT_NAME, 3))
    raw.socket.sendall(b"sda")
    assert raw.take(10)[:8] == struct.pack(">Q", 2 * MIB)
    request = nbd.REQUEST.pack(nbd.REQUEST_MAGIC, 0, kind, 5, offset, length)
    raw.socket.sendall(request)
    reply = nbd.SIMPLE.unpack(raw.take(nbd.SIMPLE.size))
    assert reply == (nbd.SIMPLE_MAGIC, code, 5)


def test_there_is_an_end_to_exports_and_clients(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmpx.machine.block.exports.MAX_EXPORTS", 1)
    box.run("block-export-add", **NBD)
    refusal = box.refusal("nbd-server-add", device="disk")
    assert refusal == ("GenericError", "more than 1 exports")
    box.run("nbd-server-stop")
    box.run("nbd-server-start", addr=address(tmp_path), max_connections=1)
    first, second = (socket.socket(socket.AF_UNIX) for _ in range(2))
    with first, second:
        for each in (first, second):
            each.settimeout(10)
            each.connect(str(tmp_path / "nbd"))
            if each is first:
                assert first.recv(8) == nbd.MAGIC
        assert second.recv(8) == b""


HALF = 2048


def test_the_limits_of_what_is_exported_hold_clients_back(tmp_path: Path) -> None:
    """A QEMU 7.2.22 takes 1.4 s for four of these; here the time is not a host's."""
    clock = VirtualClock()
    machine = Machine(clock=clock)
    with boxed(machine) as box:
        limits = {"bps-write": 2 * HALF}
        box.run("object-add", qom_type="throttle-group", id="g", limits=limits)
        box.run("blockdev-add", driver="null-co", node_name="null", size=4 * MIB)
        slow = {"driver": "throttle", "throttle_group": "g", "file": "null"}
        box.run("blockdev-add", node_name="disk", **slow)
        box.run("nbd-server-start", addr=address(tmp_path))
        box.run("block-export-add", **NBD, writable=True)
        raw = Raw(tmp_path)
        raw.socket.sendall(struct.pack(">I", nbd.NO_ZEROES))
        raw.socket.sendall(nbd.OPTION.pack(nbd.OPTION_MAGIC, 1, 3) + b"sda")
        assert raw.take(10)[:8] == struct.pack(">Q", 4 * MIB)
        took = 0.0
        for cookie in range(4):
            head = (nbd.REQUEST_MAGIC, 0, nbd.CMD_WRITE, cookie, 0, HALF)
            raw.socket.sendall(nbd.REQUEST.pack(*head) + bytes(HALF))
        for cookie in range(4):
            while not select.select([raw.socket], [], [], 0.001)[0]:
                box.do(lambda: clock.advance(0.01))
                took += 0.01
                assert took < 600
            reply = nbd.SIMPLE.unpack(raw.take(nbd.SIMPLE.size))
            assert reply == (nbd.SIMPLE_MAGIC, 0, cookie)
        assert took >= 1.39  # more, if the host is slower than this
        raw.socket.close()
        box.do(machine.close)


def test_who_waits_for_limits_can_be_thrown_out(tmp_path: Path) -> None:
    machine = Machine(clock=VirtualClock())
    with boxed(machine) as box:
        limits = {"iops-total": 1}
        box.run("object-add", qom_type="throttle-group", id="g", limits=limits)
        box.run("blockdev-add", driver="null-co", node_name="null", size=MIB)
        slow = {"driver": "throttle", "throttle_group": "g", "file": "null"}
        box.run("blockdev-add", node_name="disk", **slow)
        box.run("nbd-server-start", addr=address(tmp_path))
        box.run("block-export-add", **NBD)
        raw = Raw(tmp_path)
        raw.socket.sendall(struct.pack(">I", nbd.NO_ZEROES))
        raw.socket.sendall(nbd.OPTION.pack(nbd.OPTION_MAGIC, 1, 3) + b"sda")
        assert len(raw.take(10)) == 10
        for cookie in range(2):
            head = (nbd.REQUEST_MAGIC, 0, nbd.CMD_READ, cookie, 0, 512)
            raw.socket.sendall(nbd.REQUEST.pack(*head))
        assert len(raw.take(nbd.SIMPLE.size + 512)) == nbd.SIMPLE.size + 512
        box.run("block-export-del", id="e", mode="hard")
        assert raw.take(1) == b""
        raw.socket.close()
        box.do(machine.close)
