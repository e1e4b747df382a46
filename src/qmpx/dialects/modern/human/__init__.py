"""The human monitor of QEMU 7.2, over the commands that QMP has.

A line of people's is carried out by asking QMP's command and showing what it answers;
only what QMP has no command for looks at the machine itself.

Source: QEMU 7.2.22, observed; for ``human-monitor-command`` schema file ``misc.json``.
"""

from functools import cache
from weakref import WeakKeyDictionary

from qmpx.errors import InvalidParameterValue
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.human import CommandTable, run_line
from qmpx.monitor.recall import FormatMemory
from qmpx.monitor.registry import SessionLike

__all__ = ["commands", "table_for_people"]

commands = CommandRegistry(reads_late=True)

_FORMATS: WeakKeyDictionary[Monitor, FormatMemory] = WeakKeyDictionary()
"""How values were shown last: that does outlast a line."""


@cache
def table_for_people() -> CommandTable:
    """Return the commands that people have."""
    from qmpx.dialects.modern.human.assembled import assemble  # they are many

    return assemble()


@commands.command("human-monitor-command", features=("savevm-monitor-nodes",))
async def human_monitor_command(
    session: SessionLike, *, command_line: str, cpu_index: int | None = None
) -> str:
    """Run a line of the human monitor, and return what it prints.

    Nothing of it outlasts the line: not the processor that ``cpu`` chooses, for one.

    Raises:
        InvalidParameterValue: There is no such processor.
    """
    monitor = session.monitor
    if monitor.human is None:
        monitor.human = table_for_people()
    frontend = Frontend(Mode.READLINE)
    frontend.formats = _FORMATS.setdefault(monitor, frontend.formats)
    if cpu_index is not None:
        if cpu_index not in monitor.target.qom.processors.numbered():
            raise InvalidParameterValue(name="cpu-index", expected="a CPU number")
        frontend.processor = cpu_index
    try:
        return await run_line(
            monitor, command_line, frontend=frontend, pending=session.pending
        )
    finally:
        frontend.close()
