"""The way of a session's messages to its client.

What the session writes is cut into messages; each reply is held against the command
that it answers, and the faults that the plan has for it change it, hold it back or drop
it. Replies go out in their order: one that waits holds those behind it, as in a QEMU
that is slow, but not the events.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from qmpx.standin.faults import rewriting
from qmpx.standin.faults.awaiting import Awaited, AwaitedReplies, read_id
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.kind import Point
from qmpx.standin.faults.silence import MAX_STORED
from qmpx.standin.faults.turns import Held, Turns
from qmpx.wire.encode import encode_plainly
from qmpx.wire.framing import read_json

if TYPE_CHECKING:
    from qmpx.standin.faults.channel import FaultyChannel
    from qmpx.standin.faults.plan import FaultPlan

ENDINGS: Final = {"hang-up", "connection-reset", "crash", "hang-then-die", "mute"}
"""Faults that set in where the reply to a command would be sent, and in its place."""

_MESSAGES: Final = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_PRETTY: Final = re.compile(rb"\{.*?\n\}\r?\n|[^\n]*\n|[^\n]+\Z", re.DOTALL)


class _Glance(Struct, gc=False):
    """What there is to know of a message that a session writes."""

    event: str | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_glance: Final = msgspec.json.Decoder(_Glance).decode


def _glance_at(message: bytes) -> _Glance:
    try:
        return _glance(message)
    except RecursionError:
        value = read_json(message)
        id_ = Raw(encode_plainly(value["id"])) if "id" in value else UNSET
        return _Glance(value.get("event", UNSET), id_)


class Passage:
    """What the messages of one session go through.

    Args:
        channel: The session's connection.
        plan: Which faults there are, and when.

    Attributes:
        awaited: The commands that were read and are not answered yet.
        begin: The faults of the connection itself, by their names.
        cost: Bytes of memory that wait here.
    """

    def __init__(self, channel: "FaultyChannel", plan: "FaultPlan") -> None:
        self.awaited = AwaitedReplies()
        self.begin: dict[str, Fault] = {}
        self._channel = channel
        self._plan = plan
        self._turns = Turns()
        self._kept_events: deque[bytes] = deque(maxlen=MAX_STORED)
        self._is_greeted = False

    @property
    def cost(self) -> int:
        """Bytes of memory that the messages take that wait here."""
        return self._turns.cost

    @property
    def is_busy(self) -> bool:
        """Whether messages wait for their turn."""
        return bool(self._turns)

    def messages(self, data: bytes, *, are_pretty: bool) -> list[bytes]:
        """Return the messages that a session has written at once."""
        return (_PRETTY if are_pretty else _MESSAGES).findall(data)

    def take(self, message: bytes) -> None:
        """Take a message of the session; it is sent by and by."""
        if not self._is_greeted:
            self._is_greeted = True
            self._greet(message)
            return
        try:
            glance = _glance_at(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._turns.queue(Held(message))
            return
        if glance.event is not UNSET:
            self._take_event(message, glance.event)
        else:
            self._take_reply(message, read_id(glance.id))

    def advance(self) -> None:
        """Send the messages that need not wait."""
        while self._channel.is_served and (held := self._turns.take()) is not None:
            self._send(held)

    def clear(self) -> None:
        """Drop what waits."""
        self._turns.clear()

    def _greet(self, message: bytes) -> None:
        channel, begin = self._channel, self.begin
        if (fault := begin.get("event-before-greeting")) is not None:
            channel.emit(self._event_of(fault))
        if (fault := begin.get("greeting-malformed")) is not None:
            message = fault["text"].encode()
        if (fault := begin.get("greeting-cut")) is not None:
            channel.emit(message[: fault["bytes"]])
            channel.end()
        elif (fault := begin.get("greeting-reset")) is not None:
            channel.emit(message[: fault["bytes"]])
            channel.reset()
        else:
            channel.emit(message)

    def _event_of(self, fault: Fault) -> bytes:
        return rewriting.event_of(fault, self._plan.clock.microseconds())

    # Events.

    def _take_event(self, message: bytes, name: str) -> None:
        # Those behind it were read, perhaps, but are not run yet: it is not of theirs.
        running = self.awaited.first
        if running is not None:
            running.seen.add(name)
        faults = self._plan.striking((Point.EVENT,), name, self._channel.number)
        kinds = [fault.kind.name for fault in faults]
        if "event-lost" in kinds:
            return
        delay = sum(f["seconds"] for f in faults if f.kind.name == "event-late")
        for _ in range(1 + kinds.count("event-twice")):
            if delay:
                self._delay_event(delay, message, name)
            elif running is not None and "events-after-reply" in running.faults:
                self._kept_events.append(message)
            else:
                self._send_event(message, name)

    def _delay_event(self, seconds: float, message: bytes, name: str) -> None:
        held = Held(message)
        self._turns.set_aside(held)

        def send() -> None:
            self._turns.put_back(held)
            self._send_event(message, name)

        self._channel.later(seconds, send)

    def _send_event(self, message: bytes, name: str) -> None:
        self.advance()  # what came before it, and need not wait
        self._channel.emit(message)
        self._turns.has_come(name)
        self.advance()

    def _plan_event(self, seconds: float, message: Callable[[int], bytes]) -> None:
        """Send an event, some time from now; at least behind what is being sent."""

        def send() -> None:
            text = message(self._plan.clock.microseconds())
            self._send_event(text, str(_glance(text).event))

        self._channel.later(seconds, send)

    # Replies.

    def _take_reply(self, message: bytes, id_: bytes | UnsetType) -> None:
        awaited = self.awaited.answered_by(id_)
        if awaited is None:
            self._turns.queue(Held(message))
            return
        if awaited.name == "qmp_capabilities":
            self._interrupt_negotiation()
        self._take_answer(awaited, message)
        if "events-after-reply" in awaited.faults:
            for event in self._kept_events:
                self._turns.queue(Held(event))
            self._kept_events.clear()

    def _interrupt_negotiation(self) -> None:
        fault = self.begin.pop("event-during-negotiation", None)
        if fault is not None:
            self.advance()
            self._channel.emit(self._event_of(fault))

    def _take_answer(self, awaited: Awaited, message: bytes) -> None:
        faults = awaited.faults
        for seconds, event in rewriting.following(faults, awaited.arguments):
            self._plan_event(seconds, event)
        try:
            changed = rewriting.changed(message, faults)
        except RecursionError:
            changed = message  # it is too deep: with it nothing is wrong but its time
        if changed is None:
            return
        held = Held(changed, faults)
        after = faults.get("reply-after-event")
        if after is not None and after["event"] not in awaited.seen:
            held.awaits = after["event"]
            held.waits += 1
        late = faults.get("reply-late")
        if late is not None:
            self._hold(held, late["seconds"], is_overtakable=late["overtakable"])
        if late is None or not late["overtakable"]:
            self._turns.queue(held)

    def _hold(self, held: Held, seconds: float, *, is_overtakable: bool) -> None:
        def let_go() -> None:
            held.waits -= 1
            if is_overtakable:
                self._turns.put_back(held)
                self._send(held)
            self.advance()

        if is_overtakable:
            self._turns.set_aside(held)
        held.waits += 1
        self._channel.later(seconds, let_go)

    def _send(self, held: Held) -> None:
        """Send a message, with what its faults do to the bytes."""
        channel, faults = self._channel, held.faults
        for name, fault in faults.items():
            if name in ENDINGS:
                channel.strike(fault)
                return
        if "reply-garbage" in faults:
            channel.emit(faults["reply-garbage"]["text"].encode())
        if "reply-cut" in faults:
            channel.emit(held.message[: faults["reply-cut"]["bytes"]])
            channel.end()
        elif "reply-endless" in faults:
            channel.emit_endless(held.message, faults["reply-endless"]["bytes"])
        else:
            drip = _drip_of(faults)
            for _ in range(2 if "reply-twice" in faults else 1):
                channel.emit(held.message, drip)


def _drip_of(faults: Mapping[str, Fault]) -> tuple[int, float] | None:
    if "reply-dripped" not in faults:
        return None
    dripped = faults["reply-dripped"]
    return dripped["bytes"], dripped["seconds"]
