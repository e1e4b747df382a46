"""Writing what is in memory to a file, with holes for zeros."""

import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from qmpx.errors import OpenFileFailed, UndefinedError

MAX_STREAMED: Final = 1 << 32
"""Bytes that are written to a pipe or a device, which cannot have holes: as much as an
i386 has addresses for."""

_CHUNK: Final = 1 << 20  # bytes of zeros that are written at once


def write_file(filename: str, pieces: Iterator[tuple[int, bytes]], size: int) -> None:
    """Write pieces of a content to a file, with holes for what is left out.

    The file is not waited for: a pipe that nobody reads is one that cannot be opened.

    Raises:
        OpenFileFailed: The file cannot be made.
        UndefinedError: It could not be written to its end.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(filename, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise OpenFileFailed(filename=filename) from error
    with open(fd, "wb", buffering=0) as file:
        try:
            _write_pieces(file.fileno(), pieces, size)
        except OSError as error:
            raise UndefinedError from error


def _write_pieces(fd: int, pieces: Iterator[tuple[int, bytes]], size: int) -> None:
    can_seek = stat.S_ISREG(os.fstat(fd).st_mode)
    if can_seek:
        os.ftruncate(fd, size)
    elif size > MAX_STREAMED:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    at = 0
    for offset, data in pieces:
        if can_seek:
            os.lseek(fd, offset, os.SEEK_SET)
        else:
            _write_zeros(fd, offset - at)
        _write_all(fd, data)
        at = offset + len(data)
    if not can_seek:
        _write_zeros(fd, size - at)


def _write_zeros(fd: int, count: int) -> None:
    while count > 0:
        part = min(count, _CHUNK)
        _write_all(fd, bytes(part))
        count -= part


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
