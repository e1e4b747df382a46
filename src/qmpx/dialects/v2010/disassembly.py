"""Machine code of the i386 as text: ``x/i`` and ``xp/i``.

It knows the instructions of ordinary code, in 16 and in 32 bits, and writes them in the
form that GNU's assembler reads and 0.13 writes. What it does not know, such as floating
point, is ``(bad)`` and one byte long.

Source: Intel's manual, volume 2; the form as ``objdump`` has it.
"""

from typing import Final

from qmpx.dialects.v2010.dumps import MAX_DUMPED, Read
from qmpx.dialects.v2010.instructions import Instruction
from qmpx.dialects.v2010.machine_code import (
    MASK,
    MAX_INSTRUCTION,
    UnknownInstruction,
)
from qmpx.errors import GenericError
from qmpx.machine.processor import Processor
from qmpx.monitor.human import Format

_WIDE: Final[int] = 1 << 22  # in a code segment's flags: 32 bits


def show_instructions(
    read: Read, fmt: Format, address: int, processor: Processor
) -> str:
    """Return instructions, one a line.

    Args:
        read: Returns memory from an address on; ``None`` where nothing is mapped.
        fmt: How many; a size of 2 means code of 16 bits, one of 4 code of 32 bits, and
            any other what the processor's code segment says.
        address: Of the first.
        processor: Which is to execute them.

    Raises:
        GenericError: They are too many.
    """
    if fmt.count > MAX_DUMPED // MAX_INSTRUCTION:
        message = f"{fmt.count} instructions are more than can be shown"
        raise GenericError(message)
    is_wide = bool(processor.registers.cs.flags & _WIDE)
    if fmt.size in (2, 4):
        is_wide = fmt.size == 4
    lines = []
    for _ in range(fmt.count):
        address &= MASK
        code = _read_code(read, address)
        if not code:
            lines.append(f"0x{address:08x}:  Cannot access memory\n")
            break
        text, length = disassemble(code, address, is_wide=is_wide)
        lines.append(f"0x{address:08x}:  {text}\n")
        address += length
    return "".join(lines)


def _read_code(read: Read, address: int) -> bytes:
    """Return the bytes of an instruction, and less where memory ends."""
    whole = read(address, MAX_INSTRUCTION)
    if whole is not None:
        return whole
    first = read(address, min(MAX_INSTRUCTION, 4096 - address % 4096))
    return first or b""


def disassemble(code: bytes, address: int, *, is_wide: bool) -> tuple[str, int]:
    """Return an instruction as text, and its length.

    Args:
        code: Its bytes, and perhaps more.
        address: Where it is.
        is_wide: Whether it is code of 32 bits.
    """
    instruction = Instruction(code, address, is_wide=is_wide)
    try:
        return instruction.read(), instruction.at
    except (UnknownInstruction, IndexError):
        return "(bad)  ", 1
