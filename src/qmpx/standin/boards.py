"""What a board's name tells of it beside what the profile knows.

Old versions of a board behave as they did when they were new.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

WITHOUT_PROCESSORS: Final = ("none", "x-remote")
"""Boards that have no processor unless one is asked for."""

_VERSIONED: Final = ("pc-i440fx-", "pc-q35-")
_NEWEST: Final = (99, 0)


def version_of(board: str) -> tuple[int, int]:
    """Return the version in a PC's name; a high one for other boards."""
    for kind in _VERSIONED:
        major, dot, rest = board.removeprefix(kind).partition(".")
        minor = rest.removesuffix(rest.lstrip("0123456789"))
        if board.startswith(kind) and dot and major.isdecimal() and minor:
            return int(major), int(minor)
    return _NEWEST


def prefers_sockets(board: str) -> bool:
    """Tell whether processors that nobody placed have a socket each, not a core."""
    return version_of(board) <= (6, 1)


def takes_sizes(board: str) -> bool:
    """Tell whether a NUMA node can have memory without a backend."""
    return version_of(board) <= (5, 0)


def makes_node(board: str) -> bool:
    """Tell whether there is a NUMA node if memory can be plugged in."""
    return version_of(board) >= (2, 11)


def has_acpi(board: str, options: Mapping[str, Any]) -> bool:
    """Tell whether the machine has ACPI; a Q35 has the chip even if nobody is told."""
    if board.startswith("pc-q35-"):
        return True
    is_off = options.get("acpi") == "off"
    return board.startswith(("pc-", "microvm")) and not is_off


def can_sleep(board: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a guest that sleeps can be woken: that needs a PC's ACPI."""
    return board.startswith("pc-") and has_acpi(board, options)


def has_keyboard_controller(board: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a PS/2 keyboard and a PS/2 mouse are there."""
    return board.startswith(("pc-", "isapc")) and options.get("i8042") is not False


def takes_modules(board: str) -> bool:
    """Tell whether memory can be plugged in at all."""
    return version_of(board) >= (2, 1) and board != "isapc"
