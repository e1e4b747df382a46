"""Where faults happen: the connection between a session and its client.

A session writes to it as to any channel. What it writes is cut into messages; each
reply is held against the command that it answers, and the faults that the plan has for
it change it, hold it back or drop it. Replies go out in their order: one that waits
holds those behind it, as in a QEMU that is slow, but not the events.
"""

import re
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from qmpx.errors import CommandError, CommandNotFound, GenericError
from qmpx.machine.clock import Timer
from qmpx.standin.faults import rewriting
from qmpx.standin.faults.commands import (
    InjectedError,
    WatchedState,
    arguments_of,
    id_of,
    message_of,
    name_of,
)
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.menu import Point
from qmpx.standin.faults.outlet import Outlet
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER, Entry, entry_for
from qmpx.transport.channel import Channel
from qmpx.wire.encode import indent
from qmpx.wire.parser import Malformed
from qmpx.wire.server import Phase

if TYPE_CHECKING:
    from qmpx.monitor.session import Session
    from qmpx.standin.faults.plan import FaultPlan
    from qmpx.wire.framing import Item

MAX_AWAITED: Final = 65536
"""Commands of one client whose replies are awaited, as many as a client of ours has in
flight; the replies to more are passed on as they are."""

MAX_STORED: Final = 1024
"""Messages kept while a client is to hear nothing; then the oldest are dropped."""

STORM_PIECE: Final = 64
"""Events of a storm that are sent before others have their turn."""

PATIENCE: Final = 0.05
"""Seconds between two looks whether a client that hears nothing has gone."""

_MESSAGES: Final = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_PRETTY: Final = re.compile(rb"\{.*?\n\}\r?\n|[^\n]*\n|[^\n]+\Z", re.DOTALL)
_IS_ONE_LINE: Final = re.compile(rb"\{[^\n]+\}\r\n")
_RESET: Final = struct.pack("ii", 1, 0)  # then close() resets a TCP connection
_FOR_SECOND_CLIENTS: Final = ("second-client-refused", "monitor-busy")
_ENDINGS: Final = {"hang-up", "connection-reset", "crash", "hang-then-die", "mute"}


class _Glance(Struct, gc=False):
    """What there is to know of a message that a session writes."""

    event: str | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_glance: Final = msgspec.json.Decoder(_Glance).decode


class _Awaited:
    """A command whose reply is yet to come."""

    __slots__ = ("arguments", "faults", "id", "name", "seen")

    def __init__(
        self, name: str, id_: Any, arguments: Any, faults: list[Fault]
    ) -> None:
        self.name = name
        self.id = id_
        self.arguments = arguments
        self.faults = {fault.kind.name: fault for fault in faults}
        self.seen: set[str] = set()  # names of events since it was its turn


