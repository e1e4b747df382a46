"""How a line may go on: what the Tab key offers.

The word before the cursor belongs to the command's name or to one of its parameters.
What completes a parameter is looked up in the table's ``completions`` as
``command:parameter``, then by its letter; files are known here.

Source: QEMU 0.13, which completes command names, info items, files, block devices and
keys.
"""

import os
from collections.abc import Iterable
from typing import Any, Final

from qmpx.monitor.human.editor import Completions
from qmpx.monitor.human.parameters import Parameter
from qmpx.monitor.human.table import CommandTable, HumanCommand
from qmpx.monitor.human.words import Word, name_end, read_word, skip_space

MAX_ENTRIES: Final = 10_000
"""Entries of a directory that are looked at to complete a file's name.

Looking takes some microseconds each, in which nobody else is served.
"""

_NOTHING: Final = Completions(0, ())


def complete(table: CommandTable, session: Any, line: str) -> Completions:
    """Return how the last word of *line*, which ends at the cursor, may go on.

    Args:
        table: The commands.
        session: Whose line it is, for the table's completions.
        line: What was typed before the cursor.
    """
    start = skip_space(line, 0)
    end = name_end(line, start)
    if end == len(line):
        return _matching(line[start:], table.spellings)
    if (command := table.find(line[start:end])) is None:
        return _NOTHING
    if table.is_modern and command.names[0] == "help":
        at = skip_space(line, end)
        if line[at : name_end(line, at)] == "info" and name_end(line, at) < len(line):
            command, start, end = table.commands["info"], at, name_end(line, at)
    if table.is_modern and command.name == "info":
        at = skip_space(line, end)
        item = table.find_item(line[at : name_end(line, at)])
        if item is not None and name_end(line, at) < len(line):
            command, end = item, name_end(line, at)
    *words, last = _words(line, end)
    parameter = _next_parameter(command.parameters, words)
    if parameter is None:
        return _NOTHING
    return _complete_parameter(table, session, command, parameter, last)


def complete_files(_: Any, typed: str) -> list[str]:
    """Return the names of files that begin so; directories end with a slash."""
    folder, slash, start = typed.rpartition("/")
    found: list[str] = []
    try:
        with os.scandir(folder or slash or ".") as entries:
            for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
                if entry.name.startswith(start):
                    end = "/" if _is_folder(entry) else ""
                    found.append(folder + slash + entry.name + end)
    except OSError:
        return []  # there is nothing to offer, and a key press can complain to nobody
    return sorted(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _words(line: str, at: int) -> list[str]:
    """Return the words behind a command's name; the last one is at the cursor."""
    words: list[str] = []
    word: Word | None = None
    while (following := read_word(line, at)) is not None:
        word = following
        words.append(word.text)
        at = word.end
    if word is None or (word.end < len(line) and not word.fault):
        words.append("")  # a new one begins at the cursor
    return words


def _next_parameter(
    parameters: tuple[Parameter, ...], words: list[str]
) -> Parameter | None:
    """Return the parameter that comes after *words*."""
    rest = list(parameters)
    for word in words:
        if rest and rest[0].letter == "/":
            rest.pop(0)
            if word.startswith("/"):
                continue
        if word.startswith("-") and any(p.flag == word[1:] for p in rest):
            while rest.pop(0).flag != word[1:]:
                pass
            continue
        while rest and rest[0].flag:
            rest.pop(0)
        if rest:
            rest.pop(0)
    return next((p for p in rest if p.letter not in "-/"), None)


def _complete_parameter(
    table: CommandTable,
    session: Any,
    command: HumanCommand,
    parameter: Parameter,
    typed: str,
) -> Completions:
    for name in command.names:
        found = table.completions.get(f"{name}:{parameter.name}")
        if found is not None:
            break
    else:
        found = table.completions.get(parameter.letter)
    if found is None:
        if parameter.letter != "F":
            return _NOTHING
        found = complete_files
    offered = found(session, typed)
    if isinstance(offered, Completions):
        return offered
    return _matching(typed, offered)


def _matching(typed: str, words: Iterable[str]) -> Completions:
    return Completions(len(typed), [word for word in words if word.startswith(typed)])
