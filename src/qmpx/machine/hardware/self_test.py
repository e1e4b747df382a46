"""What the firmware of a PC does after a reset from outside: it resets once more.

SeaBIOS finds in memory that it has run before, and asks for a clean start. Clients see
that as two resets by the guest.

Source: QEMU 7.2.22 with SeaBIOS 1.16.2, observed.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.happenings import Happening, Reset
from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

DELAY: Final = 0.3
"""Seconds from the reset until it resets; and those until it leaves traces."""

TIMES: Final = 2
"""How many resets are seen."""


class SelfTest:
    """Resets a machine once more when it was reset from outside.

    Args:
        machine: The machine.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._timer = RunningTimer(machine, self._begin_anew)
        machine.listen(self._hear)

    def _hear(self, happening: Happening) -> None:
        if not isinstance(happening, Reset) or happening.by_guest:
            return
        if self._machine.run_time.microseconds() >= DELAY * 1_000_000:
            self._timer.set(DELAY)

    def _begin_anew(self) -> None:
        for _ in range(TIMES):
            self._machine.reset(by_guest=True, reason="guest-reset")
