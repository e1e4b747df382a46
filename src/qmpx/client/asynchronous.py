"""The asyncio client: a channel on the running loop, and the core.

All of it belongs to the loop that it was made on; use one client from any number of
tasks.
"""

import asyncio
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from qmpx.client.async_conversation import AsyncConversation, PendingBatch
from qmpx.client.async_machine_calls import AsyncMachineCalls
from qmpx.client.async_subscription import (
    AsyncSubscription,
    AsyncTypedSubscription,
)
from qmpx.client.batch import name_of, read_batch
from qmpx.client.core import (
    DEFAULT,
    EXEC_OOB,
    EXECUTE,
    EXECUTE_ASYNC,
    Arguments,
    BatchCommand,
    Timeout,
    merge,
    read_raw,
    read_value,
)
from qmpx.client.deadlines import EXAMINE_TIMEOUT
from qmpx.client.events import MAX_EVENTS, EventBuffer, Overflow, split_patterns
from qmpx.errors import (
    CommandError,
    CommandNotFound,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    QmpxError,
)

if TYPE_CHECKING:
    from qmpx.client.health import Health
    from qmpx.qapi.call import Call as TypedCall
    from qmpx.qapi.model import Schema
    from qmpx.qapi.typed import EventData
    from qmpx.qapi.vocabulary import Vocabulary

R = TypeVar("R")
E = TypeVar("E", bound="EventData")


