"""Virtual processors: registers, addresses, what is injected, threads."""

from __future__ import annotations

import struct
import threading
from typing import Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine.memory import Memory
from qmpx.machine.processor import MAX_MACHINE_CHECKS, Processor, Processors
from qmpx.machine.registers import (
    CR0_PE,
    CR0_PG,
    CR4_PAE,
    CR4_PSE,
    MachineCheck,
    Segment,
)

MIB = 2**20


@pytest.fixture
def memory() -> Memory:
    return Memory(16 * MIB)


@pytest.fixture
def processor(memory: Memory) -> Processor:
    return Processor(0, memory)


AFTER_RESET = {
    "eax": 0,
    "ecx": 0,
    "edx": 0x633,
    "ebx": 0,
    "esp": 0,
    "sp": 0,
    "ebp": 0,
    "fp": 0,
    "esi": 0,
    "edi": 0,
    "eip": 0xFFF0,
    "eflags": 2,
    "cs": 0xF000,
    "cs.base": 0xFFFF0000,
    "cs.limit": 0xFFFF,
    **dict.fromkeys(["ds", "es", "ss", "fs", "gs"], 0),
    **{f"{name}.base": 0 for name in ("ds", "es", "ss", "fs", "gs")},
    **{f"{name}.limit": 0xFFFF for name in ("ds", "es", "ss", "fs", "gs")},
    "pc": 0xFFFFFFF0,
}


def test_registers_have_names_and_their_values_after_a_reset(
    processor: Processor,
) -> None:
    names = processor.register_names()
    assert {name: processor.read_register(name) for name in names} == AFTER_RESET


@pytest.mark.parametrize(
    "name", ["", "foo", "EAX", "eax.base", "cs.flags", "cs.", "dr", "cr0", "pc.base"]
)
def test_there_is_no_other_register(processor: Processor, name: str) -> None:
    with pytest.raises(LookupError):
        processor.read_register(name)


def test_names_tell_registers_apart(processor: Processor) -> None:
    registers = processor.registers
    registers.esp, registers.ebp, registers.eip = 1, 2, 0x20
    registers.cs = Segment(3, 0xFFFFFFF0, 5)
    found = [processor.read_register(name) for name in ("sp", "fp", "cs", "cs.limit")]
    assert found == [1, 2, 3, 5]
    assert processor.read_register("pc") == 0x10


def test_the_first_processor_starts_and_the_others_wait(memory: Memory) -> None:
    processors = Processors(3, memory)
    assert [p.index for p in processors] == [0, 1, 2]
    assert [p.is_halted for p in processors] == [False, True, True]
    processors[1].is_halted = False
    processors[2].registers.eax = 7
    processors.reset()
    assert [p.is_halted for p in processors] == [False, True, True]
    assert processors[2].registers.eax == 0


def test_a_machine_has_a_processor(memory: Memory) -> None:
    with pytest.raises(ValueError, match="a machine with 0 processors"):
        Processors(0, memory)


# Addresses


def test_without_paging_addresses_are_as_they_are(processor: Processor) -> None:
    assert processor.translate(0x12345678) == 0x12345678
    assert processor.translate(1 << 32 | 5) == 5
    assert processor.read(0xFFFFFFF0, 2) == b"\xea\x5b"


def test_a_closed_line_20_wraps_at_each_mebibyte(
    processor: Processor, memory: Memory
) -> None:
    memory.write(0, b"low")
    memory.write(0x100000, b"one")
    processor.is_a20_open = False
    assert processor.translate(0x123456) == 0x023456
    assert processor.translate(0x023456) == 0x023456
    assert processor.read(0xFFFFF, 4) == b"\x00low"
    processor.is_a20_open = True
    assert processor.read(0xFFFFF, 4) == b"\x00one"


DIRECTORY, TABLE = 0x10000, 0x11000


def page(memory: Memory, processor: Processor, cr4: int = 0) -> None:
    """Map 0x00400000 to 0x5000, 0x00401000 to 0x3000, 0x00800000 to 0xc00000."""
    entries = {
        DIRECTORY + 4: TABLE | 7,
        TABLE: 0x5000 | 7,
        TABLE + 4: 0x3000 | 1,
        TABLE + 8: 0x9000 | 6,
        DIRECTORY + 8: 0x00C00000 | 0x187,
    }
    for address, entry in entries.items():
        memory.write(address, struct.pack("<I", entry))
    processor.registers.cr0 |= CR0_PG | CR0_PE
    processor.registers.cr3 = DIRECTORY | 0x18
    processor.registers.cr4 = cr4


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0x00400ABC, 0x5ABC),
        (0x00401000, 0x3000),
        (0x00402000, None),
        (0x00403000, None),
        (0x00000000, None),
        (0x00912345, 0xD12345),
        (0xFFFFFFFF, None),
    ],
)
def test_paging_has_two_levels_and_large_pages(
    processor: Processor, memory: Memory, address: int, expected: int | None
) -> None:
    page(memory, processor, CR4_PSE)
    assert processor.translate(address) == expected


def test_large_pages_have_to_be_switched_on(
    processor: Processor, memory: Memory
) -> None:
    page(memory, processor)
    assert processor.translate(0x00912345) is None
    memory.write(0xC00000 + 0x112 * 4, struct.pack("<I", 0x7001))
    assert processor.translate(0x00912345) == 0x7345


