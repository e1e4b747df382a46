"""The files of a guest, in memory; nothing of the host is read or written.

Failures are those of C's ``fopen`` and its kin, as `OSError` with the number that Linux
gives.
"""

import errno
import itertools
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_FILES: Final = 1024
"""Files of a guest: a test makes a handful."""

MAX_STORED: Final = 64 * 2**20
"""Bytes in all files of a guest, which are in our memory."""

MAX_OPEN: Final = 1024
"""Files that are open at once: what Linux allows a process."""

FIRST_HANDLE: Final = 1000
"""The first number that an open file gets, as with QEMU's agent."""

_MODES: Final = {
    **dict.fromkeys(("r", "rb"), "r"),
    **dict.fromkeys(("w", "wb"), "w"),
    **dict.fromkeys(("a", "ab"), "a"),
    **dict.fromkeys(("r+", "rb+", "r+b"), "r+"),
    **dict.fromkeys(("w+", "wb+", "w+b"), "w+"),
    **dict.fromkeys(("a+", "ab+", "a+b"), "a+"),
}


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass(slots=True)
class OpenFile:
    """A file that a program has open.

    Attributes:
        path: Where it is.
        mode: How it was opened: ``r``, ``w``, ``a``, each perhaps with ``+``.
        position: Where the next byte is read or written.
        at_end: Whether a reader has met the end.
    """

    path: str
    mode: str
    position: int = 0
    at_end: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether it may be read."""
        return self.mode[0] == "r" or "+" in self.mode

    @property
    def is_writable(self) -> bool:
        """Whether it may be written."""
        return self.mode != "r"


class GuestFiles:
    """The files of a guest.

    Args:
        files: What there is from the start, by path.

    Directories are there where files are below them, and where they were made.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self._contents = {path: bytearray(data) for path, data in files.items()}
        self._folders = {"/", "/tmp", "/root", "/bin", "/usr/bin"}  # noqa: S108
        self._open: dict[int, OpenFile] = {}
        self._handles = itertools.count(FIRST_HANDLE)

    def read_whole(self, path: str) -> bytes:
        """Return what is in a file.

        Raises:
            OSError: There is none.
        """
        return bytes(self._content(self._normal(path)))

    def write_whole(self, path: str, data: bytes) -> None:
        """Put a file in place of what was there.

        Raises:
            OSError: There is no such directory, or no more room.
        """
        path = self._normal(path)
        self._check_new(path)
        self._check_room(len(data) - len(self._contents.get(path, b"")))
        self._contents[path] = bytearray(data)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory.

        Raises:
            OSError: There is none.
        """
        path = self._normal(path)
        if path in self._contents:
            raise _failure(errno.ENOTDIR)
        if not self.is_folder(path):
            raise _failure(errno.ENOENT)
        start = path.rstrip("/") + "/"
        below = (x[len(start) :] for x in self._everything() if x.startswith(start))
        return sorted({name.partition("/")[0] for name in below if name})

    def is_folder(self, path: str) -> bool:
        """Whether there is a directory of that name."""
        path = self._normal(path)
        start = path.rstrip("/") + "/"
        return path in self._folders or any(
            x.startswith(start) for x in self._everything()
        )

    def exists(self, path: str) -> bool:
        """Whether there is a file of that name."""
        return self._normal(path) in self._contents

    # What programs have open.

    def open(self, path: str, mode: str) -> int:
        """Open a file, and return its handle.

        Args:
            path: Where it is.
            mode: As for C's ``fopen``.

        Raises:
            ValueError: There is no such mode.
            OSError: It cannot be opened so.
        """
        kind = _MODES.get(mode)
        if kind is None:
            raise ValueError(mode)
        path = self._normal(path)
        if self.is_folder(path):
            raise _failure(errno.EISDIR if kind != "r" else errno.EACCES)
        if len(self._open) >= MAX_OPEN:
            raise _failure(errno.EMFILE)
        if kind[0] == "r":
            self._content(path)
        else:
            self._check_new(path)
            if kind[0] == "w":
                self._contents[path] = bytearray()
            else:
                self._contents.setdefault(path, bytearray())
        handle = next(self._handles)
        self._open[handle] = OpenFile(path, kind)
        return handle

    def find(self, handle: int) -> OpenFile:
        """Return an open file.

        Raises:
            KeyError: There is none of that handle.
        """
        return self._open[handle]

    def close(self, handle: int) -> None:
        """Close a file.

        Raises:
            KeyError: There is none of that handle.
        """
        del self._open[handle]

    def read(self, handle: int, count: int) -> bytes:
        """Read from where it is, up to the end.

        Raises:
            KeyError: There is none of that handle.
            OSError: It cannot be read.
        """
        file = self._open[handle]
        if not file.is_readable:
            raise _failure(errno.EBADF)
        content = self._contents.get(file.path, bytearray())
        data = bytes(content[file.position : file.position + count])
        file.position += len(data)
        file.at_end = len(data) < count
        return data

    def write(self, handle: int, data: bytes) -> None:
        """Write where it is; behind the end if it was opened for that.

        Raises:
            KeyError: There is none of that handle.
            OSError: It cannot be written, or there is no more room.
        """
        file = self._open[handle]
        if not file.is_writable:
            raise _failure(errno.EBADF)
        content = self._contents.setdefault(file.path, bytearray())
        start = len(content) if file.mode[0] == "a" else file.position
        self._check_room(start + len(data) - len(content))
        if start > len(content):
            content += bytes(start - len(content))
        content[start : start + len(data)] = data
        file.position, file.at_end = start + len(data), False

    def seek(self, handle: int, offset: int, whence: int) -> int:
        """Move to another place, and return it.

        Args:
            handle: The file.
            offset: How far.
            whence: From the start, from here, or from the end: 0, 1 or 2.

        Raises:
            KeyError: There is none of that handle.
            OSError: It would be before the start.
        """
        file = self._open[handle]
        size = len(self._contents.get(file.path, b""))
        position = (0, file.position, size)[whence] + offset
        if position < 0:
            raise _failure(errno.EINVAL)
        file.position, file.at_end = position, False
        return position

    # Within.

    def _everything(self) -> Iterator[str]:
        yield from self._folders
        yield from self._contents

    @staticmethod
    def _normal(path: str) -> str:
        return posixpath.normpath(posixpath.join("/", path))

    def _content(self, path: str) -> bytearray:
        content = self._contents.get(path)
        if content is None:
            raise _failure(errno.EISDIR if self.is_folder(path) else errno.ENOENT)
        return content

    def _check_new(self, path: str) -> None:
        if self.is_folder(path):
            raise _failure(errno.EISDIR)
        if not self.is_folder(posixpath.dirname(path)):
            raise _failure(errno.ENOENT)
        if path not in self._contents and len(self._contents) >= MAX_FILES:
            raise _failure(errno.ENOSPC)

    def _check_room(self, more: int) -> None:
        if more > 0 and sum(map(len, self._contents.values())) + more > MAX_STORED:
            raise _failure(errno.ENOSPC)
