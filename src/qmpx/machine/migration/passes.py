"""The long part of a migration: memory and disks, over and over, in turns.

A timer of the machine's clock begins each turn, ten times a second, and the link says
when it takes more. The machine may run on; what it writes is sent again, until what is
left goes over within the downtime that is allowed.
"""

from typing import TYPE_CHECKING, Protocol

from qmpx.machine.migration.cargo import Cargo
from qmpx.machine.migration.pace import TICK, Pace
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer
    from qmpx.machine.machine import Machine


class Owner(Protocol):
    """Whose passes they are."""

    @property
    def may_stand_still(self) -> bool:
        """Whether the machine may stand still, as soon as little enough is left."""

    def stand_still(self) -> None:
        """Let the machine stand still, and send the rest: it is little enough."""

    def fail(self, reason: str) -> None:
        """End the migration: it cannot go on."""

    def cancel(self) -> None:
        """End the migration: the machine is shut down, and ends."""


class Passes:
    """The passes of one migration over what goes.

    Args:
        machine: The machine.
        cargo: What goes.
        pace: How fast it goes.
        owner: Whose passes they are.

    Attributes:
        is_urgent: Whether the machine is to stand still however much is left.
    """

    def __init__(
        self, machine: "Machine", cargo: Cargo, pace: Pace, owner: Owner
    ) -> None:
        self._machine = machine
        self._cargo = cargo
        self._pace = pace
        self._owner = owner
        self._timer: Timer | None = None
        self._rest: Timer | None = None
        self.is_urgent = False

    def begin_turn(self) -> None:
        """Send what this turn may send; the next one comes by itself, until `stop`."""
        if self._machine.state is RunState.SHUTDOWN and self._machine.ends:
            self._owner.cancel()
            return
        self.stop()
        self._timer = self._machine.clock.call_later(TICK, self.begin_turn)
        if self._machine.state.is_running:
            self._machine.migration.guest_writes.go_on(TICK)
        self._pace.begin_turn()
        self.go_on()

    def go_on(self) -> None:
        """Send more of what this turn may send."""
        try:
            self._go_on()
        except OSError as error:
            self._owner.fail(f"a disk cannot be read: {error}")

    def _go_on(self) -> None:
        pace, cargo = self._pace, self._cargo
        pace.begin_burst()
        if self.is_urgent and self._owner.may_stand_still:
            self._owner.stand_still()
            return
        while pace.may_send:
            if pace.is_long:  # others have their turn
                self._rest = self._machine.clock.call_later(0, self.go_on)
                return
            spent, some = 0, pace.most
            if cargo.is_under_way:
                spent = cargo.step(some)
            elif self._owner.may_stand_still and (
                self.is_urgent or pace.fits(cargo.left)
            ):
                self._owner.stand_still()
                return
            elif cargo.has_more:
                self.begin_pass()
                spent = cargo.step_disks(some)
            else:
                return  # all is sent; it is the greeting that is waited for
            pace.spend(spent)
        pace.note_link()

    def begin_pass(self) -> None:
        """Go over memory once more."""
        self._cargo.begin_pass()
        self._machine.migration.note_pass(self._cargo.passes)

    def stop(self) -> None:
        """Send nothing more by itself."""
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
        self._timer = self._rest = None
