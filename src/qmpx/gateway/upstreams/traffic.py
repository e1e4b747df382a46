"""Commands on their way to a monitor, and their replies.

**Who waits.** QEMU reads eight in-band commands ahead and then reads no more, not even
what is to overtake. So only a few are sent before their replies have come; the others
wait here, and go in turn, one of each client.
"""

import asyncio
import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from qmpx.errors import CommandError, GenericError
from qmpx.gateway.upstreams.fairness import FairQueue
from qmpx.gateway.upstreams.passing import (
    LostError,
    Request,
    UpstreamMessage,
    away,
    lost,
    on_one_line,
    overdue,
    passed_error,
)
from qmpx.monitor.deferred import Deferred
from qmpx.transport.address import Address, UnixAddress

if TYPE_CHECKING:
    from qmpx.gateway.upstreams.caring import Tally
    from qmpx.transport.channel import Channel

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


class Traffic:
    """What is under way to one monitor.

    Args:
        address: Where it is: descriptors can be sent to unix sockets only.

    Attributes:
        channel: The connection; ``None`` while there is none.
        tally: Told which commands wait, if anything is.
        is_reading: Whether replies are being handed on: what these lead to is sent
            when all are.
    """

    def __init__(self, address: Address) -> None:
        self.channel: Channel | None = None
        self.tally: Tally | None = None
        self.is_reading = False
        self._address = address
        self._next_id = 1
        self._pending: dict[int, Request] = {}
        self._in_band: FairQueue[Request] = FairQueue()
        self._out_of_band: FairQueue[Request] = FairQueue()
        self._sent_in_band = 0
        self._sent_out_of_band = 0
        self._held: Request | None = None  # whose turn it is, but for its descriptor
        self._taker_is_sent = False
        self._retry: asyncio.TimerHandle | None = None

    def put(self, owner: Hashable, request: Request) -> Deferred:
        """Send a command, now or when it is its owner's turn; return its reply."""
        if request.is_in_band:
            if self._may_go_at_once(request):
                self._sent_in_band += 1
                self._write_one(self._issue(request))
                return request.deferred
            self._in_band.put(owner, request)
        else:
            self._out_of_band.put(owner, request)
        if not self.is_reading:
            self.send()
        return request.deferred

    def _may_go_at_once(self, request: Request) -> bool:
        """Whether it is a command's turn already: nothing waits, as mostly."""
        return (
            self._sent_in_band < IN_BAND_AT_ONCE
            and not self.is_reading
            and self._held is None
            and not self._in_band
            and not self._out_of_band
            and request.name not in TAKES_DESCRIPTOR
        )

    @property
    def under_way(self) -> list[Request]:
        """The commands that are not answered, those that wait for their turn too."""
        held = [] if self._held is None else [self._held]
        waiting = [*self._in_band, *self._out_of_band]
        return [*self._pending.values(), *held, *waiting]

    def give_up(self, request: Request, seconds: float) -> None:
        """Tell a command's client that there was no reply in time.

        What is on its way stays so: the monitor will answer, or not.
        """
        if request.deferred.done():
            return
        text = overdue(request.name, seconds, was_sent=request.was_sent)
        logger.warning("%s: %s", self._address, text)
        request.session = None  # a descriptor that is not taken is not its any more
        if not request.was_sent:
            request.drop_fds()
            self._in_band.discard(request)
            self._out_of_band.discard(request)
            if self._held is request:
                self._held = None
        failure = LostError if request.was_sent else GenericError
        request.deferred.set_exception(failure(text))

    def forget(self, owner: Hashable) -> None:
        """Do not send what waits for a client that has gone."""
        gone = [*self._in_band.forget(owner), *self._out_of_band.forget(owner)]
        for request in gone:
            request.drop_fds()
            request.deferred.cancel()
            if self.tally is not None:
                self.tally.ended(request)

    @property
    def in_flight(self) -> tuple[int, int]:
        """Commands sent and not answered: in band, and out of band."""
        return self._sent_in_band, self._sent_out_of_band

    @property
    def waiting(self) -> int:
        """Commands that wait for their turn to be sent."""
        held = self._held is not None
        return len(self._in_band) + len(self._out_of_band) + held

    def send(self) -> None:
        """Send what may be sent."""
        if not (self._in_band or self._out_of_band or self._held):
            return
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
            if not request.fds or self.channel is None:
                out.append(message)
            else:
                self.channel.send_fds(message, request.fds[:1])
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
        if not isinstance(self._address, UnixAddress):
            request.drop_fds()  # none can be sent there; the monitor will say so
            return True
        self._write(out)
        if self.channel is None or self.channel.can_send_fds:
            return True
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(FDS_PAUSE, self._look_again)
        return False

    def _look_again(self) -> None:
        self._retry = None
        if self.channel is not None:
            self.send()

    def _write(self, out: list[bytes]) -> None:
        if out:
            self._write_one(b"".join(out))
            out.clear()

    def _write_one(self, text: bytes) -> None:
        if self.channel is not None:
            self.channel.write(text)

    def _issue(self, request: Request) -> bytes:
        id_ = self._next_id
        self._next_id += 1
        self._pending[id_] = request
        request.was_sent = True
        return request.spell(id_)

    def settle(self, message: UpstreamMessage) -> None:
        """Hand on a reply."""
        id_ = message.id
        if id_ is UNSET:
            id_ = self._oldest_in_band()  # what has no id keeps its order
        request = self._pending.pop(id_, None) if type(id_) is int else None
        if request is None:
            logger.warning("a reply that nobody waits for was dropped: %r", id_)
        else:
            self._settle(request, message)

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
        if self.tally is not None:
            self.tally.ended(request)
        if message.error is not UNSET:
            error = passed_error(on_one_line(message.error))
            if request.fds:
                self._claim(request, error)
            else:
                request.deferred.set_exception(error)
            return
        request.drop_fds()
        request.deferred.set_result(on_one_line(message.returned))

    def _claim(self, request: Request, error: CommandError) -> None:
        """Take back a descriptor that a command did not take, for it failed before.

        If there is one the command's client has it still, as with a monitor of its own.
        """

        def claimed(claim: Deferred) -> None:
            session = request.session
            if claim.exception() is None:
                self.ask_at_once("closefd", b'{"fdname":"%b"}' % _UNCLAIMED)
            if claim.exception() is None and session is not None:
                fds, request.fds = request.fds, []
                session.pending.give_back(fds)
                if session.channel is None:
                    session.pending.replace([])
            request.drop_fds()
            request.deferred.set_exception(error)

        self._taker_is_sent = True
        claim = self.ask_at_once("getfd", b'{"fdname":"%b"}' % _UNCLAIMED)
        claim.deferred.add_done_callback(claimed)

    def ask_at_once(self, name: str, arguments: bytes | UnsetType) -> Request:
        """Send a command of our own, ahead of all that waits."""
        request = Request(name, arguments)
        self._sent_in_band += 1
        self._write([self._issue(request)])
        return request

    def lose(self, reason: str) -> None:
        """Tell all who wait that there will be no reply."""
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
            request.deferred.set_exception(LostError(lost(reason)))
        for request in waiting:
            request.drop_fds()
            request.deferred.set_exception(GenericError(away(reason)))
