"""Registers as text, in the layout of QEMU for i386."""

from __future__ import annotations

import struct

import pytest

from qmpx.machine.memory import Memory
from qmpx.machine.processor import Processor
from qmpx.machine.register_dump import dump, show_mappings, show_ranges
from qmpx.machine.registers import CR0_PE, CR0_PG, CR4_PSE, Segment

AFTER_RESET = """\
EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000633
ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000
EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
ES =0000 00000000 0000ffff 00009300
CS =f000 ffff0000 0000ffff 00009b00
SS =0000 00000000 0000ffff 00009300
DS =0000 00000000 0000ffff 00009300
FS =0000 00000000 0000ffff 00009300
GS =0000 00000000 0000ffff 00009300
LDT=0000 00000000 0000ffff 00008200
TR =0000 00000000 0000ffff 00008b00
GDT=     00000000 0000ffff
IDT=     00000000 0000ffff
CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000
DR0=00000000 DR1=00000000 DR2=00000000 DR3=00000000 \n\
DR6=ffff0ff0 DR7=00000400
FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80
FPR0=0000000000000000 0000 FPR1=0000000000000000 0000
FPR2=0000000000000000 0000 FPR3=0000000000000000 0000
FPR4=0000000000000000 0000 FPR5=0000000000000000 0000
FPR6=0000000000000000 0000 FPR7=0000000000000000 0000
XMM00=00000000000000000000000000000000 XMM01=00000000000000000000000000000000
XMM02=00000000000000000000000000000000 XMM03=00000000000000000000000000000000
XMM04=00000000000000000000000000000000 XMM05=00000000000000000000000000000000
XMM06=00000000000000000000000000000000 XMM07=00000000000000000000000000000000
"""


@pytest.fixture
def memory() -> Memory:
    return Memory(2**24)


@pytest.fixture
def processor(memory: Memory) -> Processor:
    return Processor(0, memory)


def test_a_processor_after_its_reset(processor: Processor) -> None:
    assert dump(processor) == AFTER_RESET


def test_each_register_stands_in_its_place(processor: Processor) -> None:
    registers = processor.registers
    names = "eax ebx ecx edx esi edi ebp esp"
    for number, name in enumerate(names.split(), 1):
        setattr(registers, name, number)
    for number, name in enumerate(["cr0", "cr2", "cr3", "cr4"], 0x10):
        setattr(registers, name, number)
    registers.dr = [*range(0x20, 0x28)]
    registers.gdt.base, registers.idt.limit = 0x30, 0x31
    registers.fcw, registers.fsw, registers.ftw, registers.mxcsr = 1, 0x2800, 3, 4
    registers.st[1], registers.xmm[2] = 0x3FFF8000000000000001, 0xA << 124 | 5
    lines = dump(processor).splitlines()
    assert lines[0] == "EAX=00000001 EBX=00000002 ECX=00000003 EDX=00000004"
    assert lines[1] == "ESI=00000005 EDI=00000006 EBP=00000007 ESP=00000008"
    assert lines[11] == "GDT=     00000030 0000ffff"
    assert lines[12] == "IDT=     00000000 00000031"
    assert lines[13] == "CR0=00000010 CR2=00000011 CR3=00000012 CR4=00000013"
    assert lines[14] == "DR0=00000020 DR1=00000021 DR2=00000022 DR3=00000023 "
    assert lines[15] == "DR6=00000026 DR7=00000027"
    assert lines[16] == "FCW=0001 FSW=2800 [ST=5] FTW=03 MXCSR=00000004"
    assert lines[17].endswith(" FPR1=8000000000000001 3fff")
    assert lines[22].startswith("XMM02=a0000000000000000000000000000005 ")


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (0x002, "[-------]"),
        (0xCD7, "[DOSZAPC]"),
        (0x401, "[D-----C]"),
        (0x880, "[-OS----]"),
        (0x044, "[---Z-P-]"),
        (0x010, "[----A--]"),
    ],
)
def test_flags_are_letters(processor: Processor, flags: int, shown: str) -> None:
    processor.registers.eflags = flags
    processor.is_halted, processor.is_a20_open = True, False
    processor.in_system_management = True
    line = dump(processor).splitlines()[2]
    end = "CPL=0 II=0 A20=0 SMM=1 HLT=1"
    assert line == f"EIP=0000fff0 EFL={flags:08x} {shown} {end}"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (0x00CF9B00, " DPL=0 CS32 [-RA]"),
        (0x00CFFE00, " DPL=3 CS32 [CR-]"),
        (0x000F9B00, " DPL=0 CS16 [-RA]"),
        (0x00AF9900, " DPL=0 CS64 [--A]"),
        (0x00CF9300, " DPL=0 DS   [-WA]"),
        (0x000FF600, " DPL=3 DS16 [EW-]"),
        (0x00008B00, " DPL=0 TSS32-busy"),
        (0x00008200, " DPL=0 LDT"),
        (0x0000E100, " DPL=3 TSS16-avl"),
        (0x00008F00, " DPL=0 TrapGate32"),
        (0x00001B00, ""),
    ],
)
def test_protected_mode_shows_what_a_segment_is(
    processor: Processor, flags: int, shown: str
) -> None:
    processor.registers.cr0 |= CR0_PE
    processor.registers.es = Segment(8, 0, 0xFFFFFFFF, flags)
    line = dump(processor).splitlines()[3]
    assert line == f"ES =0008 00000000 ffffffff {flags:08x}{shown}"


def map_pages(memory: Memory, processor: Processor, entries: dict[int, int]) -> None:
    for address, entry in entries.items():
        memory.write(address, struct.pack("<I", entry))
    processor.registers.cr0 |= CR0_PE | CR0_PG
    processor.registers.cr3 = 0x10000
    processor.registers.cr4 = CR4_PSE


def test_mappings_are_lines_with_letters(processor: Processor, memory: Memory) -> None:
    entries = {
        0x10000: 0x11003,
        0x11000: 0x00005003,
        0x11004: 0x000061FF,
        0x10FFC: 0x00C00187,
    }
    map_pages(memory, processor, entries)
    assert show_mappings(processor) == (
        "00000000: 00005000 -------W\n"
        "00001000: 00006000 G-DACTUW\n"
        "ffc00000: 00c00000 GP----UW\n"
    )


def test_ranges_join_neighbours_of_the_same_rights(
    processor: Processor, memory: Memory
) -> None:
    entries = {
        0x10000: 0x11007,
        0x11000: 0x5003,
        0x11004: 0x9003,
        0x11008: 0x9007,
        0x11010: 0x9005,
        0x11014: 0x9001,
        0x10FFC: 0x00C00083,
    }
    map_pages(memory, processor, entries)
    assert show_ranges(processor) == (
        "00000000-00002000 00002000 -rw\n"
        "00002000-00003000 00001000 urw\n"
        "00004000-00005000 00001000 ur-\n"
        "00005000-00006000 00001000 -r-\n"
        "ffc00000-100000000 00400000 -rw\n"
    )


def test_without_paging_nothing_is_mapped(processor: Processor) -> None:
    assert show_mappings(processor) == show_ranges(processor) == ""
