"""Scenarios: faults and circumstances from a TOML file.

::

    seed = 7
    clock = "virtual"            # or "real"

    [guest]
    power-off = 30.0             # seconds from the power button; "never"
    unplug = "never"

    [agent]
    starts-after = 2.0           # seconds that the guest has run; "never"
    disabled = ["guest-exec"]

    [[fault]]
    kind = "reply-late"
    command = "query-block"
    nth = 3
    seconds = 180
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from qmpx.dialects.agent.behaviour import SETTINGS, AgentBehaviour
from qmpx.errors import QmpxError
from qmpx.machine.clock import Clock, RealClock, VirtualClock
from qmpx.machine.guest import ObedientGuest
from qmpx.standin.faults.fault import read_fault
from qmpx.standin.faults.kind import MAX_SECONDS
from qmpx.standin.faults.members import FaultError
from qmpx.standin.faults.plan import MAX_FAULTS, FaultPlan

MAX_SCENARIO: Final = 1024 * 1024
"""Bytes of a scenario: a thousand faults take a tenth of that."""

_GUEST: Final = ("power-off", "balloon", "unplug")
_MEMBERS: Final = ("seed", "clock", "guest", "agent", "fault")
_CLOCKS: Final = ("real", "virtual")


class ScenarioError(QmpxError, ValueError):
    """A scenario is not as it must be.

    Args:
        message: What was expected.
        name: The file's name.
        line: The line, from 1; ``None`` if it is about the whole.
    """

    exit_status = 2

    def __init__(self, message: str, name: str = "", line: int | None = None) -> None:
        place = name if line is None else f"{name}:{line}"
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.name = name
        self.line = line


@dataclass
class Scenario:
    """What a scenario says.

    Attributes:
        seed: What chance follows from.
        clock: ``real`` or ``virtual``; ``None`` if it does not say.
        guest: Seconds that the guest takes, by what it is asked for; ``None`` in there:
            it never does. What is absent it does at once.
        agent: How the guest's agent behaves; ``None`` if it does not say.
        faults: The faults, as they are described.
    """

    seed: int = 0
    clock: str | None = None
    guest: dict[str, float | None] = field(default_factory=dict)
    agent: AgentBehaviour | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)

    def make_clock(self) -> Clock:
        """Return a clock of the kind that is wanted; real unless it says otherwise."""
        return VirtualClock() if self.clock == "virtual" else RealClock()

    def make_guest(self) -> ObedientGuest | None:
        """Return the guest that is wanted; ``None`` if it does not say."""
        if not self.guest:
            return None
        return ObedientGuest(
            **{name.replace("-", "_"): value for name, value in self.guest.items()}
        )

    def apply(self, plan: FaultPlan) -> None:
        """Add the faults to a plan.

        Raises:
            LocalProtocolError: One of them would end this process.
        """
        for description in self.faults:
            plan.add_described(description)


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario from a file.

    Raises:
        ScenarioError: It cannot be read, or is not as it must be: file, line and what
            was expected.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ScenarioError(error.strerror or str(error), str(path)) from None
    return parse_scenario(text, str(path))


def parse_scenario(data: bytes, name: str = "") -> Scenario:
    """Return the scenario that a TOML text stands for.

    Args:
        data: The text.
        name: The file's name, for errors.

    Raises:
        ScenarioError: It is not as it must be.
    """
    if len(data) > MAX_SCENARIO:
        message = f"{len(data)} bytes; a scenario has {MAX_SCENARIO} at most"
        raise ScenarioError(message, name)
    try:
        text = data.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ScenarioError("expected UTF-8", name, line) from None
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, name) from None
    return _Reader(text, name).read(table)


def _syntax_error(message: str, text: str, name: str) -> ScenarioError:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = None
    if place is not None:
        line = int(place[1]) if place[1] else text.count("\n") + 1
        message = message[: place.start()]
    return ScenarioError(
        f"this is no TOML: {message[:1].lower()}{message[1:]}", name, line
    )


class _Reader:
    """Makes a scenario of a table, and finds the lines of what is wrong in it."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines()
        self._name = name

    def read(self, table: Mapping[str, Any]) -> Scenario:
        scenario = Scenario()
        for member, value in table.items():
            match member, value:
                case "seed", int() if not isinstance(value, bool):
                    scenario.seed = value
                case "clock", str() if value in _CLOCKS:
                    scenario.clock = value
                case "guest", dict():
                    scenario.guest = self._guest(value)
                case "agent", dict():
                    scenario.agent = self._agent(value)
                case "fault", list():
                    scenario.faults = self._faults(value, scenario.seed)
                case _:
                    raise self._wrong_member(member, value)
        return scenario

    def _wrong_member(self, member: str, value: Any) -> ScenarioError:
        wanted = {
            "seed": "expected a whole number for 'seed'",
            "clock": 'expected clock = "real" or "virtual"',
            "guest": "expected a table [guest]",
            "agent": "expected a table [agent]",
            "fault": "expected tables [[fault]]",
        }
        line = self._line_of(member)
        if member in wanted:
            return self._error(f"{wanted[member]}, not {value!r}", line)
        close = get_close_matches(member, _MEMBERS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        known = ", ".join(_MEMBERS)
        message = f"a scenario has no {member!r}{hint} (it has {known})"
        return self._error(message, line)

    def _agent(self, table: Mapping[str, Any]) -> AgentBehaviour:
        behaviour = AgentBehaviour()
        for member, value in table.items():
            line = self._line_of(member, "[agent]")
            try:
                behaviour.set(member, value)
            except KeyError:
                known = ", ".join(SETTINGS)
                message = f"an agent has no {member!r} (it has {known})"
                raise self._error(message, line) from None
            except ValueError as error:
                message = f"expected {error}, not {value!r}"
                raise self._error(message, line) from None
        return behaviour

    def _guest(self, table: Mapping[str, Any]) -> dict[str, float | None]:
        guest: dict[str, float | None] = {}
        for member, value in table.items():
            line = self._line_of(member, "[guest]")
            if member not in _GUEST:
                known = ", ".join(_GUEST)
                message = f"a guest has no {member!r} (it has {known})"
                raise self._error(message, line)
            if value != "never" and not _is_time(value):
                message = f'expected seconds or "never" for {member!r}, not {value!r}'
                raise self._error(message, line)
            guest[member] = None if value == "never" else float(value)
        return guest

    def _faults(self, tables: list[Any], seed: int) -> list[dict[str, Any]]:
        if len(tables) > MAX_FAULTS:
            message = f"{len(tables)} faults; a scenario has {MAX_FAULTS} at most"
            raise self._error(message, None)
        for number, table in enumerate(tables):
            header = self._header(number)
            if not isinstance(table, dict):
                line = self._line_of("fault")
                raise self._error(f"expected tables [[fault]], not {table!r}", line)
            try:
                read_fault(table, seed=seed)
            except FaultError as error:
                line = self._line_of(error.member, header) if error.member else header
                raise self._error(error.message, line) from None
        return tables

    def _error(self, message: str, line: int | None) -> ScenarioError:
        return ScenarioError(message, self._name, line)

    def _header(self, number: int) -> int | None:
        """Return the line of the table of the fault with this number, from 0."""
        found = [n for n, line in enumerate(self._lines, 1) if _is_fault(line)]
        return found[number] if number < len(found) else self._line_of("fault")

    def _line_of(self, member: str, below: "int | str | None" = None) -> int | None:
        """Return the line on which a member is given, below a line or a header."""
        start = below if isinstance(below, int) else 0
        if isinstance(below, str):
            headers = [
                n for n, line in enumerate(self._lines, 1) if line.strip() == below
            ]
            start = headers[0] if headers else 0
        spelled = re.escape(member) + "|" + re.escape(member.replace("-", "_"))
        pattern = re.compile(rf"""\s*(\[+\s*)?["']?({spelled})["']?\s*([=.\]])""")
        for number, line in enumerate(self._lines[start:], start + 1):
            if isinstance(below, int) and _is_fault(line):
                break
            if pattern.match(line):
                return number
        return start or None


def _is_fault(line: str) -> bool:
    return re.match(r"\s*\[\[\s*fault\s*\]\]", line) is not None


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= MAX_SECONDS
