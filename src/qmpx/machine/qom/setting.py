"""Setting the properties of a device that is made, from what its user wrote."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qmpx.errors import GenericError
from qmpx.machine.qom import memory_devices
from qmpx.machine.qom.buses import Device
from qmpx.machine.qom.connecting import BACKEND, check_reference, find_link
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.places import parse_address
from qmpx.machine.qom.types import TypeSource
from qmpx.machine.qom.values import read_text

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


def set_property(
    machine: "Machine", device: Device, name: str, text: str
) -> list[Callable[[Device], None]]:
    """Set a property of a device from a text.

    Args:
        machine: The machine, in which links and back ends are found.
        device: The device.
        name: The property.
        text: Its value, as it stands on a command line.

    Returns:
        What is to be done when all properties are set.

    Raises:
        GenericError: There is no such property, or it does not take that.
    """
    types = machine.qom.types
    shown = device.object
    known = types.device_properties(shown.type)
    item = known.get(name)
    if item is None:
        message = f"Property '{shown.type}.{name}' not found"
        raise GenericError(message)
    owner = _owner(types, shown, name)
    if item.type.startswith("link<"):
        found = find_link(machine, name, item.type[5:-1], text)
        shown.values[name] = found.path
        return []
    taking = check_reference(machine, owner, name, text)
    if taking is not None:
        shown.values[name] = text
        return [taking]
    if name == "addr" and shown.isa("pci-device"):
        address = parse_address(text)
        if address is None:
            message = f"Property '{shown.type}.addr' doesn't take value '{text}'"
            raise GenericError(message)
        shown.values[name] = address
        return []
    value = read_text(name, item.type, text)
    if name.endswith("_block_size") and value and value & (value - 1):
        message = (
            f"Property .{name} doesn't take value '{value}', it's not a power of 2"
        )
        raise GenericError(message)
    shown.values[name] = value
    return []


def _owner(types: TypeSource, shown: QomObject, name: str) -> str:
    backend = shown.children.get(BACKEND)
    if backend is not None and name in types.device_properties(backend.type):
        return backend.type
    return shown.type


def make_live(machine: "Machine", device: Device) -> None:
    """Let the properties that can be set while it runs be set."""
    shown = device.object
    if shown.has("bootindex"):
        shown.writers["bootindex"] = lambda value: shown.values.update(bootindex=value)
    if shown.type.startswith("virtio-balloon"):
        from qmpx.machine.qom.balloon_properties import make_live as make_balloon_live

        make_balloon_live(machine, shown)
    if shown.type.startswith("virtio-mem"):
        memory_devices.make_live(machine, device)
