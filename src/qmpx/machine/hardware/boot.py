"""What the firmware does with disks: it looks whether one can be booted from.

A machine that starts, or is reset, reads the first sector of its first disk a moment
later, through the ports as a BIOS does. There is no operating system that it could
find; but a disk that cannot be read shows here, as it did when QEMU 0.13 started.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.drive import Kind
from qmpx.machine.happenings import Happening, Reset, Resumed
from qmpx.machine.hardware.ide import BUSY, DATA, PLACES, READY
from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

DELAY: Final = 0.25
"""Seconds from the start to the look at the disks: what a BIOS needs for the rest."""

_WORDS: Final = 256
_READ_SECTORS: Final = 0x20
_LINEAR: Final = 0xE0


class Boot:
    """The firmware's way to the disks of a machine.

    Args:
        machine: Whose disks.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._was_tried = False
        self._timer = RunningTimer(machine, self._read_first_sector)
        machine.listen(self._look)
        if machine.state.is_running:
            self._plan()

    def _look(self, happening: Happening) -> None:
        if isinstance(happening, Reset):
            self._timer.cancel()
            self._was_tried = False
        if isinstance(happening, Reset | Resumed) and not self._was_tried:
            self._plan()

    def _plan(self) -> None:
        self._was_tried = True
        self._timer.set(DELAY)

    def skip(self) -> None:
        """Do nothing: the machine has its state from elsewhere, and is past this."""
        self._timer.cancel()
        self._was_tried = True

    def _read_first_sector(self) -> None:
        """Read it through the ports; what it says is of no interest."""
        disks = sorted(
            place
            for place, drive in self._machine.chipset.disks.drives()
            if drive.kind is Kind.DISK and drive.medium is not None
        )
        if not disks:
            return
        bus, unit = disks[0]
        base, ports = PLACES[bus][0], self._machine.ports
        if ports.read(base + 7) & (BUSY | READY | DATA) != READY:
            return  # the guest itself is using it
        ports.write(base + 6, 1, _LINEAR | unit << 4)
        for register, value in ((2, 1), (3, 0), (4, 0), (5, 0), (7, _READ_SECTORS)):
            ports.write(base + register, 1, value)
        if ports.read(base + 7) & DATA:
            for _ in range(_WORDS):
                ports.read(base, 2)
