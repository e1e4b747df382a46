"""The one connection to the monitor that is shared.

What passes is not read: arguments, returned values, errors and the data of events are
handed on as bytes. Replies are given to whoever asked in the moment in which they are
read, so that they and the events keep their order on the way to each client.

**Who waits.** QEMU reads eight in-band commands ahead and then reads no more, not even
what is to overtake. So only a few are sent before their replies have come; the others
wait here, and go in turn, one of each client.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final, cast

from msgspec import UNSET, Raw, UnsetType

from qmpx.client.core import CONNECT_TIMEOUT, RETRY_FIRST, RETRY_LAST
from qmpx.client.silence import explain_silence
from qmpx.errors import (
    ConnectError,
    ConnectionLost,
    GenericError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.gateway.fairness import FairQueue
from qmpx.gateway.passing import (
    PassedError,
    Request,
    UpstreamMessage,
    away,
    decode,
    lost,
    on_one_line,
    spell_event,
)
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.session import Session
from qmpx.transport.address import Address, UnixAddress
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.dial import dial_async
from qmpx.wire.client import MessageReader
from qmpx.wire.messages import Greeting
from qmpx.wire.server import OOB

IN_BAND_AT_ONCE: Final = 4
"""In-band commands sent and not answered: enough that the monitor always has one to do,
and half of what QEMU reads ahead, so that what is to overtake still can."""

OUT_OF_BAND_AT_ONCE: Final = 64
"""Out-of-band commands sent and not answered. They are quick; where so many are not
answered the monitor is stuck, and more would only fill memory."""

FDS_PAUSE: Final = 0.005
"""Seconds between looks whether the monitor has made room for a descriptor."""

TAKES_DESCRIPTOR: Final = frozenset({"getfd", "add-fd"})
"""The commands that take a descriptor which came with them (QEMU 7.2).

