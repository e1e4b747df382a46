"""A monitor of 2010 over a machine: QMP and the human monitor of QEMU 0.13.

Source: QEMU 0.13.0.
"""

from functools import cache
from typing import Any, Final

from qmpx.dialects.v2010 import (
    block,
    descriptors,
    devices,
    display,
    emulator,
    hardware,
    memory,
    migration,
    network,
    processors,
    status,
)
from qmpx.dialects.v2010.order import COMMANDS, ITEMS
from qmpx.dialects.v2010.registry import registry_of
from qmpx.errors import CommandError, GenericError, UndefinedError
from qmpx.machine import Machine
from qmpx.machine.happenings import (
    BlockIOError,
    ClockSet,
    Exited,
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    WatchdogExpired,
)
from qmpx.machine.vnc_happenings import VncConnected, VncDisconnected, VncInitialized
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.built_in import qmp_capabilities as negotiate
from qmpx.monitor.human import CommandTable, builtin
from qmpx.monitor.registry import Entry
from qmpx.wire.rules_2010 import RULES_2010
from qmpx.wire.server import ASYNC

VERSION: Final = {"qemu": {"major": 0, "minor": 13, "micro": 0}, "package": ""}

EVENTS: Final[dict[type, str]] = {
    ShutDown: "SHUTDOWN",
    Reset: "RESET",
    PowerButtonPressed: "POWERDOWN",
    Stopped: "STOP",
    Resumed: "RESUME",
    VncConnected: "VNC_CONNECTED",
    VncInitialized: "VNC_INITIALIZED",
    VncDisconnected: "VNC_DISCONNECTED",
    BlockIOError: "BLOCK_IO_ERROR",
    ClockSet: "RTC_CHANGE",
    WatchdogExpired: "WATCHDOG",
}
"""What 0.13 tells of what happens: its 11 events."""

_DATA: Final[dict[type, tuple[str, ...]]] = {
    VncConnected: ("server", "client"),
    VncInitialized: ("server", "client"),
    VncDisconnected: ("server", "client"),
    BlockIOError: ("device", "operation", "action"),
    ClockSet: ("offset",),
    WatchdogExpired: ("action",),
}


def show_error(error: CommandError) -> dict[str, Any]:
    """Return an error as QEMU 0.13 shows it: with its own class, and its data."""
    if isinstance(error, GenericError):
        error = UndefinedError()  # 0.13 knows no class without a meaning
    return {"class": error.error_class, "desc": error.desc_2010, "data": error.data}


def describe_error(error: CommandError) -> str:
    """Return what QEMU 0.13 prints of an error for people."""
    return error.desc_2010


@cache
def command_table() -> CommandTable:
    """Return all commands of 0.13, in its order: one table for all monitors."""
    table = CommandTable(
        builtin.commands,
        status.commands,
        descriptors.commands,
        processors.commands,
        memory.commands,
        hardware.commands,
        emulator.commands,
        block.commands,
        devices.commands,
        network.commands,
        display.commands,
        migration.commands,
    )
    table.sort(COMMANDS, ITEMS)
    return table


@cache
def _registry() -> CommandRegistry:
    return registry_of(command_table())


def v2010_monitor(
    machine: Machine, *, pretty: bool = False, offers_async: bool = False
) -> Monitor:
    """Return a monitor that shows *machine* as QEMU 0.13 would.

    Args:
        machine: What it shows.
        pretty: Whether messages are spread over lines, for people.
        offers_async: Whether the greeting offers ``async``, with which clients may send
            ``execute_async``; ``qmp_capabilities`` then takes ``enable``.
    """
    monitor = Monitor(
        machine,
        commands=_registry(),
        version=VERSION,
        pretty=pretty,
        capabilities=(ASYNC,) if offers_async else (),
        show_error=show_error,
        rules=RULES_2010,
        limited_events={},
        clock=machine.clock.microseconds,
        human=command_table(),
        describe_error=describe_error,
    )

    if offers_async:
        entry = Entry("qmp_capabilities", negotiate)
        monitor.commands.entries["qmp_capabilities"] = entry

    def tell(happening: Happening) -> None:
        kind = type(happening)
        if kind in EVENTS:
            names = _DATA.get(kind)
            data = {n: getattr(happening, n) for n in names} if names else None
            monitor.emit(EVENTS[kind], data)
        if kind is Exited or (kind is ShutDown and machine.ends):
            monitor.shut_down()

    machine.listen(tell)
    return monitor
