"""``qemu-io``: what it does, and what the program's own output says of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.modern.human.disk_io import qemu_io
from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.throttling import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
RATE = "ops; 00.00 sec (0 bytes/sec and 0.0000 ops/sec)\n"
USAGE = (
    "read [-abCqv] [-P pattern [-s off] [-l len]] off len -- reads a number of bytes "
    "at a specified offset\n"
)
MISMATCH = "Pattern verification failed at offset 0, 512 bytes\n"
DUMP = f"0007fff8:  {'01 ' * 8}{'00 ' * 8} {'.' * 16}\n"
COUNT = "bad argument count {} to {}, expected {} arguments\n"
PARSING = "Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- "


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Make a machine with a disk that has a node: a megabyte, half of it written."""
    path = tmp_path / "disk"
    path.write_bytes(b"\1" * (MIB // 2) + bytes(MIB // 2))
    made = Machine(clock=VirtualClock())
    below = {"driver": "file", "filename": str(path), "discard": "unmap"}
    made.blocks.add({"driver": "file", "node-name": "file", **below})
    made.blocks.add({"driver": "raw", "node-name": "disk", "file": "file"})
    yield made
    made.close()


def do(machine: Machine, line: str, device: str = "disk", *, qdev: bool = False) -> str:
    """Return what a person reads of a command."""
    return asyncio.run(qemu_io(machine, qdev=qdev, device=device, command=line)) or ""


@pytest.mark.parametrize(
    ("line", "out", "err"),
    [  # as the program of QEMU 7.2.22 prints it
        ("write -P 5 0 4k", f"wrote 4096/4096 bytes at offset 0\n4 KiB, 1 {RATE}", ""),
        ("w 3 5", f"wrote 5/5 bytes at offset 3\n5 bytes, 1 {RATE}", ""),
        ("read 0 1536", f"read 1536/1536 bytes at offset 0\n1.500 KiB, 1 {RATE}", ""),
        ("readv 0 512 512", f"read 1024/1024 bytes at offset 0\n1 KiB, 1 {RATE}", ""),
        ("read -q 0 4k", "", ""),
        (
            "read -P 6 0 512",
            f"{MISMATCH}read 512/512 bytes at offset 0\n512 bytes, 1 {RATE}",
            "",
        ),
        ("read -q -P 1 -s 512 -l 512 0 2k", "", ""),
        (
            "read -v 524280 16",
            f"{DUMP}read 16/16 bytes at offset 524280\n16 bytes, 1 {RATE}",
            "",
        ),
        ("write 5000k 1k", "write failed: Input/output error\n", ""),
        ("write -c 0 64k", "write failed: Operation not supported\n", ""),
        ("foo", "", 'command "foo" not found\n'),
        ("read", "", COUNT.format(0, "read", "at least 2")),
        ("length 5", "", COUNT.format(1, "length", "0")),
        ("alloc", "", COUNT.format(0, "alloc", "between 1 and 2")),
        ("read 0 -5", USAGE, "read: invalid option -- '5'\n"),
        ("read -P 0 0", USAGE, ""),
        ("read a 5", f"{PARSING}a\n", ""),
        ("read 0 3G", "length cannot exceed 2147483136, given 3G\n", ""),
        ("write -P 300 0 5", "300 is not a valid pattern byte\n", ""),
        (
            "write -z -P 5 0 512",
            "Only one of -z, -P, and -s can be specified at the same time\n",
            "",
        ),
        ("write -u 0 512", "-u requires -z to be specified\n", ""),
        ("write -s /nofile 0 4k", "/nofile: No such file or directory\n", ""),
        ("length", "1 MiB\n", ""),
        ("alloc 0", "512/512 bytes allocated at offset 0 bytes\n", ""),
        ("map", "1 MiB (0x100000) bytes     allocated at offset 0 bytes (0x0)\n", ""),
        ("discard 0 4k", f"discard 4096/4096 bytes at offset 0\n4 KiB, 1 {RATE}", ""),
        ("sleep a", "a is not a valid number\n", ""),
        ("aio_flush", "", ""),
        ("", "", ""),
    ],
)
def test_it_prints_what_the_program_prints(
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    line: str,
    out: str,
    err: str,
) -> None:
    assert do(machine, line) == ""
    assert capsys.readouterr() == (out, err)


def test_data_are_where_they_were_written(machine: Machine) -> None:
    node = machine.blocks.nodes["disk"]
    do(machine, "write -P 7 1M 0")
    do(machine, "write -P 7 65535 2")
    do(machine, "aio_write -z 0 4k")
    do(machine, "writev -P 9 8k 512 512")
    assert node.read(65534, 4) == b"\1\7\7\1"
    assert (node.read(4095, 2), node.read(9215, 2)) == (b"\0\1", b"\x09\1")


def test_what_a_file_holds_is_written_again_and_again(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"abc")
    do(machine, f"write -s {tmp_path}/source 10 8")
    assert machine.blocks.nodes["disk"].read(9, 10) == b"\1abcabcab\1"


def test_what_others_do_not_share_is_not_written(machine: Machine) -> None:
    machine.blocks.drives.plug("disk", "d0")
    assert do(machine, "write 0 512").startswith(
        "Permission conflict on node 'disk': permissions 'write' are both required by "
        "an unnamed block device (uses node 'disk' as 'root' child)"
    )
    assert do(machine, "write -P 3 0 512", "d0", qdev=True) == ""
    assert machine.blocks.nodes["disk"].read(0, 1) == b"\3"
    assert do(machine, "truncate 2M", "d0", qdev=True) == ""
    assert machine.blocks.nodes["disk"].size == 2 * MIB


def test_what_can_only_be_read_is_not_written(machine: Machine) -> None:
    machine.blocks.add({"driver": "null-co", "node-name": "n", "read-only": True})
    assert do(machine, "write 0 512", "n") == "Block node is read-only\n"
    assert do(machine, "read 0 512", "n") == ""


def test_there_must_be_something(machine: Machine) -> None:
    with pytest.raises(GenericError, match="Cannot find device='' nor node-name='x'"):
        do(machine, "flush", "x")
    with pytest.raises(DeviceNotFound, match="Device 'x' not found"):
        do(machine, "flush", "x", qdev=True)


def test_commands_that_are_not_for_data_are_refused(machine: Machine) -> None:
    assert do(machine, "abort") == "'abort' of qemu-io is not carried out here\n"


def test_the_limits_of_a_drive_hold_it_back(machine: Machine) -> None:
    """A QEMU 7.2.22 lets the first one through, and the second after 0.15 s."""
    machine.blocks.drives.plug("disk", "d0")
    machine.blocks.limits["d0"] = Limits("d0", {"bps_wr": MIB})
    clock = machine.clock
    assert isinstance(clock, VirtualClock)

    async def write_twice() -> float:
        first = qemu_io(machine, qdev=True, device="d0", command="write 0 256k")
        await asyncio.wait_for(first, 10)
        second = asyncio.ensure_future(
            qemu_io(machine, qdev=True, device="d0", command="write 0 256k")
        )
        took = 0.0
        while not second.done():
            await asyncio.sleep(0)
            if machine.blocks.nodes["disk"].statistics.wr_operations == 1:
                clock.advance(0.01)
                took += 0.01
                assert took < 10
        return took

    assert asyncio.run(write_twice()) == pytest.approx(0.15, abs=0.011)
