"""The destination's side of a migration: take all, check it, ask, and go on.

The machine stands still until all is here and sound and the source has given it away,
or, if the connection breaks at that moment, until there is proof of whose it is. The
phases:

* *loading*: what comes is put where it belongs;
* *ready*: all is here; the source has to say that it is ours;
* *owner*: the machine is ours, and the source has to say that it knows;
* *ended*: the source knows, or it came to nothing.
"""

import enum
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from qmpx.errors import OpenFileFailed
from qmpx.machine.migration.contents import PartStates, check_description
from qmpx.machine.migration.counterpart import (
    ANSWER_LIMIT,
    INQUIRY_INTERVAL,
    Counterpart,
)
from qmpx.machine.migration.disks import Disk, check_disks, load_disk, look_anew
from qmpx.machine.migration.links import Link
from qmpx.machine.migration.ram import load_ram
from qmpx.machine.migration.records import (
    ONE_WAY,
    TWO_WAY,
    Kind,
    Record,
    RecordReader,
    RecordWriter,
)
from qmpx.machine.migration.values import StreamError, dump_value, load_value
from qmpx.machine.migration.witness import TOKEN_SIZE, Claim, Verdict
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer
    from qmpx.machine.machine import Machine


class Phase(enum.Enum):
    """How far it is."""

    LOADING = "loading"
    READY = "ready"
    OWNER = "owner"
    ENDED = "ended"


