"""How a PC tells its guest that PCI devices come and go, and how a guest lets one go.

A guest that was asked to let a device go sees the slot's bit at port 0xae04, and writes
that bit to port 0xae08 when it is done. Then the device leaves.

Source: QEMU 0.13; its successors do the same at the same ports.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.hardware.ports import Ports

if TYPE_CHECKING:
    from qmpx.machine.devices.device import Device
    from qmpx.machine.machine import Machine

GOING: Final[int] = 0xAE04
"""The port with a bit for each slot whose device is to go."""

EJECT: Final[int] = 0xAE08
"""The port that takes the bit of a slot whose device may go."""

_COMING: Final[int] = 0xAE00


class PciHotplug:
    """Answers at three ports of four bytes.

    Args:
        machine: Whose devices they are.
        ports: Where it answers.
    """

    def __init__(self, machine: "Machine", ports: Ports) -> None:
        self._machine = machine
        for port in (_COMING, GOING, EJECT):
            ports.attach(range(port, port + 1), self, sizes=(4,))

    def _leaving(self) -> "list[tuple[int, Device]]":
        """Return the devices on the first bus that were asked to go, by their slots."""
        devices = self._machine.devices
        if not devices.is_built:
            return []
        return [
            (device.function.slot, device)
            for device in devices.pci.children
            if device.is_leaving and device.function is not None
        ]

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return the slots whose devices are to go; nothing else can be read."""
        if port != GOING:
            return 0
        return sum({1 << slot for slot, _ in self._leaving()})

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Let the device of the lowest slot that is named go, if it was asked to."""
        if port != EJECT or not value:
            return
        lowest = (value & -value).bit_length() - 1
        for slot, device in self._leaving():
            if slot == lowest:
                self._machine.devices.eject(device)
