"""What a debugger's core file of a machine looks like, apart from the memory in it.

An ELF file of type *core*, as QEMU lays it out: header, two section headers, program
headers, the processors' registers as notes, the memory, and the name of the one section
that has one.

Source: the ELF specification (gABI, and its i386 supplement), and files of a QEMU
7.2.22, looked at with ``readelf``.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from qmpx.machine.processor import Processor
    from qmpx.machine.registers import Segment, Table

_HEADER: Final = struct.Struct("<4s5B7xHHIQQQIHHHHHH")
_PROGRAM: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_NOTE: Final = struct.Struct("<III")
_STATUS_HEAD: Final = struct.Struct("<12xH2xIIIIII32x")
_SEGMENT: Final = struct.Struct("<IIIIQ")

_CORE: Final = 4
_I386: Final = 3
_PT_LOAD: Final = 1
_PT_NOTE: Final = 4
_SHT_STRTAB: Final = 3
_NT_PRSTATUS: Final = 1

SECTION_NAMES: Final = b"\0.shstrtab\0"
"""The end of the file."""


def head_of(
    processors: Sequence["Processor"], ranges: Sequence[tuple[int, int]]
) -> bytes:
    """Return all of a core file that comes before the memory.

    Args:
        processors: The processors.
        ranges: The first physical addresses and the lengths of the memory's parts,
            which follow in this order.
    """
    notes = b"".join(
        (
            *(_status(processor) for processor in processors),
            *(_full_state(processor) for processor in processors),
        )
    )
    count = 1 + len(ranges)
    sections_at = _HEADER.size
    programs_at = sections_at + 2 * _SECTION.size
    notes_at = programs_at + count * _PROGRAM.size
    memory_at = notes_at + len(notes)
    end = memory_at + sum(length for _, length in ranges)
    header = _HEADER.pack(
        b"\x7fELF",
        *(2, 1, 1, 0, 0),  # 64 bits, little-endian, version 1, System V
        _CORE,
        _I386,
        1,
        0,
        programs_at,
        sections_at,
        0,
        _HEADER.size,
        _PROGRAM.size,
        count,
        _SECTION.size,
        2,
        1,
    )
    names = _SECTION.pack(0, _SHT_STRTAB, 0, 0, end, len(SECTION_NAMES), 0, 0, 0, 0)
    programs = [_PROGRAM.pack(_PT_NOTE, 0, notes_at, 0, 0, len(notes), len(notes), 0)]
    at = memory_at
    for address, length in ranges:
        programs.append(
            _PROGRAM.pack(_PT_LOAD, 0, at, address, address, length, length, 0)
        )
        at += length
    return b"".join((header, bytes(_SECTION.size), names, *programs, notes))


def _note(owner: bytes, kind: int, content: bytes) -> bytes:
    name = owner + b"\0"
    padded = name + bytes(-len(name) % 4)
    return _NOTE.pack(len(name), len(content), kind) + padded + content


def _status(processor: "Processor") -> bytes:
    """Return the registers as a debugger expects those of a thread."""
    it = processor.registers
    head = _STATUS_HEAD.pack(0, 0, 0, processor.index + 1, 0, 0, 0)
    registers = struct.pack(
        "<17I",
        *(it.ebx, it.ecx, it.edx, it.esi, it.edi, it.ebp, it.eax),
        *(it.ds.selector, it.es.selector, it.fs.selector, it.gs.selector),
        0,
        *(it.eip, it.cs.selector, it.eflags, it.esp, it.ss.selector),
    )
    return _note(b"CORE", _NT_PRSTATUS, head + registers + bytes(4))


def _full_state(processor: "Processor") -> bytes:
    """Return what QEMU has to say of a processor beyond that."""
    it = processor.registers
    general = (it.eax, it.ebx, it.ecx, it.edx, it.esi, it.edi, it.esp, it.ebp)
    parts = [struct.pack("<16Q2Q", *general, *[0] * 8, it.eip, it.eflags)]
    parts += [_segment(each) for each in (it.cs, it.ds, it.es, it.fs, it.gs, it.ss)]
    parts += [_segment(it.ldt), _segment(it.tr), _table(it.gdt), _table(it.idt)]
    parts.append(struct.pack("<6Q", it.cr0, 0, it.cr2, it.cr3, it.cr4, 0))
    content = b"".join(parts)
    return _note(b"QEMU", 0, struct.pack("<II", 1, len(content) + 8) + content)


def _segment(it: "Segment") -> bytes:
    return _SEGMENT.pack(it.selector, it.limit, it.flags, 0, it.base)


def _table(it: "Table") -> bytes:
    return _SEGMENT.pack(0, it.limit, 0, 0, it.base)
