"""The emulator's own switches and statistics: logs, debugger, translator.

Source: QEMU 0.13.0, observed.
"""

from typing import Final

from qmpx.machine import Machine
from qmpx.machine.log import ALL, LOG_ITEMS
from qmpx.monitor.human import CommandTable
from qmpx.monitor.human.builtin import help_text
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

DEBUGGER_PLACE: Final = "tcp::1234"
"""Where a debugger is waited for unless somebody says otherwise."""


def _log_items() -> str:
    rows = {"none": "nothing any more", **LOG_ITEMS}
    lines = "".join(f"{name:<10} {what}\n" for name, what in rows.items())
    return f"Log items (comma separated):\n{lines}"


commands.further_help["log"] = _log_items()


@commands.human("logfile", "filename:F", "filename", help="write the log to that file")
def logfile(machine: Machine, *, filename: str) -> None:
    """Write the log to another file from now on.

    Raises:
        OpenFileFailed: Something is logged, and the file cannot be made.
    """
    machine.log.write_to(filename)


@commands.human(
    "log", "items:s", "item1[,...]", help="write these things to the log file; or none"
)
def log(machine: Machine, session: SessionLike, *, items: str) -> str | None:
    """Choose what is logged; with an item that there is not, return the help.

    Raises:
        OpenFileFailed: The file cannot be made.
    """
    names = [] if items == "none" else items.split(",")
    if ALL in names:
        names = [*LOG_ITEMS]
    if any(name not in LOG_ITEMS for name in names):
        table = session.monitor.human
        return help_text(commands if table is None else table, "log")
    machine.log.log(names)
    return None


@commands.human(
    "gdbserver", "device:s?", "[device]", help="let a debugger connect; or none"
)
async def gdbserver(machine: Machine, *, device: str | None = None) -> str:
    """Listen for a debugger, or end that; a failure ends it, too."""
    if device == "none":
        machine.debugger.close()
        return "Disabled gdbserver\n"
    device = device or DEBUGGER_PLACE
    try:
        await machine.debugger.listen(device)
    except OSError:
        return f"Could not open gdbserver on device '{device}'\n"
    return f"Waiting for gdb connection on device '{device}'\n"


@commands.info("jit", help="statistics of the translator of code")
def info_jit(machine: Machine) -> str:  # noqa: ARG001
    """Return the statistics of a translator that has translated nothing."""
    return (
        "Translation buffer state:\n"
        "gen code size       0/0\n"
        "TB count            0/0\n"
        "TB avg target size  0 max=0 bytes\n"
        "TB avg host size    0 bytes (expansion ratio: 0.0)\n"
        "cross page TB count 0 (0%)\n"
        "direct jump count   0 (0%) (2 jumps=0 0%)\n"
        "\n"
        "Statistics:\n"
        "TB flush count      0\n"
        "TB invalidate count 0\n"
        "TLB flush count     0\n"
        "[TCG profiler not compiled]\n"
    )


@commands.info("profile", help="where the emulator spent its time")
def info_profile(machine: Machine) -> str:  # noqa: ARG001
    """Return that nobody measures."""
    return "Internal profiler not compiled\n"
