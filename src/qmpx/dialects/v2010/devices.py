"""Devices: plugging in and out, PCI and USB, what is there.

Source: QEMU 0.13.0, sections 2, 5.4 and 5.5 of the notes.
"""

import re
from typing import Any, Final

from qmpx.dialects.v2010.device_texts import show_model, show_pci, show_qtree
from qmpx.dialects.v2010.option_values import explain, option_texts
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.devices.departure import wait_until_gone
from qmpx.machine.devices.device import Device, Refusal
from qmpx.machine.devices.hotplug import add_drive, add_nic, add_storage
from qmpx.machine.devices.pci import (
    UNMAPPED,
    PciBus,
    PciFunction,
    parse_pci_address,
)
from qmpx.machine.pci_classes import CLASSES_2010
from qmpx.monitor.human import CommandTable, HumanSession
from qmpx.monitor.human.options import parse_options
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

_PCI_TYPES: Final = {"nic": add_nic, "storage": add_storage}
_USB_ADDRESS: Final = re.compile(r"([0-9]+)\.([0-9]*)")


async def _device_add_for_people(
    machine: Machine, session: HumanSession, *, device: dict[str, Any]
) -> None:
    """Plug a device in, or tell what there is if a question mark asks."""
    options = option_texts(device)
    catalogue = machine.devices.catalogue
    driver = options.get("driver")
    model = None if driver is None else catalogue.find(driver)
    if driver == "?":
        for listed in catalogue.models.values():
            if listed.is_for_users:
                session.print(show_model(listed))
    elif model is not None and "?" in options:
        for item in model.properties:
            session.print(f"{model.name}.{item.name}={item.type.name}\n")
    else:
        session.print(_missing_rom(machine.devices.add(options, hotplug=True)))


def _missing_rom(device: Device) -> str:
    """Return the complaint about an option ROM that is not there, if any."""
    path, function = device.values.get("romfile"), device.function
    if function is None or function.rom or not path or not device.values["rombar"]:
        return ""
    return f'pci_add_option_rom: failed to find romfile "{path}"\n'


@commands.command(
    "device_add",
    "device:O",
    "driver[,prop=value][,...]",
    help="plug a device in; the options are those of -device",
    human=_device_add_for_people,
)
def device_add(machine: Machine, *, device: dict[str, Any]) -> None:
    """Plug a device in."""
    machine.devices.add(option_texts(device), hotplug=True)


@commands.command(
    "device_del", "id:s", "device", help="take a device out", asynchronous=True
)
async def device_del(
    machine: Machine,
    session: SessionLike,
    *,
    id: str,  # noqa: A002 - its name there
) -> None:
    """Take a device out; one on PCI goes when the guest lets it go.

    By ``execute_async`` the reply comes when it has gone.

    Raises:
        DeviceNotFound: There is none of that id.
        BusNoHotplug: Its bus is fixed while the machine is on.
        GenericError: By ``execute_async``: the machine was switched off first.
    """
    answers_later = session.answers_later
    device = machine.devices.find(id)
    machine.devices.unplug(device)
    if answers_later:
        await wait_until_gone(machine, device)


@commands.query("pci", help="show the PCI devices", show=show_pci)
def query_pci(machine: Machine) -> list[dict[str, Any]]:
    """Tell of the PCI devices."""
    bus = machine.devices.pci
    return [{"bus": 0, "devices": _devices_on(bus, bus)}]


def _devices_on(root: PciBus, bus: PciBus | None) -> list[dict[str, Any]]:
    if bus is None:
        return []
    return [
        _pci_info(root, bus, device, function) for device, function in bus.in_order()
    ]


