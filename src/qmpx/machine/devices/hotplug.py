"""Plugging in by the older ways: ``pci_add``, ``drive_add``, ``-usbdevice``.

Source: QEMU 0.13, whose order of checks and complaints these are.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from qmpx.errors import CommandError
from qmpx.machine.devices.board import plug_nic
from qmpx.machine.devices.device import ANY, Device, Refusal
from qmpx.machine.devices.pci import PciBus, parse_pci_address
from qmpx.machine.devices.storage import ScsiBus
from qmpx.machine.devices.usb import UsbBus
from qmpx.machine.drive import Drive, Interface

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

HOT_NIC: Final = "rtl8139"
"""The adapter that ``pci_add nic`` makes unless it is told which."""

_INTERFACES: Final = ("none", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio")
"""Interfaces of drives in the order of the numbers that complaints have."""


def _pci_bus(machine: "Machine", address: str | None) -> tuple[PciBus, int | None]:
    """Return the bus and the slot of an address; ``None`` stands for any slot.

    Raises:
        Refusal: There is no such address, or nothing can be plugged in there.
    """
    root = machine.devices.pci
    if address is None:
        return root, None
    place = parse_pci_address(address)
    bus = root.find_bus(place[0]) if place is not None else None
    if place is None or bus is None:
        message = f"Invalid PCI device address {address}"
        raise Refusal(message)
    if not bus.allows_hotplug:
        message = "PCI bus doesn't support hotplug"
        raise Refusal(message)
    return bus, place[1]


def add_nic(
    machine: "Machine", address: str | None, options: Mapping[str, str]
) -> Device:
    """Plug in a network adapter.

    Args:
        machine: Where it goes.
        address: The slot, ``[[DOMAIN:]BUS:]SLOT``; ``None`` for any.
        options: Those of ``-net nic``.

    Raises:
        Refusal: It cannot be made, or the address is none.
        CommandError: As `qmpx.machine.network.Network.add_legacy`.
    """
    _pci_bus(machine, address)
    network = machine.network
    request = network.note_nic({**options, "type": "nic"})
    try:
        if request.address is not None:
            message = "Parameter addr not supported"
            raise Refusal(message)
        return plug_nic(machine.devices, request, HOT_NIC, address)
    except (Refusal, CommandError):
        network.nics.remove(request)
        raise


def _make_drive(machine: "Machine", options: Mapping[str, str]) -> Drive:
    """Make a drive of the options of ``-drive``.

    Raises:
        Refusal: The options make no sense, or its place is taken.
        CommandError: As `qmpx.machine.drives.Drives.plug`.
    """
    try:
        drive = machine.drives.plug(options)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if drive is None:
        message = "drive with this place exists"
        raise Refusal(message)
    if "addr" in options:
        machine.drives.unplug(drive.device)
        message = "Parameter addr not supported"
        raise Refusal(message)
    return drive


def _put_on_scsi(
    machine: "Machine", controller: Device, drive: Drive, unit: str | None
) -> Device:
    """Make a SCSI disk of a drive.

    Raises:
        Refusal: The device is no SCSI controller, or has no such place.
    """
    bus = controller.buses[0] if controller.buses else None
    if not isinstance(bus, ScsiBus):
        message = "Device is not a SCSI adapter"
        raise Refusal(message)
    target = int(unit) if unit is not None and unit.isdecimal() else ANY
    disk = machine.devices.plug(
        "scsi-disk", bus, {"scsi-id": target}, claims={"drive": drive.device}
    )
    drive.unit = disk.values["scsi-id"]
    return disk


def add_storage(
    machine: "Machine", address: str | None, options: Mapping[str, str]
) -> Device:
    """Plug in a virtio disk, or a SCSI controller, perhaps with a disk.

    Args:
        machine: Where it goes.
        address: The slot; ``None`` for any.
        options: Those of ``-drive``; ``if`` has to be ``scsi`` or ``virtio``.

    Raises:
        Refusal: It cannot be made, or the address is none.
        CommandError: The image cannot be opened, or the drive's id is taken.
    """
    interface = options.get("if")
    if interface is None:
        message = "no if= specified"
        raise Refusal(message)
    if interface not in ("scsi", "virtio"):
        message = f"type {interface} not a hotpluggable PCI device."
        raise Refusal(message)
    drive = _make_drive(machine, options) if "file" in options else None
    try:
        bus, slot = _pci_bus(machine, address)
        values = {} if slot is None else {"addr": slot << 3}
        if interface == "scsi":
            made = machine.devices.plug("lsi53c895a", bus, values)
            if drive is not None:
                _put_on_scsi(machine, made, drive, options.get("unit"))
            return made
        if drive is None:
            message = "virtio requires a backing file/device."
            raise Refusal(message)
        claims = {"drive": drive.device}
        return machine.devices.plug("virtio-blk-pci", bus, values, claims=claims)
    except (Refusal, CommandError):
        if drive is not None:
            machine.drives.unplug(drive.device)
        raise


def add_drive(
    machine: "Machine", address: str, options: Mapping[str, str]
) -> tuple[int, int] | None:
    """Make a drive, and put it on a SCSI controller if it is a SCSI drive.

    Args:
        machine: Where it goes.
        address: The slot of the controller, ``[[DOMAIN:]BUS:]SLOT``.
        options: Those of ``-drive``.

    Returns:
        SCSI bus and unit; nothing for a drive with ``if=none``.

    Raises:
        Refusal: It cannot be made, or the address leads to no SCSI controller.
        CommandError: The image cannot be opened, or the drive's id is taken.
    """
    drive = _make_drive(machine, options)
    try:
        if drive.interface is Interface.NONE:
            return None
        if drive.interface is not Interface.SCSI:
            number = _INTERFACES.index(drive.interface)
            message = f"Can't hot-add drive to type {number}"
            raise Refusal(message)
        place = parse_pci_address(address)
        bus = machine.devices.pci.find_bus(place[0]) if place is not None else None
        if place is None or bus is None:
            message = "Invalid pci address"
            raise Refusal(message)
        controller = bus.places.get(place[1] << 3)
        if controller is None:
            message = f"no pci device with address {address}"
            raise Refusal(message)
        disk = _put_on_scsi(machine, controller, drive, options.get("unit"))
        return disk.bus.number, disk.values["scsi-id"]
    except (Refusal, CommandError):
        machine.drives.unplug(drive.device)
        raise


async def add_usb(machine: "Machine", text: str) -> Device:
    """Plug in a USB device, as ``-usbdevice`` and ``usb_add`` do.

    Args:
        machine: Where it goes.
        text: ``tablet``, ``mouse``, ``keyboard``, ``wacom-tablet``, ``disk:FILE``,
            ``disk:format=FORMAT:FILE``, ``serial:CHARDEV``, ``braille`` or
            ``net:OPTIONS``.

    Raises:
        Refusal: There is no such device, or it cannot be made.
        CommandError: What it stands on cannot be had.
    """
    name, colon, rest = text.partition(":")
    models = {
        model.usb.short_name: model.name
        for model in machine.devices.catalogue.models.values()
        if model.usb is not None and model.usb.short_name is not None
    }
    buses = machine.devices.usb_buses
    if name not in models or not buses:
        raise Refusal
    bus, model = buses[0], models[name]
    if name == "disk":
        return _add_usb_disk(machine, bus, rest)
    if name == "serial":
        label = machine.characters.free_label("usbserial")
        await machine.characters.open_legacy(label, rest.removeprefix(":"))
        return machine.devices.plug(model, bus, claims={"chardev": label})
    if name == "net":
        options = dict(part.partition("=")[::2] for part in rest.split(",") if part)
        request = machine.network.note_nic({**options, "type": "nic"})
        machine.network.nics.remove(request)  # it is made here, not by the board
        values = {"mac": request.mac, "vlan": request.vlan, "netdev": request.netdev}
        return machine.devices.plug(model, bus, values)
    if colon:
        message = f"usbdevice {name} accepts no params"
        raise Refusal(message)
    return machine.devices.plug(model, bus)


def _add_usb_disk(machine: "Machine", bus: UsbBus, text: str) -> Device:
    """Make a drive of a file, and a USB disk of that."""
    options = {"if": "none", "file": text}
    head, colon, rest = text.partition(":")
    if colon and head.startswith("format="):
        options |= {"format": head.removeprefix("format="), "file": rest}
    elif colon and head:
        raise Refusal
    elif colon:
        options["file"] = rest
    if not options["file"]:
        raise Refusal
    number = 0
    while f"usb{number}" in machine.drives:
        number += 1
    drive = _make_drive(machine, {**options, "id": f"usb{number}"})
    return machine.devices.plug("usb-storage", bus, claims={"drive": drive.device})
