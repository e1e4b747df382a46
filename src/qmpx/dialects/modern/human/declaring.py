"""Who answers which line of the tables of commands and of items."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Raw

from qmpx.dialects.modern.human.declared_commands import COMMANDS
from qmpx.dialects.modern.human.declared_items import ITEMS
from qmpx.errors import CommandError
from qmpx.monitor.human import CommandTable
from qmpx.monitor.registry import SessionLike

Text = str | None | Awaitable[str | None]
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


class HumanTable(CommandTable):
    """Commands and items whose arguments and help are declared elsewhere."""

    def does(self, name: str) -> Callable[[HandlerT], HandlerT]:
        """Declare what carries out a command; it may return text."""
        line = COMMANDS[name]
        return self.human(name, line.args_type, line.syntax, help=line.help)

    def shows(self, name: str) -> Callable[[HandlerT], HandlerT]:
        """Declare what returns the text of an item of ``info``."""
        line = ITEMS[name]
        return self.info(name, line.args_type, line.syntax, help=line.help)


async def ask(session: SessionLike, command: str, /, **arguments: Any) -> Any:
    """Run a command of QMP, and return what a client would read.

    Args:
        session: Whose monitor is asked.
        command: The command.
        **arguments: Its arguments; ``_`` stands for ``-`` in their names. Those that
            are ``None`` are left out.

    Raises:
        CommandError: As the command does.
    """
    given = {
        name.strip("_").replace("_", "-"): value
        for name, value in arguments.items()
        if value is not None
    }
    return await ask_exactly(session, command, given)


async def ask_exactly(
    session: SessionLike, command: str, arguments: dict[str, Any]
) -> Any:
    """Run a command of QMP with arguments that are named as on the wire.

    Raises:
        CommandError: As the command does.
    """
    entry = session.monitor.entries.get(command)
    if entry is None:
        raise CommandError.from_reply(
            "CommandNotFound",
            f"The command {command} has not been found",
            {},
            command,
        )
    returned = entry.invoke(session, Raw(json.dumps(arguments).encode()))
    if entry.is_async:
        returned = await returned
    return json.loads(entry.encode(returned))


def on_off(value: object) -> str:
    """Return ``on`` or ``off``."""
    return "on" if value else "off"


def true_false(value: object) -> str:
    """Return ``true`` or ``false``."""
    return "true" if value else "false"


def read_options(session: SessionLike, command: str, options: dict[str, Any]) -> Any:
    """Return a command's arguments of which all values are texts, as they are meant.

    Raises:
        CommandError: They do not fit the command.
    """
    monitor = session.monitor
    declared = monitor.schema.commands.get(command)
    if declared is None:
        return options
    validator = monitor.declarations.validator
    return validator.read_keyval(declared.arguments, options)


def nested(options: dict[str, str]) -> dict[str, Any]:
    """Return options of which some are parts of others: ``file.driver``, ``cpus.0``."""
    values: dict[str, Any] = {}
    for name, text in options.items():
        at = values
        *above, last = name.split(".")
        for part in above:
            at = at.setdefault(part, {})
        at[last] = text
    return values
