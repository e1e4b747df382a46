"""Devices beside the drives; the machine has none yet, and answers accordingly."""

from qmpx.errors import DeviceNotActive, DeviceNotFound
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


@commands.command("balloon")
def balloon(machine: Machine, *, value: int) -> None:  # noqa: ARG001
    """Ask the guest for memory, or give it back."""
    raise DeviceNotActive(device="balloon")


@commands.command("query-balloon")
def query_balloon(machine: Machine) -> None:  # noqa: ARG001
    """Tell how much memory the guest has."""
    raise DeviceNotActive(device="balloon")
