"""What a board's name tells of it beside what the profile knows.

Old versions of a board behave as they did when they were new.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Final

WITHOUT_PROCESSORS: Final = ("none", "x-remote")
"""Boards that have no processor unless one is asked for."""

_VERSION: Final = r"pc-(?:i440fx|q35)-([0-9]+)\.([0-9]+).*"
_NEWEST: Final = (99, 0)
_RAM_NAMES: Final = {
    "isapc": "pc.ram",
    "microvm": "microvm.ram",
    "none": "ram",
    "x-remote": None,
}


def version_of(board: str) -> tuple[int, int]:
    """Return the version in a PC's name; a high one for other boards."""
    found = re.fullmatch(_VERSION, board)
    return _NEWEST if found is None else (int(found[1]), int(found[2]))


def prefers_sockets(board: str) -> bool:
    """Tell whether processors that nobody placed have a socket each, not a core."""
    return version_of(board) <= (6, 1)


def takes_sizes(board: str) -> bool:
    """Tell whether a NUMA node can have memory without a backend."""
    return version_of(board) <= (5, 0)


def makes_node(board: str) -> bool:
    """Tell whether there is a NUMA node if memory can be plugged in."""
    return version_of(board) >= (2, 11)


def takes_modules(board: str) -> bool:
    """Tell whether memory can be plugged in at all."""
    return version_of(board) >= (2, 1) and board != "isapc"


def ram_name(board: str, *, is_told: bool) -> str | None:
    """Return what the backend of the board's own RAM is called; ``None`` without one.

    Args:
        board: The board.
        is_told: Whether somebody said how much RAM there is.
    """
    name = _RAM_NAMES.get(board, "pc.ram")
    return None if board == "none" and not is_told else name