class _Held:
    """A message that waits for its turn to be sent."""

    __slots__ = ("awaits", "faults", "message", "waits")

    def __init__(self, message: bytes, faults: dict[str, Fault] | None = None) -> None:
        self.message = message
        self.faults = faults or {}
        self.waits = 0  # for how many things
        self.awaits = ""  # for which event


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
        "_awaited",
        "_begin",
        "_hushed",
        "_is_greeted",
        "_is_over",
        "_is_to_close",
        "_kept_events",
        "_line",
        "_may_read",
        "_outlet",
        "_plan",
        "_session",
        "_timers",
        "number",
    )

    def __init__(
        self, plan: "FaultPlan", session: "Session", sock: socket.socket, number: int
    ) -> None:
        super().__init__(session.monitor.loop, sock, session)
        self.number = number
        self._plan = plan
        self._session = session
        self._begin: dict[str, Fault] = {}  # the faults of this connection itself
        self._awaited: deque[_Awaited] = deque()
        self._line: deque[_Held] = deque()
        self._kept_events: list[bytes] = []
        self._hushed: deque[bytes] | None = None  # what is not to be heard, yet
        self._timers: list[Timer] = []
        self._may_read = False
        self._is_greeted = False
        self._is_over = False
        self._is_to_close = False
        self._outlet = Outlet(self._raw, self._end, self._later, self._is_full)

    @property
    def is_served(self) -> bool:
        """Whether the client has been greeted, or is about to be."""
        return self._hushed is None

    def open(self, others: int) -> None:
        """Begin the session, or leave the client alone.

        Args:
            others: How many clients are served already.
        """
        self._note("connected")
        alone = () if others else _FOR_SECOND_CLIENTS
        faults = self._plan.striking((Point.CONNECTING,), "", self.number, alone)
        self._begin = begin = {fault.kind.name: fault for fault in faults}
        self._session.wire = WatchedState(self._session.wire, self._look)
        if (fault := begin.get("cut-after")) is not None:
            self._outlet.left = fault["bytes"]
        if (fault := begin.get("slow-drip")) is not None:
            self._outlet.drip_all(fault["bytes"], fault["seconds"])
        self._outlet.ends_lines = "newlines-lost" not in begin
        is_refused = bool({"client-refused", "second-client-refused"} & begin.keys())
        if is_refused or {"greeting-withheld", "monitor-busy"} & begin.keys():
            self.mute(None)
        elif (fault := begin.get("greeting-late")) is not None:
            self.mute(fault["seconds"])
        self._session.open(self)
        if is_refused:
            self._end()

    def let_in(self) -> None:
        """Greet a client that has waited until another was gone."""
        if "monitor-busy" in self._begin and "greeting-withheld" not in self._begin:
            self._unmute()

    # What the client sends.

    def _look(self, item: "Item") -> CommandError | None:
        """Note a command; return an error if it is not to be run."""
        name = name_of(item)
        message = UNSET if isinstance(item, Malformed) else message_of(item)
        raw = item.desc if isinstance(item, Malformed) else UNSET
        self._tell(Entry(self._time, TO_SERVER, self.number, message, raw))
        if self._is_over:
            return GenericError("the connection is over")
        faults = self._plan.striking(
            (Point.COMMAND, Point.REPLY, Point.ANY), name, self.number
        )
        arguments = arguments_of(item) if faults else None
        if len(self._awaited) < MAX_AWAITED:
            id_ = _read_id(id_of(item))
            self._awaited.append(_Awaited(name, id_, arguments, faults))
        error: CommandError | None = None
        for fault in faults:
            kind = fault.kind
            if kind.name == "event-storm":
                self.strike(fault)
            elif kind.name in _ENDINGS:
                # It happens when the commands before this one have been answered.
                self._is_over = kind.name != "mute"
                error = GenericError("not run")
            elif kind.name == "command-failed":
                error = InjectedError(fault["class"], fault["desc"])
            elif kind.name == "command-missing":
                error = CommandNotFound(name=name)
            elif kind.point is Point.COMMAND:
                error = error or GenericError("not run")
        return error

    # What happens of itself.

    def strike(self, fault: Fault) -> None:
        """Let a fault that needs no reply set in, now."""
        match fault.kind.name:
            case "mute":
                self.mute(fault["seconds"])
            case "hang-up":
                self._end()
            case "connection-reset":
                self._reset()
            case "crash" | "hang-then-die":
                self._plan.end(fault)
            case "event-storm" if self._session.wire.phase is Phase.READY:
                self._storm(fault, fault["count"])

    def mute(self, seconds: float | None) -> None:
        """Neither read nor write, for some time or for ever."""
        if self._hushed is None:
            self._hushed = deque(maxlen=MAX_STORED)
            super().pause_reading()
            self._loop.call_later(PATIENCE, self._look_for_end)
        if seconds is not None:
            self._later(seconds, self._unmute)

    def _unmute(self) -> None:
        hushed, self._hushed = self._hushed, None
        if self.sock is None or hushed is None:
            return
        for data in hushed:
            self.write(data)
        if self._may_read:
            self.resume_reading()

    def _look_for_end(self) -> None:
        """Notice that a client has gone, without reading what it sent."""
        if self._hushed is None or self.sock is None:
            return
        is_unix = self.sock.family == socket.AF_UNIX
        poller = select.poll()
        poller.register(self.sock, 0 if is_unix else select.POLLRDHUP)
        if poller.poll(0):
            self.abort()
        else:
            self._loop.call_later(PATIENCE, self._look_for_end)

    def _storm(self, fault: Fault, left: int) -> None:
        if self.sock is None or left < 1:
            return
        message = rewriting.event_of(fault, self._plan.clock.microseconds())
        if fault["seconds"]:
            self._emit(message)
            self._later(fault["seconds"], lambda: self._storm(fault, left - 1))
            return
        piece = 0 if self.is_congested else min(left, STORM_PIECE)
        for _ in range(piece):
            self._emit(message)
        # By the loop's time: a storm is as fast as it is read.
        pause = 0.0 if piece else PATIENCE
        self._loop.call_later(pause, lambda: self._storm(fault, left - piece))

    # What the session says.

    def resume_reading(self) -> None:
        """Read on, unless the client is not to be heard."""
        self._may_read = True
        if self._hushed is None:
            super().resume_reading()

    def pause_reading(self) -> None:
        """Leave further input to the kernel."""
        self._may_read = False
        super().pause_reading()

    def write(self, data: bytes) -> None:
        """Take messages of the session, and send what is to be sent of them."""
        if self._hushed is not None:
            self._hushed.append(data)
            return
        pattern = _PRETTY if self._session.monitor.pretty else _MESSAGES
        for message in pattern.findall(data):
            if self.sock is None or self._hushed is not None:
                break
            if not self._is_greeted:
                self._is_greeted = True
                self._greet(message)
            else:
                self._take(message)
        self._advance()

    def close(self) -> None:
        """Close once all is sent that is held back."""
        self._is_to_close = True
        self.pause_reading()
        self._advance()

    def _greet(self, message: bytes) -> None:
        begin = self._begin
        if (fault := begin.get("event-before-greeting")) is not None:
            self._emit(rewriting.event_of(fault, self._plan.clock.microseconds()))
        if (fault := begin.get("greeting-malformed")) is not None:
            message = fault["text"].encode()
        if (fault := begin.get("greeting-cut")) is not None:
            self._emit(message[: fault["bytes"]])
            self._end()
        elif (fault := begin.get("greeting-reset")) is not None:
            self._emit(message[: fault["bytes"]])
            self._reset()
        else:
            self._emit(message)

    def _take(self, message: bytes) -> None:
        try:
            glance = _glance(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._line.append(_Held(message))
            return
        if glance.event is not UNSET:
            self._take_event(message, glance.event)
        else:
            self._take_reply(message, _read_id(glance.id))

    def _take_event(self, message: bytes, name: str) -> None:
        # Those behind it were read, perhaps, but are not run yet: it is not of theirs.
        running = self._awaited[0] if self._awaited else None
        if running is not None:
            running.seen.add(name)
        faults = self._plan.striking((Point.EVENT,), name, self.number)
        kinds = [fault.kind.name for fault in faults]
        if "event-lost" in kinds:
            return
        delay = sum(f["seconds"] for f in faults if f.kind.name == "event-late")
        for _ in range(1 + kinds.count("event-twice")):
            if delay:
                self._later(delay, lambda: self._send_event(message, name))
            elif running is not None and "events-after-reply" in running.faults:
                self._kept_events.append(message)
            else:
                self._send_event(message, name)

    def _send_event(self, message: bytes, name: str) -> None:
        self._advance()  # what came before it, and need not wait
        self._emit(message)
        for held in self._line:
            if held.awaits == name:
                held.awaits = ""
                held.waits -= 1
        self._advance()

    def _take_reply(self, message: bytes, id_: Any) -> None:
        awaited = self._answered_by(id_)
        if awaited is None:
            self._line.append(_Held(message))
            return
        if awaited.name == "qmp_capabilities":
            self._interrupt_negotiation()
        held = _Held(message, awaited.faults)
        if (late := awaited.faults.get("reply-late")) is not None:
            self._hold(held, late)
        is_to_be_sent = self._is_to_be_sent(held, awaited)
        if is_to_be_sent and (late is None or not late["overtakable"]):
            self._line.append(held)
        if "events-after-reply" in awaited.faults:
            self._line.extend(map(_Held, self._kept_events))
            self._kept_events.clear()

    def _interrupt_negotiation(self) -> None:
        if (fault := self._begin.pop("event-during-negotiation", None)) is not None:
            self._advance()
            self._emit(rewriting.event_of(fault, self._plan.clock.microseconds()))

    def _answered_by(self, id_: Any) -> _Awaited | None:
        """Return the command that a reply belongs to."""
        for awaited in self._awaited:
            if type(awaited.id) is type(id_) and awaited.id == id_:
                self._awaited.remove(awaited)
                return awaited
        # A fault in the request itself is answered without an id, in some years.
        return self._awaited.popleft() if id_ is UNSET and self._awaited else None

    def _is_to_be_sent(self, held: _Held, awaited: _Awaited) -> bool:
        """Change a reply as its faults say; tell whether it is to be sent at all."""
        is_to_be_sent = True
        for name, fault in awaited.faults.items():
            match name:
                case "command-lost" | "reply-lost":
                    is_to_be_sent = False
                case "command-failed":
                    held.message = rewriting.of_class(held.message, fault["class"])
                case "command-answered":
                    held.message = rewriting.answer(held.message, fault["return"])
                    for each in fault["events"]:
                        self._plan_event(
                            each.get("after", 0.0), rewriting.event_in(each)
                        )
                case "unplug-refused":
                    held.message = rewriting.answer(held.message, {})
                    event = rewriting.refusal(fault, awaited.arguments)
                    self._plan_event(fault["seconds"], event)
                case "unplug-ignored":
                    held.message = rewriting.answer(held.message, {})
                case "reply-after-event" if fault["event"] not in awaited.seen:
                    held.awaits = fault["event"]
                    held.waits += 1
                case "reply-wrong-id":
                    held.message = rewriting.with_id(held.message, fault["id"])
                case "reply-without-id":
                    held.message = rewriting.with_id(held.message, UNSET)
                case "reply-patched":
                    held.message = rewriting.patched(held.message, fault)
                case "reply-oversized":
                    held.message = rewriting.padded(held.message, fault["bytes"])
        return is_to_be_sent

    def _plan_event(self, seconds: float, message: Callable[[int], bytes]) -> None:
        """Send an event, some time from now; at least behind what is being sent."""

        def send() -> None:
            text = message(self._plan.clock.microseconds())
            self._send_event(text, str(_glance(text).event))

        if seconds:
            self._later(seconds, send)
        else:
            self._loop.call_soon(send)

    def _hold(self, held: _Held, late: Fault) -> None:
        def let_go() -> None:
            held.waits -= 1
            if late["overtakable"]:
                self._send(held)
            self._advance()

        held.waits += 1
        self._later(late["seconds"], let_go)

    # What leaves.

    def _advance(self) -> None:
        """Send what need not wait; then close, if that is to be."""
        line = self._line
        while line and not line[0].waits:
            self._send(line.popleft())
        if self._is_to_close and not self._is_waited_for:
            super().close()

    @property
    def _is_waited_for(self) -> bool:
        """Whether there is still something to be sent, in the end."""
        if self._hushed is not None:
            return False
        if self._session.monitor.is_stopping and not self._plan.has_real_time:
            return False  # nobody may be there to let time pass
        return bool(self._line or self._timers or self._outlet.is_busy)

    def _send(self, held: _Held) -> None:
        """Send a message, with what its faults do to the bytes."""
        faults = held.faults
        for name in _ENDINGS & faults.keys():
            self.strike(faults[name])
            return
        if (fault := faults.get("reply-garbage")) is not None:
            self._emit(fault["text"].encode())
        if (fault := faults.get("reply-cut")) is not None:
            self._emit(held.message[: fault["bytes"]])
            self._end()
        elif (fault := faults.get("reply-endless")) is not None:
            self._outlet.put_endless(held.message.rstrip()[:-1], fault["bytes"])
        else:
            dripped = faults.get("reply-dripped")
            drip = (dripped["bytes"], dripped["seconds"]) if dripped else None
            for _ in range(2 if "reply-twice" in faults else 1):
                self._emit(held.message, drip)

    def _emit(self, message: bytes, drip: tuple[int, float] | None = None) -> None:
        if self.sock is None:
            return
        if self._session.monitor.pretty and _IS_ONE_LINE.fullmatch(message):
            message = indent(message)  # it was made here
        self._tell(entry_for(self._time, TO_CLIENT, self.number, message))
        self._outlet.put(message, drip)

    def _raw(self, data: bytes) -> None:
        super().write(data)

    def _is_full(self) -> bool:
        return self.is_congested

    def _end(self) -> None:
        """End the connection, with what was sent so far."""
        self._is_over = True
        self._line.clear()
        super().close()

    def _reset(self) -> None:
        self._is_over = True
        if (sock := self.sock) is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    def _lose(self, error: OSError | None) -> None:
        if self.sock is None:
            return
        super()._lose(error)
        self._is_over = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._line.clear()
        self._note("closed")
        self._plan.connection_lost(self)

    # Time, and whoever looks on.

    def _later(self, seconds: float, action: Callable[[], None]) -> Timer:
        def do() -> None:
            self._timers.remove(timer)
            if self.sock is not None:
                action()
                self._advance()

        clock = self._plan.clock
        if seconds:
            timer = clock.call_later(seconds, do)
        else:
            timer = self._loop.call_later(0.0, do)
        self._timers.append(timer)
        return timer

    @property
    def _time(self) -> float:
        return self._plan.clock.microseconds() / 1_000_000

    def _tell(self, entry: Entry) -> None:
        self._plan.tell(entry)

    def _note(self, text: str) -> None:
        self._tell(Entry(self._time, connection=self.number, note=text))


def _read_id(id_: Any) -> Any:
    """Return what an id stands for, so that spellings do not matter."""
    if id_ is UNSET:
        return UNSET
    try:
        return msgspec.json.decode(id_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(id_)
