"""One conversation of an asyncio client: a channel on the running loop.

No task runs for it: replies and events are handed on as they are read.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final, Self

from qmpx.client.arguments import Arguments
from qmpx.client.async_channel import channel_over, handshake_failure
from qmpx.client.core import closed_by_peer
from qmpx.client.deadlines import RETRY_FIRST, RETRY_LAST, Default, Timeout
from qmpx.client.pending import PendingCall, Timer
from qmpx.client.replies import is_taken, read_value
from qmpx.client.side import Side
from qmpx.client.silence import explain_silence
from qmpx.client.terms import Terms
from qmpx.client.verbs import EXECUTE, require_verb
from qmpx.errors import (
    ConnectionLost,
    DeadlineExceeded,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.descriptors import require_sendable
from qmpx.transport.dial import dial_async
from qmpx.wire.messages import ServerMessage

FDS_PAUSE: Final = 0.001
FDS_PAUSE_LAST: Final = 0.05
"""Seconds between looks whether the peer has made room for descriptors."""

logger = logging.getLogger("qmpx.client")


class AsyncConversation(Side):
    """A connection on a loop, and its making anew; see `AsyncClient`.

    Args:
        terms: Where to, how long, on which conditions.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._loop: asyncio.AbstractEventLoop
        self._timer = Timer(self._core)
        self._channel: Channel | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._changed: asyncio.Future[None] | None = None  # a reason to look again
        self._outbox: list[bytes] = []

    async def open(self) -> Self:
        """Connect, take the greeting and negotiate.

        Raises:
            ConnectError: There is no conversation; the message says why.
        """
        self._loop = asyncio.get_running_loop()
        await self._open(self._terms.wait)
        return self

    async def _open(self, wait: float) -> None:
        begin = self._loop.time()
        timeout = self._terms.connect_timeout
        token = self._token()
        sock = await dial_async(
            self.address,
            timeout=timeout,
            wait=wait,
            alive=self._terms.alive,
            by_tls=True,
        )
        # What was spent on waiting for a program to start does not count.
        deadline = begin + timeout + min(self._loop.time() - begin, wait)
        channel = channel_over(self._loop, sock, self, self.address, timeout)
        self._channel = channel
        self._is_open = False
        channel.resume_reading()
        patience = self._loop.call_at(deadline, self._lose_patience)
        try:
            while self._core.greeting is None and self._core.failure is None:
                await self._change()
            if self._core.failure is not None:
                why = handshake_failure(channel, self.address)
                raise why or self._core.failure
            call = PendingCall(self._loop.create_future(), float("inf"))
            channel.write(self._core.negotiation(call, self._terms.capabilities))
            read_value(await call.future, "qmp_capabilities")
            if token is not None:
                call = PendingCall(self._loop.create_future(), float("inf"))
                channel.write(self._core.authentication(call, token))
                is_taken(await call.future, token, self.address)
            self._is_open = True
        except DeadlineExceeded:
            try:
                # In a thread: it looks through all processes of the system.
                error = await asyncio.to_thread(
                    explain_silence, self.address, sock, timeout
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
        error = DeadlineExceeded("", self._terms.connect_timeout, "greeting")
        self._core.lose(error)
        self._wake()

    def _drop(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
        channel.abort()

    async def _run(
        self,
        name: str,
        arguments: Arguments,
        timeout: Timeout,
        fds: Sequence[int],
        *,
        verb: bytes = EXECUTE,
    ) -> ServerMessage:
        if isinstance(timeout, Default):
            seconds = self._deadlines.get(name, self.timeout)
        else:
            seconds = timeout
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
        if verb is not EXECUTE:
            require_verb(verb, self.greeting, self._terms.capabilities)
        future = self._loop.create_future()
        data = core.issue(PendingCall(future, deadline), name, arguments, verb=verb)
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
        if deadline < self._timer.at:
            self._timer.watch(deadline)
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

    # The conversation.

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
        self._timer.stop()
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
        if self._is_open and self._terms.reconnect and not self._is_closed:
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
