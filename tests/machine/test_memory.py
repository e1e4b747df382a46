"""The machine's memory: what is where, what was written, what is saved."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.errors import GenericError, OpenFileFailed, UndefinedError
from qmpx.machine import memory as memory_module
from qmpx.machine.memory import PAGE_SIZE, Memory, RomImage
from qmpx.machine.memory_file import write_file

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
GIB = 2**30
RESET_VECTOR = b"\xea\x5b\xe0\x00\xf008/09/10\x00\xfc\x00"


@pytest.mark.parametrize("size", [0, -4096, 4095, 4097])
def test_memory_is_whole_pages(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not a positive number"):
        Memory(size)


def test_new_memory_is_zeros_and_takes_up_nothing() -> None:
    memory = Memory(64 * GIB)
    assert memory.read(0, 16) == bytes(16)
    assert memory.read(64 * GIB, 16) == bytes(16)
    assert memory.page_count == 16 * MIB
    assert [*memory.used] == [*memory.dirty] == []
    assert memory.page(12_345_678) == bytes(PAGE_SIZE)


@pytest.mark.parametrize(
    ("address", "length", "expected"),
    [
        (0xFFFFFFF0, 16, RESET_VECTOR),
        (0xFFFF0, 16, RESET_VECTOR),
        (0xFFFFE05B, 4, b"\xfa\xf4\xeb\xfd"),
        (0xFE05B, 4, b"\xfa\xf4\xeb\xfd"),
        (0xFFFEFFFF, 2, b"\x00\x00"),
        (0xFFFFFFFE, 4, b"\xfc\x00\x00\x00"),
        (0xFFFFE, 3, b"\xfc\x00\x00"),
        (0xB8000, 4, bytes(4)),
        (0xE0000000, 4, bytes(4)),
        (1 << 60, 4, bytes(4)),
        ((1 << 64) - 2, 4, bytes(4)),
        (0, 0, b""),
        (0, -1, b""),
    ],
)
def test_what_a_processor_reads_of_a_machine_that_is_new(
    address: int, length: int, expected: bytes
) -> None:
    assert Memory(128 * MIB).read(address, length) == expected


def test_what_is_written_is_read_again() -> None:
    memory = Memory(MIB)
    memory.write(4094, b"abcd")
    assert memory.read(4092, 8) == b"\x00\x00abcd\x00\x00"
    assert [*memory.used] == [*memory.dirty] == [0, 1]


@pytest.mark.parametrize("address", [0x90000, 0xFFFFFFF0, 0xFFFF0, 1 << 40])
def test_what_is_written_where_no_ram_is_is_lost(address: int) -> None:
    memory = Memory(0x80000)
    before = memory.read(address, 4)
    memory.write(address, b"abcd")
    assert memory.read(address, 4) == before
    assert not memory.used


def test_a_write_over_the_end_of_ram_keeps_what_fits() -> None:
    memory = Memory(PAGE_SIZE)
    memory.write(PAGE_SIZE - 2, b"abcd")
    assert memory.read(PAGE_SIZE - 2, 4) == b"ab\x00\x00"


def test_ram_beyond_3_5_gib_continues_at_4_gib() -> None:
    memory = Memory(4 * GIB)
    memory.write(0xDFFFFFFE, b"abcd")
    memory.write(4 * GIB, b"high")
    assert memory.read(0xDFFFFFFE, 4) == b"ab\x00\x00"
    assert memory.read(4 * GIB, 4) == b"high"
    assert memory.page(0xE0000000 // PAGE_SIZE)[:4] == b"high"
    assert memory.read(4 * GIB + 512 * MIB, 1) == b"\x00"


class Screen:
    """A region that notes what it is asked for."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def read(self, offset: int, length: int) -> bytes:
        return bytes((offset + n) & 0xFF for n in range(length))

    def write(self, offset: int, data: bytes) -> None:
        self.written.append((offset, data))


def test_a_region_answers_in_its_range_and_no_further() -> None:
    memory = Memory(MIB)
    memory.write(0xB7FFE, bytes(8))
    screen = Screen()
    memory.map(0xB8000, 4, screen)
    memory.write(0xB7FFF, b"\xaa\xbb\xcc\xdd\xee\xff")
    assert screen.written == [(0, b"\xbb\xcc\xdd\xee")]
    assert memory.read(0xB7FFE, 8) == b"\x00\xaa\x00\x01\x02\x03\xff\x00"
    assert [*memory.pieces(0xB8001, 2)] == [(0, b"\x01\x02")]


def test_the_latest_region_wins() -> None:
    memory = Memory(MIB)
    memory.map(0, 8, Screen())
    memory.map(2, 2, memory_module.Rom(b"zz"))
    assert memory.read(0, 6) == b"\x00\x01zz\x04\x05"


def test_its_roms_are_known() -> None:
    assert Memory(MIB).roms == [RomImage(0xFFFF0000, 0x10000, "bios.bin")]


def test_pages_are_set_and_read_by_number() -> None:
    memory = Memory(MIB)
    page = bytes(range(256)) * 16
    memory.set_page(3, page)
    memory.set_page(4, bytes(PAGE_SIZE))
    assert memory.page(3) == page
    assert memory.read(3 * PAGE_SIZE, 4) == b"\x00\x01\x02\x03"
    assert [*memory.used] == [3]
    memory.set_page(3, bytes(PAGE_SIZE))
    assert (memory.page(3), [*memory.used]) == (bytes(PAGE_SIZE), [3])


