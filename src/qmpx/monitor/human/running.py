"""From a person's line to what there is to read, whoever the person is.

`HumanSession` and `run_line` have this in common.
"""

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from qmpx.errors import CommandError, LocalProtocolError, UndefinedError
from qmpx.monitor.human.expression import LineError
from qmpx.monitor.human.line import CommandLine, read_line
from qmpx.monitor.human.table import CommandTable, HumanCommand
from qmpx.monitor.registry import SessionLike

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor

logger = logging.getLogger("qmpx.monitor")


def table_of(session: SessionLike) -> CommandTable:
    """Return the commands that *session* has.

    Raises:
        LocalProtocolError: Its monitor has none for people.
    """
    table = session.monitor.human
    if table is None:
        message = "this monitor has no commands for people"
        raise LocalProtocolError(message)
    return table


def understand(session: SessionLike, line: str) -> CommandLine | str:
    """Return what a line says, or what there is to read instead of an answer."""
    table = table_of(session)

    def read_register(name: str) -> int:
        if table.read_register is None:
            raise LookupError(name)
        return table.read_register(session, name)

    try:
        parsed = read_line(line, table, session.frontend.formats, read_register)
    except LineError as error:
        if error.reason:
            # Nor does QEMU show it on the monitor.
            logger.warning("a person's line: %s", error.reason)
        return f"{error.text}\n" if error.text else ""
    if parsed is None:
        return ""
    if session.monitor.is_building and not table.is_early(parsed.command):
        return _not_yet(line, parsed.command is table.find_item(parsed.command.name))
    return parsed


def _not_yet(line: str, is_item: bool) -> str:  # noqa: FBT001 - of one caller
    name = " ".join(line.split()[: 1 + is_item])
    return (
        f"Command '{name}' not available until machine initialization has completed.\n"
    )


async def shown(
    command: HumanCommand, session: SessionLike, arguments: dict[str, Any]
) -> str:
    """Run a command for a person, and return what there is to read.

    Raises:
        CommandError: As the handler does.
    """
    value = command.call_for_human(session, arguments)
    if inspect.isawaitable(value):
        value = await value
    if command.human is not None and (value is None or isinstance(value, str)):
        return value or ""  # it has said, or says, all itself
    return command.show(value)


def failure_text(monitor: "Monitor", name: str, error: BaseException) -> str:
    """Return what there is to read of a command that failed.

    Anything that a handler raises is told: a defect of one handler must not end the
    session. What is no `CommandError` is a defect, and is logged. The notes of an error
    come before it and its hint behind it: both are for people only.

    Raises:
        KeyboardInterrupt, SystemExit: These are meant for the whole program.
    """
    if isinstance(error, asyncio.CancelledError):
        return ""  # by whoever does not want to know
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    if not isinstance(error, CommandError):
        logger.error("command %s failed", name, exc_info=error)
        error = UndefinedError()
    notes = getattr(error, "__notes__", ())
    lines = [*notes, monitor.describe_error(error), *error.hint.splitlines()]
    return "".join(f"{line}\n" for line in lines)
