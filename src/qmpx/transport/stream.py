"""A connected socket for a program that blocks: every wait has a deadline.

The kernel keeps the time (``SO_RCVTIMEO``), so a read is one system call, where
Python's own time-outs make two. The time it is set to is a lower bound of what is left;
a wait that ends early is taken up again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
import time

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

READ_SIZE: Final = 64 * 1024
"""Most bytes of one read; memory for much more is mapped and unmapped each time."""

_FOREVER: Final = 3600.0  # seconds; a wait beyond that is taken up again
_KERNEL_KEEPS_TIME: Final = sys.platform != "win32"


class Stream:
    """A connected stream socket.

    Args:
        sock: The socket, now the stream's own.

    One thread may read while another writes.
    """

    __slots__ = ("_armed", "sock")

    def __init__(self, sock: socket.socket) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(True)
        self.sock = sock
        self._armed = 0.0

    def receive(self, deadline: float | None) -> bytes | None:
        """Return what has come, ``b""`` at the end, ``None`` if the deadline passes.

        Args:
            deadline: On the clock of `time.monotonic`; ``None`` waits for ever.

        Raises:
            OSError: The connection broke.
        """
        while True:
            left = _FOREVER
            if deadline is not None:
                left = min(deadline - time.monotonic(), _FOREVER)
            if left <= 0:
                return None
            # Set anew if it would wake us too late, or far too often.
            if not left * 0.1 <= self._armed <= left:
                self._arm(left)
            try:
                return self.sock.recv(READ_SIZE)
            except (BlockingIOError, TimeoutError):
                continue

    def receive_now(self) -> bytes | None:
        """Return what has come already, ``b""`` at the end, ``None`` if nothing has.

        Raises:
            OSError: The connection broke.
        """
        if not _KERNEL_KEEPS_TIME:
            return None  # there is no such read there; what comes later is not lost
        try:
            return self.sock.recv(READ_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> int:
        """Send what the kernel takes now, and return how many bytes that is.

        Args:
            data: What to send.
            fds: Descriptors to go with the first byte.

        Raises:
            OSError: The connection broke.
        """
        flags = socket.MSG_DONTWAIT if _KERNEL_KEEPS_TIME else 0
        try:
            if not fds:
                return self.sock.send(data, flags)
            from array import array  # few hand any over

            rights = array("i", fds)
            level = (socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)
            return self.sock.sendmsg([data], [level], flags)
        except BlockingIOError:
            return 0

    def wait_writable(self, deadline: float | None, *, or_readable: bool) -> bool:
        """Wait until something can be sent; tell whether there is something to read.

        Args:
            deadline: As for `receive`; the wait ends then in any case.
            or_readable: Whether to end the wait when there is something to read.

        Raises:
            OSError: Another thread has closed the connection.
        """
        self._require_open()
        left = _FOREVER
        if deadline is not None:
            left = min(max(deadline - time.monotonic(), 0.0), _FOREVER)
        if _KERNEL_KEEPS_TIME:
            poller = select.poll()  # select() takes no descriptor beyond 1023
            wanted = select.POLLIN if or_readable else 0
            poller.register(self.sock, select.POLLOUT | wanted)
            (found,) = poller.poll(left * 1000) or [(0, 0)]
            return or_readable and bool(found[1] & ~select.POLLOUT)
        readers = [self.sock] if or_readable else []
        readable, _, _ = select.select(readers, [self.sock], [], left)
        return bool(readable)

    def wait_readable(self, deadline: float | None, waker: socket.socket) -> bool:
        """Wait until there is something to read; tell whether *waker* ended the wait.

        Args:
            deadline: As for `receive`; the wait ends then in any case.
            waker: Ends the wait when there is something to read on it, which is read.

        Raises:
            OSError: Another thread has closed the connection.
        """
        self._require_open()
        left = _FOREVER
        if deadline is not None:
            left = min(max(deadline - time.monotonic(), 0.0), _FOREVER)
        if _KERNEL_KEEPS_TIME:
            poller = select.poll()
            poller.register(self.sock, select.POLLIN)
            poller.register(waker, select.POLLIN)
            ready = [fd for fd, _ in poller.poll(left * 1000)]
        else:
            readable, _, _ = select.select([self.sock, waker], [], [], left)
            ready = [sock.fileno() for sock in readable]
        if waker.fileno() not in ready:
            return False
        waker.recv(READ_SIZE)
        return True

    def _require_open(self) -> None:
        if self.sock.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def _arm(self, seconds: float) -> None:
        if _KERNEL_KEEPS_TIME:
            whole = int(seconds)
            rest = max(int((seconds - whole) * 1_000_000), 1)
            value = struct.pack("ll", whole, rest)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        else:
            self.sock.settimeout(seconds)
        self._armed = seconds

    def shut(self) -> None:
        """End the connection; what has come can still be read, and then the end."""
        with contextlib.suppress(OSError):  # the peer was quicker
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; a read that waits in another thread ends."""
        self.shut()
        self.sock.close()
