"""A terminal that hands over each key: no echo, no line editing by the kernel.

Ctrl-C and Ctrl-Z still make signals, as with QEMU's ``-monitor stdio``.

Source: ``termios(3)``.
"""

import atexit
import contextlib
import os
import termios
from collections.abc import Callable
from typing import Any, Final

_INPUT, _OUTPUT, _CONTROL, _LOCAL, _CHARACTERS = (
    0,
    1,
    2,
    3,
    6,
)  # in what tcgetattr gives

_NO_INPUT: Final = (
    termios.IGNBRK
    | termios.BRKINT
    | termios.PARMRK
    | termios.ISTRIP
    | termios.INLCR
    | termios.IGNCR
    | termios.ICRNL
    | termios.IXON
)
_NO_LOCAL: Final = termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN


def leave_alone() -> None:
    """Put nothing back."""


def set_raw(fd: int) -> Callable[[], None]:
    """Let a terminal hand over each key at once.

    Args:
        fd: A descriptor; one that is no terminal is left alone.

    Returns:
        What puts it back as it was; the end of the program does so, too.
    """
    if not os.isatty(fd):
        return leave_alone
    try:
        original = termios.tcgetattr(fd)
        termios.tcsetattr(fd, termios.TCSANOW, _raw(termios.tcgetattr(fd)))
    except termios.error:  # it went away
        return leave_alone

    def restore() -> None:
        atexit.unregister(restore)
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(fd, termios.TCSADRAIN, original)

    atexit.register(restore)
    return restore


def _raw(mode: list[Any]) -> list[Any]:
    mode[_INPUT] &= ~_NO_INPUT
    mode[_OUTPUT] |= termios.OPOST
    mode[_CONTROL] = mode[_CONTROL] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    mode[_LOCAL] &= ~_NO_LOCAL
    mode[_CHARACTERS][termios.VMIN] = 1
    mode[_CHARACTERS][termios.VTIME] = 0
    return mode
