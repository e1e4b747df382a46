"""A monitor of 2010 over a machine.

What is here: greeting, negotiation, the form and the texts of errors, the commands and
events that the embedded machine has so far. The JSON on the wire is today's.

Source: QEMU 0.13.0.
"""

from typing import Any, Final

from qmpx.dialects.v2010 import commands
from qmpx.errors import CommandError, GenericError, UndefinedError
from qmpx.machine import Machine
from qmpx.machine.happenings import (
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
)
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.wire.server import RULES_2010

VERSION: Final = {"qemu": {"micro": 0, "minor": 13, "major": 0}, "package": ""}

_TYPES: Final = {"integer": "int", "boolean": "bool"}
_EVENTS: Final[dict[type, str]] = {
    Stopped: "STOP",
    Resumed: "RESUME",
    Reset: "RESET",
    PowerButtonPressed: "POWERDOWN",
    ShutDown: "SHUTDOWN",
}


def show_error(error: CommandError) -> dict[str, Any]:
    """Return an error as QEMU 0.13 shows it: with its own class, and its data."""
    if isinstance(error, GenericError):
        error = UndefinedError()  # 0.13 knows no class without a meaning
    data = {
        name: _TYPES.get(value, value) if name == "expected" else value
        for name, value in error.data.items()
    }
    shown = error.from_reply(error.error_class, error.desc, data, None)
    return {"class": error.error_class, "desc": shown.desc_2010, "data": data}


def v2010_monitor(machine: Machine, *, pretty: bool = False) -> Monitor:
    """Return a monitor that shows *machine* as QEMU 0.13 would."""
    monitor = Monitor(
        machine,
        commands=CommandRegistry(commands.commands),
        version=VERSION,
        pretty=pretty,
        capabilities=(),
        show_error=show_error,
        rules=RULES_2010,
        limited_events={},
        clock=machine.clock.microseconds,
    )

    def tell(happening: Happening) -> None:
        if type(happening) in _EVENTS:
            monitor.emit(_EVENTS[type(happening)])

    machine.listen(tell)
    return monitor
