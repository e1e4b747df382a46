"""A connected stream socket on an event loop: bytes and descriptors in, bytes out.

asyncio's own transports drop the file descriptors that come with a message (they read
with ``recv``), and send in the next turn of the loop. This one reads with ``recvmsg``
and sends at once, so one command costs one turn and two system calls. It serves the
monitor and the asyncio client alike, on asyncio's loop and on uvloop.

Everything here runs in the loop's thread.
"""

import array
import asyncio
import contextlib
import os
import select
import socket
from typing import Final, Protocol

READ_SIZE: Final = 20 * 1024
"""Most bytes of one read: what one client can make us look at before others' turn.

Short commands take some fifteen times their size once decoded, so this is also what
keeps a client that never reads below half a megabyte.
"""

HIGH_WATER: Final = 64 * 1024
"""Unsent bytes from which a channel counts as congested: about one socket buffer."""

LOW_WATER: Final = 16 * 1024
"""Unsent bytes at which a congested channel says that it is drained."""

MAX_FDS: Final = 16
"""Most descriptors taken from one message; QEMU takes as many."""

LINGER: Final = 5.0
"""Seconds that a closing channel waits for its peer to take what is unsent."""

_FD_SIZE: Final = array.array("i").itemsize


class Receiver(Protocol):
    """What a channel tells the session behind it."""

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Take bytes, and the descriptors that came with them (now the receiver's)."""

    def eof_received(self) -> None:
        """Note that the peer sends no more; it may still read."""

    def drained(self) -> None:
        """Go on: a congested channel has room again."""

    def connection_lost(self, error: OSError | None) -> None:
        """Clean up; the channel is closed. Called once, last."""


class Channel:
    """One connected socket.

    Args:
        loop: The running loop.
        sock: A connected stream socket, now the channel's own.
        receiver: Whom to tell.
        high_water: See `HIGH_WATER`.
    """

    __slots__ = (
        "_closing",
        "_fd",
        "_has_written",
        "_high_water",
        "_is_unix",
        "_linger",
        "_loop",
        "_reading",
        "_receiver",
        "_rewatch",
        "_sock",
        "_unsent",
        "_watched",
        "is_congested",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        *,
        high_water: int = HIGH_WATER,
    ) -> None:
        sock.setblocking(False)
        family = sock.family  # each look makes an enum
        self._is_unix = family == socket.AF_UNIX
        if family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._fd = sock.fileno()
        self._receiver = receiver
        self._high_water = high_water
        self._unsent: bytearray | None = None
        self._reading = False
        self._watched = False  # by the loop, which calls `_read`
        self._has_written = False
        self._rewatch = not isinstance(loop, asyncio.BaseEventLoop)
        self._closing = False
        self._linger: asyncio.TimerHandle | None = None
        self.is_congested = False
        """Whether so much is unsent that the receiver should make no more."""

    @property
    def is_closing(self) -> bool:
        """Whether the channel is closed, or closes once all is sent."""
        return self._closing or self._sock is None

    @property
    def sock(self) -> socket.socket | None:
        """The socket, for its names and credentials; ``None`` once closed."""
        return self._sock

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer."""
        return len(self._unsent) if self._unsent else 0

    def resume_reading(self) -> None:
        """Read on; a new channel does not read until this is called."""
        if not self._reading and not self.is_closing:
            self._reading = True
            if not self._watched:
                self._watched = True
                self._loop.add_reader(self._fd, self._read)

    def pause_reading(self) -> None:
        """Leave further input to the kernel, which in time holds the peer back."""
        # The loop is told when something comes meanwhile: for most pauses, between a
        # command and its reply, nothing does, and telling it takes eight system calls.
        self._reading = False

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._fd)

    def write(self, data: bytes | memoryview) -> None:
        """Send *data* now, and keep what the socket does not take. Never blocks."""
        if self._sock is None or self._closing:
            return
        self._has_written = True
        if self._unsent is None:
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            self._unsent = bytearray(memoryview(data)[sent:])
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._unsent += data
        if len(self._unsent) > self._high_water:
            self.is_congested = True

    def send_fds(self, data: bytes, fds: list[int]) -> None:
        """Send *data* and, with its first byte, copies of descriptors.

        Call it only when `can_send_fds`.
        """
        if self._sock is None or self._closing:
            return
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        try:
            sent = self._sock.sendmsg([data], rights)
        except OSError as error:
            self._lose(error)
            return
        if sent < len(data):
            self.write(data[sent:])

    @property
    def can_send_fds(self) -> bool:
        """Whether all is sent, and the kernel takes more at once."""
        if self._sock is None or self._unsent is not None:
            return False
        poller = select.poll()
        poller.register(self._sock, select.POLLOUT)
        return bool(poller.poll(0))

    def close(self) -> None:
        """Close once all is sent, or after `LINGER` seconds."""
        if self.is_closing:
            return
        self.pause_reading()
        if self._unsent is None:
            self._lose(None)
            return
        self._closing = True
        self._linger = self._loop.call_later(LINGER, self._lose, None)

    def abort(self) -> None:
        """Close now; what is unsent is lost."""
        self._lose(None)

    def _read(self) -> None:
        if self._sock is None:
            return
        if not self._reading:
            self._unwatch()
            return
        fds: list[int] = []
        try:
            if self._is_unix:
                data, ancillary, _, _ = self._sock.recvmsg(
                    READ_SIZE, socket.CMSG_SPACE(MAX_FDS * _FD_SIZE)
                )
                if ancillary:
                    fds = read_fds(ancillary)
            else:
                data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._has_written = False
            self._receiver.data_received(data, fds)
            if self._rewatch and not self._has_written:
                self._look_for_reset()
        else:
            close_fds(fds)
            self.pause_reading()
            self._receiver.eof_received()

    def _look_for_reset(self) -> None:
        # uvloop reports a connection that was reset once, and then forgets the reader:
        # if there was still something to read, the end would never be seen. Where
        # something has been written since, that has failed, and told.
        error = socket.SOL_SOCKET, socket.SO_ERROR
        if self._sock is not None and self._sock.getsockopt(*error):
            self._loop.call_soon(self._watch_again)

    def _watch_again(self) -> None:
        self._unwatch()
        if self._reading:
            self._reading = False
            self.resume_reading()

    def _flush(self) -> None:
        if self._sock is None or self._unsent is None:
            return
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._fd)
        if self._closing:
            if self._unsent is None:
                self._lose(None)
        elif self.is_congested and self.unsent <= LOW_WATER:
            self.is_congested = False
            self._receiver.drained()

    def _lose(self, error: OSError | None) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._linger is not None:
            self._linger.cancel()
        self._reading = False
        self._unwatch()
        if self._unsent is not None:
            self._loop.remove_writer(self._fd)
            self._unsent = None
        sock.close()
        self._receiver.connection_lost(error)


def read_fds(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a message, none of them inheritable."""
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_SIZE])
    for fd in fds:
        os.set_inheritable(fd, False)
    return list(fds)


def close_fds(fds: list[int]) -> None:
    """Close descriptors that nobody took."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
