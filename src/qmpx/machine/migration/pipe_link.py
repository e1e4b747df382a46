"""Links that carry one way only: pipes, files, and commands of the host."""

import contextlib
import os
import signal
import stat
import subprocess
from typing import Final

from qmpx.machine.migration.descriptor_link import DescriptorLink
from qmpx.machine.migration.links import LinkOwner

CHUNK: Final = 256 * 1024
"""Bytes read at once; a pipe holds 64 KiB as systems are set up, at most 1 MiB."""

REAP_INTERVAL: Final = 0.02
"""Seconds between two looks whether a command has ended, once its pipe is closed."""


class PipeLink(DescriptorLink):
    """One end of a pipe, or a file, on the running event loop.

    Args:
        fd: The descriptor; it is the link's from now on.
        is_writer: Whether the stream is written to it; else it is read from it.
    """

    answers = False
    local_host = None
    end = "the stream has ended"

    def __init__(self, fd: int, *, is_writer: bool) -> None:
        super().__init__()
        self._fd = fd
        self._is_writer = is_writer
        self._can_wait = not stat.S_ISREG(os.fstat(fd).st_mode)
        if self._can_wait:
            os.set_blocking(fd, False)
        self._is_open = True

    def _fileno(self) -> int:
        return self._fd

    def _put(self, data: memoryview) -> int:
        return os.write(self._fd, data)

    def _take(self) -> bytes:
        return os.read(self._fd, CHUNK)

    def start(self, owner: LinkOwner) -> None:
        """Tell *owner* from now on."""
        self._owner = owner
        self._loop.call_soon(self._opened)

    def _opened(self) -> None:
        if self._owner is None:
            return
        self._owner.link_opened()
        if self._is_writer or self._owner is None:
            return
        if self._can_wait:
            self._loop.add_reader(self._fd, self._readable)
        else:
            self._loop.call_soon(self._readable)

    def _readable(self) -> None:
        super()._readable()
        if not self._can_wait and self._owner is not None:
            self._loop.call_soon(self._readable)

    def close(self) -> None:
        """Close it at once."""
        super().close()
        self._close_fd()

    def _close_fd(self) -> None:
        if self._fd >= 0:
            if self._can_wait:
                self._loop.remove_reader(self._fd)
                self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


class CommandLink(PipeLink):
    """A command of the host that takes the stream, or gives it.

    How the command ends is the only answer that there is: status 0 says that it has
    done what it was to do with the stream.

    Args:
        command: For the shell.
        is_writer: Whether the command takes the stream; else it gives it.

    Raises:
        OSError: There is no shell, or no more processes.
    """

    def __init__(self, command: str, *, is_writer: bool) -> None:
        ours = subprocess.PIPE
        process = subprocess.Popen(  # noqa: S602 - what exec: is for
            command,
            shell=True,
            stdin=ours if is_writer else subprocess.DEVNULL,
            stdout=None if is_writer else ours,
            start_new_session=True,
        )
        pipe = process.stdin if is_writer else process.stdout
        if pipe is None:  # never: it was asked for
            raise OSError
        fd = os.dup(pipe.fileno())
        pipe.close()
        self._process = process
        super().__init__(fd, is_writer=is_writer)

    def _end(self) -> None:
        self._close_fd()
        self._await_end()

    def _await_end(self) -> None:
        owner = self._owner
        if owner is None:
            return
        status = self._process.poll()
        if status is None:
            self._loop.call_later(REAP_INTERVAL, self._await_end)
            return
        self._owner = None
        self._judge(owner, status)

    def _judge(self, owner: LinkOwner, status: int) -> None:
        """Tell the owner what the end of the command means."""
        if status == 0:
            owner.link_finished()
        else:
            owner.link_broken(f"the command has ended with status {status}")

    def close(self) -> None:
        """Close it at once, and end the command."""
        super().close()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
