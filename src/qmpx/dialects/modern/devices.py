"""Devices beside the drives: letting them go, and plugging network cables.

Source: QEMU 7.2, observed.
"""

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry

commands = CommandRegistry()


@commands.command("device_del")
def device_del(machine: Machine, *, id_: str) -> None:
    """Let a device go, which is named by its id or its path; on PCI, ask the guest.

    Raises:
        DeviceNotFound: There is none.
        BusNoHotplug: Its bus is fixed while the machine is on.
        GenericError: The guest has been asked already.
    """
    tree = machine.devices
    devices = [d for d in tree if id_ in (d.id, d.path)] if tree.is_built else []
    if not devices:
        raise DeviceNotFound(device=id_)
    if devices[0].is_leaving:
        message = f"Device {id_} is already in the process of unplug"
        raise GenericError(message)
    tree.unplug(devices[0])


@commands.command("set_link")
def set_link(machine: Machine, *, name: str, up: bool) -> None:
    """Plug the cable of a network adapter or back end in, or out."""
    machine.network.set_link(name, is_up=up)
