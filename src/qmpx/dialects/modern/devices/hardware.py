"""Processors, and the watchdog.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.hardware.watchdog import WatchdogAction
from qmpx.machine.runstate import PanicAction
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)


@commands.command("inject-nmi")
def inject_nmi(machine: Machine) -> None:
    """Interrupt all processors in a way that they cannot mask."""
    if machine.is_bare:
        message = "this feature or command is not currently supported"
        raise GenericError(message)
    for processor in machine.processors:
        processor.inject_nmi()


@commands.command("set-action")
def set_action(
    machine: Machine,
    *,
    reboot: Annotated[str, Values("reset", "shutdown")] | None = None,
    shutdown: Annotated[str, Values("poweroff", "pause")] | None = None,
    panic: PanicAction | None = None,
    watchdog: WatchdogAction | None = None,
) -> None:
    """Choose what follows when the guest does something.

    Args:
        machine: The machine.
        reboot: When it starts anew.
        shutdown: When it switches the machine off.
        panic: When it gives up.
        watchdog: When it lets its watchdog expire.
    """
    if reboot is not None:
        machine.restarts = reboot == "reset"
    if panic is not None:
        machine.panic_action = panic
    if watchdog is not None:
        machine.chipset.watchdog.action = watchdog
    if shutdown is not None:
        machine.ends = shutdown == "poweroff"


@commands.command("watchdog-set-action")
def watchdog_set_action(machine: Machine, *, action: WatchdogAction) -> None:
    """Choose what an expired watchdog does."""
    machine.chipset.watchdog.action = action
