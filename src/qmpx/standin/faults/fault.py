"""One fault: its kind, its parameters, and the conditions under which it sets in.

The conditions are the same for all kinds:

``command``
    For faults of commands and replies: the command's name, ``*`` and ``?`` being
    wildcards. Without it, any but ``qmp_capabilities``.
``event-name``
    For faults of events: the event's name, wildcards as above.
``connection``
    Only on the connection of this number, from 1.
``after``
    Not for the first so many that match.
``nth``
    Only for the match of this number, from 1: short for ``after`` and ``times``.
``times``
    At most so many times.
``probability``
    Each time by chance, from 0 to 1; chance follows from the seed.
``at``
    Not before this moment, in seconds since the faults were set up. A fault that needs
    no command sets in at that moment.
"""

import fnmatch
import random
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from qmpx.standin.faults.kind import MAX_SECONDS, Kind, Parameter, Point
from qmpx.standin.faults.members import FaultError, checked
from qmpx.standin.faults.menu import FAULTS

CONDITIONS: Final = {
    "command": Parameter(str, None, "the command's name, * and ? being wildcards"),
    "event-name": Parameter(str, None, "the event's name, * and ? being wildcards"),
    "connection": Parameter(int, None, "only on the connection of this number, from 1"),
    "after": Parameter(int, 0, "not for the first so many that match"),
    "nth": Parameter(int, None, "only for the match of this number, from 1"),
    "times": Parameter(int, None, "at most so many times"),
    "probability": Parameter(float, 1.0, "each time by chance, from 0 to 1"),
    "at": Parameter(float, None, "not before this moment, in seconds", MAX_SECONDS),
}
"""What every fault may say about when it sets in."""

_POINTS_OF: Final = {
    "command": (Point.COMMAND, Point.REPLY, Point.ANY),
    "event-name": (Point.EVENT,),
    "connection": (
        Point.CONNECTING,
        Point.COMMAND,
        Point.REPLY,
        Point.EVENT,
        Point.ANY,
    ),
}
_ANY_COMMAND_BUT: Final = "qmp_capabilities"
_UNPLUGGING: Final = "device_del"


class Fault:
    """A fault that may set in.

    Args:
        kind: Its kind.
        parameters: The parameters of the kind, all of them.
        conditions: When it sets in: see this module's docstring.
        seed: What chance follows from.

    Attributes:
        id: Its number in its plan, from 1.
        kind: The same.
        parameters: The same.
        conditions: The same.
        seen: How often its conditions were met, but for those on the number.
        fired: How often it has set in.
    """

    def __init__(
        self,
        kind: Kind,
        parameters: Mapping[str, Any],
        conditions: Mapping[str, Any],
        *,
        id: int = 0,  # noqa: A002
        seed: int = 0,
    ) -> None:
        self.id = id
        self.kind = kind
        self.parameters = parameters
        self.conditions = conditions
        self.seen = 0
        self.fired = 0
        # Not for secrets: the same seed must give the same run.
        self._chance = random.Random(f"{seed}/{id}/{kind.name}")  # noqa: S311

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]

    @property
    def is_of_a_moment(self) -> bool:
        """Whether it sets in at a moment, without a command."""
        conditions = self.conditions
        return (
            self.kind.point is Point.ANY
            and conditions["at"] is not None
            and conditions["command"] is None
        )

    def strikes(self, name: str, connection: int, now: float) -> bool:
        """Tell whether it sets in, and count.

        Args:
            name: The name of the command or the event; empty for a connection.
            connection: The number of the connection.
            now: Seconds since the faults were set up.
        """
        conditions = self.conditions
        if conditions["at"] is not None and now < conditions["at"]:
            return False
        if conditions["connection"] not in (None, connection):
            return False
        if not self._means(name):
            return False
        self.seen += 1
        if self.seen <= conditions["after"]:
            return False
        times = conditions["times"]
        if times is not None and self.fired >= times:
            return False
        if self._chance.random() >= conditions["probability"]:
            return False
        self.fired += 1
        return True

    def _means(self, name: str) -> bool:
        point = self.kind.point
        if point is Point.EVENT:
            pattern = self.conditions["event-name"]
            return pattern is None or fnmatch.fnmatchcase(name, pattern)
        if point in (Point.CONNECTING, Point.LISTENING):
            return True
        pattern = self.conditions["command"]
        if pattern is None and self.kind.name.startswith("unplug-"):
            pattern = _UNPLUGGING
        if pattern is None:
            return name != _ANY_COMMAND_BUT
        return fnmatch.fnmatchcase(name, pattern)

    def describe(self) -> dict[str, Any]:
        """Return it as `read_fault` takes it, with what has come of it."""
        given = {
            name: value
            for table, values in (
                (CONDITIONS, self.conditions),
                (self.kind.parameters, self.parameters),
            )
            for name, value in values.items()
            if name in table and value != table[name].default
        }
        counts = {"id": self.id, "seen": self.seen, "fired": self.fired}
        return {"kind": self.kind.name, **given, **counts}


def read_fault(
    description: Mapping[str, Any],
    *,
    id: int = 0,  # noqa: A002
    seed: int = 0,
) -> Fault:
    """Return the fault that a description stands for.

    Args:
        description: ``kind``, the kind's parameters, and conditions. An underscore
            stands for a hyphen, so that Python's keywords may be used; one behind a
            name is dropped (``class_``).
        id: Its number.
        seed: What chance follows from.

    Raises:
        FaultError: It is not described as it must be; it says what was expected.
    """
    given = {_spelled(name): value for name, value in description.items()}
    name = given.pop("kind", None)
    if name is None:
        message = 'expected kind = "...", the name of a fault'
        raise FaultError(message)
    if name not in FAULTS:
        raise FaultError(f"no fault is called {name!r}{_like(name, FAULTS)}", "kind")
    kind = FAULTS[name]
    conditions = {x: parameter.default for x, parameter in CONDITIONS.items()}
    parameters = {x: parameter.default for x, parameter in kind.parameters.items()}
    for member, value in given.items():
        if member in kind.parameters:
            parameters[member] = checked(member, value, kind.parameters[member])
        elif member in CONDITIONS:
            if kind.point not in _POINTS_OF.get(member, Point):
                message = f"a fault of the kind {name} has no {member!r}"
                raise FaultError(message, member)
            conditions[member] = checked(member, value, CONDITIONS[member])
        else:
            known = [*kind.parameters, *CONDITIONS]
            like = _like(member, known) or f" (it has {', '.join(known)})"
            message = f"{name} has no {member!r}{like}"
            raise FaultError(message, member)
    for member, value in parameters.items():
        if value is ...:
            raise FaultError(f"{name} needs {member!r}: {_meaning(kind, member)}")
    _settle(conditions)
    return Fault(kind, parameters, conditions, id=id, seed=seed)


def _settle(conditions: dict[str, Any]) -> None:
    """Say ``nth`` in terms of ``after`` and ``times``; check the figures."""
    nth = conditions["nth"]
    if nth is not None:
        if nth < 1:
            raise FaultError("expected a number from 1 on", "nth")
        if conditions["after"] or conditions["times"] is not None:
            raise FaultError("'nth' stands for 'after' and 'times': give one", "nth")
        conditions.update(after=nth - 1, times=1)
    if not 0 <= conditions["probability"] <= 1:
        raise FaultError("expected a number from 0 to 1", "probability")


def _spelled(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _meaning(kind: Kind, member: str) -> str:
    return kind.parameters[member].summary


def _like(name: Any, known: Any) -> str:
    close = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
