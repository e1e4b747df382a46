"""The two ways to an agent: `connect` and `connect_async`."""

import os
from typing import TYPE_CHECKING

from qmpx.agent.core import MAX_MESSAGE_SIZE
from qmpx.agent.deadlines import CONNECT_TIMEOUT
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.transport.address import Address, parse_address

if TYPE_CHECKING:
    from qmpx.agent.asynchronous import Connecting
    from qmpx.agent.blocking import Agent


def connect(
    address: str | os.PathLike[str] | Address,
    *,
    timeout: Timeout = DEFAULT,
    connect_timeout: float = CONNECT_TIMEOUT,
    wait: float = 0.0,
    max_message_size: int = MAX_MESSAGE_SIZE,
    record: str | os.PathLike[str] | None = None,
) -> "Agent":
    """Connect to where a guest's agent is, and return a client that blocks.

    Args:
        address: The socket of QEMU's character device, in any form that an address of a
            monitor has; or the path of a terminal, such as ``/dev/pts/3``, or, inside
            of a guest, of a virtio port.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
            By default 30, and more for freezing and thawing.
        connect_timeout: Seconds for the connection to be made.
        wait: Seconds for a QEMU that is starting and does not listen yet.
        max_message_size: Most bytes of one reply.
        record: A file to which the conversation is appended as it goes, without the
            secrets that are known to be in it; ``qmpx transcript`` reads it.

    Raises:
        AddressError: That is no address.
        LocalProtocolError: The file cannot be written.
        ConnectError: There is no connection. That there is one does not mean that the
            agent runs: see `Agent.wait_ready`.
    """
    from qmpx.agent.blocking import Agent

    return Agent(
        parse_address(address),
        timeout=timeout,
        connect_timeout=connect_timeout,
        wait=wait,
        max_message_size=max_message_size,
        record=record,
    )


def connect_async(
    address: str | os.PathLike[str] | Address,
    *,
    timeout: Timeout = DEFAULT,
    connect_timeout: float = CONNECT_TIMEOUT,
    wait: float = 0.0,
    max_message_size: int = MAX_MESSAGE_SIZE,
    record: str | os.PathLike[str] | None = None,
) -> "Connecting":
    """Connect from asyncio: await the result, or use it in ``async with``.

    Arguments and errors are those of `connect`.
    """
    # Imported when needed: the blocking client does without asyncio.
    from qmpx.agent.asynchronous import AsyncAgent, Connecting

    return Connecting(
        AsyncAgent(
            parse_address(address),
            timeout=timeout,
            connect_timeout=connect_timeout,
            wait=wait,
            max_message_size=max_message_size,
            record=record,
        )
    )
