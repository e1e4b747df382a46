"""Places on buses: PCI addresses, USB ports, SCSI ids, numbers of virtio ports.

A place is taken when a device is made, and freed when it goes.

Source of rules and errors: QEMU 7.2.22, observed.
"""

import re
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.qom.buses import Bus, Device

SLOTS: Final = 32
"""Slots of a PCI bus: five bits of an address."""

MAX_SCSI_TARGETS: Final = 256
"""SCSI ids of a virtio controller."""

MAX_SCSI_LUNS: Final = 16384
"""Units of a SCSI target at a virtio controller."""

SERIAL_PORTS: Final = 31
"""Ports of a virtio-serial controller, unless it was made with another number."""

_ADDRESS: Final = re.compile(r"(0[xX])?([0-9a-fA-F]+)(?:\.(?:0[xX])?([0-9a-fA-F]+))?")
_HUB: Final = "usb-hub"


def parse_address(text: str) -> int | None:
    """Return slot and function of ``06.0`` as one number; ``None`` if it is none."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    slot, function = int(found[2], 16), int(found[3] or "0", 16)
    if slot >= SLOTS or function > 7:
        return None
    return slot << 3 | function


def take_place(bus: "Bus", device: "Device") -> None:
    """Give a device a place on its bus: the one it wants, or the first that is free.

    Raises:
        GenericError: There is none for it.
    """
    kind = device.object
    if kind.isa("pci-device"):
        _take_pci(bus, device)
    elif kind.isa("usb-device"):
        _take_usb(bus, device)
    elif kind.isa("scsi-device"):
        _take_scsi(bus, device)
    elif kind.isa("virtio-serial-port"):
        _take_port(bus, device)
    elif kind.isa("ide-device"):
        _take_unit(bus, device)


def free_place(bus: "Bus", device: "Device") -> None:
    """Give back what `take_place` gave."""
    port = device.port
    if bus.ports is not None and port is not None:
        bus.ports = [x for x in bus.ports if not x.startswith(f"{port}.")]
        bus.ports.append(port)


def behind(device: "Device") -> list["Device"]:
    """Return the USB devices that hang from a hub, the first that came first."""
    port = device.port
    if device.object.type != _HUB or device.bus is None or not port:
        return []
    prefix = f"{port}."
    return [
        other
        for other in reversed(device.bus.members)
        if (other.port or "").startswith(prefix)
    ]


def _named(device: "Device") -> str:
    return device.object.called or "(null)"


# PCI


def _take_pci(bus: "Bus", device: "Device") -> None:
    taken: dict[int, Device] = {
        other.values["addr"]: other
        for other in bus.members
        if isinstance(other.values.get("addr"), int) and other is not device
    }
    wanted = device.values.get("addr", -1)
    model = device.object.type
    if wanted == -1:
        wanted = next(
            (slot << 3 for slot in range(SLOTS) if slot << 3 not in taken), -1
        )
        if wanted == -1:
            message = (
                f"PCI: no slot/function available for {model}, all in use or reserved"
            )
            raise GenericError(message)
    slot, function = wanted >> 3, wanted & 7
    if (other := taken.get(wanted)) is not None:
        message = (
            f"PCI: slot {slot} function {function} not available for {model}, "
            f"in use by {other.object.type},id={_named(other)}"
        )
        raise GenericError(message)
    first = taken.get(slot << 3)
    if function and device.is_hotplugged and first is not None:
        message = (
            f"PCI: slot {slot} function 0 already occupied by {first.object.type}, "
            f"new func {model} cannot be exposed to guest."
        )
        raise GenericError(message)
    device.values["addr"] = wanted
    device.values["legacy-addr"] = f"{slot:02x}.{function:x}"
    if slot == 0 and bus.parent is not None and bus.parent.object.type == "pci-bridge":
        message = (
            "Unsupported PCI slot 0 for standard hotplug controller. "
            "Valid slots are between 1 and 31."
        )
        raise GenericError(message)


# USB


def _ports_of(bus: "Bus") -> list[str]:
    host = bus.parent.object if bus.parent is not None else None
    count = 2
    if host is not None:
        if "p2" in host.property_types() or host.isa("pci-xhci"):
            count = max(_number(host, "p2", 4), _number(host, "p3", 4))
        elif host.type in ("usb-ehci", "ich9-usb-ehci1", "ich9-usb-ehci2"):
            count = 6
        elif host.type == "pci-ohci":
            count = _number(host, "num-ports", 3)
    return [str(number) for number in range(1, count + 1)]


def _number(host: Any, name: str, otherwise: int) -> int:
    try:
        value = host.get(name)
    except GenericError:
        return otherwise
    return value if isinstance(value, int) and value else otherwise


def _take_usb(bus: "Bus", device: "Device") -> None:
    if bus.ports is None:
        bus.ports = _ports_of(bus)
    wanted = device.values.get("port") or None
    if wanted is not None:
        if wanted not in bus.ports:
            message = f"usb port {wanted} (bus {bus.object.name}) not found (in use?)"
            raise GenericError(message)
    else:
        if len(bus.ports) == 1 and device.object.type != _HUB:
            # The last port is for a hub, which then has ports for others.
            hub = bus.ports.pop(0)
            bus.ports += [f"{hub}.{number}" for number in range(1, 9)]
        if not bus.ports:
            message = (
                f"tried to attach usb device {_product(device)} to a bus with no "
                "free ports"
            )
            raise GenericError(message)
        wanted = bus.ports[0]
    bus.ports.remove(wanted)
    device.port = wanted
    if device.object.type == _HUB:
        bus.ports += [f"{wanted}.{number}" for number in range(1, 9)]


def _product(device: "Device") -> str:
    return device.object.type


# SCSI


def _take_scsi(bus: "Bus", device: "Device") -> None:
    values = device.values
    id_, lun = values.get("scsi-id", -1), values.get("lun", -1)
    channel = values.get("channel", 0)
    if channel > 0:
        message = f"bad scsi channel id: {channel}"
        raise GenericError(message)
    if id_ != -1 and not 0 <= id_ < MAX_SCSI_TARGETS:
        message = f"bad scsi device id: {id_}"
        raise GenericError(message)
    if lun != -1 and not 0 <= lun < MAX_SCSI_LUNS:
        message = f"bad scsi device lun: {lun}"
        raise GenericError(message)
    taken = {
        (other.values.get("scsi-id"), other.values.get("lun")): other
        for other in bus.members
        if other is not device
    }
    if id_ == -1:
        lun = max(lun, 0)
        free = (n for n in range(MAX_SCSI_TARGETS) if (n, lun) not in taken)
        id_ = next(free, -1)
        if id_ == -1:
            message = "no free target"
            raise GenericError(message)
    elif lun == -1:
        free = (n for n in range(MAX_SCSI_LUNS) if (id_, n) not in taken)
        lun = next(free, -1)
        if lun == -1:
            message = "no free lun"
            raise GenericError(message)
    elif (other := taken.get((id_, lun))) is not None:
        message = f"lun already used by '{_named(other)}'"
        raise GenericError(message)
    values["scsi-id"], values["lun"] = id_, lun


# virtio-serial and IDE


def _take_port(bus: "Bus", device: "Device") -> None:
    most = SERIAL_PORTS
    if bus.parent is not None:
        most = _number(bus.parent.object, "max_ports", SERIAL_PORTS)
    taken = {other.values.get("nr") for other in bus.members if other is not device}
    number = device.values.get("nr", -1)
    if number in (-1, 2**32 - 1):
        first = 0 if device.object.type == "virtconsole" else 1
        number = next((at for at in range(first, most) if at not in taken), -1)
        if number == -1:
            message = "virtio-serial-bus: Maximum port limit for this device reached"
            raise GenericError(message)
    elif number >= most:
        message = (
            "virtio-serial-bus: Out-of-range port id specified, max. allowed: "
            f"{most - 1}"
        )
        raise GenericError(message)
    elif number in taken:
        message = f"virtio-serial-bus: A port already exists at id {number}"
        raise GenericError(message)
    device.values["nr"] = number


def _take_unit(bus: "Bus", device: "Device") -> None:
    units = 1 if bus.parent is not None and bus.parent.object.isa("sysbus-ahci") else 2
    if bus.parent is not None and bus.parent.object.type == "ich9-ahci":
        units = 1
    taken = {other.values.get("unit") for other in bus.members if other is not device}
    unit = device.values.get("unit", -1)
    if unit in (-1, 2**32 - 1):
        unit = 1 if 0 in taken and units > 1 else 0
    if unit >= units:
        message = f"Can't create IDE unit {unit}, bus supports only {units} units"
        raise GenericError(message)
    if unit in taken:
        message = f"IDE unit {unit} is in use"
        raise GenericError(message)
    device.values["unit"] = unit
