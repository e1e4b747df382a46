"""The human monitor behind QMP: one line, as if a person had typed it.

Source: QEMU 7.2, schema file ``misc.json``; the commands are those of 2010.
"""

from functools import cache

from qmpx.errors import CommandError, InvalidParameterValue
from qmpx.monitor import CommandRegistry
from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.human import CommandTable, run_line
from qmpx.monitor.registry import SessionLike

commands = CommandRegistry()


@cache
def table_for_people() -> CommandTable:
    """Return the commands that people have: those of 2010, over the same machine."""
    from qmpx.dialects.v2010.dialect import command_table  # they are many

    return command_table()


def describe_error(error: CommandError) -> str:
    """Return what people read of an error."""
    return f"Error: {error.desc}"


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
    if cpu_index is not None:
        if not 0 <= cpu_index < len(monitor.target.processors):
            raise InvalidParameterValue(name="cpu-index", expected="a CPU number")
        frontend.processor = cpu_index
    try:
        return await run_line(
            monitor, command_line, frontend=frontend, pending=session.pending
        )
    finally:
        frontend.close()
