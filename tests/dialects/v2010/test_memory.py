"""Memory in 0.13's monitor: shown, saved, added up."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.v2010.memory import MAX_SUMMED_AT_ONCE
from qmpx.machine import Machine
from qmpx.machine.registers import CR0_PE, CR0_PG
from tests.dialects.v2010.conversation import ask, say

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = b"\xea\x5b\xe0\x00\xf008/09/10\x00\xfc\x00"


@pytest.fixture
def machine() -> Machine:
    return Machine()


def page(machine: Machine) -> None:
    """Map the page at 0x1000 to 0x5000, and put something there."""
    machine.memory.write(0x10000, struct.pack("<I", 0x11007))
    machine.memory.write(0x11004, struct.pack("<I", 0x5007))
    machine.memory.write(0x5000, b"mapped!!")
    machine.processors[0].registers.cr0 |= CR0_PE | CR0_PG
    machine.processors[0].registers.cr3 = 0x10000


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("x/4xw 0", "00000000: 0x00000000 0x00000000 0x00000000 0x00000000\n"),
        ("x/2xb 0xffff0", "000ffff0: 0xea 0x5b\n"),
        ("xp/2hx 0xb8000", "000b8000: 0x0000 0x0000\n"),
        ("xp/2xw 0xfffffffc", "fffffffc: 0x00fc0030 0x00000000\n"),
        ("x/2xw 0xfffffffc", "fffffffc: 0x00fc0030 0x00000000\n"),
        ("x/1xw $pc", "fffffff0: 0x00e05bea\n"),
        ("x/1xw -16", "fffffff0: 0x00e05bea\n"),
        ("x/1xw 0x1fffffff0", "fffffff0: 0x00e05bea\n"),
        ("xp/1xw 0x1fffffff0", "fffffff0: 0x00e05bea\n"),
        ("x/i $pc", "0xfffffff0:  ljmp   $0xf000,$0xe05b\n"),
        ("xp/2i 0xfe05b", "0x000fe05b:  cli    \n0x000fe05c:  hlt    \n"),
        ("x/0xw 0", ""),
    ],
)
def test_memory_is_shown(machine: Machine, line: str, printed: str) -> None:
    assert say(machine, line) == printed


@pytest.mark.parametrize("command", ["x", "xp"])
def test_behind_the_last_address_comes_the_first(
    machine: Machine, command: str, tmp_path: Path
) -> None:
    machine.memory.write(0, b"low!")
    text = "fffffffc: 0x00fc0030 0x21776f6c\n"
    assert say(machine, f"{command}/2xw 0xfffffffc") == text
    file = tmp_path / "memory"
    save = "memsave" if command == "x" else "pmemsave"
    assert say(machine, f'{save} 0xfffffffc 8 "{file}"') == ""
    assert file.read_bytes() == b"0\x00\xfc\x00low!"


def test_virtual_memory_is_what_the_processor_sees(machine: Machine) -> None:
    page(machine)
    assert say(machine, "x/2cb 0x1000", "xp/2cb 0x1000") == (
        "00001000: 'm' 'a'\n00001000: '\\x00' '\\x00'\n"
    )
    assert say(machine, "x/4xw 0x1ff8") == "00001ff8: Cannot access memory\n"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("print 1+2", "0x3"),
        ("p/d 255", "255"),
        ("p/d -1", "-1"),
        ("p/u -1", "4294967295"),
        ("p/x -1", "0xffffffff"),
        ("p/o 8", "010"),
        ("p/o 0", "0"),
        ("p 0", "0"),
        ("p/c 97", "'a'"),
        ("p/c 353", "'\\x161'"),
        ("p/c -1", "'\\xffffffff'"),
        ("p 0x123456789", "0x23456789"),
        ("p/i 5", "5"),
    ],
)
def test_a_value_is_printed(machine: Machine, line: str, printed: str) -> None:
    assert say(machine, line) == f"{printed}\n"


@pytest.mark.parametrize("name", ["memsave", "pmemsave"])
@pytest.mark.parametrize(
    ("val", "size", "content"),
    [
        (0, 16, bytes(16)),
        (0xFFFF0, 16, VECTOR),
        (0xFFFFFFF0, 32, VECTOR + bytes(16)),
        (-16, 16, VECTOR),
        (1 << 32 | 0xFFFF0, 16, VECTOR),
        (0xFFFF0, 0, b""),
        (0xFFFF0, 1 << 32 | 2, VECTOR[:2]),
    ],
)
def test_memory_is_saved(
    machine: Machine, name: str, val: int, size: int, content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "memory"
    arguments: dict[str, Any] = {"val": val, "size": size, "filename": str(file)}
    assert ask(machine, (name, arguments)) == [{}]
    assert file.read_bytes() == content


def test_the_two_ways_of_saving_differ_under_paging(
    machine: Machine, tmp_path: Path
) -> None:
    page(machine)
    virtual, physical = tmp_path / "virtual", tmp_path / "physical"
    for name, file in (("memsave", virtual), ("pmemsave", physical)):
        assert say(machine, f'{name} 0xffc 12 "{file}"') == ""
    assert virtual.read_bytes() == b"\x00\x00\x00\x00mapped!!"
    assert physical.read_bytes() == bytes(12)


def test_the_chosen_processor_is_that_whose_memory_is_saved(tmp_path: Path) -> None:
    machine = Machine(processor_count=2)
    page(machine)
    file = tmp_path / "memory"
    assert say(machine, "cpu 1", f'memsave 0x1000 8 "{file}"') == ""
    assert file.read_bytes() == bytes(8)
    assert say(machine, "cpu 0", f'memsave 0x1000 8 "{file}"') == ""
    assert file.read_bytes() == b"mapped!!"


def test_four_gib_are_saved_as_a_hole(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "memory"
    arguments = {"val": 0, "size": -1, "filename": str(file)}
    assert ask(machine, ("pmemsave", arguments)) == [{}]
    assert file.stat().st_size == (1 << 32) - 1
    assert file.stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("name", ["memsave", "pmemsave"])
def test_a_file_that_cannot_be_written_is_an_error(machine: Machine, name: str) -> None:
    def save(filename: str) -> tuple[str, dict[str, Any]]:
        return name, {"val": 0, "size": 16, "filename": filename}

    missing = {
        "class": "OpenFileFailed",
        "desc": "Could not open '/nonexistent/m'",
        "data": {"filename": "/nonexistent/m"},
    }
    full = {
        "class": "UndefinedError",
        "desc": "An undefined error has ocurred",
        "data": {},
    }
    found = ask(machine, save("/nonexistent/m"), save("/dev/full"))
    assert found == [missing, full]
    text = say(machine, f'{name} 0 16 "/nonexistent/m"')
    assert text == "Could not open '/nonexistent/m'\n"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("sum 0 16", "00000"),
        ("sum 0xffff0 0", "00000"),
        ("sum 0xffff0 1", "00234"),
        ("sum 0xffff0 2", "00208"),
        ("sum 0x100000 5", "00000"),
        (f"sum 0xffff0 {MAX_SUMMED_AT_ONCE + 1}", None),
        ("sum 0xfffffff0 16", "00000"),
        ("sum 0xfffffff0 15", None),
        ("sum 1 0xffffffff", "00000"),
    ],
)
def test_memory_is_added_up(machine: Machine, line: str, printed: str | None) -> None:
    start, size = (int(word, 0) for word in line.split()[1:])
    expected = machine.memory.sum(start, size) if printed is None else int(printed)
    assert say(machine, line) == f"{expected:05d}\n"
    if printed is None:
        assert expected


def test_roms_and_nodes_are_listed(machine: Machine) -> None:
    assert say(machine, "info roms", "info numa") == (
        'addr=ffff0000 size=0x010000 mem=rom name="bios.bin"\n0 nodes\n'
    )
