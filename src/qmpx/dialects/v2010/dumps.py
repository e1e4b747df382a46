"""Memory, values and ports as 0.13 prints them: ``x``, ``xp``, ``print``, ``i``.

Addresses and values have 32 bits, as those of an i386 have.

Source: QEMU 0.13.0, observed.
"""

from collections.abc import Callable
from typing import Final

from qmpx.errors import GenericError
from qmpx.monitor.human import Format

MAX_DUMPED: Final = 1 << 20
"""Bytes of memory that one command prints: some megabytes of text, which is built and
kept until the person's end has taken it."""

_MASK: Final[int] = 0xFFFFFFFF
_ESCAPES: Final = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\r": "\\r"}

Read = Callable[[int, int], bytes | None]


def show_character(value: int) -> str:
    """Return a value as a character in quotes."""
    if 0 <= value < 128 and chr(value) in _ESCAPES:
        return f"'{_ESCAPES[chr(value)]}'"
    if 32 <= value <= 126:
        return f"'{chr(value)}'"
    return f"'\\x{value & _MASK if value < 0 else value:02x}'"


def show_value(format_: str, value: int, bits: int = 32) -> str:
    """Return a value of so many bits as ``print`` does."""
    value &= (1 << bits) - 1
    signed = value - (1 << bits) if value >> (bits - 1) else value
    match format_:
        case "o":
            return f"0{value:o}" if value else "0"
        case "x":
            return f"{value:#x}" if value else "0"
        case "u":
            return str(value)
        case "c":
            return show_character(signed)
        case _:
            return str(signed)


def show_memory(read: Read, fmt: Format, address: int, bits: int = 32) -> str:
    """Return memory in lines of 16 bytes; of 8, if a value is one byte.

    Args:
        read: Returns memory from an address on; ``None`` where nothing is mapped.
        fmt: How many values of how many bytes, and how they are to be shown.
        address: The first address.
        bits: Bits of an address. With more than 32, what 0.13 shows without a sign has
            one, as it has today.

    Raises:
        GenericError: It is more than `MAX_DUMPED` bytes.
    """
    width = fmt.size if fmt.size in (1, 2, 4, 8) else 1
    length = width * fmt.count
    if length > MAX_DUMPED:
        message = f"{length} bytes are more than the {MAX_DUMPED} that can be shown"
        raise GenericError(message)
    per_line = 8 if width == 1 else 16
    if fmt.format == "c":
        width = 1
    lines: list[str] = []
    for offset in range(0, length, per_line):
        start = (address + offset) & ((1 << bits) - 1)
        data = read(start, min(per_line, length - offset))
        if data is None:
            lines.append(f"{start:0{bits // 4}x}: Cannot access memory\n")
            break
        values = [
            int.from_bytes(data[at : at + width], "little")
            for at in range(0, len(data), width)
        ]
        has_sign = bits > 32
        shown = "".join(
            f" {_show(fmt.format, value, width, has_sign=has_sign)}" for value in values
        )
        lines.append(f"{start:0{bits // 4}x}:{shown}\n")
    return "".join(lines)


def _show(format_: str, value: int, width: int, *, has_sign: bool) -> str:
    bits = width * 8
    if has_sign and format_ == "d" and value >> (bits - 1):
        value -= 1 << bits
    match format_:
        case "o":
            text = f"0{value:o}" if value else "0"
            return text.rjust((bits + 2) // 3)
        case "u" | "d":
            return str(value).rjust((bits * 10 + 32) // 33)
        case "c":
            return show_character(value)
        case _:
            return f"0x{value:0{bits // 4}x}"


def show_port(port: int, size: int, width: int, value: int) -> str:
    """Return what was read from a port.

    Args:
        port: Its number.
        size: The bytes that were read.
        width: The bytes that were asked for; -1 if nobody said.
        value: What was read.
    """
    letter = {1: "b", 2: "w", 4: "l"}[size]
    shown = f"{value:#0{width * 2}x}" if value and width > 0 else f"{value:#x}"
    if not value:  # a zero has no prefix, but its width
        shown = "0".rjust(width * 2, "0") if width > 0 else "0 "
    return f"port{letter}[0x{port:04x}] = {shown}\n"