@pytest.mark.parametrize("number", [-1, 256])
def test_there_are_no_other_pages(number: int) -> None:
    memory = Memory(MIB)
    for act in (
        lambda: memory.page(number),
        lambda: memory.set_page(number, bytes(PAGE_SIZE)),
        lambda: memory.touch(number),
    ):
        with pytest.raises(IndexError, match=f"1 pages from {number} on of 256"):
            act()


def test_pages_cannot_be_counted_backwards() -> None:
    with pytest.raises(IndexError):
        Memory(MIB).touch(5, -1)


def test_a_page_has_its_size() -> None:
    with pytest.raises(ValueError, match="4095 bytes are not a page"):
        Memory(MIB).set_page(0, bytes(4095))


def test_dirty_pages_are_those_written_since_last_asked() -> None:
    memory = Memory(MIB)
    memory.write(0, b"a")
    memory.touch(10, 2)
    memory.set_page(20, b"x" * PAGE_SIZE)
    assert [*memory.take_dirty()] == [0, 10, 11, 20]
    assert [*memory.take_dirty()] == []
    memory.write(1, b"a")
    assert [*memory.take_dirty()] == [0]
    assert [*memory.used] == [0, 20]


def test_cleared_memory_is_zeros_and_its_pages_count_as_written() -> None:
    memory = Memory(MIB)
    memory.write(0x5000, b"abc")
    memory.take_dirty()
    memory.clear()
    assert memory.read(0x5000, 3) == bytes(3)
    assert ([*memory.used], [*memory.dirty]) == ([], [5])
    memory.write(0x5000, b"new")
    assert memory.read(0x5000, 4) == b"new\x00"


def test_pieces_leave_out_what_was_never_written() -> None:
    memory = Memory(64 * GIB)
    memory.write(0x1FFF, b"ab")
    memory.write(40 * GIB, b"far")
    pieces = [*memory.pieces(0x1001, 50 * GIB)]
    ram = [(at, len(data)) for at, data in pieces if at not in (0xEEFFF, 0xFFFEEFFF)]
    assert ram == [(0, 8191), (40 * GIB - 0x1001, PAGE_SIZE)]
    assert pieces[0][1][0xFFE:0x1000] == b"ab"


@given(
    st.lists(st.tuples(st.integers(0, 0x30000), st.binary(max_size=9000)), max_size=5),
    st.integers(0, 0x30000),
    st.integers(0, 0x20000),
)
def test_pieces_and_zeros_between_are_what_is_read(
    writes: list[tuple[int, bytes]], address: int, length: int
) -> None:
    memory = Memory(0x28000)
    for at, data in writes:
        memory.write(at, data)
    built = bytearray(length)
    for offset, data in memory.pieces(address, length):
        built[offset : offset + len(data)] = data
    assert built == memory.read(address, length)
    assert len(built) == length


@pytest.mark.parametrize(
    ("data", "before", "after"),
    [(b"", 0, 16), (b"hello", 0, 0), (b"hello", 3, 7), (bytes(range(256)) * 40, 0, 5)],
)
def test_the_sum_is_that_of_the_program(
    data: bytes, before: int, after: int, tmp_path: Path
) -> None:
    memory = Memory(MIB)
    memory.write(PAGE_SIZE - 2 + before, data)
    length = before + len(data) + after
    file = tmp_path / "data"
    file.write_bytes(bytes(before) + data + bytes(after))
    out = subprocess.run(["sum", file], capture_output=True, check=True, timeout=10)
    assert memory.sum(PAGE_SIZE - 2, length) == int(out.stdout.split()[0])


def test_64_gib_of_nothing_are_added_up_at_once() -> None:
    memory = Memory(64 * GIB)
    memory.write(64 * GIB, b"\x01")
    until = memory.sum(0, 64 * GIB)
    assert memory.sum(0, 64 * GIB + 1) == ((until >> 1 | until << 15) + 1) & 0xFFFF


def test_saved_memory_has_holes(tmp_path: Path) -> None:
    memory = Memory(64 * MIB)
    memory.write(10, b"first")
    memory.write(32 * MIB, b"last")
    file = tmp_path / "saved"
    memory.save(str(file), 0, 48 * MIB)
    with file.open("rb") as opened:
        assert opened.read(16) == memory.read(0, 16)
        opened.seek(32 * MIB)
        assert opened.read(5) == b"last\x00"
    assert file.stat().st_size == 48 * MIB
    assert file.stat().st_blocks * 512 < MIB


def test_saving_replaces_what_was_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "saved"
    file.write_bytes(b"x" * 100)
    Memory(MIB).save(str(file), 0, 16)
    assert file.read_bytes() == bytes(16)


@pytest.mark.parametrize("name", ["missing/file", ".", "a\x00b", "pipe"])
def test_a_file_that_cannot_be_made_is_named(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    filename = f"{tmp_path}/{name}"
    with pytest.raises(OpenFileFailed) as caught:
        Memory(MIB).save(filename, 0, 16)
    assert caught.value.data == {"filename": filename}


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Memory(MIB).save("/dev/full", 0, 16)


@pytest.mark.parametrize("name", ["/dev/null", "file"])
def test_a_size_out_of_reach_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        Memory(MIB).save(str(tmp_path / name), 0, (1 << 63) - 1)


def test_a_pipe_gets_the_zeros_too(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(str(fifo), iter([(2, b"ab"), (6, b"c")]), 9)
        assert os.read(reader, 100) == b"\x00\x00ab\x00\x00c\x00\x00"
    finally:
        os.close(reader)


def test_a_host_without_room_says_so() -> None:
    memory = Memory(1 << 60)
    with pytest.raises(GenericError) as caught:
        memory.write(0, b"a")
    assert caught.value.desc.startswith(f"cannot set up guest memory of {1 << 60} ")
    assert not memory.used
