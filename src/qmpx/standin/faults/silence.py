"""Silence: a client that hears nothing for some time, or for ever.

What it sends is left to the kernel, so whether it has gone must be looked for.
"""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

MAX_STORED: Final = 1024
"""Messages kept while a client is to hear nothing; then the oldest are dropped."""

PATIENCE: Final = 0.05
"""Seconds between two looks whether a client that hears nothing has gone."""


class Silence:
    """Whether one client is to hear nothing, and what it would have heard.

    Silences may overlap; then the client hears again when the last is over.

    Args:
        loop: The running loop.
        abandon: Called when the client has gone meanwhile.
    """

    __slots__ = ("_abandon", "_count", "_kept", "_loop", "_unsaid", "_watch")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, abandon: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._abandon = abandon
        self._count = 0
        self._kept: deque[bytes] = deque(maxlen=MAX_STORED)
        self._unsaid = bytearray()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the client is to hear nothing now."""
        return self._count > 0

    def begin(self, sock: socket.socket) -> None:
        """Say nothing from now on to the client at the other end of *sock*."""
        self._count += 1
        if self._watch is None:
            self._watch = self._loop.call_later(PATIENCE, self._look, sock)

    def keep(self, message: bytes) -> None:
        """Keep a message that is not to be sent yet."""
        self._kept.append(message)

    def swallow(self, data: bytes | memoryview) -> None:
        """Keep bytes that were on their way out already."""
        self._unsaid += data

    def end(self) -> bool:
        """End one silence; tell whether it was the last."""
        if self._count:
            self._count -= 1
        if self._count:
            return False
        self.forget()
        return True

    def unsaid(self) -> tuple[bytes, Iterable[bytes]]:
        """Return what was kept, which is to be sent now: bytes, then messages."""
        unsaid, kept = bytes(self._unsaid), list(self._kept)
        self._unsaid.clear()
        self._kept.clear()
        return unsaid, kept

    def forget(self) -> None:
        """Look no more whether the client has gone."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self, sock: socket.socket) -> None:
        """Notice that a client has gone, without reading what it sent."""
        poller = select.poll()
        is_unix = sock.family == socket.AF_UNIX
        poller.register(sock, 0 if is_unix else select.POLLRDHUP)
        if poller.poll(0):
            self._watch = None
            self._abandon()
        else:
            self._watch = self._loop.call_later(PATIENCE, self._look, sock)