class AsyncClient(AsyncConversation, AsyncMachineCalls):
    """A conversation with a monitor; `qmpx.connect_async` makes one.

    It is an asynchronous context manager, which closes it.

    Args:
        address: Where the monitor is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
            By default 30, and more for commands that `qmpx.client.deadlines` lists.
        deadlines: Seconds for the replies to some commands.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        wait: Seconds to wait for a program that is starting.
        alive: Tells whether that program still runs.
        capabilities: What to enable if it is offered.
        reconnect: Whether a lost connection is made anew, in the background; calls that
            come meanwhile wait for it within their time.
        max_message_size: Most bytes of one message of the server.
        token: What a gateway is shown, to know who this is.
        record: A file for the transcript.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.
    """

    # Commands.

    async def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),
        **more: Any,
    ) -> Any:
        """Run a command and return what it returned.

        Any number may be in flight. Cancelling is safe: the reply is dropped when it
        comes, the command may still be carried out.

        Args:
            name: The command.
            arguments: Its arguments, with their names on the wire.
            timeout: Seconds for the reply; ``None`` for ever.
            fds: Descriptors to go with the command (unix sockets only).
            more: Further arguments, for names that Python can spell.

        Raises:
            CommandError: The peer said no.
            DeadlineExceeded: No reply in time. The connection stays in step.
            ConnectionLost: It broke off; the command may have been carried out.
            LocalProtocolError: The arguments are no JSON.
        """
        if more:
            arguments = merge(arguments, more)
        return read_value(await self._run(name, arguments, timeout, fds), name)

    async def execute_raw(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> msgspec.Raw:
        """Run a command and return what it returned as JSON that is not decoded.

        For large replies, and for decoding into types: ``msgspec.json.decode(raw,
        type=...)``. Arguments, errors and cancellation are those of `execute`.
        """
        message = await self._run(name, merge(arguments, more), timeout, ())
        return read_raw(message, name)

    async def exec_oob(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command out of band, ahead of those that wait.

        Arguments, errors and cancellation are those of `execute`; also:

        Raises:
            LocalProtocolError: The server does not offer it, or it is not enabled.
        """
        arguments = merge(arguments, more)
        message = await self._run(name, arguments, timeout, (), verb=EXEC_OOB)
        return read_value(message, name)

    async def execute_async(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command without holding up those behind it.

        The server answers when the command is done, and meanwhile runs what was sent
        later. Arguments, errors and cancellation are those of `execute`; also:

        Raises:
            LocalProtocolError: The server does not offer it (a QEMU never does; the
                monitors of qmpx do), or it is not enabled: connect with
                ``capabilities=("oob", "async")``.
        """
        arguments = merge(arguments, more)
        message = await self._run(name, arguments, timeout, (), verb=EXECUTE_ASYNC)
        return read_value(message, name)

    async def run(
        self,
        call: "TypedCall[R]",
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),
        out_of_band: bool = False,
    ) -> R:
        """Run a typed call and return what it returned, as its type.

        Args:
            call: A command of generated bindings, with its arguments.
            timeout: Seconds for the reply; ``None`` for ever.
            fds: Descriptors to go with the command (unix sockets only).
            out_of_band: Whether it is run ahead of those that wait; see `exec_oob`.

        Raises:
            RemoteProtocolError: It returned something of another kind than declared.
            QmpxError: As `execute` and `exec_oob`.
        """
        name = call.name
        verb = EXEC_OOB if out_of_band else EXECUTE
        message = await self._run(name, call.arguments, timeout, fds, verb=verb)
        return call.read(read_raw(message, name))

    async def execute_many(
        self,
        commands: Iterable[BatchCommand],
        *,
        timeout: Timeout = DEFAULT,
        return_errors: bool = False,
    ) -> list[Any]:
        """Run many commands with one write, and return what they returned, in order.

        All of them are run, also those behind one that fails. Cancelling is safe.

        Args:
            commands: Names, or pairs of name and arguments.
            timeout: Seconds for all replies together.
            return_errors: Whether to return errors in their places; else the first is
                raised.

        Raises:
            CommandError: The first that failed.
            DeadlineExceeded: Not all replies came in time.
            ConnectionLost: The connection broke off.
        """
        batch = list(commands)
        if not batch:
            return []
        seconds = self._seconds_for_all(timeout, map(name_of, batch))
        deadline = self._deadline(seconds)
        channel = await self._ready(deadline, "commands", seconds)
        calls = PendingBatch(len(batch), self._loop.create_future(), deadline)
        self._send_outbox()
        channel.write(calls.issue(self._core, batch))
        self._watch(deadline)
        try:
            await calls.future
        except BaseException as error:
            calls.abandon(self._core)
            if isinstance(error, TimeoutError):
                awaited = f"replies to {len(batch)} commands"
                raise DeadlineExceeded("", seconds or 0.0, awaited) from None
            raise
        names = map(name_of, batch)
        return read_batch(calls.messages(), names, return_errors=return_errors)

    async def send_fd(self, fd: int) -> None:
        """Hand over a descriptor, for the ``getfd`` or ``add-fd`` to come.

        To send it with its command, which leaves no room for a mix-up, use *fds* of
        `execute`.

        Raises:
            DeadlineExceeded: The peer reads nothing.
            ConnectionLost: The connection broke off.
            LocalProtocolError: It is no open descriptor, or no unix socket.
        """
        deadline = self._deadline(self.timeout)
        channel = await self._ready_for_fds(deadline, "", self.timeout, [fd])
        channel.send_fds(b" ", [fd])
        if self._core.failure is not None:
            raise self._core.failure

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
        if self._is_closed or not self._reconnect:
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

        watch = health.Stopwatch()
        try:
            await self.execute(health.QUESTION, timeout=timeout)
        except (ConnectError, ConnectionLost) as error:
            return health.Health("gone", str(error))
        except DeadlineExceeded:
            pass
        except QmpxError as error:
            return health.Health("ok", str(error), in_band=watch.seconds)
        else:
            return health.Health("ok", in_band=watch.seconds)
        watch = health.Stopwatch()
        try:
            await self.exec_oob(health.SECOND_QUESTION, timeout=timeout)
        except CommandError:
            return health.busy(watch.seconds)
        except (ConnectError, ConnectionLost) as error:
            return health.Health("gone", str(error))
        except (DeadlineExceeded, LocalProtocolError) as error:
            asked_twice = isinstance(error, DeadlineExceeded)
            return await asyncio.to_thread(
                health.silent,
                self._channel.sock if self._channel is not None else None,
                asked_twice=asked_twice,
            )
        return health.busy(watch.seconds)

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
            # Imported when needed: most programs never ask.
            from qmpx.qapi.vocabulary import read_vocabulary

            reading = read_vocabulary()
            try:
                name = next(reading)
                while True:
                    try:
                        told = await self.execute_raw(name, timeout=timeout)
                    except CommandNotFound as error:
                        name = reading.throw(error)
                    else:
                        name = reading.send(told)
            except StopIteration as answer:
                self._core.vocabulary = answer.value
        return self._core.vocabulary


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
