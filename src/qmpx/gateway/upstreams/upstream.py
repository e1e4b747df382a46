"""The one connection to the monitor that is shared.

What passes is not read: arguments, returned values, errors and the data of events are
handed on as bytes. Replies are given to whoever asked in the moment in which they are
read, so that they and the events keep their order on the way to each client.
What waits for its turn, or for its reply, is the affair of `.traffic`.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import cast

from msgspec import UNSET, Raw, UnsetType

from qmpx.client.deadlines import CONNECT_TIMEOUT, RETRY_FIRST
from qmpx.client.silence import explain_silence
from qmpx.errors import (
    ConnectError,
    ConnectionLost,
    GenericError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.gateway.upstreams.caring import Care
from qmpx.gateway.upstreams.early import EarlyEvents
from qmpx.gateway.upstreams.link import Link
from qmpx.gateway.upstreams.passing import (
    PassedError,
    Request,
    UpstreamMessage,
    away,
    decode,
)
from qmpx.gateway.upstreams.restoring import Restoring
from qmpx.gateway.upstreams.traffic import TAKES_DESCRIPTOR, Traffic
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.session import Session
from qmpx.transport.address import Address
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.dial import dial_async
from qmpx.wire.client import MessageReader
from qmpx.wire.messages import Greeting
from qmpx.wire.server import OOB

logger = logging.getLogger("qmpx.gateway")
logger.addHandler(logging.NullHandler())


class Upstream:
    """The connection to a monitor, made anew whenever it is lost.

    Args:
        address: Where the monitor is.
        on_event: Given each event.
        on_restored: Called when the connection is back, with the seconds that it was
            away.
        on_lost: Called when the connection is lost, with the reason.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        dial: Makes each connection, if not by dialling *address*.

    Attributes:
        greeting: What the monitor said last when it greeted.
        reason: Why there is no connection; empty while there is.
        traffic: The commands that are under way.
        before_reply: Called before a reply is handed on.
        on_read: Called when all is handed on that was read at once.
        opened: How often there was a conversation.
    """

    def __init__(
        self,
        address: Address,
        *,
        on_event: Callable[[UpstreamMessage], None],
        on_restored: Callable[[float], None],
        on_lost: Callable[[str], None],
        connect_timeout: float = CONNECT_TIMEOUT,
        dial: Callable[[], Awaitable[Link]] | None = None,
    ) -> None:
        self.address = address
        self.greeting = Greeting()
        self.reason = "it was never connected to"
        self.traffic = Traffic(address)
        self._care: Care | None = None
        self.before_reply: Callable[[], None] = lambda: None
        self.on_read: Callable[[], None] = lambda: None
        self.opened = 0
        self._dial = dial or self._dial_address
        self._early = EarlyEvents(address)
        self._on_event = on_event
        self._on_restored = on_restored
        self._on_lost = on_lost
        self._connect_timeout = connect_timeout
        self._reader = MessageReader(decode=decode)
        self._greeted: asyncio.Future[None] | None = None
        self._is_open = False
        self._failure: QmpxError | None = None  # why the last connection ended
        self._lost_at: float | None = None
        self._restoring = Restoring(self._try_again)

    async def open(self) -> None:
        """Connect for the first time.

        Raises:
            ConnectError: There is no conversation to be had.
            RemoteProtocolError: What is there is no monitor.
            ConnectionLost: It broke off at once.
        """
        await self._connect()

    def start(self) -> None:
        """Begin to look for the monitor, now and whenever it is lost."""
        self._restoring.start(0.0)

    async def close(self) -> None:
        """End the connection; what waits for a reply is told."""
        await self._restoring.stop()
        channel, self.traffic.channel = self.traffic.channel, None
        self._is_open = False
        if channel is not None:
            channel.abort()
        self._lose("the gateway ends")

    def submit(
        self,
        session: Session,
        name: str,
        arguments: Raw | UnsetType,
        *,
        is_out_of_band: bool,
    ) -> Deferred:
        """Send a client's command, now or when it is its turn.

        Args:
            session: Whose it is. A descriptor that came with it goes along.
            name: The command.
            arguments: An object, unread.
            is_out_of_band: Whether it was sent to overtake others.

        Raises:
            GenericError: The monitor is away.
        """
        if self.reason:
            raise GenericError(away(self.reason))
        request = Request(name, arguments, is_in_band=not is_out_of_band)
        if name in TAKES_DESCRIPTOR and not is_out_of_band:
            request.session = session
            request.fds = session.pending.take_all()
        if self._care is not None:
            self._care.begun(request)
        return self.traffic.put(session, request)

    def ask(
        self,
        name: str,
        arguments: bytes | UnsetType = UNSET,
        *,
        out_of_band: bool = False,
    ) -> Deferred:
        """Send a command of the gateway's own, when it is its turn.

        Args:
            name: The command.
            arguments: An object, encoded.
            out_of_band: Whether it is to overtake.

        Raises:
            GenericError: The monitor is away.
        """
        if self.traffic.channel is None or self._greeted is not None:
            raise GenericError(away(self.reason))
        request = Request(name, arguments, is_in_band=not out_of_band)
        return self.traffic.put(self, request)

    @property
    def care(self) -> Care | None:
        """What looks after the connection, if anything does."""
        return self._care

    @care.setter
    def care(self, care: Care) -> None:
        self._care = self.traffic.tally = care

    def forget(self, session: Session) -> None:
        """Do not send what waits for a client that has gone."""
        self.traffic.forget(session)

    @property
    def in_flight(self) -> tuple[int, int]:
        """Commands sent and not answered: in band, and out of band."""
        return self.traffic.in_flight

    @property
    def waiting(self) -> int:
        """Commands that wait for their turn to be sent."""
        return self.traffic.waiting

    @property
    def is_open(self) -> bool:
        """Whether clients' commands are passed on."""
        return self._is_open

    @property
    def sock(self) -> socket.socket | None:
        """The connection's socket, for who is at its other end."""
        return None if self.traffic.channel is None else self.traffic.channel.sock

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Hand on what the monitor says."""
        close_fds(fds)  # no monitor sends any
        try:
            messages = cast("list[UpstreamMessage]", self._reader.receive(data))
        except RemoteProtocolError as error:
            self._failure = error
            if self.traffic.channel is not None:
                self.traffic.channel.abort()
            return
        self._take_all(messages)

    def _take_all(self, messages: list[UpstreamMessage]) -> None:
        self.traffic.is_reading = True
        try:
            for message in messages:
                self._take(message)
        finally:
            self.traffic.is_reading = False
        self.on_read()  # before more is sent: who has gone is known then
        self.traffic.send()

    def eof_received(self) -> None:
        """Take it for the end: a monitor closes as a whole."""
        if self.traffic.channel is not None:
            self.traffic.channel.close()

    def drained(self) -> None:
        """Do nothing: how much may be unsent is bounded by what may be sent at once."""

    def connection_lost(self, error: OSError | None) -> None:
        """Tell all who wait, and begin to look for it again."""
        if self.traffic.channel is None:
            return  # we ended it
        self.traffic.channel = None
        was_open, self._is_open = self._is_open, False
        if was_open:
            self._lost_at = time.monotonic()
        is_closed = error is None or isinstance(error, ConnectionError)
        text = "the monitor closed the connection" if is_closed else str(error)
        self._failure = self._failure or ConnectionLost(text)
        self.reason = str(self._failure)
        # Not from within a write: whoever writes is not done yet.
        asyncio.get_running_loop().call_soon(self._lost, was_open)

    # In.

    def _take(self, message: UpstreamMessage) -> None:
        if message.event is not UNSET:
            if self._care is not None:
                self._care.happened(message.event)
            if self._early.are_kept:
                self._early.keep(message)
            else:
                self._on_event(message)
        elif message.greeting is not UNSET:
            self.greeting = message.greeting
            if self._greeted is not None and not self._greeted.done():
                self._greeted.set_result(None)
        elif message.returned is not UNSET or message.error is not UNSET:
            self.before_reply()
            self.traffic.settle(message)
        else:
            logger.warning("a message that is neither reply nor event was dropped")

    # Its beginning and its end.

    async def _dial_address(self) -> Link:
        return Link(await dial_async(self.address, timeout=self._connect_timeout))

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        link = await self._dial()
        sock, self._reader = link.sock, link.reader
        channel = self.traffic.channel = link.channel_for(self)
        self._failure = None
        self._greeted = loop.create_future()
        self.reason = "it has not answered yet"
        try:
            channel.resume_reading()
            if link.greeting is not None:
                self.greeting = link.greeting
                self._begin()
                self._take_all(link.messages)
            else:
                async with asyncio.timeout(self._connect_timeout):
                    await self._greeted
                    await self._negotiate()
            if self._care is not None:
                await self._ask_for_state(channel)
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
        request = self.traffic.ask_at_once("qmp_capabilities", wanted)

        def note(reply: Deferred) -> None:
            if reply.exception() is None:
                self._begin()  # in this moment: events may follow
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

    def _begin(self) -> None:
        """Note that the conversation has begun; with nobody to look first, go on."""
        self._greeted = None
        if self._care is None:
            self._opened()
        else:  # and the events that come meanwhile are kept, too
            self.reason = "it is being asked for its state"
            self._early.begin()

    async def _ask_for_state(self, channel: Channel) -> None:
        if self._care is not None:
            await self._care.greeted()
        if self.traffic.channel is not channel:
            raise self._failure or ConnectionLost(self.reason)
        self._opened()
        for event in self._early.end():
            self._on_event(event)

    def _opened(self) -> None:
        self.reason = ""
        self._is_open = True
        self.opened += 1
        if self._lost_at is not None:
            seconds, self._lost_at = time.monotonic() - self._lost_at, None
            logger.warning("%s is back after %.1f s", self.address, seconds)
            self._on_restored(seconds)
        if self._care is not None:
            self._care.changed("")

    def _abandon(self, channel: Channel) -> None:
        self._is_open = False
        self._early.end()
        if self.traffic.channel is channel:
            self.traffic.channel = None
            channel.abort()
        self._lose(self.reason)

    def _lost(self, was_open: bool) -> None:  # noqa: FBT001
        if self.traffic.channel is not None:
            return  # it is back already
        if self._greeted is not None and not self._greeted.done():
            self._greeted.set_exception(self._failure or ConnectionLost(self.reason))
        self._lose(self.reason)
        if was_open:
            logger.warning("%s is away: %s", self.address, self.reason)
            self._on_lost(self.reason)
            if self._care is not None:
                self._care.changed(self.reason)
            self._restoring.start(RETRY_FIRST)

    def _lose(self, reason: str) -> None:
        """Tell all who wait that there will be no reply."""
        self.reason = reason
        self.traffic.lose(reason)

    async def _try_again(self) -> bool:
        """Connect anew; tell whether that could be done."""
        try:
            await self._connect()
        except (QmpxError, OSError) as error:
            self.reason = str(error).partition("\n")[0]
            logger.info("%s is still away: %s", self.address, self.reason)
            return False
        return True
