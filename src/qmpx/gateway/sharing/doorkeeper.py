"""Turns away what speaks another protocol: a browser, first of all.

To QEMU the lines of an HTTP request are JSON gone wrong, and it carries on until it
meets the commands in the body. So a web page may be able to command a monitor on TCP of
its visitor's own host. Here a client that begins as HTTP or TLS does is turned away.

Source: observed on QEMU 7.2, which runs the commands in the body of a POST.
"""

import logging
from typing import TYPE_CHECKING, Final

from qmpx.transport.channel import Channel, Receiver, close_fds

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from qmpx.monitor.session import Session

METHODS: Final = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI * HTTP/2",
)
"""How requests of HTTP begin (RFC 9110, 5789 and 9113)."""

TLS: Final = b"\x16\x03"
"""How a handshake of TLS begins (RFC 8446)."""

logger = logging.getLogger("qmpx.gateway")


def is_foreign(start: bytes) -> bool | None:
    """Whether a client that begins like this speaks HTTP or TLS; ``None``: too short.

    No message of QMP begins like that, not even one that is malformed by a slip: JSON
    begins with a bracket.
    """
    for opening in (*METHODS, TLS):
        if start.startswith(opening):
            return True
    if any(opening.startswith(start) for opening in (*METHODS, TLS)):
        return None
    return False


class Doorkeeper:
    """Stands between a channel and a session until the first bytes have come.

    Args:
        session: Who is behind the door.
        receiver: What takes what is let in, if not the session itself.
        turn_away: Told why its client is disconnected.
    """

    __slots__ = (
        "_channel",
        "_is_open",
        "_patience",
        "_receiver",
        "_session",
        "_start",
        "_turn_away",
    )

    def __init__(
        self,
        session: "Session",
        receiver: "Receiver | None" = None,
        turn_away: "Callable[[str], None] | None" = None,
    ) -> None:
        self._session = session
        self._turn_away = turn_away
        self._receiver: Receiver = session if receiver is None else receiver
        self._start = b""
        self._is_open = False
        self._channel: Channel | None = None  # while the greeting is held back
        self._patience: asyncio.TimerHandle | None = None

    def hold(
        self, channel: Channel, loop: "asyncio.AbstractEventLoop", seconds: float
    ) -> None:
        """Open the session when its client has begun well, or said nothing so long.

        Args:
            channel: The connection, of which this is the receiver.
            loop: The running loop.
            seconds: How long.
        """
        self._channel = channel
        self._patience = loop.call_later(seconds, self._greet)
        channel.resume_reading()

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Let in what is no other protocol."""
        if not self._is_open:
            self._start += data
            verdict = is_foreign(self._start)
            if verdict is None:
                close_fds(fds)
                return
            if verdict:
                close_fds(fds)
                logger.warning("a client that speaks HTTP or TLS was turned away")
                channel = self._channel or self._session.channel
                if self._turn_away is not None:
                    self._turn_away("it speaks HTTP or TLS")
                if channel is not None:
                    channel.abort()
                return
            self._is_open = True
            data, self._start = self._start, b""
            self._greet()
        self._receiver.data_received(data, fds)

    def eof_received(self) -> None:
        """Pass it on, and before it what was too short to tell."""
        self._greet()
        if self._start:
            self._is_open = True
            start, self._start = self._start, b""
            self._receiver.data_received(start, [])
        self._receiver.eof_received()

    def drained(self) -> None:
        """Pass it on."""
        self._receiver.drained()

    def connection_lost(self, error: OSError | None) -> None:
        """Pass it on."""
        self._channel = None
        if self._patience is not None:
            self._patience.cancel()
        self._receiver.connection_lost(error)

    def _greet(self) -> None:
        """Open a session whose greeting was held back."""
        channel, self._channel = self._channel, None
        if channel is not None:
            if self._patience is not None:
                self._patience.cancel()
            self._session.open(channel)
