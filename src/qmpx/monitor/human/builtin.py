"""The commands that every human monitor has: ``help``, ``info`` and its history.

They know the table that they stand in by the session that runs them.

Source: QEMU 0.13, observed; the words of the help are our own.
"""

from collections.abc import Iterable
from typing import Final

from qmpx.monitor.human.running import shown, table_of
from qmpx.monitor.human.table import CommandTable, HumanCommand
from qmpx.monitor.registry import SessionLike

commands: Final = CommandTable()


def help_text(table: CommandTable, name: str | None = None) -> str:
    """Return the help for one command, for the items of ``info``, or for all commands.

    Args:
        table: The commands.
        name: A command as the table has it, with all its spellings, or ``info``.
    """
    if name == "info":
        return _lines("info ", table.items.values())
    lines = table.commands.values()
    text = _lines("", [x for x in lines if name is None or x.name == name])
    more = "" if name is None else table.further_help.get(name, "")
    return text + more


def _lines(prefix: str, lines: Iterable[HumanCommand]) -> str:
    return "".join(f"{prefix}{x.name} {x.syntax} -- {x.help}\n" for x in lines)


@commands.human(
    "help|?", "name:s?", "[cmd]", help="show what the commands are, or one of them"
)
def help_(session: SessionLike, *, name: str | None = None) -> str:
    """Return the help."""
    return help_text(table_of(session), name)


@commands.human(
    "info",
    "item:s?",
    "[subcommand]",
    help="show something about the system; alone, what there is",
)
async def info(session: SessionLike, *, item: str | None = None) -> str:
    """Return what an item shows; the list of items if there is no such item."""
    table = table_of(session)
    line = None if item is None else table.find_item(item)
    if line is None:
        return help_text(table, "info")
    return await shown(line, session, {})


@commands.info("history", help="show the lines that were typed on this monitor")
def info_history(session: SessionLike) -> str:
    """Return the lines, numbered."""
    lines = enumerate(session.frontend.history)
    return "".join(f"{number}: '{line}'\n" for number, line in lines)


def _complete_command(session: SessionLike, _: str) -> Iterable[str]:
    return table_of(session).spellings


def _complete_item(session: SessionLike, _: str) -> Iterable[str]:
    return table_of(session).items


commands.completions["help:name"] = _complete_command
commands.completions["info:item"] = _complete_item