Only with these is one sent on: with another it would stay with the monitor until some
client's command took it.
"""

_UNCLAIMED: Final = b"x-qmpx-unclaimed"

logger = logging.getLogger("qmpx.gateway")
logger.addHandler(logging.NullHandler())


class Upstream:
    """The connection to a monitor, made anew whenever it is lost.

    Args:
        address: Where the monitor is.
        on_event: Given each event, encoded.
        on_restored: Called when the connection is back, with the seconds that it was
            away.
        connect_timeout: Seconds for connection, greeting and negotiation together.

    Attributes:
        greeting: What the monitor said last when it greeted.
        reason: Why there is no connection; empty while there is.
    """

    def __init__(
        self,
        address: Address,
        *,
        on_event: Callable[[bytes], None],
        on_restored: Callable[[float], None],
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.address = address
        self.greeting = Greeting()
        self.reason = "it was never connected to"
        self._on_event = on_event
        self._on_restored = on_restored
        self._connect_timeout = connect_timeout
        self._channel: Channel | None = None
        self._reader = MessageReader(decode=decode)
        self._greeted: asyncio.Future[None] | None = None
        self._is_open = False
        self._failure: QmpxError | None = None  # why the last connection ended
        self._lost_at: float | None = None
        self._next_id = 1
        self._pending: dict[int, Request] = {}
        self._in_band: FairQueue[Request] = FairQueue()
        self._out_of_band: FairQueue[Request] = FairQueue()
        self._sent_in_band = 0
        self._sent_out_of_band = 0
        self._held: Request | None = None  # whose turn it is, but for its descriptor
        self._taker_is_sent = False
        self._is_reading = False
        self._restoring: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect for the first time.

        Raises:
            ConnectError: There is no conversation to be had.
            RemoteProtocolError: What is there is no monitor.
            ConnectionLost: It broke off at once.
        """
        await self._connect()

    async def close(self) -> None:
        """End the connection; what waits for a reply is told."""
        if self._restoring is not None:
            self._restoring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restoring
            self._restoring = None
        channel, self._channel = self._channel, None
        self._is_open = False
        if channel is not None:
            channel.abort()
        self._lose("the gateway ends")

    def submit(
        self, session: Session, name: str, arguments: Raw | UnsetType
    ) -> Deferred:
        """Send a client's command, now or when it is its turn.

        Args:
            session: Whose it is. A descriptor that came with it goes along.
            name: The command.
            arguments: An object, unread.

        Raises:
            GenericError: The monitor is away.
        """
        if self.reason:
            raise GenericError(away(self.reason))
        if session.is_out_of_band:
            request = Request(name, arguments, is_in_band=False)
            self._out_of_band.put(session, request)
        else:
            request = Request(name, arguments)
            if name in TAKES_DESCRIPTOR:
                request.session = session
                request.fds = session.pending.take_all()
            self._in_band.put(session, request)
        if not self._is_reading:
            self._send()
        return request.deferred

    def forget(self, session: Session) -> None:
        """Do not send what waits for a client that has gone."""
        gone = [*self._in_band.forget(session), *self._out_of_band.forget(session)]
        for request in gone:
            request.drop_fds()
            request.deferred.cancel()

    @property
    def in_flight(self) -> tuple[int, int]:
        """Commands sent and not answered: in band, and out of band."""
        return self._sent_in_band, self._sent_out_of_band

    @property
    def waiting(self) -> int:
        """Commands that wait for their turn to be sent."""
        held = self._held is not None
        return len(self._in_band) + len(self._out_of_band) + held

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Hand on what the monitor says."""
        close_fds(fds)  # no monitor sends any
        try:
            messages = cast("list[UpstreamMessage]", self._reader.receive(data))
        except RemoteProtocolError as error:
            self._failure = error
            if self._channel is not None:
                self._channel.abort()
            return
        self._is_reading = True
        try:
            for message in messages:
                self._take(message)
        finally:
            self._is_reading = False
        self._send()

    def eof_received(self) -> None:
        """Take it for the end: a monitor closes as a whole."""
        if self._channel is not None:
            self._channel.close()

    def drained(self) -> None:
        """Do nothing: how much may be unsent is bounded by what may be sent at once."""

    def connection_lost(self, error: OSError | None) -> None:
        """Tell all who wait, and begin to look for it again."""
        if self._channel is None:
            return  # we ended it
        self._channel = None
        was_open, self._is_open = self._is_open, False
        if was_open:
            self._lost_at = time.monotonic()
        is_closed = error is None or isinstance(error, ConnectionError)
        text = "the monitor closed the connection" if is_closed else str(error)
        self._failure = self._failure or ConnectionLost(text)
        self.reason = str(self._failure)
        # Not from within a write: whoever writes is not done yet.
        asyncio.get_running_loop().call_soon(self._lost, was_open)

    # Out.

    def _send(self) -> None:
        """Send what may be sent."""
        out: list[bytes] = []
        while self._sent_out_of_band < OUT_OF_BAND_AT_ONCE and self._out_of_band:
            self._sent_out_of_band += 1
            out.append(self._issue(self._out_of_band.take()))
        while self._sent_in_band < IN_BAND_AT_ONCE and (self._held or self._in_band):
            request, self._held = self._held or self._in_band.take(), None
            if request.name in TAKES_DESCRIPTOR and not self._may_send_fd(request, out):
                self._held = request
                break
            self._sent_in_band += 1
            message = self._issue(request)
            if request.name in TAKES_DESCRIPTOR:
                self._taker_is_sent = True
            if not request.fds or self._channel is None:
                out.append(message)
            else:
                self._channel.send_fds(message, request.fds[:1])
        self._write(out)

    def _may_send_fd(self, request: Request, out: list[bytes]) -> bool:
        """Whether a command that takes a descriptor may go now.

        It must not find the one that came with another's. The monitor has that from
        the moment in which it reads it, which may be before it runs what it has read:
        there is one such command on its way at a time.
        """
        if self._taker_is_sent:
            return False  # its reply brings us here again
        if not request.fds:
            return True
        if not isinstance(self.address, UnixAddress):
            request.drop_fds()  # none can be sent there; the monitor will say so
            return True
        self._write(out)
        if self._channel is None or self._channel.can_send_fds:
            return True
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(FDS_PAUSE, self._look_again)
        return False

    def _look_again(self) -> None:
        self._retry = None
        if self._channel is not None:
            self._send()

    def _write(self, out: list[bytes]) -> None:
        if out and self._channel is not None:
            self._channel.write(b"".join(out))
        out.clear()

    def _issue(self, request: Request) -> bytes:
        id_ = self._next_id
        self._next_id += 1
        self._pending[id_] = request
        return request.spell(id_)

    # In.

    def _take(self, message: UpstreamMessage) -> None:
        if message.event is not UNSET:
            self._on_event(spell_event(message))
        elif message.greeting is not UNSET:
            self.greeting = message.greeting
            if self._greeted is not None and not self._greeted.done():
                self._greeted.set_result(None)
        elif message.returned is not UNSET or message.error is not UNSET:
            id_ = message.id
            if id_ is UNSET:
                id_ = self._oldest_in_band()  # what has no id keeps its order
            request = self._pending.pop(id_, None) if type(id_) is int else None
            if request is None:
                logger.warning("a reply that nobody waits for was dropped: %r", id_)
            else:
                self._settle(request, message)
        else:
            logger.warning("a message that is neither reply nor event was dropped")

    def _oldest_in_band(self) -> int | None:
        pending = self._pending.items()
        return next((id_ for id_, request in pending if request.is_in_band), None)

    def _settle(self, request: Request, message: UpstreamMessage) -> None:
        if request.is_in_band:
            self._sent_in_band -= 1
        else:
            self._sent_out_of_band -= 1
        if request.name in TAKES_DESCRIPTOR:
            self._taker_is_sent = False
        if message.error is not UNSET:
            error = PassedError(on_one_line(message.error))
            if request.fds:
                self._claim(request, error)
            else:
                request.deferred.set_exception(error)
            return
        request.drop_fds()
        request.deferred.set_result(on_one_line(message.returned))

    def _claim(self, request: Request, error: PassedError) -> None:
        """Take back a descriptor that a command did not take, for it failed before.

        If there is one the command's client has it still, as with a monitor of its own.
        """

        def claimed(claim: Deferred) -> None:
            session = request.session
            if claim.exception() is None and session is not None:
                self._ask("closefd", b'{"fdname":"%b"}' % _UNCLAIMED)
                fds, request.fds = request.fds, []
                session.pending.give_back(fds)
                if session.channel is None:
                    session.pending.replace([])
            request.drop_fds()
            request.deferred.set_exception(error)

        self._taker_is_sent = True
        claim = self._ask("getfd", b'{"fdname":"%b"}' % _UNCLAIMED)
        claim.deferred.add_done_callback(claimed)

    def _ask(self, name: str, arguments: bytes | UnsetType) -> Request:
        """Send a command of our own."""
        request = Request(name, arguments)
        self._sent_in_band += 1
        self._write([self._issue(request)])
        return request

    # Its beginning and its end.

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        sock = await dial_async(self.address, timeout=self._connect_timeout)
        self._reader = MessageReader(decode=decode)
        self._failure = None
        self._greeted = loop.create_future()
        channel = self._channel = Channel(loop, sock, self)
        self.reason = "it has not answered yet"
        try:
            channel.resume_reading()
            async with asyncio.timeout(self._connect_timeout):
                await self._greeted
                await self._negotiate()
        except TimeoutError:
            error = await asyncio.to_thread(
                explain_silence, self.address, sock, self._connect_timeout
            )
            self._abandon(channel)
            raise error from None
        except BaseException:
            self._abandon(channel)
            raise
        finally:
            self._greeted = None

    async def _negotiate(self) -> None:
        offered = OOB in self.greeting.capabilities
        answered = asyncio.get_running_loop().create_future()
        wanted: bytes | UnsetType = b'{"enable":["oob"]}' if offered else UNSET
        request = self._ask("qmp_capabilities", wanted)

        def note(reply: Deferred) -> None:
            if reply.exception() is None:
                self._opened()  # in this moment: events may follow
            if not answered.done():
                answered.set_result(None)

        request.deferred.add_done_callback(note)
        await answered
        error = request.deferred.exception()
        if isinstance(error, PassedError):
            text = error.body.decode("utf-8", "replace")
            reason = f"it refused the negotiation: {text}"
            raise ConnectError(str(self.address), reason)
        if error is not None:
            raise self._failure or ConnectionLost(self.reason)

    def _opened(self) -> None:
        self.reason = ""
        self._is_open = True
        if self._lost_at is not None:
            seconds, self._lost_at = time.monotonic() - self._lost_at, None
            logger.warning("%s is back after %.1f s", self.address, seconds)
            self._on_restored(seconds)

    def _abandon(self, channel: Channel) -> None:
        self._is_open = False
        if self._channel is channel:
            self._channel = None
            channel.abort()
        self._lose(self.reason)

    def _lost(self, was_open: bool) -> None:  # noqa: FBT001
        if self._channel is not None:
            return  # it is back already
        if self._greeted is not None and not self._greeted.done():
            self._greeted.set_exception(self._failure or ConnectionLost(self.reason))
        self._lose(self.reason)
        if was_open:
            logger.warning("%s is away: %s", self.address, self.reason)
            self._restoring = asyncio.get_running_loop().create_task(self._restore())

    def _lose(self, reason: str) -> None:
        """Tell all who wait that there will be no reply."""
        self.reason = reason
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        sent, self._pending = self._pending, {}
        held, self._held = self._held, None
        waiting = [*self._in_band.clear(), *self._out_of_band.clear()]
        if held is not None:
            waiting.append(held)
        self._sent_in_band = self._sent_out_of_band = 0
        self._taker_is_sent = False
        for request in sent.values():
            request.drop_fds()
            request.deferred.set_exception(GenericError(lost(reason)))
        for request in waiting:
            request.drop_fds()
            request.deferred.set_exception(GenericError(away(reason)))

    async def _restore(self) -> None:
        pause = RETRY_FIRST
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_LAST)
            try:
                await self._connect()
            except (QmpxError, OSError) as error:
                self.reason = str(error).partition("\n")[0]
                logger.info("%s is still away: %s", self.address, self.reason)
            else:
                break
        self._restoring = None
