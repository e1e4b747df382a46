"""Devices beside the drives; the machine has none yet, and answers accordingly."""

from qmpx.errors import DeviceNotFound
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry

commands = CommandRegistry()


@commands.command("device_del")
def device_del(machine: Machine, *, id_: str) -> None:  # noqa: ARG001
    """Ask the guest to let a device go."""
    raise DeviceNotFound(device=id_)


@commands.command("set_link")
def set_link(machine: Machine, *, name: str, up: bool) -> None:  # noqa: ARG001
    """Plug the cable of a network adapter in, or out."""
    raise DeviceNotFound(device=name)
