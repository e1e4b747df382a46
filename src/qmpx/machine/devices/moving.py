"""What of devices moves with a machine: what its guest has told them.

Devices themselves do not move: the other machine has to be started with the same ones,
as with QEMU.
"""

from collections.abc import Iterable
from typing import Any

from qmpx.errors import GenericError
from qmpx.machine.devices.device import Device


def save(devices: Iterable[Device]) -> dict[str, Any]:
    """Return what guests have told devices, by their positions."""
    return {_position(device): _kept(device) for device in devices}


def _kept(device: Device) -> dict[str, Any]:
    function = device.function
    if function is None:
        return {"usb_address": device.usb_address}
    return {
        "interrupt_line": function.interrupt_line,
        "mapped": {str(bar): address for bar, address in function.mapped.items()},
    }


def load(devices: Iterable[Device], state: dict[str, Any]) -> None:
    """Tell devices what `save` returned.

    Raises:
        GenericError: There is no device at one of the positions; nothing was done.
    """
    known = {_position(device): device for device in devices}
    unknown = [position for position in state if position not in known]
    if unknown:
        message = f"the state is of a machine with a device at {unknown[0]}"
        raise GenericError(message)
    for position, kept in state.items():
        device = known[position]
        if device.function is None:
            device.usb_address = kept["usb_address"]
        else:
            device.function.interrupt_line = kept["interrupt_line"]
            device.function.mapped = {
                int(bar): address for bar, address in kept["mapped"].items()
            }


def _position(device: Device) -> str:
    """Return where a device is, the same in every machine with the same options."""
    above = "" if device.bus.parent is None else _position(device.bus.parent)
    return f"{above}/{device.bus.name}/{device.model.name}@{device.bus.place(device)}"
