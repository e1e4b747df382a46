"""Which commands a monitor has: those it is given, those of its table, and its own."""

from typing import TYPE_CHECKING

from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.monitor.session import Session

if TYPE_CHECKING:
    from qmpx.monitor.human.table import CommandTable


def commands_of(
    given: CommandRegistry | None, human: "CommandTable | None", *, introspects: bool
) -> CommandRegistry:
    """Return the commands of a monitor.

    Args:
        given: What it is to have; these come before others of the same name.
        human: The table for people: programs have what is not for people alone.
        introspects: Whether it has ``query-qmp-schema`` and ``query-commands``.
    """
    commands = CommandRegistry(*([] if given is None else [given]))
    if "qmp_capabilities" not in commands:
        commands.command("qmp_capabilities")(qmp_capabilities)
    for line in () if human is None else human.for_qmp():
        name = str(line.qmp_name)
        if name not in commands:
            is_late = line.is_asynchronous
            commands.add(Entry(name, line.handler, is_asynchronous=is_late))
    if introspects:
        commands.postpone(("query-qmp-schema", "query-commands"), _introspection)
    return commands


def qmp_capabilities(session: Session, *, enable: list[str] | None = None) -> None:
    """Enter command mode, with some of the offered capabilities."""
    session.negotiate(enable or [])


def _introspection() -> CommandRegistry:
    from qmpx.monitor.introspection import commands

    return commands
