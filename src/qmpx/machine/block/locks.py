"""Locks on image files that other QEMU programs understand, and heed.

Bytes of the file are locked, one for each thing that somebody does, another for each
that somebody does not want done by others. All locks are shared; who wants to do
something looks whether the byte against it is locked.

Source: QEMU 7.2, ``docs`` on image locking and observation with ``/proc/locks``.
"""

import errno
import fcntl
import struct
from typing import Final

DOES: Final = 100
"""From here on: what is done."""

AGAINST: Final = 200
"""From here on: what others are not to do."""

READ, WRITE, RESIZE = 0, 1, 3
"""What can be done, by its place."""

NAMES: Final = {READ: "consistent read", WRITE: "write", RESIZE: "resize"}
"""What QEMU calls them."""

_FLOCK: Final = struct.Struct("hhqqi4x")


def _ask(fd: int, at: int) -> bool:
    """Whether somebody else has locked a byte."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, 0, at, 1, 0)
    told = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
    return bool(_FLOCK.unpack(told)[0] != fcntl.F_UNLCK)


def _set(fd: int, at: int, *, is_on: bool) -> None:
    kind = fcntl.F_RDLCK if is_on else fcntl.F_UNLCK
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, 0, at, 1, 0))


def take(fd: int, does: frozenset[int], against: frozenset[int]) -> None:
    """Lock a file for what is done with it, and give up other locks on it.

    Args:
        fd: The open file.
        does: What is done with it.
        against: What others are not to do with it.

    Raises:
        OSError: Somebody else does what must not be done, or wants the contrary. The
            text is QEMU's. Locks are as they were then, or fewer.
    """
    try:
        for what in sorted(does):
            _set(fd, DOES + what, is_on=True)
        for what in sorted(against):
            _set(fd, AGAINST + what, is_on=True)
        for what in sorted(does):
            if _ask(fd, AGAINST + what):
                raise _refusal("", what)
        for what in sorted(against):
            if _ask(fd, DOES + what):
                raise _refusal("shared ", what)
    except OSError as error:
        drop(fd)
        if error.errno in (errno.EINVAL, errno.ENOLCK, errno.ENOSYS):
            return  # a file system without such locks
        raise
    for what in NAMES:
        if what not in does:
            _set(fd, DOES + what, is_on=False)
        if what not in against:
            _set(fd, AGAINST + what, is_on=False)


def drop(fd: int) -> None:
    """Give up all locks on a file."""
    for what in NAMES:
        for base in (DOES, AGAINST):
            try:
                _set(fd, base + what, is_on=False)
            except OSError:
                return  # there are none on this file system


def _refusal(prefix: str, what: int) -> OSError:
    return OSError(errno.EAGAIN, f'Failed to get {prefix}"{NAMES[what]}" lock')
