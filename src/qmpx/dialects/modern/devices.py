"""Devices beside the drives: plugging network cables.

Source: QEMU 7.2, observed.
"""

from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry

commands = CommandRegistry(reads_late=True)


@commands.command("set_link")
def set_link(machine: Machine, *, name: str, up: bool) -> None:
    """Plug the cable of a network adapter or back end in, or out."""
    machine.network.set_link(name, is_up=up)
