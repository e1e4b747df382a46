"""What a docstring in Google's style says, as a schema's documentation."""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

from qmpx.qapi.model import Documentation

_HEADING: Final = re.compile(r"[A-Z][a-z]+:(?: .*)?")
_MEMBERS: Final = frozenset({"Args:", "Arguments:", "Attributes:"})
_MEMBER: Final = re.compile(r" {4}(\w+):\s*(.*)")


def documentation_of(
    item: Any, names: Mapping[str, str] | None = None
) -> Documentation | None:
    """Return what the docstring of a class or function says; None if it has none.

    Args:
        item: The class or function.
        names: What its parameters are called on the wire; others are not told of. If
            not given all are told of under their own names.
    """
    text = item.__doc__
    if not isinstance(text, str):
        return None
    about: list[str] = []
    members: dict[str, list[str]] = {}
    heading, current = "", ""
    for line in inspect.cleandoc(text).splitlines():
        if _HEADING.fullmatch(line):
            heading, current = line, ""
        elif not heading:
            about.append(line)
        elif heading in _MEMBERS and (found := _MEMBER.fullmatch(line)):
            current = found[1] if names is None else names.get(found[1], "")
            members[current] = [found[2]]
        elif current and line.strip():
            members[current].append(line.strip())
    members.pop("", None)
    return Documentation(
        text="\n".join(about).strip(),
        members={name: "\n".join(lines) for name, lines in members.items()},
    )
