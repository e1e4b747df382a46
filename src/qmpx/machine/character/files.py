"""Character devices on files: pipes, terminals, standard input and output."""

import asyncio
import contextlib
import os
import pty
import tty
from pathlib import Path
from typing import Final

from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.files import OF_THE_HOST, HostFiles

_READ_SIZE: Final = 4096


class Descriptors(CharacterDevice):
    """A character device on one or two file descriptors.

    Args:
        label: What it is called.
        filename: What ``query-chardev`` shows.
        users: How many devices may use it.
    """

    def __init__(self, label: str, filename: str, *, users: int = 1) -> None:
        super().__init__(label, filename, users=users)
        self._in = self._out = -1
        self._owned: list[int] = []
        self._is_watched = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def _use(self, read_from: int, write_to: int, *owned: int) -> None:
        """Use these; *owned* ones are closed at the end."""
        self._in, self._out = read_from, write_to
        self._owned += owned
        if read_from >= 0:
            os.set_blocking(read_from, False)
        self._let_in()

    def _let_in(self) -> None:
        if self._in >= 0 and not self._is_watched:
            # A plain file cannot be watched; nothing comes out of it then.
            with contextlib.suppress(PermissionError):
                self._loop = asyncio.get_running_loop()
                self._loop.add_reader(self._in, self._read)
                self._is_watched = True

    def _shut_out(self) -> None:
        if self._is_watched and self._loop is not None:
            if not self._loop.is_closed():  # else it watches nothing any more
                self._loop.remove_reader(self._in)
            self._is_watched = False

    def _read(self) -> None:
        try:
            data = os.read(self._in, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # the terminal has gone
            data = b""
        if data:
            self._came(data)
        else:
            self._shut_out()
            self._in = -1

    def write(self, data: bytes) -> int:
        """Write what the file takes now."""
        if self._out < 0:
            return len(data)
        try:
            return os.write(self._out, data)
        except BlockingIOError:
            return 0
        except OSError:  # nobody will ever read it
            return len(data)

    def close(self) -> None:
        """Close what is ours."""
        self._shut_out()
        for fd in self._owned:
            os.close(fd)
        self._owned.clear()
        self._in = self._out = -1


class OutputFile(Descriptors):
    """A file that what the machine writes goes to.

    Args:
        label: What it is called.
        path: The file.
        users: How many devices may use it.
        appends: Whether it is written on; else it begins empty.
        files: Opens it, and may know it as a descriptor that came along.
    """

    def __init__(
        self,
        label: str,
        path: str,
        *,
        users: int = 1,
        appends: bool = False,
        files: HostFiles = OF_THE_HOST,
    ) -> None:
        super().__init__(label, "file", users=users)
        self._path = path
        self._how = os.O_APPEND if appends else os.O_TRUNC
        self._files = files
        self._fd: int | None = None

    async def open(self) -> None:
        """Make the file, or empty it."""
        self._fd = self._files.open(self._path, os.O_WRONLY | self._how | os.O_CREAT)
        self._use(-1, self._fd)

    def close(self) -> None:
        """Close it."""
        super().close()
        fd, self._fd = self._fd, None
        if fd is not None:
            self._files.close(fd)


def _has_two_ends(path: str) -> bool:
    return all(Path(f"{path}.{end}").exists() for end in ("in", "out"))


class NamedPipe(Descriptors):
    """Two named pipes, ``PATH.in`` and ``PATH.out``, or one for both ways.

    Args:
        label: What it is called.
        path: The path.
        users: How many devices may use it.
    """

    def __init__(self, label: str, path: str, *, users: int = 1) -> None:
        super().__init__(label, "pipe", users=users)
        self._path = path

    async def open(self) -> None:
        """Open them, whether or not anybody has the other ends."""
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
        if _has_two_ends(self._path):
            read_from = os.open(f"{self._path}.in", flags)
            self._owned.append(read_from)
            write_to = os.open(f"{self._path}.out", flags)
            self._use(read_from, write_to, write_to)
        else:
            both = os.open(self._path, flags)
            self._use(both, both, both)


class HostDevice(Descriptors):
    """A device file of the host: a serial port.

    Args:
        label: What it is called.
        path: The file.
        users: How many devices may use it.
        kind: What it is called among the kinds.
    """

    def __init__(
        self, label: str, path: str, *, users: int = 1, kind: str = "tty"
    ) -> None:
        super().__init__(label, kind, users=users)
        self._path = path

    async def open(self) -> None:
        """Open it."""
        fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._use(fd, fd, fd)


class PseudoTerminal(Descriptors):
    """A new pseudo terminal, whose other end somebody may open by its name."""

    def __init__(self, label: str, *, users: int = 1) -> None:
        super().__init__(label, "pty", users=users)

    async def open(self) -> None:
        """Make it, raw; its name is then part of the file name."""
        ours, theirs = pty.openpty()
        # Theirs stays open: without it, reading ours would fail until somebody comes.
        tty.setraw(theirs)
        self.filename = f"pty:{os.ttyname(theirs)}"
        self._use(ours, ours, ours, theirs)


class StandardStreams(Descriptors):
    """Standard input and output of this process."""

    def __init__(self, label: str, *, users: int = 1) -> None:
        super().__init__(label, "stdio", users=users)

    async def open(self) -> None:
        """Use them; they are not closed at the end."""
        self._use(0, 1)
