"""The time in which a machine stands still, because it is given away."""

from typing import TYPE_CHECKING

from qmpx.machine.happenings import WokenUp
from qmpx.machine.migration.baggage import Baggage
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


class Standstill:
    """Lets a machine stand still, and go on if it stays after all.

    Args:
        machine: The machine.
        baggage: Its images, which go with it.

    Attributes:
        home: The run state to go back to; ``None`` before it stands still.
    """

    def __init__(self, machine: "Machine", baggage: Baggage) -> None:
        self._machine = machine
        self._baggage = baggage
        self._has_let_go = False
        self.home: RunState | None = None

    def begin(self) -> None:
        """Let it stand still."""
        slept = self._machine.rouse()
        self.home = self._machine.state
        self._machine.transfer(RunState.FINISH_MIGRATE)
        if slept:
            self._machine.tell(WokenUp())

    def let_images_go(self) -> None:
        """Let the destination have the images."""
        self._has_let_go = True
        self._baggage.let_images_go()

    def end(self, *, is_gone: bool) -> None:
        """Be a machine that has gone, or go on as it was before."""
        if self._machine.state is not RunState.FINISH_MIGRATE or self.home is None:
            return
        if self._has_let_go and not is_gone:
            self._baggage.take_images_back()
        self._machine.transfer(RunState.POSTMIGRATE if is_gone else self.home)
