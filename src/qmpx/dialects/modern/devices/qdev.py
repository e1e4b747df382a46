"""Plugging devices in, and taking them out.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Any

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Described

commands = CommandRegistry(reads_late=True)

Options = Annotated[
    dict[str, Any], Boxed(), Described("q_obj_device_add-arg", is_held=False)
]


@commands.command("device_add", features=("json-cli", "json-cli-hotplug"))
def device_add(machine: Machine, *, options: Options) -> None:
    """Plug a device in: ``driver``, perhaps ``id`` and ``bus``, and properties.

    Raises:
        CommandError: It cannot be made.
    """
    machine.qom.devices.add(options)


@commands.command("device_del")
def device_del(machine: Machine, *, id_: str) -> None:
    """Take a device out, which is named by its id or its path; or ask the guest to.

    Raises:
        DeviceNotFound: There is none.
        GenericError: It cannot be taken out, or the guest has been asked already.
    """
    # A look at the other tree would make it: a machine has one or the other.
    if "qom" not in machine.__dict__ and machine.devices.is_built:
        # A machine that was put together as those of 2010 are.
        tree = machine.devices
        for device in tree:
            if id_ in (device.id, device.path):
                if device.is_leaving:
                    message = f"Device {id_} is already in the process of unplug"
                    raise GenericError(message)
                tree.unplug(device)
                return
        raise DeviceNotFound(device=id_)
    machine.qom.devices.unplug(id_)
