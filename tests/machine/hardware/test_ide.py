"""IDE drives by port I/O: commands, data, and what is done about errors."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, RunState, VirtualClock
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.drive import Policy
from qmpx.machine.happenings import BlockIOError, Happening, Resumed, Stopped
from tests.machine.block.images import pattern

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1 << 20
EVERY_READ = '[inject-error]\nevent = "read_aio"\nerrno = "5"\n'
EVERY_WRITE = '[inject-error]\nevent = "write_aio"\nerrno = "{}"\n'

READY, DATA, FAILED, BUSY = 0x50, 0x58, 0x41, 0xD0


class Bench:
    """A machine that a guest drives through its ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)

    def plug(self, content: bytes, rules: str = "", **options: str) -> Path:
        path = self.folder / f"image{len(self.machine.drives)}"
        path.write_bytes(content)
        file = str(path)
        if rules:
            (self.folder / "bd.cfg").write_text(rules)
            file = f"blkdebug:{self.folder}/bd.cfg:{path}"
        assert self.machine.drives.plug({"file": file, **options}) is not None
        return path

    def out(self, register: int, value: int, size: int = 1, base: int = 0x1F0) -> None:
        self.machine.ports.write(base + register, size, value)

    def into(self, register: int, size: int = 1, base: int = 0x1F0) -> int:
        return self.machine.ports.read(base + register, size)

    def command(
        self, code: int, address: int = 0, count: int = 1, base: int = 0x1F0
    ) -> int:
        """Give a command with a linear address; return the status then."""
        self.out(6, 0xE0 | address >> 24, base=base)
        for register, value in ((2, count), (3, address), (4, address >> 8)):
            self.out(register, value & 255, base=base)
        self.out(5, address >> 16 & 255, base=base)
        self.out(7, code, base=base)
        return self.into(7, base=base)

    def read(self, size: int, base: int = 0x1F0) -> bytes:
        return b"".join(
            self.into(0, 2, base).to_bytes(2, "little") for _ in range(size // 2)
        )

    def write(self, data: bytes, base: int = 0x1F0) -> None:
        for (word,) in struct.iter_unpack("<H", data):
            self.out(0, word, 2, base)

    def failures(self) -> list[Any]:
        told = [each for each in self.told if not isinstance(each, Resumed)]
        self.told.clear()
        return told


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def error(operation: str, action: str, number: int = errno.EIO) -> BlockIOError:
    is_full = number == errno.ENOSPC
    return BlockIOError("ide0-hd0", operation, action, os.strerror(number), is_full)


def test_sectors_are_written_and_read(bench: Bench) -> None:
    path, data = bench.plug(pattern(SIZE)), pattern(1024, 77)
    assert bench.command(0x30, 5, 2) == DATA
    bench.write(data)
    assert bench.into(7) == READY
    assert path.read_bytes()[2560:3584] == data
    assert bench.command(0x20, 4, 3) == DATA
    assert bench.read(1536) == pattern(SIZE)[2048:2560] + data
    assert bench.into(7) == READY
    assert bench.told == []


def test_other_ways_to_read(bench: Bench) -> None:
    content = pattern(SIZE)
    bench.plug(content)
    assert bench.command(0xC6, count=8) == READY
    assert bench.command(0xC4, 16, 16) == DATA
    assert bench.read(8192) == content[8192:16384]
    for register, values in ((2, (0, 1)), (3, (0, 9)), (4, (0, 0)), (5, (0, 0))):
        for value in values:
            bench.out(register, value)
    bench.out(7, 0x24)
    assert bench.read(512) == content[9 * 512 : 10 * 512]
    bench.out(6, 0xA2)  # cylinder 0, head 2
    bench.out(2, 1)
    bench.out(3, 3)
    bench.out(7, 0x20)
    sector = 2 * 63 + 3 - 1
    assert bench.read(512) == content[sector * 512 : (sector + 1) * 512]
    bench.command(0x20, 1)
    low = bench.into(0, 4)
    assert low == int.from_bytes(content[512:516], "little")


def test_a_disk_says_what_it_is(bench: Bench) -> None:
    bench.plug(bytes(SIZE), serial="ABC")
    assert bench.command(0xEC) == DATA
    words = struct.unpack("<256H", bench.read(512))
    assert words[60] | words[61] << 16 == SIZE // 512
    assert struct.pack(">10H", *words[10:20]) == b"ABC".ljust(20)
    assert struct.pack(">20H", *words[27:47]).startswith(b"QEMU HARDDISK")
    assert bench.into(7) == READY


@pytest.mark.parametrize("code", [0xE7, 0xEA, 0x91, 0xEF, 0x40, 0xE1, 0x10])
def test_commands_that_have_nothing_to_say(bench: Bench, code: int) -> None:
    bench.plug(bytes(SIZE))
    assert bench.command(code) == READY


@pytest.mark.parametrize("code", [0xA0, 0xA1, 0x00, 0xFF])
def test_commands_that_a_disk_does_not_have(bench: Bench, code: int) -> None:
    bench.plug(bytes(SIZE))
    assert bench.command(code) == FAILED
    assert bench.into(1) == 4
    assert bench.told == []


def test_the_largest_address_is_told(bench: Bench) -> None:
    bench.plug(bytes(SIZE))
    assert bench.command(0xF8) == READY
    assert [bench.into(n) for n in (3, 4, 5)] == [0xFF, 0x07, 0]


def test_two_drives_share_a_channel(bench: Bench) -> None:
    bench.plug(b"a" * 512, index="0")
    bench.plug(b"b" * 512, index="1")
    for select, letter in ((0xE0, b"a"), (0xF0, b"b")):
        bench.out(6, select)
        bench.out(2, 1)
        for register in (3, 4, 5):
            bench.out(register, 0)
        bench.out(7, 0x20)
        assert bench.read(512) == letter * 512
    assert bench.into(7, base=0x170) == 0  # there is none on the other


def test_a_reset_by_the_guest_shows_what_kind_the_drives_are(bench: Bench) -> None:
    bench.plug(bytes(SIZE))
    bench.plug(bytes(SIZE), media="cdrom", index="2")
    for base, signature in ((0x1F0, (0, 0)), (0x170, (0x14, 0xEB))):
        bench.machine.ports.write(base + 0x206, 1, 4)
        assert bench.into(7, base=base) & 0x80
        bench.machine.ports.write(base + 0x206, 1, 0)
        assert (bench.into(4, base=base), bench.into(5, base=base)) == signature


def test_where_there_is_no_drive_nothing_answers(bench: Bench) -> None:
    assert bench.command(0x20) == 0
    assert bench.into(0, 2) == 0


def test_an_interrupt_is_raised_unless_it_is_not_wanted(bench: Bench) -> None:
    bench.plug(bytes(SIZE))
    second = bench.machine.chipset.interrupts.second
    bench.out(6, 0xE0)
    bench.out(7, 0xE7)
    assert second.irr & 0x40
    second.reset()
    bench.machine.ports.write(0x3F6, 1, 2)
    bench.out(7, 0xE7)
    assert not second.irr & 0x40


@pytest.mark.parametrize("is_running", [False, True])
def test_an_error_that_is_reported_goes_to_the_guest(
    bench: Bench, is_running: bool
) -> None:
    bench.plug(pattern(SIZE), EVERY_READ)
    if is_running:
        bench.machine.cont()
    assert bench.command(0x20) == FAILED
    assert bench.failures() == [error("read", "report")]
    assert bench.into(1) == 4
    assert bench.machine.state.is_running is is_running


def test_an_error_that_is_ignored_is_only_told(bench: Bench) -> None:
    bench.plug(pattern(SIZE), EVERY_READ, rerror="ignore")
    assert bench.command(0x20) == DATA
    assert bench.failures() == [error("read", "ignore")]
    assert bench.read(512) == bytes(512)


def test_an_error_that_stops_the_machine_is_told_first_and_tried_again(
    bench: Bench,
) -> None:
    bench.plug(pattern(SIZE), EVERY_READ, rerror="stop")
    bench.machine.cont()
    assert bench.command(0x20) == BUSY
    assert bench.failures() == [error("read", "stop"), Stopped()]
    assert bench.machine.state is RunState.IO_ERROR
    bench.clock.advance(10)
    assert bench.failures() == []
    bench.machine.cont()
    assert bench.failures() == []  # it runs; the request comes after that
    bench.clock.advance(0)
    assert bench.failures() == [error("read", "stop"), Stopped()]
    bench.machine.drives["ide0-hd0"].on_read_error = Policy.IGNORE
    bench.machine.cont()
    bench.clock.advance(0)
    assert bench.failures() == [error("read", "ignore")]
    assert bench.into(7) == DATA


def test_a_machine_that_stands_still_is_not_stopped(bench: Bench) -> None:
    bench.plug(pattern(SIZE), EVERY_READ, rerror="stop")
    assert bench.command(0x20) == BUSY
    assert bench.failures() == [error("read", "stop")]
    assert bench.machine.state is RunState.PRELAUNCH
    bench.machine.cont()
    bench.clock.advance(0)
    assert bench.failures() == [error("read", "stop"), Stopped()]


@pytest.mark.parametrize(
    ("number", "policy", "told"),
    [
        (errno.EIO, "", [error("write", "report")]),
        (errno.ENOSPC, "", [error("write", "stop", errno.ENOSPC), Stopped()]),
        (errno.EIO, "stop", [error("write", "stop"), Stopped()]),
        (errno.ENOSPC, "report", [error("write", "report", errno.ENOSPC)]),
        (errno.EIO, "ignore", [error("write", "ignore")]),
    ],
)
def test_errors_of_writing(
    bench: Bench, number: int, policy: str, told: list[Happening]
) -> None:
    options = {"werror": policy} if policy else {}
    bench.plug(new_image(SIZE), EVERY_WRITE.format(number), **options)
    bench.machine.cont()
    assert bench.command(0x30) == DATA
    bench.write(pattern(512))
    assert bench.failures() == told


def test_a_write_that_is_tried_again_is_written(bench: Bench) -> None:
    rules = EVERY_WRITE.format(28) + 'state = "0"\nonce = "on"\n'
    path = bench.plug(pattern(SIZE), rules)
    bench.machine.cont()
    bench.command(0x30, 1)
    bench.write(pattern(512, 99))
    assert bench.failures() == [error("write", "stop", errno.ENOSPC), Stopped()]
    drive = bench.machine.drives["ide0-hd0"]
    assert drive.medium is not None
    bench.machine.drives["ide0-hd0"].on_write_error = Policy.REPORT
    drive.medium.image.storage._rules = []  # type: ignore[union-attr] # noqa: SLF001
    bench.machine.cont()
    bench.clock.advance(0)
    assert bench.failures() == []
    assert path.read_bytes()[512:1024] == pattern(512, 99)
    assert bench.into(7) == READY


def test_the_state_moves_with_the_machine(bench: Bench, tmp_path: Path) -> None:
    bench.plug(pattern(SIZE), EVERY_READ, rerror="stop")
    bench.command(0x20)
    bench.failures()
    state = bench.machine.chipset.state()
    other = Bench(tmp_path)
    other.plug(pattern(SIZE))
    other.machine.chipset.restore(state)
    other.machine.cont()
    other.clock.advance(0)
    assert other.failures() == []
    assert other.into(7) == DATA
    assert other.read(512) == pattern(512)


def test_a_reset_forgets_the_request(bench: Bench) -> None:
    bench.plug(pattern(SIZE), EVERY_READ, rerror="stop")
    bench.command(0x20)
    bench.failures()
    bench.machine.chipset.reset()
    bench.machine.cont()
    bench.clock.advance(0.1)
    assert bench.failures() == []
    assert bench.into(7) == READY
