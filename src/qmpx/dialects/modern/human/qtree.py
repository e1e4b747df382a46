"""The tree of devices as ``info qtree`` shows it.

Source: QEMU 7.2.22, observed.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from qmpx.dialects.modern.human.block_info import size_text
from qmpx.dialects.modern.human.declaring import HumanTable, true_false
from qmpx.dialects.modern.readable import usb_product
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.pci_classes import CLASSES
from qmpx.machine.qom.buses import Bus, Device
from qmpx.machine.qom.objects import WORKER, QomObject
from qmpx.machine.qom.pci_space import PciFunction, pci_functions, walk

commands = HumanTable()

PCI_PROPERTIES: Final = (
    *("addr", "romfile", "romsize", "rombar", "multifunction"),
    *("x-pcie-lnksta-dllla", "x-pcie-extcap-init", "failover_pair_id", "acpi-index"),
)
"""The properties of each PCI device, which come after its own."""

_HIDDEN: Final = frozenset(
    {
        *("type", "parent_bus", "realized", "hotplugged", "hotpluggable", "bootindex"),
        *("pci-hole-start", "pci-hole-end", "pci-hole64-start", "pci-hole64-end"),
        *("attached", "baudbase", "wakeup", "big-endian-framebuffer", "mcfg_size"),
        *("bootindexA", "bootindexB", "p2", "p3", "streams"),
    }
)
_HIDDEN_OF: Final = {
    "isa-serial": {"chardev"},
    "ICH9-LPC": {
        *("acpi-pci-hotplug-with-bridge-support", "acpi_disable_cmd"),
        *("acpi_enable_cmd", "cpu-hotplug-legacy", "disable_s3", "disable_s4"),
        *("enable_tco", "gpe0_blk", "gpe0_blk_len", "memory-hotplug-support"),
        *("pm_io_base", "s4_val", "sci_int", "x-keep-pci-slot-hpc"),
        "x-smi-negotiated-features",
    },
}  # what is for the board, not for users
_WITH_MEMORY: Final = ("hpet", "ioapic")
_INDEXED: Final = re.compile(r"(.+)\[\d+\]$")
_UNNAMED: Final = re.compile(r"unnamed-gpio-(in|out)\[\d+\]$")
_MASK: Final[int] = (1 << 64) - 1


@commands.shows("qtree")
def info_qtree(machine: Machine) -> str:
    """Return the tree of buses and devices."""
    functions = {
        each.device.object: each for each in walk(pci_functions(machine) or ())
    }
    lines = _bus(machine, machine.qom.devices.root, functions, 0)
    return "".join(f"{line}\n" for line in lines)


def _bus(
    machine: Machine, bus: Bus, functions: dict[QomObject, PciFunction], depth: int
) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}bus: {bus.name}"
    yield f"{indent}  type {bus.object.type}"
    for device in bus.members:
        yield f'{indent}  dev: {device.object.type}, id "{device.id or ""}"'
        for line in _device(machine, device, functions.get(device.object)):
            yield f"{indent}    {line}"
        for child in device.buses:
            yield from _bus(machine, child, functions, depth + 2)


def _device(
    machine: Machine, device: Device, function: PciFunction | None
) -> Iterator[str]:
    yield from _lines_of_gpio(device.object)
    yield from _properties(machine, device.object)
    if function is not None:
        yield from _pci(function)
    elif device.object.isa("usb-device"):
        product, speed = usb_product(device)
        yield (
            f"addr 0.0, port {device.port or 1}, speed {speed}, "
            f"name {product}, attached"
        )
    elif device.object.type in _WITH_MEMORY:
        yield from _mmio(device.object)


def _lines_of_gpio(shown: QomObject) -> Iterator[str]:
    """Yield how many lines go in and out, by name."""
    counts: dict[tuple[str, str], int] = {}
    for name, kind in shown.property_types().items():
        if "irq" not in kind:
            continue
        if (plain := _UNNAMED.match(name)) is not None:
            key = ("", plain[1])
        elif (indexed := _INDEXED.match(name)) is not None:
            key = (indexed[1], "in" if kind.startswith("child<") else "out")
        else:
            continue
        counts[key] = counts.get(key, 0) + 1
    for (name, way), count in sorted(counts.items()):
        yield f'gpio-{way} "{name}" {count}'


def _properties(machine: Machine, shown: QomObject) -> Iterator[str]:
    """Yield the properties that a user could set, the type's own first."""
    known = machine.qom.types.device_properties(shown.type)
    is_pci = shown.isa("pci-device")
    hidden = {*_HIDDEN, *_HIDDEN_OF.get(shown.type, ())}
    worker = shown.children.get(WORKER)
    if worker is not None:  # it shows its own properties itself
        hidden |= machine.qom.types.device_properties(worker.type).keys()
    names = [name for name in known if not (is_pci and name in PCI_PROPERTIES)]
    if is_pci:
        names += [name for name in PCI_PROPERTIES if name in known]
    for name in names:
        kind = known[name].type
        if name in hidden or kind.startswith(("link<", "child<")):
            continue
        try:
            value = _legacy(shown, name)
            if value is None:
                value = _value(kind, shown.get(name))
        except GenericError:
            continue
        yield f"{name} = {value}"


def _legacy(shown: QomObject, name: str) -> str | None:
    """Return a PCI address as people write it."""
    if name != "addr" or not shown.isa("pci-device"):
        return None
    address = shown.get("addr")
    if not isinstance(address, int):
        return None
    return f"{address >> 3 & 0x1F:02x}.{address & 7:x}"


def _value(kind: str, value: Any) -> str:
    if isinstance(value, bool):
        return true_false(value)
    if isinstance(value, int):
        if kind == "size":
            return f"{value} ({size_text(value)})"
        return f"{value} (0x{value & _MASK:x})"
    return f'"{"" if value is None else value}"'


def _pci(function: PciFunction) -> Iterator[str]:
    model = function.model
    kind = CLASSES.get(model.class_code) or f"Class {model.class_code:04x}"
    vendor, device = model.subsystem or (0, 0)
    yield (
        f"class {kind}, addr {function.bus:02x}:{function.slot:02x}."
        f"{function.function}, pci id {model.vendor:04x}:{model.device:04x} "
        f"(sub {vendor:04x}:{device:04x})"
    )
    for register in model.registers:
        address = function.address(register)
        end = (address + register.size - 1) & _MASK
        what = "i/o" if register.is_io else "mem"
        yield f"bar {register.number}: {what} at 0x{address & _MASK:x} [0x{end:x}]"


def _mmio(shown: QomObject) -> Iterator[str]:
    """Yield where a device of the board has memory."""
    for child in shown.children.values():
        if child.type != "memory-region" or not child.get("container"):
            continue
        address, size = child.get("addr"), child.get("size")
        if isinstance(address, int) and address >> 16:
            yield f"mmio {address:016x}/{size:016x}"
