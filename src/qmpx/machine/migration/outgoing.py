"""The source's side of a migration: its phases, and the hand-over.

Nothing here waits: timers of the machine's clock move it on, and the link calls back.
The phases:

* *connecting*;
* *live*: the machine may run on, and what it writes is sent again; see
  `qmpx.machine.migration.passes`;
* *waiting*, if that is wanted: it stands still, and somebody has to say ``proceed``;
* *closing*: it stands still; all is sent, the destination has to say that it is sound;
* *committed*: the destination has the word to go on, and has to say that it does;
* *ended*.

Up to *closing* the machine is the source's, whatever happens; from *committed* on it is
the destination's, unless there is proof that the destination has ended without starting
it. See `qmpx.machine.migration.witness` for the proof, and the page
``docs/reference/migration-stream.md`` for all cases.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.migration.cargo import Cargo
from qmpx.machine.migration.contents import describe, write_parts
from qmpx.machine.migration.counterpart import ANSWER_LIMIT, Counterpart
from qmpx.machine.migration.disks import Disk
from qmpx.machine.migration.links import Link
from qmpx.machine.migration.pace import Pace
from qmpx.machine.migration.passes import Passes
from qmpx.machine.migration.records import (
    ONE_WAY,
    TWO_WAY,
    Kind,
    Record,
    RecordReader,
    RecordWriter,
)
from qmpx.machine.migration.stages import Outcome, Phase
from qmpx.machine.migration.standstill import Standstill
from qmpx.machine.migration.values import StreamError, dump_value, load_value
from qmpx.machine.migration.witness import TOKEN_SIZE, Claim, Verdict
from qmpx.machine.pages import PageSet
from qmpx.machine.runstate import TRANSFERS, RunState

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer
    from qmpx.machine.machine import Machine

GREETING_LIMIT: Final = 5.0
"""Seconds after which a receiver that has not greeted is taken for one that only
stores. A greeting takes some turns of a loop, and `witness.ANSWER_LIMIT` at most."""


class Outgoing:
    """One migration of a machine to elsewhere.

    Args:
        machine: The machine.
        link: What leads to the destination; not started yet.
        in_use: The pages that the guest uses, as far as that is known; see `RamWalk`.
        disks: The disks whose contents are to go too, by name.
        is_incremental: Whether only what is in the disks' own images is to go.
        on_end: Called once with the outcome and, if it failed, why.

    Attributes:
        phase: How far it is.
        cargo: What goes.
    """

    def __init__(
        self,
        machine: "Machine",
        link: Link,
        *,
        in_use: PageSet,
        disks: Mapping[str, Disk] | None,
        is_incremental: bool = False,
        on_end: Callable[[Outcome, str], None],
    ) -> None:
        self._machine = machine
        self._link = link
        self._settings = machine.migration
        self._on_end = on_end
        self._clock = machine.clock
        self._writer, self._reader = RecordWriter(), RecordReader()
        self._other = Counterpart(self._clock, self._judge)
        self._other.token = secrets.token_bytes(TOKEN_SIZE)
        self._is_in_doubt = False
        self._is_one_way = False  # whether the end of the stream gives it away
        self._timer: Timer | None = None
        self._pace = Pace(self._settings.limits, link)
        self._greeted = False
        self._opened_at = 0
        self._standstill = Standstill(machine, self._settings.baggage)
        self._digest = b""
        self.phase = Phase.CONNECTING
        self.cargo = Cargo(
            machine.memory,
            in_use,
            self._write,
            disks=disks,
            is_incremental=is_incremental,
        )
        self._passes = Passes(machine, self.cargo, self._pace, self)
        link.start(self)

    # What the link tells.

    def link_opened(self) -> None:
        """Say what machine comes, and begin."""
        self.phase = Phase.LIVE
        self._opened_at = self._clock.microseconds()
        self._note_figures(set_up=self._opened_at)
        self._settings.note_pass(self.cargo.passes)
        self._settings.note_stage("active")
        if self.phase is not Phase.LIVE:
            return  # who was told has called it off
        disks = (
            self._settings.baggage.disk_sizes() if self.cargo.disks is not None else {}
        )
        description = describe(self._machine, disks)
        host = self._link.local_host if self._link.answers else None
        description["token"] = self._other.token
        description["witness"] = self._other.can_be_asked_at(host)
        self._write(Kind.MACHINE, dump_value(description))
        self._passes.begin_turn()

    def link_received(self, data: bytes) -> None:
        """Take the destination's answers; after a one-way end there are none."""
        if self._is_one_way:
            return
        self._reader.feed(data)
        try:
            for record in self._reader.records():
                self._take(record)
                if self.phase is Phase.ENDED:
                    return
        except StreamError as error:
            self._break(f"the destination's answer cannot be read: {error}")

    def link_drained(self) -> None:
        """Go on with what this turn may send."""
        if self.phase is Phase.LIVE:
            self._passes.go_on()

    def link_finished(self) -> None:
        """End a stream that nobody answers: it was taken whole."""
        if self.phase is not Phase.ENDED:
            self._end(Outcome.COMPLETED)

    def link_broken(self, reason: str) -> None:
        """Keep the machine or, if the destination has the word, find out who has it."""
        self._break(reason)

    # What the destination answers.

    def _take(self, record: Record) -> None:
        match record.kind, self.phase:
            case Kind.HELLO, Phase.LIVE if not self._greeted:
                self._greeted = True
                match load_value(record.payload):
                    case {"witness": told}:
                        self._other.meet(told)
                    case _:
                        message = "its greeting is none"
                        raise StreamError(message)
            case Kind.REFUSED, Phase.LIVE | Phase.WAITING | Phase.CLOSING:
                reason = record.payload.decode(errors="replace")
                self.fail(f"the destination refuses: {reason}")
            case Kind.READY, Phase.CLOSING:
                if record.payload != self._digest:
                    message = "it has another machine than was sent"
                    raise StreamError(message)
                self._commit()
            case Kind.STARTED, Phase.COMMITTED:
                self._write(Kind.DONE, b"")
                self._end(Outcome.COMPLETED, finish=True)
            case kind, phase:
                message = f"{kind.name} does not belong to the phase {phase.value}"
                raise StreamError(message)

    # Sending.

    def _write(self, kind: Kind, payload: bytes) -> None:
        data = self._writer.write(kind, payload)
        self._pace.note_written(len(data))
        self._link.write(data)

    def _note_figures(self, **figures: int) -> None:
        statistics = self._settings.statistics
        if statistics is None:
            return
        for name, value in figures.items():
            setattr(statistics, name, value)
        self.cargo.note(statistics)

    def refresh(self) -> None:
        """Bring the statistics up to date."""
        self._note_figures()

    @property
    def may_stand_still(self) -> bool:
        """Whether the machine can stand still, and it is known who would get it."""
        if RunState.FINISH_MIGRATE not in TRANSFERS.get(self._machine.state, ()):
            return False  # a snapshot is being made
        if self._greeted and not self._other.is_met:
            return False
        if self._link.answers and not self._greeted:
            waited = self._clock.microseconds() - self._opened_at
            if waited < GREETING_LIMIT * 1_000_000:
                return False
        return True

    def start_postcopy(self) -> None:
        """Give the machine away with the next turn, however much is left to send."""
        if self.phase is Phase.LIVE:
            self._passes.is_urgent = True

    def stand_still(self) -> None:
        """Let the machine stand still, and send all the rest."""
        self.phase = Phase.WAITING
        self._stop_waiting()
        if self._passes.is_urgent and not self._settings.pauses_before_switchover:
            self._note_postcopy()
        self._standstill.begin()
        self._note_figures(stopped=self._clock.microseconds())
        if self.phase is not Phase.WAITING:
            return  # who was told has called it off
        if self._settings.pauses_before_switchover:
            self._settings.note_stage("pre-switchover")
        else:
            self._finish()

    def _note_postcopy(self) -> None:
        self._write(Kind.POSTCOPY, b"")
        self._note_figures(is_postcopy=True)
        self._settings.note_stage("postcopy-active")

    def proceed(self) -> None:
        """Give the machine away, if that is what is waited for."""
        if self.phase is Phase.WAITING:
            if self._passes.is_urgent:
                self._note_postcopy()
            else:
                self._settings.note_stage("device")
            try:
                self._finish()
            except OSError as error:
                self.fail(f"a disk cannot be read: {error}")

    def _finish(self) -> None:
        """Send all the rest; the machine stands still."""
        home = self._standstill.home
        if self.phase is not Phase.WAITING or home is None:
            return  # it was called off meanwhile
        self.phase = Phase.CLOSING
        before = self.cargo.ram.transferred
        self.cargo.finish_disks()
        self._settings.baggage.flush_disks()
        try:
            self._settings.baggage.write_bitmaps(
                lambda payload: self._write(Kind.BITMAP, payload)
            )
        except GenericError as error:
            self.fail(error.desc)
            return
        self._standstill.let_images_go()
        self.cargo.finish_ram()
        self._passes.begin_pass()
        self.cargo.finish_ram()
        self._note_figures(sent_still=self.cargo.ram.transferred - before)
        try:
            write_parts(self._machine, home, self._write)
        except (TypeError, ValueError) as error:
            self.fail(f"the machine's state cannot be moved: {error}")
            return
        self._digest = self._writer.digest()
        if self._greeted:
            self._write(Kind.END, TWO_WAY + self._digest)
            self._await_answer(lambda: self.fail("the destination does not answer"))
        else:
            self._is_one_way = True
            self._write(Kind.END, ONE_WAY + self._digest)
            self._link.finish()

    def _await_answer(self, on_silence: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._clock.call_later(ANSWER_LIMIT, on_silence)

    def _stop_waiting(self) -> None:
        self._passes.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The hand-over.

    def _commit(self) -> None:
        """Give the machine away: from here on only proof gives it back."""
        self.phase = Phase.COMMITTED
        self._write(Kind.GO, b"")
        self._await_answer(lambda: self._break("the destination has fallen silent"))

    def _break(self, reason: str) -> None:
        if self.phase is Phase.COMMITTED:
            if not self._is_in_doubt:
                self._is_in_doubt = True
                self._stop_waiting()
                self._link.close()
                self._other.ask_whose(
                    Claim.LOST,
                    on_verdict=self._learn,
                    on_silence=self._give_up,
                    is_patient=True,
                )
        elif self._is_one_way and self._link.answers and not self._link.unsent:
            self._end(Outcome.COMPLETED)  # the end was on its way before it broke
        elif self.phase is not Phase.ENDED:
            self.fail(reason)

    def _learn(self, verdict: Verdict) -> None:
        if verdict is Verdict.MINE:
            self._end(Outcome.COMPLETED)
        else:
            self.fail("the destination ended before it had taken over")

    def _give_up(self) -> None:
        self._end(
            Outcome.FAILED,
            "the connection broke after the destination had been told to go on, "
            "and it cannot be asked whether it does; the machine stays paused here",
            may_be_asked=True,
        )

    def _judge(self, claim: Claim) -> Verdict:
        """Tell the destination whose the machine is."""
        if claim is Claim.PROBE:
            return Verdict.UNDECIDED
        if self.phase is Phase.COMMITTED:
            if claim is Claim.OWNER:
                self._end(Outcome.COMPLETED, may_be_asked=True)
            return Verdict.YOURS
        if self.phase is Phase.ENDED:
            given_away = self._machine.state is RunState.POSTMIGRATE
            return Verdict.YOURS if given_away else Verdict.MINE
        self.fail("the connection broke at the destination's end")
        return Verdict.MINE

    # The end.

    @property
    def can_be_cancelled(self) -> bool:
        """Whether the destination cannot have gone on yet."""
        given_away = self._is_one_way and not self._link.unsent
        return not given_away and self.phase not in (Phase.COMMITTED, Phase.ENDED)

    def cancel(self) -> None:
        """Call it off; nothing happens if the destination may go on already."""
        if not self.can_be_cancelled:
            return
        if self._greeted:
            self._write(Kind.ABORT, b"")
        self._end(Outcome.CANCELLED)

    def fail(self, reason: str) -> None:
        """End it, as something went wrong."""
        self._end(Outcome.FAILED, reason)

    def _end(
        self,
        outcome: Outcome,
        reason: str = "",
        *,
        finish: bool = False,
        may_be_asked: bool = False,
    ) -> None:
        was, self.phase = self.phase, Phase.ENDED
        self._note_figures(ended=self._clock.microseconds())
        self._stop_waiting()
        self.cargo.close()
        self._other.stop_asking()
        if finish:
            self._link.finish()
        else:
            self._link.close()
        # A destination that has it all may yet ask: then there must be an answer.
        has_it_all = was is Phase.CLOSING and outcome is not Outcome.COMPLETED
        if not (may_be_asked or has_it_all):
            self._other.close()
        self._standstill.end(is_gone=may_be_asked or outcome is Outcome.COMPLETED)
        self._on_end(outcome, reason)

    def abandon(self) -> None:
        """Let go of all that is still held open for a migration that has ended."""
        self._other.close()
