"""Ports and instructions as 7.2 prints them: instructions have their bytes with them.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.v2010.disassembly import disassemble
from qmpx.dialects.v2010.dumps import MAX_DUMPED, Read
from qmpx.errors import GenericError
from qmpx.monitor.human import Format

MASK: Final[int] = (1 << 64) - 1
_LOW: Final[int] = 0xFFFFFFFF
_LONGEST: Final = 15  # bytes of an instruction
_BYTES: Final = 8  # of an instruction, in a line
_WIDE: Final[int] = 1 << 22  # of a code segment's flags: 32 bits


def show_instructions(read: Read, fmt: Format, address: int, processor: Any) -> str:
    """Return instructions, one a line, with their bytes.

    Raises:
        GenericError: They are too many.
    """
    if fmt.count > MAX_DUMPED // _LONGEST:
        message = f"{fmt.count} instructions are more than can be shown"
        raise GenericError(message)
    is_wide = bool(processor.registers.cs.flags & _WIDE)
    if fmt.size in (2, 4):
        is_wide = fmt.size == 4
    lines: list[str] = []
    for _ in range(fmt.count):
        code = _read_code(read, address)
        if not code:
            lines.append(f"0x{address:08x}: unable to read memory\n")
            break
        text, length = disassemble(code, address & _LOW, is_wide=is_wide)
        shown = " ".join(f"{byte:02x}" for byte in code[:length][:_BYTES])
        name, _space, rest = text.partition(" ")
        lines.append(f"0x{address:08x}:  {shown:<23}  {name:<8} {rest.strip()}\n")
        address = (address + length) & MASK
    return "".join(lines)


def _read_code(read: Read, address: int) -> bytes:
    for length in range(_LONGEST, 0, -1):
        code = read(address & MASK, length)
        if code is not None:
            return code
    return b""


def show_port(port: int, size: int, value: int) -> str:
    """Return what was read from a port: its width, its number, its value."""
    letter = {1: "b", 2: "w", 4: "l"}[size]
    return f"port{letter}[0x{port:04x}] = 0x{value:0{size * 2}x}\n"
