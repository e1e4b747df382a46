"""Making the buses of a machine, each of its kind and with the name that it has."""

from typing import TYPE_CHECKING, Final

from qmpx.machine.devices.device import Bus
from qmpx.machine.devices.numbered import IsaBus, VirtioSerialBus
from qmpx.machine.devices.pci import PciBus
from qmpx.machine.devices.storage import IdeBus, ScsiBus
from qmpx.machine.devices.usb import UsbBus

if TYPE_CHECKING:
    from qmpx.machine.devices.device import Device
    from qmpx.machine.devices.models import Catalogue

_BUSES: Final[dict[str, type[Bus]]] = {
    "PCI": PciBus,
    "USB": UsbBus,
    "IDE": IdeBus,
    "SCSI": ScsiBus,
    "ISA": IsaBus,
    "virtio-serial-bus": VirtioSerialBus,
}


class BusMaker:
    """Makes buses, and counts them.

    Args:
        catalogue: What properties the devices on a bus have from it.
    """

    def __init__(self, catalogue: "Catalogue") -> None:
        self._catalogue = catalogue
        self._made: dict[str, int] = {}

    def make(self, kind: str, name: str | None, parent: "Device | None") -> Bus:
        """Make a bus.

        Args:
            kind: Its kind.
            name: Its name; one after its device or its kind if that is ``None``.
            parent: The device that has it; ``None`` for the system's.
        """
        if name is None:
            count = parent.buses_made if parent is not None else 0
            called = parent.id if parent is not None and parent.id else kind.lower()
            name = f"{called}.{count}"
        number = self._made.get(kind, 0)
        self._made[kind] = number + 1
        bus = _BUSES.get(kind, Bus)(
            kind,
            name,
            parent,
            allows_hotplug=False,
            properties=self._catalogue.bus_properties[kind],
            number=number,
        )
        if parent is not None:
            parent.buses.insert(0, bus)
            parent.buses_made += 1
        return bus
