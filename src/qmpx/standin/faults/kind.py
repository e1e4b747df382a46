"""What a kind of fault is: its name, where it sets in, and what it may be told.

A kind has a *point*, the place on the way at which it sets in, and a few parameters of
its own; when it sets in is said by the conditions, which all kinds share
(`qmpx.standin.faults.fault`). The kinds themselves are in `menu`.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

MAX_SECONDS: Final = 1e9
"""The longest time in seconds, some thirty years: beyond, clocks lose microseconds."""


class Point(enum.Enum):
    """Where on the way a fault sets in.

    Each value says what `nth`, `after`, `times` and `probability` count there.
    """

    LISTENING = "before the monitor listens"
    CONNECTING = "connections"
    COMMAND = "commands, before they are run"
    REPLY = "commands, whose replies it concerns"
    EVENT = "events"
    ANY = "commands, or a moment"


class Parameter(NamedTuple):
    """A parameter of a kind of fault.

    Attributes:
        type: What it must be; ``object`` stands for any JSON value.
        default: What it is where it is not given; ``...`` if it must be.
        summary: What it means, units included.
        most: The largest number that it may be; ``None`` if any.
        check: Says of a value of that type what was expected instead; nothing if it is
            as it must be.
    """

    type: type
    default: Any
    summary: str
    most: float | None = None
    check: Callable[[Any], str | None] | None = None


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        name: Its name.
        point: Where it sets in.
        summary: What it does.
        seen: What a client sees of it.
        incidents: Where somebody met it.
        parameters: Its parameters by their names.
    """

    name: str
    point: Point
    summary: str
    seen: str
    incidents: str
    parameters: Mapping[str, Parameter]


def seconds(default: Any, summary: str) -> Parameter:
    """Return a parameter that is a time in seconds; see `Parameter`."""
    return Parameter(float, default, summary, MAX_SECONDS)


EVENT: Final = {
    "event": Parameter(str, "RTC_CHANGE", "the event's name"),
    "data": Parameter(dict, None, "its data; none unless given"),
}
"""The parameters of a fault that is an event."""
