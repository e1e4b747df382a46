"""A monitor of today over a machine."""

from typing import Any, Final

from qmpx.dialects.modern import (
    block,
    descriptors,
    devices,
    objects,
    out_of_band,
    status,
)
from qmpx.dialects.modern.events import as_event
from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry, Monitor, modern_error

VERSION: Final = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "qmpx"}
"""The QEMU whose behaviour this dialect shows."""

_TEXTS: Final = {
    "DeviceLocked": (
        "Device '{device}' is locked and force was not specified, wait for tray to "
        "open and try again"
    ),
}


def show_error(error: CommandError) -> dict[str, Any]:
    """Return an error as QEMU 7.2 shows it; a few texts changed since 2010."""
    shown = modern_error(error)
    if error.error_class in _TEXTS:
        shown["desc"] = _TEXTS[error.error_class].format_map(error.data)
    return shown


def modern_monitor(machine: Machine) -> Monitor:
    """Return a monitor that shows *machine* as QEMU 7.2 would.

    Source: QEMU 7.2.22, observed.
    """
    monitor = Monitor(
        machine,
        commands=CommandRegistry(
            status.commands,
            block.commands,
            descriptors.commands,
            devices.commands,
            objects.commands,
            out_of_band.commands,
        ),
        version=VERSION,
        show_error=show_error,
        clock=machine.clock.microseconds,
    )
    monitor.on_idle = lambda: monitor.descriptor_sets.abandon(
        running=machine.state.is_running
    )
    machine.listen(lambda happening: monitor.emit(*as_event(happening)))
    return monitor