class Incoming:
    """One migration of a machine to here.

    Args:
        machine: The machine that becomes the other one; it waits for it.
        link: What leads to the source; not started yet.
        disks: The disks that contents may come for, by name.
        may_run: Whether the machine may run afterwards; if not, it is paused.
        on_end: Called once with whether it is the other one now and, if not, why.

    Attributes:
        phase: How far it is.
        may_run: Whether the machine may run afterwards.
    """

    def __init__(
        self,
        machine: "Machine",
        link: Link,
        *,
        disks: Mapping[str, Disk],
        may_run: bool,
        on_end: Callable[[bool, str], None],
    ) -> None:
        self._machine = machine
        self._link = link
        self._disks = disks
        self.may_run = may_run
        self._on_end = on_end
        self._clock = machine.clock
        self._writer, self._reader = RecordWriter(), RecordReader()
        self._parts = PartStates()
        self._is_described = False
        self._moved: Collection[str] = ()
        self._other = Counterpart(machine.clock, self._judge)
        self._timer: Timer | None = None
        self.phase = Phase.LOADING
        link.start(self)

    # What the link tells.

    def link_opened(self) -> None:
        """Wait for the description of what comes."""

    def link_drained(self) -> None:
        """Wait for more."""

    def link_finished(self) -> None:
        """Nothing: the last record is sent."""

    def link_received(self, data: bytes) -> None:
        """Take what came."""
        self._reader.feed(data)
        try:
            for record in self._reader.records():
                self._take(record)
                if self.phase is Phase.ENDED:
                    return
        except StreamError as error:
            self._refuse(str(error))

    def link_broken(self, reason: str) -> None:
        """Give up or, if all is here, find out whose the machine is."""
        match self.phase:
            case Phase.LOADING:
                self._fail(f"the stream broke off: {reason}")
            case Phase.READY | Phase.OWNER:
                self._inquire()
            case Phase.ENDED:
                pass

    # What the source sends.

    def _take(self, record: Record) -> None:
        match record.kind, self.phase:
            case Kind.MACHINE, Phase.LOADING if not self._is_described:
                self._begin(load_value(record.payload))
            case Kind.RAM, Phase.LOADING if self._is_described:
                load_ram(self._machine.memory, record.payload)
            case Kind.DISK, Phase.LOADING if self._is_described:
                load_disk(self._disks, record.payload)
            case Kind.BITMAP, Phase.LOADING if self._is_described:
                self._machine.migration.baggage.load_bitmap(record.payload)
            case Kind.POSTCOPY, Phase.LOADING if self._is_described:
                self._machine.migration.note_arrival("postcopy-active")
            case Kind.PART, Phase.LOADING if self._is_described:
                self._parts.take(record.payload)
            case Kind.END, Phase.LOADING if self._is_described:
                self._complete(record.payload)
            case Kind.GO, Phase.READY:
                self._take_over()
            case Kind.GO, Phase.OWNER:
                pass  # its witness was quicker
            case Kind.DONE, Phase.OWNER:
                self._end()
            case Kind.ABORT, Phase.LOADING | Phase.READY:
                self._fail("the source has called it off")
            case kind, phase:
                message = f"{kind.name} does not belong to the phase {phase.value}"
                raise StreamError(message)

    def _begin(self, description: Any) -> None:
        check_description(self._machine, description)
        check_disks(self._disks, description["disks"])
        self._is_described = True
        self._moved = description["disks"]
        match description:
            case {"token": bytes(token), "witness": told} if len(token) == TOKEN_SIZE:
                self._other.token = token
                if self._link.answers:
                    self._other.meet(told, self._greet)
            case _:
                message = "the description of the machine has no token"
                raise StreamError(message)

    def _greet(self) -> None:
        """Greet, now that it is known whether the source's witness can be asked."""
        if self.phase is Phase.LOADING:
            told = self._other.can_be_asked_at(self._link.local_host)
            self._write(Kind.HELLO, dump_value({"witness": told}))

    def _complete(self, payload: bytes) -> None:
        """Make sure that all is here and sound, then say so, or go on at once."""
        if payload[1:] != self._reader.digest_before():
            message = "the stream is damaged: its SHA-256 is another"
            raise StreamError(message)
        if self._machine.state is not RunState.INMIGRATE:
            message = f"this machine is {self._machine.state.value}"
            raise StreamError(message)
        self._parts.run_state()
        self._parts.restore(self._machine)
        try:
            for name in self._moved:
                self._disks[name].flush()
            look_anew(self._machine, self._moved)
        except (OSError, OpenFileFailed) as error:
            message = f"a disk cannot be used: {error}"
            raise StreamError(message) from error
        if payload[:1] == TWO_WAY and self._link.answers:
            self.phase = Phase.READY
            self._write(Kind.READY, payload[1:])
            self._timer = self._clock.call_later(ANSWER_LIMIT, self._inquire)
        elif payload[:1] == ONE_WAY:
            self._take_over()
            self._end()
        else:
            message = "the source wants an answer, and there is no way back"
            raise StreamError(message)

    def _write(self, kind: Kind, payload: bytes = b"") -> None:
        self._link.write(self._writer.write(kind, payload))

    # The hand-over.

    def _take_over(self) -> None:
        """Be the machine from now on."""
        self.phase = Phase.OWNER
        self._stop_waiting()
        self._other.stop_asking()
        state = self._parts.run_state()
        if state.is_running and not self.may_run:
            state = RunState.PAUSED
        if self._machine.state is RunState.INMIGRATE:  # not if it was switched off
            self._machine.transfer(state)
        self._on_end(True, "")  # noqa: FBT003 - documented with the parameter
        if self._link.answers:
            self._write(Kind.STARTED)

    def _inquire(self) -> None:
        """Find out whose the machine is or, if it is ours, tell the source so."""
        if self.phase is Phase.OWNER:
            self._other.ask_whose(
                Claim.OWNER,
                on_verdict=lambda _: self._end(),
                on_silence=lambda: None,  # it may yet ask: our witness stays
                is_patient=False,
            )
        else:
            self._other.ask_whose(
                Claim.LOST,
                on_verdict=self._learn,
                on_silence=lambda: self._fail(
                    "the connection broke before the source gave the machine away"
                ),
                is_patient=False,
            )

    def _learn(self, verdict: Verdict) -> None:
        match verdict:
            case Verdict.YOURS:
                self._take_over()
                self._inquire()
            case Verdict.DEAD:  # and what it was is here, whole
                self._take_over()
                self._end()
            case _:
                self._fail("the connection broke, and the source has kept the machine")

    def _judge(self, claim: Claim) -> Verdict:
        """Tell the source whose the machine is."""
        if claim is Claim.PROBE:
            return Verdict.UNDECIDED
        if self.phase is Phase.READY:  # it asks only after it has given it away
            self._take_over()
            self._timer = self._clock.call_later(INQUIRY_INTERVAL, self._inquire)
        return Verdict.MINE if self.phase is Phase.OWNER else Verdict.YOURS

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The end.

    def _refuse(self, reason: str) -> None:
        if self.phase is Phase.OWNER:
            self.link_broken(reason)
            return
        if self._link.answers:
            self._write(Kind.REFUSED, reason.encode()[:1024])
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self._end()
        self._on_end(False, reason)  # noqa: FBT003 - documented with the parameter

    def _end(self) -> None:
        self.phase = Phase.ENDED
        self._stop_waiting()
        self._other.close()
        self._link.close()

    def close(self) -> None:
        """Let go of everything: the machine is no more."""
        if self.phase is not Phase.ENDED:
            self._end()
