"""The registers of a processor as a page of text, in QEMU's layout.

Source: QEMU 0.13 for i386; today's has a line more, for the register EFER, and other
figures for the registers that came later.
"""

from typing import Final

from qmpx.machine.processor import PRESENT, Processor
from qmpx.machine.registers import CR0_PE, Registers, Segment

_SEGMENT_PRESENT: Final[int] = 1 << 15
_NO_SYSTEM: Final[int] = 1 << 12
_CODE: Final[int] = 1 << 11
_LONG: Final[int] = 1 << 21
_WIDE: Final[int] = 1 << 22
_CONFORMING_OR_DOWN: Final[int] = 1 << 10
_READABLE_OR_WRITABLE: Final[int] = 1 << 9
_ACCESSED: Final[int] = 1 << 8

_SYSTEM_KINDS: Final = (
    "Reserved",
    "TSS16-avl",
    "LDT",
    "TSS16-busy",
    "CallGate16",
    "TaskGate",
    "IntGate16",
    "TrapGate16",
    "Reserved",
    "TSS32-avl",
    "Reserved",
    "TSS32-busy",
    "CallGate32",
    "Reserved",
    "IntGate32",
    "TrapGate32",
)
_FLAGS: Final = ((10, "D"), (11, "O"), (7, "S"), (6, "Z"), (4, "A"), (2, "P"), (0, "C"))


def dump(processor: Processor) -> str:
    """Return the registers of a processor, a line for each few of them."""
    registers = processor.registers
    general = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
    words = [f"{name.upper()}={getattr(registers, name):08x}" for name in general]
    lines = [" ".join(words[:4]), " ".join(words[4:])]
    flags = "".join(
        letter if registers.eflags >> bit & 1 else "-" for bit, letter in _FLAGS
    )
    lines.append(
        f"EIP={registers.eip:08x} EFL={registers.eflags:08x} [{flags}] "
        f"CPL={registers.privilege} II=0 A20={processor.is_a20_open:d} "
        f"SMM={processor.in_system_management:d} HLT={processor.is_halted:d}"
    )
    segments = ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr")
    lines += [_segment(name, getattr(registers, name), registers) for name in segments]
    for name, table in (("GDT", registers.gdt), ("IDT", registers.idt)):
        lines.append(f"{name}=     {table.base:08x} {table.limit:08x}")
    lines.append(
        " ".join(f"CR{n}={getattr(registers, f'cr{n}'):08x}" for n in (0, 2, 3, 4))
    )
    lines.append("".join(f"DR{n}={registers.dr[n]:08x} " for n in range(4)))
    lines.append(f"DR6={registers.dr[6]:08x} DR7={registers.dr[7]:08x}")
    lines += _floating_point(registers)
    return "".join(f"{line}\n" for line in lines)


def _segment(name: str, segment: Segment, registers: Registers) -> str:
    text = (
        f"{name.upper():<3}={segment.selector:04x} {segment.base:08x} "
        f"{segment.limit:08x} {segment.flags:08x}"
    )
    flags = segment.flags
    if not registers.cr0 & CR0_PE or not flags & _SEGMENT_PRESENT:
        return text
    text += f" DPL={flags >> 13 & 3} "
    if not flags & _NO_SYSTEM:
        return text + _SYSTEM_KINDS[flags >> 8 & 0xF]
    if flags & _CODE:
        width = "CS64" if flags & _LONG else "CS32" if flags & _WIDE else "CS16"
        letters = "CR"
    else:
        width = "DS  " if flags & _WIDE else "DS16"
        letters = "EW"
    bits = (_CONFORMING_OR_DOWN, _READABLE_OR_WRITABLE, _ACCESSED)
    shown = "".join(
        letter if flags & bit else "-"
        for bit, letter in zip(bits, letters + "A", strict=True)
    )
    return f"{text}{width} [{shown}]"


def _floating_point(registers: Registers) -> list[str]:
    top = registers.fsw >> 11 & 7
    control = f"FCW={registers.fcw:04x} FSW={registers.fsw:04x} [ST={top}]"
    lines = [f"{control} FTW={registers.ftw:02x} MXCSR={registers.mxcsr:08x}"]
    mask = (1 << 64) - 1
    wide = [
        f"FPR{n}={value & mask:016x} {value >> 64:04x}"
        for n, value in enumerate(registers.st)
    ]
    wider = [f"XMM{n:02d}={value:032x}" for n, value in enumerate(registers.xmm)]
    for words in (wide, wider):
        lines += [" ".join(words[at : at + 2]) for at in range(0, len(words), 2)]
    return lines


def show_mappings(processor: Processor) -> str:
    """Return what paging maps, a line for each page."""
    letters = "GPDACTUW"  # of bits 8 to 1
    lines = []
    for address, length, entry in processor.mappings():
        is_large = length > 1 << 12
        frame = entry & (0xFFF00000 if is_large else 0xFFFFF000)
        flags = entry if is_large else entry & ~(1 << 7)
        shown = "".join(
            letter if flags >> bit & 1 else "-"
            for bit, letter in zip(range(8, 0, -1), letters, strict=True)
        )
        lines.append(f"{address:08x}: {frame:08x} {shown}\n")
    return "".join(lines)


def show_ranges(processor: Processor) -> str:
    """Return what ranges paging maps, and who may do what there."""
    ranges: list[tuple[int, int, int]] = []
    for address, length, entry in processor.mappings():
        rights = entry & 7
        if ranges and ranges[-1][1:] == (address, rights):
            ranges[-1] = (ranges[-1][0], address + length, rights)
        else:
            ranges.append((address, address + length, rights))
    return "".join(
        f"{start:08x}-{end:08x} {end - start:08x} "
        f"{'u' if rights & 4 else '-'}r{'w' if rights & 2 else '-'}\n"
        for start, end, rights in ranges
        if rights & PRESENT
    )
