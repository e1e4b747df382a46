"""The two ways in: `connect` and `connect_async`."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qmpx.client.blocking import Client
from qmpx.client.core import CAPABILITIES
from qmpx.client.deadlines import CONNECT_TIMEOUT, DEFAULT, EXAMINE_TIMEOUT, Timeout
from qmpx.client.terms import Terms
from qmpx.errors import (
    CommandError,
    ConnectError,
    ConnectionLost,
    GreetingTimeout,
    RemoteProtocolError,
)
from qmpx.transport.address import Address, default_address, parse_address
from qmpx.transport.bearer import Token, token_of
from qmpx.transport.dial import Alive
from qmpx.wire.client import MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from qmpx.client.asynchronous import Connecting
    from qmpx.client.health import Health


def connect(
    address: str | os.PathLike[str] | Address | None = None,
    *,
    timeout: Timeout = DEFAULT,
    deadlines: Mapping[str, float | None] | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    wait: float = 0.0,
    alive: Alive | None = None,
    capabilities: Sequence[str] = CAPABILITIES,
    reconnect: bool = False,
    max_message_size: int = MAX_MESSAGE_SIZE,
    token: str | Token | None = None,
    record: str | os.PathLike[str] | None = None,
) -> Client:
    """Connect to a monitor, and return a client that blocks.

    ::

        with qmpx.connect("/run/vm/qmp.sock", timeout=5.0) as vm:
            print(vm.execute("query-status")["status"])

    Args:
        address: Where it is: a path, ``host:port``, or any form that QEMU's ``-qmp``
            takes; else what the environment's ``QMP_SOCKET`` says.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
            By default 30, and more for what may take longer: commands that open images,
            plug devices or copy memory (`qmpx.client.deadlines`).
        deadlines: Seconds for the replies to some commands, ``None`` for ever.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        wait: Seconds to wait for a program that is starting and does not listen yet.
        alive: Tells whether that program still runs; if not, there is no waiting.
        capabilities: What to enable if it is offered.
        reconnect: Whether a call after the connection was lost makes a new one.
        max_message_size: Most bytes of one message of the server.
        token: What a gateway is shown to know who this is, each time that a connection
            is made; else what the environment has (`qmpx.transport.bearer.token_of`).
            An empty one: nothing, whatever the environment has.
        record: A file to which the conversation is appended as it goes, without the
            secrets that are known to be in it; ``qmpx transcript`` reads it. It does
            not tell which commands took descriptors along.

    Raises:
        AddressError: That is no address.
        LocalProtocolError: That is no token, or the file cannot be written.
        ConnectError: There is no conversation; the message says why and what to do.
    """
    return Client(
        Terms(
            default_address() if address is None else parse_address(address),
            timeout=timeout,
            deadlines=deadlines,
            connect_timeout=connect_timeout,
            wait=wait,
            alive=alive,
            capabilities=capabilities,
            reconnect=reconnect,
            max_message_size=max_message_size,
            token=token_of(token),
            record=record,
        )
    )


def examine(
    address: str | os.PathLike[str] | Address | None = None,
    *,
    timeout: float = EXAMINE_TIMEOUT,
) -> "Health":
    """Connect to a monitor, and tell how it is: also whether another client has it.

    Args:
        address: As for `connect`.
        timeout: Seconds for each answer.

    Raises:
        AddressError: That is no address.
    """
    from qmpx.client import health

    where = default_address() if address is None else parse_address(address)
    try:
        terms = Terms(where, connect_timeout=timeout, token=token_of(None))
        with Client(terms) as vm:
            return vm.examine(timeout=timeout)
    except ConnectError as error:
        is_there = isinstance(error, GreetingTimeout)
        return health.unreachable(where, error.reason, error.hint, is_there=is_there)
    except (ConnectionLost, RemoteProtocolError, CommandError) as error:
        return health.Health("silent", f"it is no monitor that works: {error}")


def connect_async(
    address: str | os.PathLike[str] | Address | None = None,
    *,
    timeout: Timeout = DEFAULT,
    deadlines: Mapping[str, float | None] | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    wait: float = 0.0,
    alive: Alive | None = None,
    capabilities: Sequence[str] = CAPABILITIES,
    reconnect: bool = False,
    max_message_size: int = MAX_MESSAGE_SIZE,
    token: str | Token | None = None,
    record: str | os.PathLike[str] | None = None,
) -> "Connecting":
    """Connect to a monitor from asyncio: await the result, or use it in ``async with``.

    ::

        async with qmpx.connect_async("/run/vm/qmp.sock") as vm:
            print((await vm.execute("query-status"))["status"])

    Arguments and errors are those of `connect`; with *reconnect* a lost connection is
    made anew in the background, with pauses that grow.
    """
    # Imported when needed: the blocking client does without asyncio.
    from qmpx.client.asynchronous import AsyncClient, Connecting

    return Connecting(
        AsyncClient(
            Terms(
                default_address() if address is None else parse_address(address),
                timeout=timeout,
                deadlines=deadlines,
                connect_timeout=connect_timeout,
                wait=wait,
                alive=alive,
                capabilities=capabilities,
                reconnect=reconnect,
                max_message_size=max_message_size,
                token=token_of(token),
                record=record,
            )
        )
    )