def _pci_info(
    root: PciBus, bus: PciBus, device: Device, function: PciFunction
) -> dict[str, Any]:
    facts = function.facts
    kind: dict[str, Any] = {"class": facts.class_code}
    if facts.class_code in CLASSES_2010:
        kind["desc"] = CLASSES_2010[facts.class_code]
    info: dict[str, Any] = {
        "bus": bus.pci_number,
        "slot": function.slot,
        "function": function.function,
        "class_info": kind,
        # 0.13 had the two the wrong way round, and clients know it.
        "id": {"device": facts.vendor, "vendor": facts.device},
        "qdev_id": device.id or "",
        "regions": _regions(function),
    }
    if facts.pin:
        info["irq"] = function.interrupt_line
    bridge = function.bridge
    if bridge is not None:
        info["pci_bridge"] = {
            "bus": {
                "number": bridge.primary,
                "secondary": bridge.secondary,
                "subordinate": bridge.subordinate,
            },
            "io_range": _limits(bridge.io),
            "memory_range": _limits(bridge.memory),
            "prefetchable_range": _limits(bridge.prefetchable),
        }
        if bridge.secondary:
            behind = _devices_on(root, root.find_bus(bridge.secondary))
            info["pci_bridge"]["devices"] = behind
    return info


def _limits(limits: tuple[int, int]) -> dict[str, int]:
    return {"base": limits[0], "limit": limits[1]}


def _regions(function: PciFunction) -> list[dict[str, Any]]:
    regions: list[dict[str, Any]] = []
    for region in function.regions:
        shown: dict[str, Any] = {
            "bar": region.bar,
            "type": "io" if region.is_io else "memory",
            "address": function.mapped.get(region.bar, UNMAPPED),
            "size": region.size,
        }
        if not region.is_io:
            shown["mem_type_64"] = region.is_64_bit
            shown["prefetch"] = region.is_prefetchable
        regions.append(shown)
    return regions


@commands.human(
    "pci_add",
    "pci_addr:s,type:s,opts:s?",
    "auto|[[<domain>:]<bus>:]<slot> nic|storage "
    "[[vlan=n][,macaddr=addr][,model=type]] [file=file][,if=type][,bus=nr]...",
    help="plug a PCI network adapter or disk in",
)
def pci_add(
    machine: Machine,
    *,
    pci_addr: str,
    type: str,  # noqa: A002 - its name there
    opts: str | None = None,
) -> str:
    """Plug a network adapter or a disk into a PCI slot, and tell which."""
    address = pci_addr.removeprefix("pci_addr=")
    text = opts or ""
    slot = None if address == "auto" else address
    try:
        if type not in _PCI_TYPES:
            message = f"invalid type: {type}"
            raise Refusal(message)
        device = _PCI_TYPES[type](machine, slot, parse_options(text))
    except (Refusal, CommandError) as error:
        return f"{explain(error)}failed to add {text}\n"
    function = device.function
    if function is None:  # it was asked for on PCI, so it is there
        return f"failed to add {text}\n"
    bus = device.bus.pci_number if isinstance(device.bus, PciBus) else 0
    return _missing_rom(device) + (
        f"OK domain 0, bus {bus}, slot {function.slot}, function {function.function}\n"
    )


@commands.human(
    "pci_del",
    "pci_addr:s",
    "[[<domain>:]<bus>:]<slot>",
    help="take the PCI device in a slot out",
)
def pci_del(machine: Machine, *, pci_addr: str) -> str | None:
    """Take the device in a PCI slot out; it goes when the guest lets it go."""
    place = parse_pci_address(pci_addr)
    bus = machine.devices.pci.find_bus(place[0]) if place is not None else None
    if place is None or bus is None:
        return "Invalid pci address\n"
    device = bus.places.get(place[1] << 3)
    if device is None:
        return f"slot {place[1]} empty\n"
    machine.devices.unplug(device)
    return None


