"""The asyncio client: a channel on the running loop, and the core.

No task runs for it: replies and events are handed on as they are read. All of it
belongs to the loop that it was made on; use one client from any number of tasks.
"""

import asyncio
import contextlib
import logging
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final, Self

import msgspec

from qmpx.client.async_subscription import AsyncSubscription
from qmpx.client.batch import BatchCall, name_of, read_batch
from qmpx.client.core import (
    CAPABILITIES,
    CONNECT_TIMEOUT,
    DEFAULT,
    RETRY_FIRST,
    RETRY_LAST,
    TIMEOUT,
    Arguments,
    BatchCommand,
    ClientCore,
    Default,
    Timeout,
    closed_by_peer,
    merge,
    read_raw,
    read_value,
    require_oob,
)
from qmpx.client.events import MAX_EVENTS, EventBuffer, Overflow
from qmpx.client.silence import explain_silence
from qmpx.errors import (
    ConnectionLost,
    DeadlineExceeded,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.address import Address
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.descriptors import require_sendable
from qmpx.transport.dial import Alive, dial_async
from qmpx.wire.client import MAX_MESSAGE_SIZE
from qmpx.wire.messages import Greeting, ServerMessage

FDS_PAUSE: Final = 0.001
FDS_PAUSE_LAST: Final = 0.05
"""Seconds between looks whether the peer has made room for descriptors."""

logger = logging.getLogger("qmpx.client")


class _Call:
    """One command whose reply a task waits for."""

    __slots__ = ("deadline", "future")

    def __init__(self, future: asyncio.Future[ServerMessage], deadline: float) -> None:
        self.future = future
        self.deadline = deadline

    def resolve(self, id_: int, message: ServerMessage) -> None:  # noqa: ARG002
        if not self.future.done():
            self.future.set_result(message)

    def fail(self, error: QmpxError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Batch(BatchCall):
    """Many commands whose replies a task waits for."""

    __slots__ = ("deadline", "future")

    def __init__(
        self, count: int, future: asyncio.Future[ServerMessage], deadline: float
    ) -> None:
        super().__init__(count)
        self.future = future
        self.deadline = deadline

    def resolve(self, id_: int, message: ServerMessage) -> None:
        super().resolve(id_, message)
        if self.is_done and not self.future.done():
            self.future.set_result(message)

    def fail(self, error: QmpxError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class AsyncClient:
    """A conversation with a monitor; `qmpx.connect_async` makes one.

    It is an asynchronous context manager, which closes it.

    Args:
        address: Where the monitor is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        wait: Seconds to wait for a program that is starting.
        alive: Tells whether that program still runs.
        capabilities: What to enable if it is offered.
        reconnect: Whether a lost connection is made anew, in the background; calls that
            come meanwhile wait for it within their time.
        max_message_size: Most bytes of one message of the server.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float | None = TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        wait: float = 0.0,
        alive: Alive | None = None,
        capabilities: Sequence[str] = CAPABILITIES,
        reconnect: bool = False,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self._connect_timeout = connect_timeout
        self._wait = wait
        self._alive = alive
        self._capabilities = tuple(capabilities)
        self._reconnect = reconnect
        self._core = ClientCore(max_message_size, reconnects=reconnect)
        self._loop: asyncio.AbstractEventLoop
        self._channel: Channel | None = None
        self._is_closed = False
        self._is_open = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._changed: asyncio.Future[None] | None = None  # a reason to look again
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._outbox: list[bytes] = []

    async def open(self) -> Self:
        """Connect, take the greeting and negotiate.

        Raises:
            ConnectError: There is no conversation; the message says why.
        """
        self._loop = asyncio.get_running_loop()
        await self._open(self._wait)
        return self

    async def _open(self, wait: float) -> None:
        begin = self._loop.time()
        sock = await dial_async(
            self.address, timeout=self._connect_timeout, wait=wait, alive=self._alive
        )
        # What was spent on waiting for a program to start does not count.
        deadline = begin + self._connect_timeout
        deadline += min(self._loop.time() - begin, wait)
        channel = Channel(self._loop, sock, self)
        self._channel = channel
        self._is_open = False
        channel.resume_reading()
        patience = self._loop.call_at(deadline, self._lose_patience)
        try:
            while self._core.greeting is None and self._core.failure is None:
                await self._change()
            if self._core.failure is not None:
                raise self._core.failure
            call = _Call(self._loop.create_future(), float("inf"))
            channel.write(self._core.negotiation(call, self._capabilities))
            read_value(await call.future, "qmp_capabilities")
            self._is_open = True
        except DeadlineExceeded:
            try:
                # In a thread: it looks through all processes of the system.
                error = await asyncio.to_thread(
                    explain_silence, self.address, sock, self._connect_timeout
                )
            finally:
                self._drop(channel)
            raise error from None
        except BaseException:
            self._drop(channel)
            raise
        finally:
            patience.cancel()

    def _lose_patience(self) -> None:
        error = DeadlineExceeded("", self._connect_timeout, "greeting")
        self._core.lose(error)
        self._wake()

    def _drop(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
        channel.abort()

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
        message = await self._run(
            name, merge(arguments, more), timeout, (), out_of_band=True
        )
        return read_value(message, name)

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
        seconds = self.timeout if isinstance(timeout, Default) else timeout
        deadline = self._deadline(seconds)
        channel = await self._ready(deadline, "commands", seconds)
        calls = _Batch(len(batch), self._loop.create_future(), deadline)
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

    async def _run(
        self,
        name: str,
        arguments: Arguments,
        timeout: Timeout,
        fds: Sequence[int],
        *,
        out_of_band: bool = False,
    ) -> ServerMessage:
        seconds = self.timeout if isinstance(timeout, Default) else timeout
        deadline = float("inf") if seconds is None else self._loop.time() + seconds
        channel, core = self._channel, self._core
        if (
            channel is None
            or not self._is_open
            or channel.is_congested
            or core.failure is not None
        ):
            channel = await self._ready(deadline, name, seconds)
        if fds:
            channel = await self._ready_for_fds(deadline, name, seconds, fds)
        if out_of_band:
            require_oob(self.greeting, self._capabilities)
        future = self._loop.create_future()
        data = core.issue(
            _Call(future, deadline), name, arguments, out_of_band=out_of_band
        )
        id_ = core.last_id
        if fds:
            channel.send_fds(data, list(fds))
        elif len(core.pending) > 1:
            # Others are under way: what is issued in this turn of the loop goes out
            # in one write.
            if not self._outbox:
                self._loop.call_soon(self._send_outbox)
            self._outbox.append(data)
        else:
            channel.write(data)
        if deadline < self._sweep_at or self._sweep is None:
            self._watch(deadline)
        try:
            return await future  # type: ignore[no-any-return]
        except BaseException as error:
            core.abandon(id_)
            if type(error) is TimeoutError:
                raise DeadlineExceeded(name, seconds or 0.0) from None
            raise

    def _send_outbox(self) -> None:
        outbox = self._outbox
        if outbox and self._channel is not None:
            self._channel.write(b"".join(outbox))
        outbox.clear()

    # Events.

    def events(
        self,
        *patterns: str,
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> AsyncSubscription:
        """Subscribe to events, from now on.

        Args:
            patterns: Names, with ``*`` and ``?`` as wildcards; none means all events.
            limit: How many are kept until they are taken.
            overflow: ``drop-oldest`` or ``drop-newest``, both counted, or ``error``:
                `EventsLost` is raised when the kept ones are taken.
        """
        buffer = EventBuffer(patterns, limit, overflow)
        if self._is_closed or not self._reconnect:
            buffer.failure = self._core.failure
        self._core.buffers.append(buffer)
        return AsyncSubscription(self, buffer)

    # The conversation.

    @property
    def greeting(self) -> Greeting:
        """What the server said first."""
        return self._core.greeting or Greeting()

    @property
    def late_replies(self) -> int:
        """How many replies came after their calls had given up."""
        return self._core.late_replies

    @property
    def is_connected(self) -> bool:
        """Whether the conversation goes on, as far as is known."""
        is_open = self._is_open and self._channel is not None
        return is_open and self._core.failure is None

    async def close(self) -> None:
        """Close the connection; calls that wait get `ConnectionLost`."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reconnecting
            self._core.failure = None  # why the last try failed is not why this ends
        self._core.lose(ConnectionLost("this client was closed"), for_good=True)
        for buffer in self._core.buffers:
            buffer.is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.abort()  # nobody waits for what is still unsent
        self._wake()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Hand on what was read."""
        close_fds(fds)  # a server of QMP sends none
        try:
            self._core.feed(data)
        except RemoteProtocolError as error:
            logger.warning("%s: %s", self.address, error)
            if self._channel is not None:
                self._channel.abort()
        if self._changed is not None and (
            not self._is_open or any(b.is_ready for b in self._core.buffers)
        ):
            self._wake()

    def eof_received(self) -> None:
        """Note that the peer has closed."""
        if self._channel is not None:
            self._channel.abort()

    def drained(self) -> None:
        """Let calls go on that waited for room."""
        self._wake()

    def connection_lost(self, error: OSError | None) -> None:
        """Tell everybody, or begin anew."""
        self._channel = None
        self._outbox.clear()
        failure: QmpxError = closed_by_peer(len(self._core.pending))
        if error is not None:
            failure = ConnectionLost(f"the connection broke: {error.strerror or error}")
        self._core.lose(failure)
        if self._is_open and self._reconnect and not self._is_closed:
            self._is_open = False
            self._reconnecting = self._loop.create_task(self._open_again())
        self._wake()

    async def _open_again(self) -> None:
        pause = RETRY_FIRST
        try:
            while True:
                self._core.restart()
                try:
                    await self._open(0.0)
                except QmpxError as error:
                    logger.debug("%s: %s", self.address, error)
                    self._core.failure = error
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, RETRY_LAST)
                else:
                    break
        finally:
            self._reconnecting = None
        logger.info("%s: connected again", self.address)
        self._wake()

    # Waiting.

    def _deadline(self, seconds: float | None) -> float:
        return float("inf") if seconds is None else self._loop.time() + seconds

    def _change(self) -> asyncio.Future[None]:
        """Return what is done when there is a reason to look again."""
        if self._changed is None:
            self._changed = self._loop.create_future()
        return asyncio.shield(self._changed)

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)

    async def _ready(
        self, deadline: float, name: str, seconds: float | None
    ) -> Channel:
        """Wait until something can be sent, and return the channel."""
        while True:
            channel = self._channel
            if channel is not None and self._core.failure is None:
                if self._is_open and not channel.is_congested:
                    return channel
            elif self._is_closed or self._reconnecting is None:
                raise self._core.failure or ConnectionLost("this client is not open")
            try:
                async with asyncio.timeout_at(
                    None if deadline == float("inf") else deadline
                ):
                    await self._change()
            except TimeoutError:
                raise DeadlineExceeded(name, seconds or 0.0) from None
            if self._loop.time() >= deadline:
                raise DeadlineExceeded(name, seconds or 0.0)

    async def _ready_for_fds(
        self, deadline: float, name: str, seconds: float | None, fds: Sequence[int]
    ) -> Channel:
        """Wait until all is sent and descriptors can be, and return the channel."""
        pause = FDS_PAUSE
        while True:
            channel = await self._ready(deadline, name, seconds)
            if channel.sock is not None:
                require_sendable(channel.sock, fds)
            self._send_outbox()
            if channel.can_send_fds:
                return channel
            # Rare, and short: the kernel takes the rest within a moment.
            await asyncio.sleep(pause)
            pause = min(pause * 2, FDS_PAUSE_LAST)
            if self._loop.time() >= deadline:
                raise DeadlineExceeded(name, seconds or 0.0, "room for a descriptor")

    def _watch(self, deadline: float) -> None:
        """Have calls looked at no later than *deadline*.

        One timer serves all calls: with equal time-outs the oldest falls due first, so
        the timer is seldom set anew.
        """
        if deadline == float("inf") or (
            self._sweep is not None and self._sweep_at <= deadline
        ):
            return
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_at = deadline
        self._sweep = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """End the calls whose time is over."""
        self._sweep = None
        now = self._loop.time()
        following = float("inf")
        for waiter in self._core.pending.values():
            if isinstance(waiter, (_Call, _Batch)) and not waiter.future.done():
                if waiter.deadline <= now:
                    waiter.future.set_exception(TimeoutError())
                else:
                    following = min(following, waiter.deadline)
        self._watch(following)


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
