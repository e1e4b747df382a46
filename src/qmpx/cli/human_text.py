"""What ``help`` of the human monitor prints, read: which commands it has."""

import re
from typing import Final, NamedTuple

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
