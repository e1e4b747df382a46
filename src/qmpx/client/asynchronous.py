"""The asyncio client: a channel on the running loop, and the core.

All of it belongs to the loop that it was made on; use one client from any number of
tasks.
"""

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import msgspec

from qmpx.client.async_commands import AsyncCommands
from qmpx.client.async_machine_calls import AsyncMachineCalls
from qmpx.client.async_subscription import (
    AsyncSubscription,
    AsyncTypedSubscription,
)
from qmpx.client.deadlines import DEFAULT, EXAMINE_TIMEOUT, Timeout
from qmpx.client.events import MAX_EVENTS, EventBuffer, Overflow, split_patterns
from qmpx.errors import CommandNotFound, DeadlineExceeded, QmpxError

if TYPE_CHECKING:
    from qmpx.client.health import Health
    from qmpx.qapi.model import Schema
    from qmpx.qapi.typed import EventData
    from qmpx.qapi.vocabulary import Vocabulary

E = TypeVar("E", bound="EventData")


class AsyncClient(AsyncCommands, AsyncMachineCalls):
    """A conversation with a monitor; `qmpx.connect_async` makes one.

    It is an asynchronous context manager, which closes it.

    Args:
        terms: Where to, how long, on which conditions; `qmpx.connect` explains them.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.
    """

    # Events.

    @overload
    def events(
        self,
        *patterns: str,
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> AsyncSubscription: ...

    @overload
    def events(
        self,
        *patterns: type[E],
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> AsyncTypedSubscription[E]: ...

    def events(
        self,
        *patterns: "str | type[EventData]",
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> "AsyncSubscription | AsyncTypedSubscription[Any]":
        """Subscribe to events, from now on.

        Args:
            patterns: Names, with ``*`` and ``?`` as wildcards; none means all events.
                Or types of generated bindings: then events are of these types.
            limit: How many are kept until they are taken.
            overflow: ``drop-oldest`` or ``drop-newest``, both counted, or ``error``:
                `EventsLost` is raised when the kept ones are taken.

        Raises:
            TypeError: One of several types is none of an event.
        """
        names, types = split_patterns(patterns)
        buffer = EventBuffer(names, limit, overflow)
        if self._is_closed or not self._terms.reconnect:
            buffer.failure = self._core.failure
        self._core.buffers.append(buffer)
        if types is None:
            return AsyncSubscription(self, buffer)
        return AsyncTypedSubscription(self, buffer, types)

    # How it is.

    async def examine(self, *, timeout: float = EXAMINE_TIMEOUT) -> "Health":
        """Tell whether the monitor is well, busy, silent or gone; raise nothing.

        Args:
            timeout: Seconds for an answer, and for one out of band if there is none.
        """
        from qmpx.client import health

        watch, error = health.Stopwatch(), None
        try:
            await self.execute(health.QUESTION, timeout=timeout)
        except QmpxError as failure:
            error = failure
        if (found := health.by_answer(error, watch.seconds)) is not None:
            return found
        watch, error = health.Stopwatch(), None
        try:
            await self.exec_oob(health.SECOND_QUESTION, timeout=timeout)
        except QmpxError as failure:
            error = failure
        if (found := health.by_answer_out_of_band(error, watch.seconds)) is not None:
            return found
        asked_twice = isinstance(error, DeadlineExceeded)
        sock = self._channel.sock if self._channel is not None else None
        # In a thread: it looks through all processes of the system.
        return await asyncio.to_thread(health.silent, sock, asked_twice=asked_twice)

    # What the peer supports.

    async def supports(
        self,
        command: str | None = None,
        /,
        *,
        event: str | None = None,
        argument: str | None = None,
        value: str | None = None,
        feature: str | None = None,
        timeout: Timeout = DEFAULT,
    ) -> bool:
        """Whether the peer supports something, by its own schema.

        That is read once for each connection. All that is given has to be there.

        Args:
            command: A command.
            event: An event, instead of a command.
            argument: An argument of the command, or a member of the event's data;
                ``a.b`` is a member within another, of any branch if that is a union.
            value: A value of that argument, which is an enumeration.
            feature: A feature of the argument, else of the command or event; with
                neither, of anything at all.
            timeout: Seconds for each reply, if the peer has to be asked.

        Raises:
            LocalProtocolError: The peer does not tell.
            QmpxError: As `execute`.
        """
        vocabulary = await self._vocabulary(timeout)
        return vocabulary.supports(
            command, event=event, argument=argument, value=value, feature=feature
        )

    async def schema(self, *, timeout: Timeout = DEFAULT) -> "Schema":
        """Return the peer's schema, which is read once for each connection.

        Args:
            timeout: Seconds for each reply, if the peer has to be asked.

        Raises:
            LocalProtocolError: The peer tells names only.
            QmpxError: As `execute`.
        """
        return (await self._vocabulary(timeout)).described()

    async def _vocabulary(self, timeout: Timeout) -> "Vocabulary":
        if self._core.vocabulary is None:
            self._core.vocabulary = await ask_vocabulary(self, timeout)
        return self._core.vocabulary


class AsksRaw(Protocol):
    """Who runs commands whose replies are not decoded."""

    async def execute_raw(self, name: str, /, *, timeout: Timeout) -> msgspec.Raw:
        """Run a command."""


async def ask_vocabulary(client: AsksRaw, timeout: Timeout) -> "Vocabulary":
    """Ask a peer what it supports.

    Args:
        client: Whom to ask.
        timeout: Seconds for each reply.

    Raises:
        QmpxError: As `AsyncClient.execute`.
    """
    # Imported when needed: most programs never ask.
    from qmpx.qapi.vocabulary import read_vocabulary

    reading = read_vocabulary()
    try:
        name = next(reading)
        while True:
            try:
                told = await client.execute_raw(name, timeout=timeout)
            except CommandNotFound as error:
                name = reading.throw(error)
            else:
                name = reading.send(told)
    except StopIteration as answer:
        vocabulary: Vocabulary = answer.value
        return vocabulary


class Connecting:
    """A client that is about to connect: await it, or use it in ``async with``."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._client.open().__await__()

    async def __aenter__(self) -> AsyncClient:
        return await self._client.open()

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()
