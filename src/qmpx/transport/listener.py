"""Taking in clients: how many at once, and what becomes of the others.

While a listener serves as many as it may, further clients wait in the kernel's queue,
unseen and ungreeted: that is what QEMU does, with a limit of one.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from qmpx.transport.address import ListenAddress
from qmpx.transport.listening import BACKLOG, ListeningSockets

RETRY: Final = 1.0
"""Seconds until the next try when there are no descriptors left to take one in."""

_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger("qmpx.monitor")

Accept = Callable[[socket.socket, "Listener"], None]


class Listener:
    """One address that is listened on.

    Args:
        loop: The running loop.
        address: Where; ``fd:N`` may be a listening socket or a connected one.
        accept: Told of each new connection; it answers for the socket from then on, and
            calls `release` when it is closed.
        max_sessions: How many are served at once; others wait.
        backlog: How many may wait.
        allow_remote: Whether a TCP address that others can reach is in order.
        is_raw: Whether a terminal that is standard input hands over each key at once.

    Attributes:
        address: Where it listens; a port that was 0 is the one it got.
        sessions: How many connections it has taken in that are not closed.

    Raises:
        AddressError: It cannot be listened on, and why.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: ListenAddress,
        accept: Accept,
        *,
        max_sessions: int,
        backlog: int = BACKLOG,
        allow_remote: bool = False,
        is_raw: bool = False,
    ) -> None:
        self._loop = loop
        self._accept = accept
        self._max_sessions = max_sessions
        self.sessions = 0
        self._listening = False
        self._is_held_back = False
        self._sockets = ListeningSockets(
            address, backlog=backlog, allow_remote=allow_remote, is_raw=is_raw
        )
        self.address = self._sockets.address

    @property
    def is_listening(self) -> bool:
        """Whether more clients may come, now or later."""
        return bool(self._sockets.listening)

    def start(self) -> None:
        """Take in connections from now on."""
        for sock in self._sockets.connected:
            self.sessions += 1
            self._accept(sock, self)
        self._sockets.connected.clear()
        self._update()

    def take_in_first(self, sock: socket.socket) -> None:
        """Take in a client that came before this listener was made, at the start."""
        self._sockets.connected.append(sock)

    def release(self) -> None:
        """Note that a session of this listener is over."""
        self.sessions -= 1
        self._update()

    def hold_back(self) -> None:
        """Take in nobody for now, and let hardly anybody wait: a busy program."""
        self._is_held_back = True
        for sock in self._sockets.listening:
            sock.listen(0)
        self._update()

    def let_in(self, backlog: int = BACKLOG) -> None:
        """Take in connections again."""
        self._is_held_back = False
        for sock in self._sockets.listening:
            sock.listen(backlog)
        self._update()

    def close(self) -> None:
        """Take in no more, and remove the unix socket if it is still ours."""
        self._max_sessions = 0
        self._update()
        self._sockets.close()

    def _update(self) -> None:
        wanted = self.sessions < self._max_sessions and not self._is_held_back
        if wanted == self._listening:
            return
        self._listening = wanted
        for sock in self._sockets.listening:
            if wanted:
                self._loop.add_reader(sock.fileno(), self._take_in, sock)
            else:
                self._loop.remove_reader(sock.fileno())

    def _take_in(self, listening: socket.socket) -> None:
        # One in a turn of the loop: the loop comes back here while more wait.
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            logger.warning(
                "%s: cannot take in a client: %s; trying again in %g s",
                self.address,
                error.strerror,
                RETRY,
            )
            for each in self._sockets.listening:
                self._loop.remove_reader(each.fileno())
            self._listening = False
            self._loop.call_later(RETRY, self._update)
            return
        self.sessions += 1
        self._accept(sock, self)
        self._update()
