"""A connection to a monitor, before anything is passed through it."""

import socket

from msgspec import Struct, field

from qmpx.gateway.passing import UpstreamMessage, decode
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
    """

    sock: socket.socket
    greeting: Greeting | None = None
    reader: MessageReader = field(default_factory=_reader)
    messages: list[UpstreamMessage] = field(default_factory=list)
