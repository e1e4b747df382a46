"""What a client is told when it is made: where to, how long, on which conditions."""

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict

from msgspec import Struct

from qmpx.client.core import CAPABILITIES, ClientCore
from qmpx.client.deadlines import CONNECT_TIMEOUT, DEFAULT, Timeout
from qmpx.transport.address import Address
from qmpx.transport.bearer import Token
from qmpx.transport.dial import Alive
from qmpx.wire.client import MAX_MESSAGE_SIZE


class Terms(Struct, frozen=True):
    """What a client is told when it is made; see `qmpx.connect`.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
            By default 30, and more for commands that `qmpx.client.deadlines` lists.
        deadlines: Seconds for the replies to some commands.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        wait: Seconds to wait for a program that is starting.
        alive: Tells whether that program still runs.
        capabilities: What to enable if it is offered.
        reconnect: Whether a connection that was lost is made anew.
        max_message_size: Most bytes of one message of the server.
        token: What a gateway is shown, to know who this is.
        record: A file for the transcript.
    """

    address: Address
    timeout: Timeout = DEFAULT
    deadlines: Mapping[str, float | None] | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    wait: float = 0.0
    alive: Alive | None = None
    capabilities: Sequence[str] = CAPABILITIES
    reconnect: bool = False
    max_message_size: int = MAX_MESSAGE_SIZE
    token: Token | None = None
    record: str | os.PathLike[str] | None = None

    def core(self) -> ClientCore:
        """Return a core for a client of these terms.

        Raises:
            LocalProtocolError: The transcript cannot be written.
        """
        if self.record is None:
            return ClientCore(self.max_message_size, reconnects=self.reconnect)
        from qmpx.client.recording import RecordedCore  # few need it

        return RecordedCore(
            self.record, self.max_message_size, reconnects=self.reconnect
        )


class StreamTerms(TypedDict, total=False):
    """What may be said of a conversation over a connection that is there already."""

    timeout: Timeout
    deadlines: Mapping[str, float | None] | None
    capabilities: Sequence[str]
    max_message_size: int
    record: str | os.PathLike[str] | None
