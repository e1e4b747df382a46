"""What differs between two conversations, for people to read.

Two runs of the same thing differ in times, ids, process numbers and paths. What of a
message counts is said by a `Looseness`.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from qmpx.transcript.entry import TO_SERVER, Entry

VOLATILE: Final = (
    "timestamp",
    "id",
    "thread-id",
    "pid",
    "fd",
    "seconds",
    "microseconds",
)
"""Members that differ from run to run, and mean nothing."""

ANY: Final = "..."
"""What stands in a message where anything may be."""

CONTEXT: Final = 3
"""Lines around a difference that are shown."""


class Looseness(Struct, frozen=True):
    """What does not count when messages are compared.

    Attributes:
        members: Members whose values do not count, wherever they are in a message.
        events: Whether events count.
        greetings: Whether greetings count.
    """

    members: tuple[str, ...] = VOLATILE
    events: bool = True
    greetings: bool = False


STRICT: Final = Looseness(members=("timestamp", "id"), greetings=True)
"""Only times and ids may differ."""


def loosened(value: Any, members: Sequence[str]) -> Any:
    """Return a value with `ANY` wherever a member is that does not count."""
    if isinstance(value, dict):
        return {
            name: ANY if name in members else loosened(member, members)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [loosened(each, members) for each in value]
    return value


def lines_of(entry: Entry, looseness: Looseness) -> list[str]:
    """Return a message as lines that can be compared, members in order."""
    if entry.message is UNSET:
        return [f"{entry.direction} {entry.raw!r}"]
    value = loosened(entry.message, looseness.members)
    if isinstance(value, dict):
        value.pop("id", None)  # a client may leave it out
        value.pop("timestamp", None)
    text = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
    lines = text.decode().splitlines()
    return [f"{entry.direction} {lines[0]}", *(f"   {line}" for line in lines[1:])]


def compared(entries: Iterable[Entry], looseness: Looseness) -> Iterator[Entry]:
    """Yield the entries that count."""
    for entry in entries:
        kind = entry.kind
        if kind == "note" or (kind == "event" and not looseness.events):
            continue
        if kind == "greeting" and not looseness.greetings:
            continue
        yield entry


def difference(
    before: Iterable[Entry],
    after: Iterable[Entry],
    looseness: Looseness = Looseness(),  # noqa: B008 - immutable
    names: tuple[str, str] = ("before", "after"),
) -> list[str]:
    """Return the differences as a unified diff; an empty list if there are none."""
    one, two = (
        [
            line
            for entry in compared(entries, looseness)
            for line in lines_of(entry, looseness)
        ]
        for entries in (before, after)
    )
    return list(difflib.unified_diff(one, two, *names, lineterm="", n=CONTEXT))


def command_lines(name: str, arguments: Any, looseness: Looseness) -> list[str]:
    """Return a command as lines that can be compared."""
    message = {"execute": name}
    if arguments:
        message["arguments"] = arguments
    return lines_of(Entry(direction=TO_SERVER, message=message), looseness)
