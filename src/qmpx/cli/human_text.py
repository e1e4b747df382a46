"""What the human monitor prints, read: did it fail, which commands has it got?

``human-monitor-command`` succeeds whatever became of the line; only the text tells.
"""

import re
from typing import Final, NamedTuple

_FAILURES: Final = re.compile(
    r"""
    (?:Error:\ |unknown\ command:\ |Usage:\ |invalid\ |Invalid\ |bad\ |Could\ not\ |
       Parameter\ '|Device\ '|Block\ node\ '|Bus\ '|Property\ '|No\ |no\ such\ |
       No\ such\ |Failed\ to\ |failed\ |unable\ to\ |Unable\ to\ |cannot\ |Cannot\ |
       Expected\ |Object\ '|Node\ '|'[^'\n]*'\ (?:is\ not|has\ no|does\ not)\ |
       [a-z_-]+:\ (?:extraneous\ characters|unsupported\ option|
                     string\ expected|block\ device\ name\ expected|
                     filename\ expected|integer\ expected|
                     missing\ |unknown\ option)|
       Command\ not\ found|Duplicate\ |.*\ not\ found\Z)
    """,
    re.VERBOSE,
)
"""How texts begin that tell of a failure: those that QEMU 7.2 prints."""

_INNOCENT: Final = re.compile(
    r"No\ (?:active|breakpoints|suspended)|No\ dirty|invalid\ opcode", re.VERBOSE
)
"""How others begin that only look like these."""

_SILENT: Final = ("info ", "help", "? ", "print ", "p ")
"""Lines that ask: what these print is an answer, unless it begins with an error."""

_HARD: Final = re.compile(r"Error: |unknown command: |Usage: |[a-z_-]+: .* expected")
_ENTRY: Final = re.compile(
    r"^(?P<names>\S+(?:\|\S+)*)(?P<takes>[^\n]*?) -- (?P<what>.*)"
)


class HumanCommand(NamedTuple):
    """A command of the human monitor, as its ``help`` tells.

    Attributes:
        names: Its names.
        takes: Its parameters.
        what: What it does.
    """

    names: tuple[str, ...]
    takes: str
    what: str


def failure_in(line: str, text: str) -> str:
    """Return the sentence in which the human monitor says that it failed, if it does.

    Args:
        line: What was typed.
        text: What it printed.
    """
    stripped = text.strip()
    if not stripped:
        return ""
    first = stripped.splitlines()[0].strip()
    if _HARD.match(first):
        return first
    asks = line.strip() in ("info", "help", "?") or line.lstrip().startswith(_SILENT)
    if asks or not _FAILURES.match(first) or _INNOCENT.match(first):
        return ""
    return first


def commands_in(text: str, prefix: str = "") -> list[HumanCommand]:
    """Return the commands that a text printed by ``help`` lists.

    Args:
        text: What ``help``, or ``help info``, printed.
        prefix: What entries begin with that is not of the name: ``info`` for that one.
    """
    found = []
    for line in text.splitlines():
        if prefix:
            if not line.startswith(f"{prefix} "):
                continue
            line = line.removeprefix(prefix).lstrip()
        if match := _ENTRY.match(line):
            names = tuple(match["names"].split("|"))
            found.append(HumanCommand(names, match["takes"].strip(), match["what"]))
    return found
