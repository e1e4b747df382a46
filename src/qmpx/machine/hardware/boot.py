"""What the firmware does with disks: it looks whether one can be booted from.

A machine that starts, or is reset, reads the first sector of its first disk a moment
later, an IDE disk through the ports as a BIOS does. There is no operating system that
it could find; but a disk that cannot be read shows here, as it did with QEMU 0.13.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.drive import Drive, Interface, Kind, Policy
from qmpx.machine.happenings import Happening, Reset, Resumed
from qmpx.machine.hardware.ide_controller import PLACES
from qmpx.machine.hardware.ide_unit import BUSY, DATA, READY
from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.devices.tree import DeviceTree
    from qmpx.machine.machine import Machine

DELAY: Final = 1.0
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
            self._read_directly()
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

    def _virtio_disk(self) -> Drive | None:
        machine = self._machine
        for given in machine.drives.values():
            if given.interface is Interface.VIRTIO and given.medium is not None:
                return given
        tree: DeviceTree | None = machine.__dict__.get("devices")
        for device in tree if tree is not None and tree.is_built else ():
            if device.model.name != "virtio-blk-pci":
                continue
            drive = machine.drives.get(str(device.values.get("drive")))
            if drive is not None:
                return drive
        return None

    def _read_directly(self) -> None:
        """Read that of a virtio disk; again, if the machine stops because of it."""
        drive = self._virtio_disk()
        if drive is None:
            return
        try:
            drive.read(0, 1)
        except OSError as error:
            action = drive.on_error("read", error)
            drive.tell_error("read", error, action)
            if action is Policy.STOP:
                self._machine.stop_on_io_error()
                self._timer.set(0)
