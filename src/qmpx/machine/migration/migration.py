"""A machine's migration: at most one at a time to elsewhere, and one from there.

::

    machine.migration.limits.set_speed(100 * 2**20)
    machine.migration.start("tcp:192.0.2.7:4444")     # source
    machine.migration.listen("tcp:0:4444")            # destination

What happens is told as `MigrationMoved`; `status` and `progress` say how far it is.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.happenings import (
    IncomingMoved,
    MigrationMoved,
    MigrationPassBegan,
)
from qmpx.machine.memory import PAGE_SIZE
from qmpx.machine.migration.addresses import Stop, await_incoming, open_outgoing
from qmpx.machine.migration.baggage import Baggage
from qmpx.machine.migration.guest_writes import GuestWrites
from qmpx.machine.migration.incoming import Incoming
from qmpx.machine.migration.links import Link
from qmpx.machine.migration.outgoing import Outgoing
from qmpx.machine.migration.pace import Limits
from qmpx.machine.migration.parameters import Parameters
from qmpx.machine.migration.progress import Progress, Statistics
from qmpx.machine.migration.stages import Outcome
from qmpx.machine.pages import PageSet
from qmpx.machine.runstate import TRANSFERS, RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MAX_UNSETTLED: Final = 8
"""Migrations that broke off at their very end and may yet be asked about; of more, the
oldest is let go. A destination asks within a minute, unless its process was stopped."""


class Migration:
    """Move a machine to elsewhere, or take one that comes.

    Args:
        machine: The machine.

    Attributes:
        status: ``None`` before the first migration to elsewhere, then ``active``,
            ``completed``, ``failed`` or ``cancelled``, as QEMU says.
        failure: Why the last migration failed, to elsewhere or from there; else empty.
        is_expected: Whether a machine is awaited that has not come yet.
        limits: How fast it may go, and how long the machine may stand still.
        parameters: The figures of newer QEMUs; of what has an effect see
            `Limits.follow`.
        capabilities: The switches of newer QEMUs that are on.
        statistics: What there is to know of the migration under way, or the last one.
        incoming_status: ``None`` before a machine comes, then ``active``, perhaps
            ``postcopy-active``, ``completed`` or ``failed``.
        address: Where a machine is awaited; empty if that is nowhere.
        baggage: What goes with its memory.
        guest_writes: What its guest writes meanwhile.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.status: str | None = None
        self.failure = ""
        self.is_expected = False
        self.limits = Limits()
        self.parameters = Parameters()
        self.capabilities: frozenset[str] = frozenset()
        self.statistics: Statistics | None = None
        self.baggage = Baggage(machine)
        self.guest_writes = GuestWrites(machine)
        self.incoming_status: str | None = None
        self.address = ""
        self._may_run = True
        self._is_staged = False
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None
        self._stop_waiting: Stop | None = None
        self._unsettled: deque[Outgoing] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._in_use = PageSet()

    # What can be set, and what can be known.

    @property
    def may_run(self) -> bool:
        """Whether a machine that comes runs on, if it ran; if not, it is paused."""
        return self._may_run

    @may_run.setter
    def may_run(self, value: bool) -> None:
        self._may_run = value
        if self._incoming is not None:
            self._incoming.may_run = value

    @property
    def is_active(self) -> bool:
        """Whether a migration to elsewhere is under way."""
        return self._outgoing is not None

    @property
    def ram_progress(self) -> Progress | None:
        """How far RAM is; ``None`` while nothing is under way."""
        if self._outgoing is None:
            return None
        ram = self._outgoing.cargo.ram
        return Progress(ram.transferred, ram.remaining_bytes, ram.total)

    @property
    def disk_progress(self) -> Progress | None:
        """How far the disks are; ``None`` while none are under way."""
        if self._outgoing is None or (disks := self._outgoing.cargo.disks) is None:
            return None
        return Progress(disks.transferred, disks.remaining, disks.total)

    # To elsewhere.

    def start(
        self,
        uri: str,
        *,
        block: bool = False,
        incremental: bool = False,
        take_descriptor: Callable[[str], int] | None = None,
    ) -> None:
        """Begin to move the machine to *uri*; it needs a running event loop.

        Args:
            uri: ``tcp:HOST:PORT``, ``unix:PATH``, ``exec:COMMAND`` or ``fd:NAME``.
            block: Whether the contents of its disks go too.
            incremental: Whether of those only what is in the images themselves goes,
                and not what is in their backing files; implies *block*.
            take_descriptor: Gives the descriptor of a name away, or raises
                `FdNotFound`.

        Raises:
            GenericError: One is under way; there is no such protocol; it cannot be
                begun. Whether somebody listens there shows only later.
        """
        self._check()
        link = open_outgoing(uri, take_descriptor)
        self.start_over(link, block=block, incremental=incremental)

    def start_over(
        self,
        link: Link,
        *,
        block: bool = False,
        incremental: bool = False,
        is_staged: bool = False,
    ) -> None:
        """Begin to move the machine through *link*; see `start`.

        Args:
            link: What leads there; not started yet.
            block: As of `start`.
            incremental: As of `start`.
            is_staged: Whether each stage and each pass is told, as newer QEMUs do:
                ``setup``, ``active``, ``pre-switchover``, ``device``, ``cancelling``.
        """
        self._check()
        guest = self._machine.guest
        pages = min(guest.working_set, self._machine.memory.size) // PAGE_SIZE
        self._machine.memory.touch(0, pages)
        self.failure = ""
        self._is_staged = is_staged
        self.statistics = Statistics(began=self._machine.clock.microseconds())
        self._move(status="setup" if is_staged else "active")
        self._outgoing = Outgoing(
            self._machine,
            link,
            in_use=self._in_use,
            disks=self.baggage.disks() if block or incremental else None,
            is_incremental=incremental,
            on_end=self._ended,
        )

    def _check(self) -> None:
        if self._outgoing is not None:
            message = "migration already in progress"
            raise GenericError(message)
        state = self._machine.state
        if RunState.FINISH_MIGRATE not in TRANSFERS.get(state, ()):
            message = f"a machine that is {state.value} cannot be migrated"
            raise GenericError(message)

    def cancel(self) -> None:
        """Call the migration off; nothing happens if there is none, or too late."""
        if self._outgoing is not None:
            self._outgoing.cancel()

    def cancel_soon(self) -> None:
        """Call the migration off, and tell of that before it is done."""
        outgoing = self._outgoing
        if outgoing is None or self.status == "cancelling":
            return
        if not outgoing.can_be_cancelled:
            return
        self._move(status="cancelling")
        self._machine.clock.call_later(0, self.cancel)

    def refuse(self, reason: str) -> None:
        """Take note that a migration could not be begun."""
        self.failure, self.statistics = reason, None
        self._is_staged = True
        self._move(status="setup")
        self._move(status="failed")

    def statistics_now(self) -> Statistics | None:
        """Return the statistics, brought up to date; ``None`` if there are none."""
        if self._outgoing is not None:
            self._outgoing.refresh()
        return self.statistics

    def break_off(self) -> None:
        """Cut the connection, whichever way it leads."""
        if self._outgoing is not None:
            self._outgoing.link_broken("the connection was cut")
        elif self._incoming is not None:
            self._incoming.link_broken("the connection was cut")

    def start_postcopy(self) -> None:
        """Give the machine away however much is left; nothing if none is under way."""
        if self._outgoing is not None:
            self._outgoing.start_postcopy()

    def proceed(self) -> None:
        """Go on with a migration that waits before it gives the machine away."""
        if self._outgoing is not None:
            self._machine.clock.call_later(0, self._outgoing.proceed)

    @property
    def pauses_before_switchover(self) -> bool:
        """Whether a migration waits for `proceed` once the machine stands still."""
        return self._is_staged and "pause-before-switchover" in self.capabilities

    async def wait(self) -> None:
        """Wait until no migration to elsewhere is under way.

        Cancelling is safe, and leaves the migration alone.
        """
        while self._outgoing is not None:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)

    def _ended(self, outcome: Outcome, reason: str) -> None:
        ended, self._outgoing = self._outgoing, None
        if ended is None:  # the verdict about one that was in doubt has come late
            self._move(status=outcome.value)
            return
        self._unsettled.append(ended)
        if len(self._unsettled) > MAX_UNSETTLED:
            self._unsettled.popleft().abandon()
        self.failure = reason
        self._move(status=outcome.value)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _move(self, *, status: str) -> None:
        self.status = status
        self._machine.tell(MigrationMoved(status))

    def note_stage(self, status: str) -> None:
        """Take note of a stage of the migration to elsewhere."""
        if self._is_staged and self.status != "cancelling":
            self._move(status=status)

    def note_pass(self, number: int) -> None:
        """Take note that RAM is gone over once more."""
        if self._is_staged:
            self._machine.tell(MigrationPassBegan(number))

    # From elsewhere.

    async def listen(self, uri: str, *, may_run: bool = True) -> str:
        """Await a machine at *uri*; it needs a running event loop.

        Args:
            uri: As of `start`, with ``fd:NUMBER`` for an inherited descriptor.
            may_run: Whether the machine runs on, if it ran; if not, it is paused.

        Returns:
            The address in full, with the port that the system chose for port 0.

        Raises:
            GenericError: This machine has begun to live; there is no such protocol; it
                cannot be had.
        """
        self._machine.transfer(RunState.INMIGRATE)
        try:
            return self.expect(uri, may_run=may_run)
        except GenericError:
            self._machine.transfer(RunState.PRELAUNCH)
            raise

    def expect(
        self,
        uri: str,
        *,
        may_run: bool = True,
        wait: Callable[
            [str, Callable[[Link], None]], tuple[str, Stop]
        ] = await_incoming,
    ) -> str:
        """Await a machine at *uri*; this one is in the state for it already.

        Args:
            uri: As of `listen`.
            may_run: As of `listen`.
            wait: What waits there, and gives the full address and what stops it.

        Raises:
            GenericError: As of `listen`.
        """
        self.is_expected = True
        try:
            self._may_run = may_run
            self.address, self._stop_waiting = wait(
                uri, lambda link: self.receive_from(link, may_run=self._may_run)
            )
        except GenericError:
            self.is_expected = False
            raise
        return self.address

    def receive_from(self, link: Link, *, may_run: bool = True) -> None:
        """Take the machine that comes through *link*; see `listen`.

        Raises:
            GenericError: This machine has begun to live.
        """
        if self._machine.state is not RunState.INMIGRATE:
            self._machine.transfer(RunState.INMIGRATE)
        self.is_expected = True
        self._may_run = may_run
        self.note_arrival("active")
        self._incoming = Incoming(
            self._machine,
            link,
            disks=self.baggage.disks(),
            may_run=may_run,
            on_end=self._arrived,
        )

    def note_arrival(self, status: str) -> None:
        """Take note of how far the machine is that comes."""
        self.incoming_status = status
        if "events" in self.capabilities:
            self._machine.tell(MigrationMoved(status))

    def _arrived(self, has_come: bool, reason: str) -> None:  # noqa: FBT001
        self.failure = reason
        if has_come:
            self.is_expected = False
        self.note_arrival("completed" if has_come else "failed")
        self._machine.tell(IncomingMoved(has_come, reason))

    def close(self) -> None:
        """Let go of everything: the machine is no more."""
        if self._stop_waiting is not None:
            self._stop_waiting()
        if self._incoming is not None:
            self._incoming.close()
        if self._outgoing is not None:
            self._outgoing.cancel()
        for ended in self._unsettled:
            ended.abandon()
        self._unsettled.clear()
