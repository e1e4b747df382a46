"""Sizes as people write them: ``10``, ``1.5G``, ``0x200k``; a number alone is MiB.

Source: QEMU 7.2, observed.
"""

import re
from typing import Final

_SHIFTS: Final = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_SIZE: Final = re.compile(
    r"(0x[0-9a-f]{1,16}|[0-9]{1,20}(?:\.[0-9]{1,20})?)([bkmgtpe]?)", re.IGNORECASE
)
_LARGEST: Final = 63  # bits


def read_size(line: str, at: int) -> tuple[int, int] | None:
    """Return the size that stands somewhere, in bytes, and where it ends.

    Args:
        line: The line.
        at: Where the size begins.

    Returns:
        ``None`` if there is none, or one of 2**63 bytes and more.
    """
    match = _SIZE.match(line, at)
    if match is None:
        return None
    digits, unit = match.groups()
    shift = _SHIFTS[unit.lower() or "m"]
    if digits[:2].lower() == "0x":
        number = int(digits, 16) << shift
    else:
        whole, _, part = digits.partition(".")
        number = int(whole) << shift
        number += (int(part or "0") << shift) // 10 ** len(part)
    return None if number >> _LARGEST else (number, match.end())
