"""How QEMU 0.13 showed devices to people: ``info qtree``, ``info qdm``, ``info pci``.

Source: QEMU 0.13.0, section 5.5 of the notes.
"""

from collections.abc import Iterator
from typing import Any

from qmpx.machine.devices.device import Bus, Device
from qmpx.machine.devices.models import Model
from qmpx.machine.devices.numbered import VirtioSerialBus
from qmpx.machine.devices.pci import UNMAPPED, PciFunction
from qmpx.machine.devices.usb import UsbBus
from qmpx.machine.pci_classes import CLASSES_2010

_WORD: int = 2**64


def show_qtree(root: Bus) -> str:
    """Return the tree below a bus, indented."""
    return "".join(f"{line}\n" for line in _bus_lines(root, 0))


def _bus_lines(bus: Bus, indent: int) -> Iterator[str]:
    blank = " " * indent
    yield f"{blank}bus: {bus.name}"
    yield f"{blank}  type {bus.kind}"
    for device in bus.children:
        yield from _device_lines(device, indent + 2)


def _device_lines(device: Device, indent: int) -> Iterator[str]:
    yield f'{" " * indent}dev: {device.model.name}, id "{device.id or ""}"'
    blank = " " * (indent + 2)
    wires = [line for line in device.model.fixed_lines if line.startswith("gpio")]
    for line in wires:
        yield blank + line
    for prefix, properties in (
        ("dev", device.model.properties),
        ("bus", device.bus.properties),
    ):
        for item in properties:
            shown = item.type.show(device.values[item.name])
            yield f"{blank}{prefix}-prop: {item.name} = {shown}"
    for line in device.model.fixed_lines:
        if line not in wires:
            yield blank + line
    for line in _place_lines(device):
        yield blank + line
    for bus in device.buses:
        yield from _bus_lines(bus, indent + 2)


def _place_lines(device: Device) -> Iterator[str]:
    """Yield what the bus has to say of a device."""
    function = device.function
    if function is not None:
        yield from _pci_lines(function)
    elif isinstance(device.bus, UsbBus) and device.model.usb is not None:
        usb = device.model.usb
        attached = ", attached" if device.is_attached else ""
        yield (
            f"addr {device.bus.number}.{device.usb_address}, speed {usb.speed}, "
            f"name {usb.product}{attached}"
        )
    elif isinstance(device.bus, VirtioSerialBus):
        yield f" dev-prop-int: id: {device.values['nr']}"
        yield " dev-prop-int: guest_connected: 0"
        yield f" dev-prop-int: host_connected: {int(bool(device.values['chardev']))}"
        yield " dev-prop-int: throttled: 0"
    elif device.bus.kind == "ISA" and "irq" in device.values:
        yield f"isa irq {device.values['irq']}"


def _pci_lines(function: PciFunction) -> Iterator[str]:
    facts = function.facts
    name = CLASSES_2010.get(facts.class_code, f"Class {facts.class_code:04x}")
    secondary = function.bridge.secondary if function.bridge is not None else 0
    yield (
        f"class {name}, addr {secondary:02x}:{function.slot:02x}.{function.function:x},"
        f" pci id {facts.vendor:04x}:{facts.device:04x}"
        f" (sub {facts.subsystem[0]:04x}:{facts.subsystem[1]:04x})"
    )
    for region in function.regions:
        at = function.mapped.get(region.bar, UNMAPPED)
        kind = "i/o" if region.is_io else "mem"
        last = (at + region.size - 1) % _WORD
        yield f"bar {region.bar}: {kind} at {at % _WORD:#x} [{last:#x}]"


def show_model(model: Model) -> str:
    """Return the line that ``info qdm`` has of a model."""
    parts = [f'name "{model.name}", bus {model.bus}']
    if model.alias is not None:
        parts.append(f'alias "{model.alias}"')
    if model.desc is not None:
        parts.append(f'desc "{model.desc}"')
    if not model.is_for_users:
        parts.append("no-user")
    return ", ".join(parts) + "\n"


def show_pci(buses: list[dict[str, Any]]) -> str:
    """Return ``query-pci`` for people."""
    return "".join(_pci_text(device) for bus in buses for device in bus["devices"])


def _pci_text(device: dict[str, Any]) -> str:
    kind, id_ = device["class_info"], device["id"]
    name = kind.get("desc", f"Class {kind['class']:04d}")
    lines = [
        (
            f"  Bus {device['bus']:2d}, device {device['slot']:3d}, "
            f"function {device['function']}:"
        ),
        # The two ids are swapped in the reply, and so they are here.
        f"    {name}: PCI device {id_['device']:04x}:{id_['vendor']:04x}",
    ]
    if "irq" in device:
        lines.append(f"      IRQ {device['irq']}.")
    bridge = device.get("pci_bridge")
    if bridge is not None:
        lines += [
            f"      BUS {bridge['bus']['number']}.",
            f"      secondary bus {bridge['bus']['secondary']}.",
            f"      subordinate bus {bridge['bus']['subordinate']}.",
            f"      IO range {_range(bridge['io_range'], 4)}",
            f"      memory range {_range(bridge['memory_range'], 8)}",
            (
                "      prefetchable memory range "
                f"{_range(bridge['prefetchable_range'], 8)}"
            ),
        ]
    lines += [_region_text(region) for region in device["regions"]]
    lines.append(f'      id "{device["qdev_id"]}"')
    text = "".join(f"{line}\n" for line in lines)
    behind = bridge.get("devices", []) if bridge is not None else []
    return text + "".join(_pci_text(inner) for inner in behind)


def _range(limits: dict[str, int], digits: int) -> str:
    return f"[0x{limits['base']:0{digits}x}, 0x{limits['limit']:0{digits}x}]"


def _region_text(region: dict[str, Any]) -> str:
    at = region["address"]
    first, last = at % _WORD, (at + region["size"] - 1) % _WORD
    if region["type"] == "io":
        return f"      BAR{region['bar']}: I/O at 0x{first:04x} [0x{last:04x}]."
    bits = 64 if region["mem_type_64"] else 32
    prefetch = " prefetchable" if region["prefetch"] else ""
    return (
        f"      BAR{region['bar']}: {bits} bit{prefetch} memory at "
        f"0x{first:08x} [0x{last:08x}]."
    )
