"""What a conversation comes to: how often each command, how long, which events."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, field

from qmpx.transcript.entry import Entry

MAX_AWAITED: Final = 65536
"""Commands whose replies are awaited at once; the oldest then count as unanswered."""


class CommandStatistics(Struct):
    """What there is to say of one command.

    Attributes:
        count: How often it was sent.
        errors: How often it was answered with an error.
        unanswered: How often it was not answered.
        total: Seconds from commands to replies, in all.
        longest: The longest of these.
    """

    count: int = 0
    errors: int = 0
    unanswered: int = 0
    total: float = 0.0
    longest: float = 0.0


class Statistics(Struct):
    """What a conversation comes to.

    Attributes:
        connections: How many there were.
        messages: How many messages.
        seconds: From the first to the last.
        commands: By name.
        events: How often each came.
    """

    connections: int = 0
    messages: int = 0
    seconds: float = 0.0
    commands: dict[str, CommandStatistics] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)


def statistics_of(entries: Iterable[Entry]) -> Statistics:
    """Count, and match replies to commands: by id, in order where there is none."""
    found = Statistics()
    events: Counter[str] = Counter()
    connections: set[int] = set()
    awaited: dict[tuple[int, str], list[Entry]] = {}
    times: list[float] = []
    for entry in entries:
        connections.add(entry.connection)
        if entry.kind == "note":
            continue
        found.messages += 1
        if entry.time:
            times = [times[0] if times else entry.time, entry.time]
        if entry.kind == "event":
            events[entry.name] += 1
        elif entry.kind == "command":
            found.commands.setdefault(entry.name, CommandStatistics()).count += 1
            awaited.setdefault(_key(entry), []).append(entry)
            if len(awaited) > MAX_AWAITED:
                _give_up(found, awaited.pop(next(iter(awaited))))
        elif entry.kind in ("reply", "error"):
            _answer(found, awaited, entry)
    for commands in awaited.values():
        _give_up(found, commands)
    found.connections = len(connections)
    found.seconds = times[-1] - times[0] if times else 0.0
    found.events = dict(events.most_common())
    found.commands = dict(sorted(found.commands.items(), key=lambda x: -x[1].count))
    return found


def _key(entry: Entry) -> tuple[int, str]:
    return entry.connection, repr(entry.message.get("id"))


def _answer(
    found: Statistics, awaited: dict[tuple[int, str], list[Entry]], reply: Entry
) -> None:
    commands = awaited.get(_key(reply))
    if not commands:
        return
    command = commands.pop(0)
    if not commands:
        del awaited[_key(reply)]
    of = found.commands[command.name]
    took = max(reply.time - command.time, 0.0)
    of.total += took
    of.longest = max(of.longest, took)
    of.errors += reply.kind == "error"


def _give_up(found: Statistics, commands: list[Any]) -> None:
    for command in commands:
        found.commands[command.name].unanswered += 1
