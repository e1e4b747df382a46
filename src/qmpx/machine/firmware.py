"""The firmware of the embedded machine: a ROM with a reset vector and nothing to do.

It is our own: a far jump at the reset vector, a date, and at its target a processor
that switches interrupts off and halts. The places of reset vector, date and model byte
are those of every PC since the IBM PC AT.
"""

from functools import cache
from typing import Final

FIRMWARE_SIZE: Final[int] = 0x10000
"""Bytes of the ROM: the last 64 KiB below 4 GiB, and again those below 1 MiB."""

_ENTRY: Final[int] = 0xE05B  # where a PC's start-up code begins, within the ROM
_RESET_VECTOR: Final[int] = 0xFFF0
_DATE: Final = b"08/09/10"  # the day of the talk
_MODEL: Final[int] = 0xFC  # IBM PC AT
_CODE: Final = (
    b"\xfa"  # cli
    b"\xf4"  # hlt
    b"\xeb\xfd"  # jmp to the hlt
)


@cache
def firmware() -> bytes:
    """Return the contents of the ROM, the same for all machines."""
    rom = bytearray(FIRMWARE_SIZE)
    rom[_ENTRY : _ENTRY + len(_CODE)] = _CODE
    jump = b"\xea" + _ENTRY.to_bytes(2, "little") + b"\x00\xf0"  # ljmp f000:e05b
    rom[_RESET_VECTOR : _RESET_VECTOR + len(jump)] = jump
    rom[_RESET_VECTOR + 5 : _RESET_VECTOR + 13] = _DATE
    rom[-2] = _MODEL
    return bytes(rom)
