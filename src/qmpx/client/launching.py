"""Starting a QEMU with a monitor of its own, and ending it: what both ways in share.

The monitor is one end of a socket pair, which the program inherits: there is no path to
choose or to be too long, nothing to wait for, nobody who gets in first, and when the
program dies the other end says so at once.
"""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from typing import IO, Final

from qmpx.errors import ConnectError, ConnectionLost, LaunchError, LocalProtocolError

START_TIMEOUT: Final = 60.0
"""Seconds until a started program greets: one with much memory to pin takes thirty."""

QUIT_TIMEOUT: Final = 60.0
"""Seconds from ``quit`` to the end: QEMU flushes its disks in that time."""

TERMINATE_TIMEOUT: Final = 10.0
"""Seconds from SIGTERM to the end, where ``quit`` did not help."""

MAX_STDERR: Final = 16384
"""Bytes of the end of a program's standard error that are kept for an error."""

ANSWER_TIMEOUT: Final = 5.0
"""Seconds for the reply to ``quit``; it comes before the disks are flushed."""

LOOK: Final = 0.01
"""Seconds between two looks whether a program has ended."""

_CHARDEV: Final = "qmpx-monitor"

Ending = Generator[float | None, bool, int]
"""Yields how many seconds to wait for the end, ``None`` to send ``quit`` first; is sent
whether it has come."""


class Program:
    """A program that was started, and the socket to its monitor.

    Args:
        command: The program and its arguments, without any for this monitor.
        env: Its environment; ours, if it is not said.
        cwd: Its directory.
        stderr: Where its standard error goes: by default to a file of ours, so that its
            end can be told.

    Attributes:
        process: The process.
        socket: Our end of the monitor, until it is connected to.

    Raises:
        LaunchError: It cannot be started.
        LocalProtocolError: It would leave our sight at once (``-daemonize``).
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: IO[bytes] | int | None = None,
    ) -> None:
        words = [os.fspath(word) for word in command]
        if not words:
            raise LocalProtocolError("there is no program to launch")
        if "-daemonize" in words or "--daemonize" in words:
            message = (
                "a program that is launched must not daemonize: leave -daemonize out"
            )
            raise LocalProtocolError(message)
        self._name = os.path.basename(words[0])
        self._last_words = ""
        self._said = tempfile.TemporaryFile() if stderr is None else None  # noqa: SIM115 - see forget
        self.socket, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(  # noqa: S603 - what to run is for the caller
                [*words, *monitor_options(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._said or stderr,
                stderr=self._said or stderr,
                env=env,
                cwd=cwd,
            )
        except OSError as error:
            self.socket.close()
            self.forget()
            raise LaunchError(words[0], *_explain(words[0], error)) from error
        finally:
            theirs.close()

    @property
    def said(self) -> str:
        """The end of what it wrote to its standard error, if that was kept."""
        if self._said is None:
            return ""
        if self._said.closed:
            return self._last_words
        fd = self._said.fileno()
        begin = max(os.fstat(fd).st_size - MAX_STDERR, 0)
        return os.pread(fd, MAX_STDERR, begin).decode("utf-8", "replace").strip()

    def failure(self, error: ConnectError | ConnectionLost) -> LaunchError:
        """Return the error for a program that did not come to greet; it is ended.

        Args:
            error: What the connection met.
        """
        # It closes its files shortly before it has ended.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0 if isinstance(error, ConnectionLost) else 0.0)
        status = self.process.poll()
        if status is None:
            self._kill()
            reason = error.reason if isinstance(error, ConnectError) else str(error)
            reason = f"it was ended, for its monitor did not answer: {reason}"
        else:
            how = f"with status {status}"
            if status < 0:
                how = f"by {signal.Signals(-status).name}"
            reason = f"it ended {how} before its monitor answered"
        failure = LaunchError(self._name, reason, self.said, status)
        self.forget()
        return failure

    def abandon(self) -> None:
        """End it at once: something went wrong that is not its fault."""
        self._kill()
        self.forget()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> Ending:
        """End it: ask for it, then insist, then force; return its exit status."""
        if self.process.poll() is None:
            is_over = yield None
            if not is_over and not (yield QUIT_TIMEOUT):
                self.process.terminate()
                if not (yield TERMINATE_TIMEOUT):
                    self.process.kill()
        # What was killed ends, unless a disk keeps it in the kernel.
        if self.process.poll() is None and not (yield TERMINATE_TIMEOUT):
            message = f"process {self.process.pid} does not end, not even by SIGKILL"
            raise ConnectError(self._name, message)
        return self.process.wait()

    def forget(self) -> None:
        """Let go of what it said, which was kept for errors."""
        if self._said is not None and not self._said.closed:
            self._last_words = self.said
            self._said.close()


def monitor_options(fd: int) -> list[str]:
    """Return the options that make a monitor of a descriptor."""
    return [
        *("-chardev", f"socket,id={_CHARDEV},fd={fd}"),
        *("-mon", f"chardev={_CHARDEV},mode=control"),
    ]


def _explain(program: str, error: OSError) -> tuple[str, str]:
    is_name = os.sep not in program
    if error.errno == errno.ENOENT and is_name and shutil.which(program) is None:
        hint = "install it, or give the path of the program"
        return "there is no such program in PATH", hint
    return f"it cannot be started: {error.strerror}", ""
