"""A connection to a monitor, before anything is passed through it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from qmpx.errors import ConnectionLost
from qmpx.gateway.upstreams.passing import UpstreamMessage, decode
from qmpx.transport.channel import Channel, Receiver
from qmpx.wire.client import MessageReader
from qmpx.wire.messages import Greeting


def _reader() -> MessageReader:
    return MessageReader(decode=decode)


class Link(Struct):
    """A connected socket, and what was said on it already.

    Attributes:
        sock: The socket, not blocking.
        greeting: How the monitor greeted, if the conversation has begun; it is then
            negotiated, too.
        reader: What reads its stream: it may hold the beginning of a message.
        messages: What was read already and nobody has looked at: events.
        hand_over: Gives the channel that is there already, as of one that speaks TLS,
            to a receiver; it does not read then.
    """

    sock: socket.socket
    greeting: Greeting | None = None
    reader: MessageReader = field(default_factory=_reader)
    messages: list[UpstreamMessage] = field(default_factory=list)
    hand_over: Callable[[Receiver], Channel] | None = None

    def channel_for(self, receiver: Receiver) -> Channel:
        """Return what carries the conversation from now on; it does not read yet.

        Raises:
            ConnectionLost: It was lost meanwhile.
        """
        if self.hand_over is not None:
            return self.hand_over(receiver)
        return Channel(asyncio.get_running_loop(), self.sock, receiver)

    def close(self) -> None:
        """End the connection, which nobody wants."""
        if self.hand_over is None:
            self.sock.close()
            return
        with contextlib.suppress(ConnectionLost):
            self.hand_over(_NOBODY).abort()


class _Nobody:
    """Takes what nobody wants any more."""

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Drop it."""

    def eof_received(self) -> None:
        """Do nothing."""

    def drained(self) -> None:
        """Do nothing."""

    def connection_lost(self, error: OSError | None) -> None:
        """Do nothing."""


_NOBODY: Final = _Nobody()
