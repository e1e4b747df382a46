"""The board of a PC: an i440FX with a PIIX3, and what the options put on it.

The order in which things are made decides their slots and the order of `info qtree`;
it is that of QEMU 0.13.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.devices.device import Bus, Device, Refusal
from qmpx.machine.devices.pci import parse_pci_address

if TYPE_CHECKING:
    from qmpx.machine.devices.tree import DeviceTree
    from qmpx.machine.machine import Machine
    from qmpx.machine.network.requests import NicRequest

_SOUTH_BRIDGE: Final = 1
"""The slot of the PIIX3, whose functions are IDE, USB and power management."""

_EEPROMS: Final = 8
"""Memory modules that tell of themselves over I2C, from address 0x50 on."""


@dataclass(slots=True)
class Board:
    """What is on the board; all of it may be changed until the tree is built.

    Attributes:
        vga: The model of the display adapter; ``None`` for a board without one.
        has_usb: Whether there is a USB controller.
        has_hpet: Whether there is a high precision timer.
        nic_model: The short name of the adapter that ``-net nic`` gets.
        serial: The character devices of the serial ports, in order.
        parallel: Those of the parallel ports.
    """

    vga: str | None = "VGA"
    has_usb: bool = False
    has_hpet: bool = True
    nic_model: str = "e1000"
    serial: list[str] = field(default_factory=list)
    parallel: list[str] = field(default_factory=list)

    def build(self, tree: "DeviceTree", machine: "Machine") -> None:
        """Make the board's devices.

        Raises:
            GenericError: An option asks for what cannot be.
        """
        try:
            self._build(tree, machine)
        except Refusal as refusal:
            raise GenericError(str(refusal)) from refusal

    def _build(self, tree: "DeviceTree", machine: "Machine") -> None:
        system = tree.root
        for number in range(machine.processor_count):
            tree.plug("apic", system, {"id": number})
        tree.plug("ioapic", system)
        pci = tree.plug("i440FX-pcihost", system).buses[0]
        pci.allows_hotplug = False
        tree.plug("i440FX", pci, _at(0))
        isa = tree.plug("PIIX3", pci, _at(_SOUTH_BRIDGE, multifunction=True)).buses[0]
        if self.vga is not None:
            tree.plug(self.vga, pci)
        if self.has_hpet:
            tree.plug("hpet", system)
        self._build_isa(tree, isa, machine)
        for request in machine.network.nics:
            plug_nic(tree, request, self.nic_model)
        ide = tree.plug("piix3-ide", pci, _at(_SOUTH_BRIDGE, 1))
        plug_ide_drives(tree, ide, machine)
        if self.has_usb:
            tree.plug("piix3-usb-uhci", pci, _at(_SOUTH_BRIDGE, 2))
        power = tree.plug("PIIX4_PM", pci, _at(_SOUTH_BRIDGE, 3))
        for number in range(_EEPROMS):
            tree.plug("smbus-eeprom", power.buses[0], {"address": 0x50 + number})
        pci.allows_hotplug = True  # by ACPI, which is power management's
        plug_scsi_drives(tree, pci, machine)

    def _build_isa(self, tree: "DeviceTree", isa: Bus, machine: "Machine") -> None:
        tree.plug("mc146818rtc", isa)
        for model, labels in (
            ("isa-serial", self.serial),
            ("isa-parallel", self.parallel),
        ):
            for label in labels:
                tree.plug(model, isa, claims={"chardev": label})
        tree.plug("i8042", isa)
        floppies = {
            f"drive{'AB'[drive.unit]}": name
            for name, drive in machine.drives.items()
            if drive.interface == "floppy" and drive.unit in (0, 1)
        }
        tree.plug("isa-fdc", isa, claims=floppies)


def _at(slot: int, function: int = 0, *, multifunction: bool = False) -> dict[str, int]:
    return {"addr": slot << 3 | function, "multifunction": multifunction}


def plug_nic(
    tree: "DeviceTree",
    request: "NicRequest",
    default: str,
    address: str | None = None,
) -> Device:
    """Make the adapter that somebody asked for.

    Args:
        tree: Where it goes.
        request: What is wanted.
        default: The short name of its model, if the request has none.
        address: The slot, if the request has none.

    Raises:
        Refusal: It cannot be made.
    """
    short = request.model if request.model is not None else default
    model = tree.catalogue.nic_models.get(short)
    if model is None:
        message = f"Unsupported NIC model: {short}"
        raise Refusal(message)
    values: dict[str, object] = {
        "mac": request.mac,
        "vlan": request.vlan,
        "netdev": request.netdev,
    }
    text = request.address if request.address is not None else address
    bus: Bus = tree.pci
    if text is not None:
        place = parse_pci_address(text)
        found = tree.pci.find_bus(place[0]) if place is not None else None
        if place is None or found is None:
            message = f"Invalid PCI device address {text} for device {model}"
            raise Refusal(message)
        bus, values["addr"] = found, place[1] << 3
    properties = tree.catalogue.models[model].properties
    if request.vectors is not None and any(p.name == "vectors" for p in properties):
        values["vectors"] = request.vectors
    return tree.plug(model, bus, values, id=request.name)


def plug_ide_drives(tree: "DeviceTree", controller: Device, machine: "Machine") -> None:
    """Put the drives of ``-hda`` and ``if=ide`` where they belong."""
    buses = {bus.name: bus for bus in controller.buses}
    for name, drive in sorted(
        machine.drives.items(), key=lambda item: (item[1].bus, item[1].unit)
    ):
        bus = buses.get(f"ide.{drive.bus}")
        if drive.interface == "ide" and bus is not None:
            tree.plug("ide-drive", bus, {"unit": drive.unit}, claims={"drive": name})


def plug_scsi_drives(tree: "DeviceTree", pci: Bus, machine: "Machine") -> None:
    """Make as many SCSI controllers as the drives of ``if=scsi`` need."""
    drives = [d for d in machine.drives.items() if d[1].interface == "scsi"]
    for number in range(max((drive.bus for _, drive in drives), default=-1) + 1):
        controller = tree.plug("lsi53c895a", pci)
        for name, drive in sorted(drives, key=lambda item: item[1].unit):
            if drive.bus == number:
                tree.plug(
                    "scsi-disk",
                    controller.buses[0],
                    {"scsi-id": drive.unit},
                    claims={"drive": name},
                )
