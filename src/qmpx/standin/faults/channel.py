"""Where faults happen: the connection between a session and its client.

A session writes to it as to any channel. What it writes is cut into messages; each
reply is held against the command that it answers, and the faults that the plan has for
it change it, hold it back or drop it. What leaves goes out in order: a reply that waits
holds those behind it, as in a QEMU that is slow, but not the events.
"""

import re
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
    WatchedState,
    arguments_of,
    id_of,
    message_of,
    name_of,
)
from qmpx.standin.faults.dripping import Drip
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.menu import Point
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER, Entry, entry_for
from qmpx.transport.channel import Channel
from qmpx.wire.parser import Malformed
from qmpx.wire.server import Phase

if TYPE_CHECKING:
    from qmpx.monitor.session import Session
    from qmpx.standin.faults.plan import FaultPlan
    from qmpx.wire.framing import Item

MAX_AWAITED: Final = 65536
"""Commands of one client whose replies are awaited, as many as a client of ours has in
flight; beyond, replies are passed on as they are."""

STORM_PIECE: Final = 64
"""Events of a storm that are sent before others have their turn."""

_MESSAGE: Final = re.compile(rb"\{.*?\n\}\r?\n|[^\n]*\n|[^\n]+\Z", re.DOTALL)
_LINES: Final = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_RESET: Final = struct.pack("ii", 1, 0)  # close() of a TCP socket resets it

_DOOMING: Final = {
    "command-failed",
    "command-missing",
    "command-lost",
    "command-answered",
    "unplug-refused",
    "unplug-ignored",
}


class _Glance(Struct, gc=False):
    """What there is to know of a message that a session writes."""

    event: str | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    greeting: Raw | UnsetType = msgspec.field(name="QMP", default=UNSET)


_glance: Final = msgspec.json.Decoder(_Glance).decode


class _Awaited:
    """A command whose reply is yet to come."""

    __slots__ = ("arguments", "faults", "id", "name", "seen")

    def __init__(self, name: str, id_: Any, arguments: Any, faults: list[Fault]) -> None:
        self.name = name
        self.id = id_
        self.arguments = arguments
        self.faults = faults
        self.seen: set[str] = set()  # events since it was read


class _Held:
    """What waits for its turn to be sent."""

    __slots__ = ("awaits", "faults", "is_reply", "message", "waits")

    def __init__(self, message: bytes, faults: list[Fault] | None = None) -> None:
        self.message = message
        self.faults = faults or []
        self.waits = 0  # for how many things
        self.awaits = ""  # for which event


