"""``help`` and ``info`` themselves, the history, and the end.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterable
from typing import Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.monitor.human import HumanCommand, HumanSession
from qmpx.monitor.human.builtin import info_history
from qmpx.monitor.human.running import table_of
from qmpx.monitor.human.words import read_word
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_MOST_WORDS: Final = 16  # of a line that asks for help, as in QEMU


def help_text(session: SessionLike, name: str | None = None) -> str:
    """Return the help for one command or item, or for all commands.

    Args:
        session: Whose commands they are.
        name: A spelling of a command, or ``info`` and an item.
    """
    table = table_of(session)

    def known(lines: Iterable[HumanCommand]) -> list[HumanCommand]:
        is_building = session.monitor.is_building
        return [x for x in lines if not is_building or table.is_early(x)]

    if name is None:
        return _lines("", known(table.commands.values()))
    words = _words(name)
    if words is None:
        return ""  # QEMU says nothing of a quote that is not closed, and of a crowd
    first, *rest = words or [""]
    command = table.find(first)
    if first == "info":
        if not rest:
            return _lines("info ", known(table.items.values()))
        command, first = table.find_item(rest[0]), f"info {rest[0]}"
    if command is None:
        return f"unknown command: '{first}'\n"
    prefix = "info " if first.startswith("info ") else ""
    return _lines(prefix, [command]) + table.further_help.get(command.name, "")


def _words(text: str) -> list[str] | None:
    """Return the words of a line; ``None`` if they cannot be read."""
    words: list[str] = []
    at = 0
    while (word := read_word(text, at)) is not None:
        if word.fault or len(words) == _MOST_WORDS:
            return None
        words.append(word.text)
        at = word.end
    return words


def _lines(prefix: str, lines: Iterable[HumanCommand]) -> str:
    return "".join(f"{prefix}{x.name} {x.syntax} -- {x.help}\n" for x in lines)


@commands.does("help|?")
def help_(session: SessionLike, *, name: str | None = None) -> str:
    """Return the help."""
    return help_text(session, name)


@commands.does("info")
def info(session: SessionLike, *, item: str | None = None) -> str:  # noqa: ARG001
    """Return the list of items; what one of them shows is asked of the item itself."""
    return help_text(session, "info")


commands.shows("history")(info_history)


@commands.does("quit|q")
async def quit_(session: SessionLike) -> None:
    """End the emulator, and show no prompt any more."""
    if isinstance(session, HumanSession):
        session.hold_prompt()
    await ask(session, "quit")


def _complete_command(session: SessionLike, _: str) -> Iterable[str]:
    return table_of(session).spellings


def _complete_item(session: SessionLike, _: str) -> Iterable[str]:
    return table_of(session).items


commands.completions["help:name"] = _complete_command
commands.completions["info:item"] = _complete_item
