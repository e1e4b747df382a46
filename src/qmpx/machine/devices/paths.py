"""Finding buses and devices: by a path such as ``pci.0/s0/s0.0``, or by id.

A path begins at the root, or at the first bus of a name wherever it is, and names
devices and buses by turns. The latest device is looked at first, as QEMU does it.

Source: what QEMU 0.13 accepted and answered.
"""

from collections.abc import Iterator
from typing import Final

from qmpx.errors import (
    BusNotFound,
    CommandError,
    DeviceMultipleBusses,
    DeviceNoBus,
    DeviceNotFound,
)
from qmpx.machine.devices.device import Bus, Device

_LONGEST_ELEMENT: Final = 127
"""Longest name in a path: QEMU cuts it there, and takes the rest for the next."""


def walk(bus: Bus) -> Iterator[Device]:
    """Yield the devices on a bus and behind it, the latest first, outer ones first."""
    for device in bus.children:
        yield device
        for child in device.buses:
            yield from walk(child)


def buses_below(bus: Bus) -> Iterator[Bus]:
    """Yield a bus and the buses behind it, as `walk` goes."""
    yield bus
    for device in bus.children:
        for child in device.buses:
            yield from buses_below(child)


def find_bus(root: Bus, path: str) -> Bus:
    """Return the bus that a path leads to.

    A device at its end stands for the only bus that it has.

    Raises:
        BusNotFound: A bus of the path is not there.
        DeviceNotFound: A device of the path is not there.
        DeviceNoBus: The device at its end has no bus.
        DeviceMultipleBusses: It has several.
    """
    elements = _elements(path)
    if path.startswith("/"):
        bus = root
    else:
        name = elements.pop(0) if elements else ""
        found = next((at for at in buses_below(root) if at.name == name), None)
        if found is None:
            raise BusNotFound(bus=name)
        bus = found
    while elements:
        bus = _step(bus, elements)
    return bus


def _elements(path: str) -> list[str]:
    return [
        name[start : start + _LONGEST_ELEMENT]
        for name in path.split("/")
        for start in range(0, len(name), _LONGEST_ELEMENT)
    ]


def _step(bus: Bus, elements: list[str]) -> Bus:
    """Go from a bus over one of its devices to a bus of that."""
    name = elements.pop(0)
    device = _device_on(bus, name)
    if device is None:
        raise _hinting(DeviceNotFound(device=name), _devices_at(bus))
    if not elements:
        if not device.buses:
            raise DeviceNoBus(device=name)
        if len(device.buses) > 1:
            raise _hinting(DeviceMultipleBusses(device=name), _buses_at(device))
        return device.buses[0]
    name = elements.pop(0)
    for child in device.buses:
        if child.name == name:
            return child
    raise _hinting(BusNotFound(bus=name), _buses_at(device))


def _device_on(bus: Bus, name: str) -> Device | None:
    """Return a device by its id, or else by its model, or else by its alias."""
    for device in bus.children:
        if device.id == name:
            return device
    for device in bus.children:
        if device.model.name == name:
            return device
    for device in bus.children:
        if device.model.alias == name:
            return device
    return None


def _hinting(error: CommandError, hint: str) -> CommandError:
    return error.hinting(hint)


def _devices_at(bus: Bus) -> str:
    names = [
        f'"{device.model.name}"' + (f'/"{device.id}"' if device.id is not None else "")
        for device in bus.children
    ]
    return f'devices at "{bus.name}":{_list(names)}'


def _buses_at(device: Device) -> str:
    names = [f'"{bus.name}"' for bus in device.buses]
    return f'child busses at "{device.label}":{_list(names)}'


def _list(names: list[str]) -> str:
    return f" {', '.join(names)}" if names else ""