class FaultyChannel(Channel):
    """One connected socket, with faults.

    Args:
        plan: Which, and when.
        session: The session behind it.
        sock: The socket, now the channel's own.
        number: The connection's number, from 1.
    """

    __slots__ = (
        "_awaited",
        "_is_greeted",
        "_is_mute",
        "_is_to_close",
        "_kept_events",
        "_left",
        "_lines_end",
        "_line",
        "_negotiation_event",
        "_out",
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
        self._awaited: deque[_Awaited] = deque()
        self._line: deque[_Held] = deque()
        self._kept_events: list[bytes] = []
        self._timers: set[Timer] = set()
        self._out: Drip | None = None
        self._left: int | None = None  # bytes until the connection ends
        self._lines_end = True
        self._is_greeted = False
        self._is_mute = False
        self._is_to_close = False
        self._negotiation_event: bytes | None = None

    def open(self) -> None:
        """Begin the session, or not."""
        plan, session = self._plan, self._session
        others = len(plan.channels)
        plan.channels[self.number] = self
        self._note("connected")
        session.wire = WatchedState(session.wire, self._look)
        faults = plan.striking((Point.CONNECTING,), "", self.number)
        names = [fault.kind.name for fault in faults]
        for fault in faults:
            self._set_up(fault)
        if "client-refused" in names or (others and "second-client-refused" in names):
            session.open(_Silent(self))
            self._end()
            return
        waits = others > 0 and "monitor-busy" in names
        if waits or "greeting-withheld" in names:
            # It connects, and that is all: what it sends is not read either.
            session.open(_Silent(self))
            self._is_to_close = waits
            return
        session.open(self)

    def _set_up(self, fault: Fault) -> None:
        match fault.kind.name:
            case "cut-after":
                self._left = fault["bytes"]
            case "slow-drip":
                self._out = Drip(self._raw, fault["bytes"], fault["seconds"], self._later)
            case "newlines-lost":
                self._lines_end = False

    # What the client sends.

    def _look(self, item: "Item") -> CommandError | None:
        """Note a command; return an error if it is not to be run."""
        name, arguments = name_of(item), arguments_of(item)
        faults = self._plan.striking(
            (Point.COMMAND, Point.REPLY, Point.ANY), name, self.number
        )
        if isinstance(item, Malformed):
            entry = Entry(self._time, TO_SERVER, self.number, raw=item.desc)
        else:
            entry = Entry(self._time, TO_SERVER, self.number, message_of(item))
        self._plan.tell(entry)
        awaited = _Awaited(name, read_id(id_of(item)), arguments, faults)
        if len(self._awaited) < MAX_AWAITED:
            self._awaited.append(awaited)
        error: CommandError | None = None
        for fault in faults:
            if fault.kind.point is Point.ANY:
                self.strike(fault)
                if fault.kind.name != "event-storm":
                    error = GenericError("the connection is gone")
            elif fault.kind.name in _DOOMING:
                error = error or _error_of(fault, name)
        return error

    # What happens of itself.

    def strike(self, fault: Fault) -> None:
        """Let a fault of a moment set in."""
        match fault.kind.name:
            case "mute":
                self.mute(fault["seconds"])
            case "hang-up":
                self._end()
            case "connection-reset":
                self._reset()
            case "event-storm":
                if self._session.wire.phase is Phase.READY:
                    self._storm(fault, fault["count"])
            case "crash" | "hang-then-die":
                self._plan.end(fault)

    def mute(self, seconds: float | None) -> None:
        """Send nothing, for some time or for ever; what is not sent is lost."""
        self._is_mute = True
        if seconds is not None:
            self._later(seconds, self._unmute)

    def _unmute(self) -> None:
        self._is_mute = False

    def _storm(self, fault: Fault, left: int) -> None:
        message = rewriting.event_of(fault, self._plan.clock.microseconds())
        if fault["seconds"]:
            self._emit(message)
            if left > 1:
                self._later(fault["seconds"], lambda: self._storm(fault, left - 1))
            return
        piece = 0 if self.is_congested else min(left, STORM_PIECE)
        for _ in range(piece):
            self._emit(message)
        if left > piece and self.sock is not None:
            # By the loop's time: a storm is as fast as it is read.
            self._loop.call_later(
                0.001 if not piece else 0.0, lambda: self._storm(fault, left - piece)
            )

    # What the session says.

    def write(self, data: bytes) -> None:
        """Take messages of the session, and send what is to be sent of them."""
        pattern = _MESSAGE if self._session.monitor.pretty else _LINES
        for message in pattern.findall(data):
            if not self._is_greeted:
                self._is_greeted = True
                self._greet(message)
            else:
                self._take(message)
        self._advance()

    def close(self) -> None:
        """Close once all is sent that is still held back."""
        if self._line or (self._out is not None and self._out.is_busy):
            self._is_to_close = True
            self.pause_reading()
        else:
            super().close()

    def _greet(self, message: bytes) -> None:
        faults = {
            fault.kind.name: fault
            for fault in self._plan.faults
            if fault.kind.point is Point.CONNECTING and fault.kind.name in _GREETING
            if self._struck(fault)
        }
        if (fault := faults.get("event-before-greeting")) is not None:
            self._emit(rewriting.event_of(fault, self._plan.clock.microseconds()))
        if (fault := faults.get("event-during-negotiation")) is not None:
            now = self._plan.clock.microseconds()
            self._negotiation_event = rewriting.event_of(fault, now)
        if (fault := faults.get("greeting-malformed")) is not None:
            message = fault["text"].encode()
        if (fault := faults.get("greeting-cut")) is not None:
            self._emit(message[: fault["bytes"]])
            self._end()
            return
        if (fault := faults.get("greeting-reset")) is not None:
            self._emit(message[: fault["bytes"]])
            self._reset()
            return
        held = _Held(message)
        if (fault := faults.get("greeting-late")) is not None:
            self._hold(held, fault["seconds"])
        self._line.append(held)

    def _struck(self, fault: Fault) -> bool:
        return fault in self._plan.striking((Point.CONNECTING,), "", self.number)

    def _take(self, message: bytes) -> None:
        try:
            glance = _glance(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._line.append(_Held(message))
            return
        if glance.event is not UNSET:
            self._take_event(message, glance.event)
        else:
            self._take_reply(message, read_id(glance.id))

    def _take_event(self, message: bytes, name: str) -> None:
        for awaited in self._awaited:
            awaited.seen.add(name)
        faults = self._plan.striking((Point.EVENT,), name, self.number)
        kinds = [fault.kind.name for fault in faults]
        if "event-lost" in kinds:
            return
        copies = 1 + kinds.count("event-twice")
        late = [fault for fault in faults if fault.kind.name == "event-late"]
        for _ in range(copies):
            if late:
                delay = sum(fault["seconds"] for fault in late)
                self._later(delay, lambda: self._send_event(message, name))
            elif any(
                fault.kind.name == "events-after-reply"
                for awaited in self._awaited
                for fault in awaited.faults
            ):
                self._kept_events.append(message)
            else:
                self._send_event(message, name)

    def _send_event(self, message: bytes, name: str) -> None:
        if any(not held.waits for held in self._line):
            self._advance()
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
        if awaited.name == "qmp_capabilities" and self._negotiation_event is not None:
            self._emit(self._negotiation_event)
            self._negotiation_event = None
        held = _Held(message)
        self._line.append(held)
        for fault in awaited.faults:
            if not self._apply(fault, held, awaited):
                self._line.remove(held)
                break
        else:
            held.faults = awaited.faults
        if not held.waits and self._kept_events:
            self._release_events(awaited, after=held)

    def _release_events(self, awaited: _Awaited, after: _Held) -> None:
        """Send, behind its reply, the events that a command caused."""
        if any(fault.kind.name == "events-after-reply" for fault in awaited.faults):
            events, self._kept_events = self._kept_events, []
            self._line.extend(_Held(event) for event in events)
            del after

    def _answered_by(self, id_: Any) -> _Awaited | None:
        """Return the command that a reply belongs to."""
        for awaited in self._awaited:
            if awaited.id == id_ and type(awaited.id) is type(id_):
                self._awaited.remove(awaited)
                return awaited
        # A fault in the request object is answered without an id, in some years.
        return self._awaited.popleft() if id_ is UNSET and self._awaited else None

    def _apply(self, fault: Fault, held: _Held, awaited: _Awaited) -> bool:
        """Do to a reply what a fault does; tell whether it is to be sent at all."""
        match fault.kind.name:
            case "command-lost" | "reply-lost":
                return False
            case "command-answered":
                held.message = rewriting.answer(held.message, fault["return"])
                for each in fault["events"]:
                    self._plan_event(rewriting.planned_event(each), each)
            case "unplug-refused":
                held.message = rewriting.answer(held.message, {})
                event = rewriting.refusal(fault, awaited.arguments)
                self._plan_event(event, {"after": fault["seconds"]})
            case "unplug-ignored":
                held.message = rewriting.answer(held.message, {})
            case "reply-late":
                self._hold(held, fault["seconds"])
                if fault["overtakable"]:
                    self._line.remove(held)
                    self._line.append(_Held(b""))
                    self._overtaken(held, fault["seconds"])
            case "reply-after-event":
                if fault["event"] not in awaited.seen:
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
        return True

    # What leaves.

    def _hold(self, held: _Held, seconds: float) -> None:
        def let_go() -> None:
            held.waits -= 1
            self._advance()

        held.waits += 1
        self._later(seconds, let_go)

    def _advance(self) -> None:
        """Send what need not wait."""
        line = self._line
        while line and not line[0].waits and not self._is_endless:
            self._send(line.popleft())
        if self._is_to_close and not line and self._is_greeted:
            if self._out is None or not self._out.is_busy:
                super().close()

    def _send(self, held: _Held) -> None:
        """Send one reply, with what its faults do to the bytes."""
        for fault in held.faults:
            match fault.kind.name:
                case "reply-garbage":
                    self._emit(fault["text"].encode())
                case "reply-cut":
                    self._emit(held.message[: fault["bytes"]])
                    self._end()
                    return
                case "reply-endless":
                    self._begin_endless(held.message, fault["bytes"])
                    return
                case "reply-dripped":
                    self._drip(held.message, fault)
                    return
        self._emit(held.message)
        if any(fault.kind.name == "reply-twice" for fault in held.faults):
            self._emit(held.message)
