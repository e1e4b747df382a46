"""What is on the PCI bus.

Source: QEMU 7.2.22, schema file ``pci.json``, observed.
"""

from typing import Annotated, NotRequired, TypedDict

from qmpx.machine import Machine
from qmpx.machine.pci_classes import CLASSES
from qmpx.machine.qom.pci_space import PciFunction, pci_functions
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)


class PciMemoryRange(TypedDict):
    """A window of a bridge."""

    base: int
    limit: int


class PciMemoryRegion(TypedDict):
    """A region of a device."""

    bar: int
    type: Annotated[str, Values("io", "memory")]
    address: int
    size: int
    prefetch: NotRequired[bool]
    mem_type_64: NotRequired[bool]


class PciBusInfo(TypedDict):
    """A bus behind a bridge, and what is passed on to it."""

    number: int
    secondary: int
    subordinate: int
    io_range: PciMemoryRange
    memory_range: PciMemoryRange
    prefetchable_range: PciMemoryRange


class PciBridgeInfo(TypedDict):
    """What is behind a bridge."""

    bus: PciBusInfo
    devices: NotRequired[list["PciDeviceInfo"]]


PciDeviceClass = TypedDict("PciDeviceClass", {"class": int, "desc": NotRequired[str]})
PciDeviceId = TypedDict(
    "PciDeviceId",
    {
        "device": int,
        "vendor": int,
        "subsystem": NotRequired[int],
        "subsystem-vendor": NotRequired[int],
    },
)


class PciDeviceInfo(TypedDict):
    """A function of a device."""

    bus: int
    slot: int
    function: int
    class_info: PciDeviceClass
    id: PciDeviceId
    irq: NotRequired[int]
    irq_pin: int
    qdev_id: str
    pci_bridge: NotRequired[PciBridgeInfo]
    regions: list[PciMemoryRegion]


class PciInfo(TypedDict):
    """A bus."""

    bus: int
    devices: list[PciDeviceInfo]


@commands.command("query-pci")
def query_pci(machine: Machine) -> list[PciInfo]:
    """Tell what is on the PCI bus; nothing if there is none."""
    functions = pci_functions(machine)
    if functions is None:
        return []
    return [{"bus": 0, "devices": [_device(each) for each in functions]}]


def _device(function: PciFunction) -> PciDeviceInfo:
    model = function.model
    told: PciDeviceInfo = {
        "bus": function.bus,
        "slot": function.slot,
        "function": function.function,
        "class_info": {"class": model.class_code},
        "id": {"device": model.device, "vendor": model.vendor},
        "irq_pin": model.pin,
        "qdev_id": function.device.id or "",
        "regions": _regions(function),
    }
    if model.class_code in CLASSES:
        told["class_info"]["desc"] = CLASSES[model.class_code]
    if model.subsystem is not None:
        told["id"]["subsystem-vendor"], told["id"]["subsystem"] = model.subsystem
    if model.pin:
        told["irq"] = function.irq
    if function.is_bridge:
        told["pci_bridge"] = _bridge(function)
    return told


def _regions(function: PciFunction) -> list[PciMemoryRegion]:
    told: list[PciMemoryRegion] = []
    for register in function.model.registers:
        region: PciMemoryRegion = {
            "bar": register.number,
            "type": "io" if register.is_io else "memory",
            "address": function.address(register),
            "size": register.size,
        }
        if not register.is_io:
            region["prefetch"] = register.is_prefetchable
            region["mem_type_64"] = register.is_wide
        told.append(region)
    return told


_UNSET = {"io": (0, 0xFFF), "memory": (0, 0xFFFFF), "prefetchable": (0, 0xFFFFF)}
_CLOSED = {"io": 0xF000, "memory": 0xFFF00000, "prefetchable": 0xFFF00000}


def _window(function: PciFunction, kind: str) -> PciMemoryRange:
    if kind in function.windows:
        base, size = function.windows[kind]
        return {"base": base, "limit": base + size - 1}
    base, limit = _UNSET[kind]
    if function.is_port:  # its windows are closed until somebody opens them
        base = _CLOSED[kind]
    return {"base": base, "limit": limit}


def _bridge(function: PciFunction) -> PciBridgeInfo:
    told: PciBridgeInfo = {
        "bus": {
            "number": function.bus,
            "secondary": function.secondary,
            "subordinate": function.subordinate,
            "io_range": _window(function, "io"),
            "memory_range": _window(function, "memory"),
            "prefetchable_range": _window(function, "prefetchable"),
        }
    }
    if function.secondary:
        told["devices"] = [_device(each) for each in function.behind]
    return told
