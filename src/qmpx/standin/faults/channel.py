"""Where faults happen: the connection between a session and its client.

A session writes to it as to any channel. What it writes goes the way of `passage`, and
then through an outlet; what it reads is looked at first. A connection may also fall
silent or end of itself.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.errors import CommandError, CommandNotFound, GenericError
from qmpx.machine.clock import Timer
from qmpx.standin.faults.commands import (
    InjectedError,
    WatchedState,
    name_of,
    text_of,
)
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.kind import Point
from qmpx.standin.faults.outlet import Outlet
from qmpx.standin.faults.passage import ENDINGS, Passage
from qmpx.standin.faults.silence import Silence
from qmpx.standin.faults.storm import Storm
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER, Entry, entry_for
from qmpx.transport.channel import HIGH_WATER, Channel
from qmpx.wire.encode import indent
from qmpx.wire.outcomes import Malformed
from qmpx.wire.server import Phase

if TYPE_CHECKING:
    from qmpx.monitor.session import Session
    from qmpx.standin.faults.plan import FaultPlan
    from qmpx.wire.framing import Item

MAX_HELD: Final = 16 * 2**20
"""Bytes that faults hold back from one client; then no more of its commands are read
until some were sent, and with twice as many none is run. That is a dozen oversized
replies."""

_IS_ONE_LINE: Final = re.compile(rb"\{[^\n]+\}\r\n")
_RESET: Final = struct.pack("ii", 1, 0)  # then close() resets a TCP connection
_FOR_SECOND_CLIENTS: Final = ("second-client-refused", "monitor-busy")


class FaultyChannel(Channel):
    """One connected socket, with faults.

    Args:
        plan: Which, and when.
        session: The session behind it.
        sock: The socket, now the channel's own.
        number: The connection's number, from 1.

    Attributes:
        number: The same.
    """

    __slots__ = (
        "_is_over",
        "_is_to_close",
        "_may_read",
        "_next_timer",
        "_outlet",
        "_passage",
        "_plan",
        "_session",
        "_silence",
        "_timers",
        "number",
    )

    def __init__(
        self, plan: "FaultPlan", session: "Session", sock: socket.socket, number: int
    ) -> None:
        super().__init__(session.monitor.loop, sock, self)
        self.number = number
        self._plan = plan
        self._session = session
        self._passage = Passage(self, plan)
        self._outlet = Outlet(self._raw, self.end, self.later, self._is_full)
        self._silence = Silence(session.monitor.loop, self.abort)
        self._timers: dict[int, Timer] = {}
        self._next_timer = 0
        self._may_read = False
        self._is_over = False
        self._is_to_close = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it is on."""
        return self._loop

    @property
    def is_open(self) -> bool:
        """Whether the connection is still there."""
        return self.sock is not None

    @property
    def is_served(self) -> bool:
        """Whether the client has been greeted, or is about to be."""
        return not self._silence.is_kept

    def open(self, others: int) -> None:
        """Begin the session, or leave the client alone.

        Args:
            others: How many clients are served already.
        """
        self._note("connected")
        alone = () if others else _FOR_SECOND_CLIENTS
        faults = self._plan.striking((Point.CONNECTING,), "", self.number, alone)
        begin = {fault.kind.name: fault for fault in faults}
        self._passage.begin = begin
        self._session.wire = WatchedState(self._session.wire, self._look)
        if (fault := begin.get("cut-after")) is not None:
            self._outlet.left = fault["bytes"]
        if (fault := begin.get("slow-drip")) is not None:
            self._outlet.drip_all(fault["bytes"], fault["seconds"])
        self._outlet.ends_lines = "newlines-lost" not in begin
        is_refused = bool({"client-refused", "second-client-refused"} & begin.keys())
        if is_refused or "greeting-withheld" in begin:
            self.mute(None)
        if "monitor-busy" in begin:
            self.mute(None)
        if self._plan.is_hung:
            self.mute(None)
        if (fault := begin.get("greeting-late")) is not None:
            self.mute(fault["seconds"])
        self._session.open(self)
        if is_refused:
            self.end()

    def let_in(self) -> None:
        """Greet a client that has waited until another was gone."""
        if self._passage.begin.pop("monitor-busy", None) is not None:
            self._unmute()

    # What the client does.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Pass on what the client sent."""
        self._session.data_received(data, fds)

    def eof_received(self) -> None:
        """Pass on that the client sends no more."""
        self._session.eof_received()

    def drained(self) -> None:
        """Go on with what is on its way out, then with the session."""
        self._outlet.go_on()
        self._balance()
        if not self.is_congested:
            self._session.drained()

    def connection_lost(self, error: OSError | None) -> None:
        """Drop what is held back, and pass it on."""
        self._is_over = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._passage.clear()
        self._silence.forget()
        self._session.connection_lost(error)
        self._note("closed")
        self._plan.connection_lost(self)

    def _look(self, item: "Item") -> CommandError | None:
        """Note a command; return an error if it is not to be run."""
        name = name_of(item)
        if self._plan.witnesses:
            self._plan.tell(self._entry_of(item))
        if self._is_over:
            return GenericError("the connection is over")
        faults = self._plan.striking(
            (Point.COMMAND, Point.REPLY, Point.ANY), name, self.number
        )
        self._passage.awaited.add(item, faults)
        error: CommandError | None = None
        for fault in faults:
            kind = fault.kind
            if kind.name == "event-storm":
                self.strike(fault)
            elif kind.name in ENDINGS:
                # It happens when the commands before this one have been answered.
                self._is_over = self._is_over or kind.name != "mute"
                error = GenericError("not run")
            elif kind.name == "command-failed":
                error = InjectedError(fault["class"], fault["desc"])
            elif kind.name == "command-missing":
                error = CommandNotFound(name=name)
            elif kind.point is Point.COMMAND:
                error = error or GenericError("not run")
        return error

    def _entry_of(self, item: "Item") -> Entry:
        if isinstance(item, Malformed):
            return Entry(self._time, TO_SERVER, self.number, raw=item.desc)
        return entry_for(self._time, TO_SERVER, self.number, text_of(item))

    # What happens of itself.

    def strike(self, fault: Fault) -> None:
        """Let a fault that needs no reply set in, now."""
        match fault.kind.name:
            case "mute":
                self.mute(fault["seconds"])
            case "hang-up":
                self.end()
            case "connection-reset":
                self.reset()
            case "crash" | "hang-then-die":
                self._plan.end(fault)
            case "event-storm" if self._session.wire.phase is Phase.READY:
                Storm(fault, self, self._plan.clock).go_on()

    def mute(self, seconds: float | None) -> None:
        """Neither read nor write, for some time or for ever."""
        if self.sock is None:
            return
        self._silence.begin(self.sock)
        super().pause_reading()
        if seconds is not None:
            self.later(seconds, self._unmute)

    def _unmute(self) -> None:
        if self.sock is None or not self._silence.end():
            return
        unsaid, kept = self._silence.unsaid()
        if unsaid:
            super().write(unsaid)
        self._outlet.go_on()
        for data in kept:
            self.write(data)
        self._advance()

    def end(self) -> None:
        """End the connection, with what was sent so far."""
        self._is_over = True
        self._passage.clear()
        super().close()

    def reset(self) -> None:
        """Reset the connection, as far as its kind of socket can be reset."""
        self._is_over = True
        if (sock := self.sock) is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    # What the session does.

    def resume_reading(self) -> None:
        """Read on, unless the client is not to be heard."""
        self._may_read = True
        if not self._silence.is_kept and self._held <= MAX_HELD:
            super().resume_reading()

    def pause_reading(self) -> None:
        """Leave further input to the kernel."""
        self._may_read = False
        super().pause_reading()

    def write(self, data: bytes | memoryview) -> None:
        """Take messages of the session, and send what is to be sent of them."""
        are_pretty = self._session.monitor.pretty
        for message in self._passage.messages(bytes(data), are_pretty=are_pretty):
            if self.sock is None:
                return
            if self._silence.is_kept:
                self._silence.keep(message)
            else:
                self._passage.take(message)
        self._advance()

    def close(self) -> None:
        """Close once all is sent that is held back."""
        self._is_to_close = True
        self.pause_reading()
        self._advance()

    # What leaves.

    def emit(self, message: bytes, drip: tuple[int, float] | None = None) -> None:
        """Send bytes now, behind what is on its way out already.

        Args:
            message: The bytes, their line end included.
            drip: If they are to go in pieces: bytes of each, and seconds between two.
        """
        if self.sock is None:
            return
        if self._session.monitor.pretty and _IS_ONE_LINE.fullmatch(message):
            message = indent(message)  # it was made here
        if self._plan.witnesses:
            self._plan.tell(entry_for(self._time, TO_CLIENT, self.number, message))
        self._outlet.put(message, drip)

    def emit_endless(self, message: bytes, size: int) -> None:
        """Send the beginning of a message, and so many bytes that do not end it."""
        self._outlet.put_endless(message.rstrip()[:-1], size)

    def _advance(self) -> None:
        """Send what need not wait; then close, if that is to be."""
        self._passage.advance()
        self._balance()
        if self._is_to_close and not self._is_waited_for:
            super().close()

    def _balance(self) -> None:
        """Let the session run commands, but none while much is held back."""
        held = self._held
        if held > MAX_HELD:
            super().pause_reading()
            # Events may pass: perhaps it is one of them that is waited for.
            self.is_congested = self.is_congested or held > 2 * MAX_HELD
            return
        if self.is_congested and not self.unsent:
            self.is_congested = False
            self._loop.call_soon(self._session.drained)
        if self._may_read:
            self.resume_reading()

    @property
    def _held(self) -> int:
        return self._passage.cost + self._outlet.size

    @property
    def _is_waited_for(self) -> bool:
        """Whether there is still something to be sent, in the end."""
        if self._silence.is_kept:
            return False
        if self._session.monitor.is_stopping and not self._plan.has_real_time:
            return False  # nobody may be there to let time pass
        return bool(self._passage.is_busy or self._timers or self._outlet.is_busy)

    def _raw(self, data: bytes | memoryview) -> None:
        if self._silence.is_kept:
            self._silence.swallow(data)
        else:
            super().write(data)

    def _is_full(self) -> bool:
        return self.unsent > HIGH_WATER or self._silence.is_kept

    # Time, and whoever looks on.

    def later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Do something later, if the connection is still there; 0: in the next turn."""
        number = self._next_timer
        self._next_timer += 1

        def do() -> None:
            self._timers.pop(number, None)
            if self.sock is not None:
                action()
                self._advance()

        timer: Timer
        if seconds:
            timer = self._plan.clock.call_later(seconds, do)
        else:
            timer = self._loop.call_later(0.0, do)
        self._timers[number] = timer
        return timer

    @property
    def _time(self) -> float:
        return self._plan.clock.microseconds() / 1_000_000

    def _note(self, text: str) -> None:
        self._plan.tell(Entry(self._time, connection=self.number, note=text))
