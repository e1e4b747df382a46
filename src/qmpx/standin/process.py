"""The process: background, pid file, descriptors, its name, what it tells.

Whoever starts a QEMU relies on the order: with ``-daemonize`` the first process ends,
with status 0, only when everything is open and the pid file is written, and nothing of
what it was given as standard output stays open then: libvirt reads that to its end.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from qmpx.standin.failure import StartFailure

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Final

_READY: Final = b"\0"


class Teller:
    """Tells on standard error, as QEMU does.

    Nobody may be there to read it, and the pipe may be full or gone: nothing waits for
    a reader, and nothing fails without one.

    Args:
        program: The name of the program, which begins each message.

    Attributes:
        has_timestamps: Whether the time stands before that.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self.has_timestamps = False

    def tell(self, message: str, *, gap: str = " ") -> None:
        """Write a message; it may have several lines.

        Args:
            message: What there is to say.
            gap: What stands between the program's name and that.
        """
        stamp = ""
        if self.has_timestamps:
            now = time.time_ns()
            seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
            stamp = f"{seconds}.{now // 1000 % 10**6:06d}Z "
        self.write(f"{stamp}{self._program}:{gap}{message}\n")

    @staticmethod
    def write(text: str) -> None:
        """Write a text as it is."""
        try:
            os.write(2, text.encode(errors="surrogateescape"))
        except OSError:
            return  # nobody is there


def name_process(name: str) -> None:
    """Give the process a name, for ``ps``; systems without such names keep theirs."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name[:15])
    except OSError:
        return  # it keeps the old one


class Daemon:
    """A process in the background, whose parent waits until it is ready.

    Made in the parent; only the child returns from `enter`.
    """

    def __init__(self) -> None:
        self._pipe: int | None = None

    def enter(self) -> None:
        """Fork, and return in the child; the parent ends when the child is ready."""
        ours, theirs = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if child:
            os.close(theirs)
            _wait_for(ours, child)
        os.close(ours)
        os.setsid()
        if os.fork():  # whoever leads a session may get a terminal
            os._exit(0)
        os.umask(0o027)
        self._pipe = theirs

    def ready(self, *, keeps_errors: bool) -> None:
        """Let the parent end, and let go of what it was given.

        Args:
            keeps_errors: Whether standard error is a log file of our own.
        """
        if self._pipe is None:
            return
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1) if keeps_errors else (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        os.write(self._pipe, _READY)
        os.close(self._pipe)
        self._pipe = None


def _wait_for(pipe: int, child: int) -> None:
    """End with status 0 once the daemon is ready, with 1 if it will never be."""
    os.waitpid(child, 0)
    try:
        word = os.read(pipe, 1)
    except OSError:
        word = b""
    os._exit(0 if word == _READY else 1)


class PidFile:
    """The file that tells the process's number; locked as long as that lives.

    Args:
        path: Where it is.

    Raises:
        StartFailure: It cannot be made, or belongs to a process that lives.
    """

    def __init__(self, path: str) -> None:
        import fcntl

        self.path = os.path.abspath(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            message = f"cannot create PID file: Could not create '{path}': {reason}"
            raise StartFailure(message) from None
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            reason = os.strerror(error.errno or errno.EAGAIN)
            message = f"cannot create PID file: Failed to lock '{path}': {reason}"
            raise StartFailure(message) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"%d\n" % os.getpid())

    def remove(self) -> None:
        """Remove it."""
        try:
            os.unlink(self.path)
        except OSError:
            return  # somebody did that


def open_log(path: str) -> None:
    """Let standard error go to a file.

    Raises:
        StartFailure: It cannot be opened.
    """
    path = path.replace("%d", str(os.getpid()), 1)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        message = f"Error opening logfile {path}: {os.strerror(error.errno or 0)}"
        raise StartFailure(message) from None
    os.dup2(fd, 2)
    os.close(fd)