def test_what_is_read_crosses_pages(processor: Processor, memory: Memory) -> None:
    page(memory, processor)
    memory.write(0x5FFE, b"ab")
    memory.write(0x3000, b"cd")
    assert processor.read(0x00400FFE, 4) == b"abcd"
    assert processor.read(0x00401FFE, 4) is None
    assert [*processor.segments(0x00401FFE, 4)] == [(0, 0x3FFE, 2), (2, None, 2)]


def test_virtual_addresses_begin_anew_after_the_last(processor: Processor) -> None:
    assert [*processor.segments(0xFFFFFFFE, 4)] == [(0, 0xFFFFFFFE, 2), (2, 0, 2)]
    assert [*processor.segments(5, 0)] == []


def test_mappings_are_told_page_by_page(processor: Processor, memory: Memory) -> None:
    assert [*processor.mappings()] == []
    page(memory, processor, CR4_PSE)
    assert [*processor.mappings()] == [
        (0x00400000, 0x1000, 0x5007),
        (0x00401000, 0x1000, 0x3001),
        (0x00800000, 0x400000, 0x00C00187),
    ]


def test_without_large_pages_their_bit_means_nothing(
    processor: Processor, memory: Memory
) -> None:
    page(memory, processor)
    memory.write(0xC00000, struct.pack("<I", 0x7003))
    mapped = [address for address, _, _ in processor.mappings()]
    assert mapped == [0x00400000, 0x00401000, 0x00800000]
    assert [*processor.mappings()][2] == (0x00800000, 0x1000, 0x7003)


def test_bits_of_the_control_registers_are_intels() -> None:
    assert (CR0_PE, CR0_PG) == (0x1, 0x80000000)
    assert (CR4_PSE, CR4_PAE) == (0x10, 0x20)


WIDE = {
    0x20000: 0x21001,  # the first GiB
    0x20018: 0x22001,  # the fourth
    0x21000: 0x23003,
    0x21008: 0x0000_000A_0020_0083,
    0x23000: 0x8000_0000_0000_5007,
    0x23008: 0x6000,
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0x00000ABC, 0x5ABC),
        (0x00001000, None),
        (0x00200000, 0xA00200000),
        (0x003ABCDE, 0xA003ABCDE),
        (0x00400000, None),
        (0x40000000, None),
        (0xC0000000, None),
    ],
)
def test_extended_paging_has_three_levels_and_wider_addresses(
    processor: Processor, memory: Memory, address: int, expected: int | None
) -> None:
    for at, entry in WIDE.items():
        memory.write(at, struct.pack("<Q", entry))
    processor.registers.cr0 |= CR0_PG | CR0_PE
    processor.registers.cr4 = CR4_PAE
    processor.registers.cr3 = 0x20000 | 0x18
    assert processor.translate(address) == expected


# From outside


def test_what_is_injected_is_noted_until_the_reset(processor: Processor) -> None:
    check = MachineCheck(1, 2, 3, 4, 5)
    processor.inject_nmi()
    processor.inject_nmi()
    processor.inject_machine_check(check)
    assert (processor.nmi_count, processor.machine_checks) == (2, [check])
    processor.reset()
    assert (processor.nmi_count, processor.machine_checks) == (0, [])


def test_of_many_machine_checks_the_last_are_kept(processor: Processor) -> None:
    for bank in range(MAX_MACHINE_CHECKS + 3):
        processor.inject_machine_check(MachineCheck(bank, 0, 0, 0, 0))
    banks = [check.bank for check in processor.machine_checks]
    assert banks == [*range(3, MAX_MACHINE_CHECKS + 3)]


def test_a_thread_is_made_when_its_number_is_asked_for(memory: Memory) -> None:
    before = threading.active_count()
    processors = Processors(2, memory)
    assert threading.active_count() == before
    first = processors[0].thread_id
    assert first == processors[0].thread_id != threading.get_native_id()
    assert first != processors[1].thread_id
    assert threading.active_count() == before + 2
    assert first in {thread.native_id for thread in threading.enumerate()}
    processors.end_threads()
    processors.end_threads()
    assert threading.active_count() == before


# Moving


def plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return value is None or isinstance(value, int | str | bytes)


def test_state_is_plain_and_comes_back_whole(memory: Memory) -> None:
    processors = Processors(2, memory)
    one = processors[1]
    one.is_halted, one.is_a20_open, one.in_system_management = False, False, True
    one.registers.eax, one.registers.dr[3], one.registers.xmm[7] = 1, 2, 1 << 127
    one.registers.gdt.limit, one.registers.tr.selector = 3, 4
    one.inject_nmi()
    one.inject_machine_check(MachineCheck(1, 2, 3, 4, 5))
    state = processors.state()
    assert plain(state)
    other = Processors(2, memory)
    other.restore(state)
    assert other.state() == state
    assert other[1].registers == one.registers
    one.registers.dr[3] = 9
    assert other[1].registers.dr[3] == 2


def test_the_state_of_another_number_of_processors_is_refused(memory: Memory) -> None:
    with pytest.raises(GenericError) as caught:
        Processors(2, memory).restore(Processors(1, memory).state())
    assert caught.value.desc == "the state is of 1 processors, not of 2"


@pytest.mark.parametrize(("cr0", "selector", "level"), [(0, 3, 0), (CR0_PE, 3, 3)])
def test_real_mode_has_all_privileges(
    processor: Processor, cr0: int, selector: int, level: int
) -> None:
    processor.registers.cr0 = cr0
    processor.registers.cs.selector = selector
    assert processor.registers.privilege == level