@commands.human(
    "drive_add",
    "pci_addr:s,opts:s",
    "[[<domain>:]<bus>:]<slot>\n"
    "[file=file][,if=type][,bus=n]\n"
    "[,unit=m][,media=d][index=i]\n"
    "[,cyls=c,heads=h,secs=s[,trans=t]]\n"
    "[snapshot=on|off][,cache=on|off]",
    help="add a drive to a PCI storage controller",
)
def drive_add(machine: Machine, *, pci_addr: str, opts: str) -> str:
    """Make a drive, and put it on the SCSI controller in a PCI slot if it is SCSI."""
    try:
        place = add_drive(machine, pci_addr, parse_options(opts))
    except (Refusal, CommandError) as error:
        return explain(error)
    return "OK\n" if place is None else f"OK bus {place[0]}, unit {place[1]}\n"


@commands.human("usb_add", "devname:s", "device", help="plug a USB device in")
async def usb_add(machine: Machine, *, devname: str) -> None:
    """Plug a USB device in, by the names of ``-usbdevice``."""
    await machine.devices.add_usb(devname)


@commands.human("usb_del", "devname:s", "device", help="take a USB device out")
def usb_del(machine: Machine, *, devname: str) -> str | None:
    """Take a USB device out, which is given as ``BUS.ADDRESS``."""
    match = _USB_ADDRESS.match(devname)
    if match is not None:
        number, address = int(match[1]), int(match[2] or 0)
        for bus in machine.devices.usb_buses:
            device = bus.at_address(address) if bus.number == number else None
            if device is not None:
                machine.devices.destroy(device)
                return None
    return f"could not delete USB device '{devname}'\n"


@commands.info("usb", help="show the USB devices of the guest")
def info_usb(machine: Machine) -> str:
    """Tell of the USB devices."""
    buses = machine.devices.usb_buses
    if not buses:
        return "USB support not enabled\n"
    return "".join(
        f"  Device {bus.number}.{device.usb_address}, "
        f"Speed {device.model.usb.speed} Mb/s, Product {device.model.usb.product}\n"
        for bus in buses
        for device in bus.attached
        if device.model.usb is not None
    )


@commands.info("usbhost", help="show the USB devices of the host")
def info_usbhost(machine: Machine) -> str:  # noqa: ARG001
    """Tell of the host's USB devices: none can be had."""
    return "USB host devices not supported\n"


@commands.info("pcmcia", help="show the PCMCIA sockets")
def info_pcmcia(machine: Machine) -> str:  # noqa: ARG001
    """Tell of the PCMCIA sockets: a PC on a desk has none."""
    return "No PCMCIA sockets\n"


@commands.info("qtree", help="show the device tree")
def info_qtree(machine: Machine) -> str:
    """Tell what is plugged in where."""
    return show_qtree(machine.devices.root)


@commands.info("qdm", help="show the device models that there are")
def info_qdm(machine: Machine) -> str:
    """Tell of all models."""
    return "".join(show_model(m) for m in machine.devices.catalogue.models.values())


@commands.human(
    "wavcapture",
    "path:F,freq:i?,bits:i?,nchannels:i?",
    "path [frequency [bits [channels]]]",
    help="record what the guest plays to a WAV file (44100 Hz, 16 bits, 2 channels)",
)
def wavcapture(
    machine: Machine,
    *,
    path: str,
    freq: int | None = None,
    bits: int | None = None,
    nchannels: int | None = None,
) -> str | None:
    """Begin a recording."""
    try:
        machine.captures.start(path, frequency=freq, bits=bits, channels=nchannels)
    except GenericError as error:
        return f"{error.desc}\nFaied to add wave capture\n"  # as it was
    return None


@commands.human("stopcapture", "n:i", "capture index", help="end a recording")
def stopcapture(machine: Machine, *, n: int) -> None:
    """End a recording."""
    machine.captures.stop(n)


@commands.info("capture", help="show the recordings")
def info_capture(machine: Machine) -> str:
    """Tell of the recordings."""
    return "".join(f"[{n}]: {each}\n" for n, each in enumerate(machine.captures))
