"""What a client has said to a machine, and assertions on it that explain themselves.

::

    def test_it_stops_before_it_ejects(qmpx_machine):
        my_tool.change_disk(qmpx_machine.address)
        qmpx_machine.conversation.assert_commands(
            "stop", ("eject", {"device": "ide1-cd0"}), "cont"
        )
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from qmpx.testing.matching import is_alike
from qmpx.transcript.difference import ANY
from qmpx.transcript.entry import Entry

NEGOTIATION: Final = "qmp_capabilities"
"""The command that every client sends first; it is left out, unless asked for."""

Expected = str | tuple[str, dict[str, Any]]
"""A command by its name, or by its name and arguments; ``...`` stands for any value."""


class Exchange(Struct):
    """A command and what became of it.

    Attributes:
        name: The command's name.
        arguments: Its arguments.
        connection: The number of the connection, from 1.
        time: When it came, in seconds since 1970 of the machine's clock.
        answer: The reply as it went out; ``None`` if there was none.
    """

    name: str
    arguments: dict[str, Any]
    connection: int
    time: float
    answer: dict[str, Any] | None = None

    @property
    def returned(self) -> Any:
        """What it returned; ``None`` if it failed or was not answered."""
        return (self.answer or {}).get("return")

    @property
    def error(self) -> dict[str, Any] | None:
        """Its error; ``None`` if there was none."""
        return (self.answer or {}).get("error")


class Conversation:
    """What crossed the wire between a machine and its clients.

    Args:
        entries: Gives all that has crossed it so far.
    """

    def __init__(self, entries: Callable[[], Sequence[Entry]]) -> None:
        self._entries = entries
        self._start = 0

    @property
    def entries(self) -> list[Entry]:
        """Each message, as a transcript has it."""
        return list(self._entries())[self._start :]

    @property
    def exchanges(self) -> list[Exchange]:
        """Each command, with its answer; without the negotiation."""
        return [x for x in exchanges_of(self.entries) if x.name != NEGOTIATION]

    @property
    def commands(self) -> list[str]:
        """The names of the commands, in order; without the negotiation."""
        return [exchange.name for exchange in self.exchanges]

    @property
    def events(self) -> list[str]:
        """The names of the events that clients were sent, in order."""
        return [entry.name for entry in self.entries if entry.kind == "event"]

    def forget(self) -> None:
        """Begin anew: what was said so far does not count any more."""
        self._start = len(self._entries())

    def assert_commands(self, *expected: Expected) -> None:
        """Assert that these commands were sent, in this order, and no others.

        Args:
            expected: Names; or names with arguments, where ``...`` is any value.

        Raises:
            AssertionError: It was otherwise; with a diff.
        """
        __tracebackhide__ = True
        sent = self.exchanges
        if len(sent) == len(expected) and all(map(_fits, expected, sent)):
            return
        raise AssertionError(_explain("other commands were sent", expected, sent))

    def assert_order(self, *expected: Expected) -> None:
        """Assert that these commands were sent in this order, others between or not.

        Args:
            expected: As for `assert_commands`.

        Raises:
            AssertionError: It was otherwise; with a diff.
        """
        __tracebackhide__ = True
        sent = iter(self.exchanges)
        for number, each in enumerate(expected):
            if not any(_fits(each, exchange) for exchange in sent):
                what = f"not in this order: {_line(each)} did not come"
                if number:
                    what += f" after {_line(expected[number - 1])}"
                raise AssertionError(_explain(what, expected, self.exchanges))

    def assert_sent(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        *,
        times: int | None = None,
    ) -> Exchange:
        """Assert that a command was sent.

        Args:
            name: Its name.
            arguments: Arguments that it had; others do not count. Any unless given.
            times: How often, from 1 on; at least once unless given.

        Returns:
            The last such exchange.

        Raises:
            AssertionError: It was otherwise; it shows what came closest.
        """
        __tracebackhide__ = True
        sent = self.exchanges
        found = [
            exchange
            for exchange in sent
            if exchange.name == name and _has(exchange.arguments, arguments)
        ]
        if found and (times is None or len(found) == times):
            return found[-1]
        wanted: Expected = name if arguments is None else (name, arguments)
        if found or times:
            what = f"{_line(wanted)} was sent {len(found)} times, not {times}"
        else:
            what = f"{_line(wanted)} was not sent"
        same = [exchange for exchange in sent if exchange.name == name] or sent
        raise AssertionError(_explain(what, [wanted], same))

    def assert_not_sent(self, name: str) -> None:
        """Assert that a command was not sent.

        Raises:
            AssertionError: It was; with all commands.
        """
        __tracebackhide__ = True
        sent = self.exchanges
        if any(exchange.name == name for exchange in sent):
            shown = "\n".join(_line_of(exchange) for exchange in sent)
            raise AssertionError(f"{name} was sent:\n{shown}")

    def assert_answered(self) -> None:
        """Assert that each command was answered.

        Raises:
            AssertionError: One was not; with all such.
        """
        __tracebackhide__ = True
        left = [exchange for exchange in self.exchanges if exchange.answer is None]
        if left:
            shown = "\n".join(_line_of(exchange) for exchange in left)
            raise AssertionError(f"{len(left)} commands were not answered:\n{shown}")


def exchanges_of(entries: Iterable[Entry]) -> list[Exchange]:
    """Return the commands of a transcript with their answers."""
    found: list[Exchange] = []
    awaited: dict[tuple[int, str], list[Exchange]] = {}
    for entry in entries:
        if not isinstance(entry.message, dict):
            continue
        key = entry.connection, repr(entry.message.get("id"))
        if entry.kind == "command":
            arguments = entry.message.get("arguments", {})
            exchange = Exchange(entry.name, arguments, entry.connection, entry.time)
            found.append(exchange)
            awaited.setdefault(key, []).append(exchange)
        elif entry.kind in ("reply", "error") and awaited.get(key):
            awaited[key].pop(0).answer = entry.message
    return found


def _fits(expected: Expected, exchange: Exchange) -> bool:
    if isinstance(expected, str):
        return exchange.name == expected
    name, arguments = expected
    return exchange.name == name and is_alike(arguments, exchange.arguments)


def _has(arguments: Any, wanted: dict[str, Any] | None) -> bool:
    if wanted is None:
        return True
    return isinstance(arguments, dict) and all(
        name in arguments and is_alike(value, arguments[name])
        for name, value in wanted.items()
    )


def _line(expected: Expected) -> str:
    if isinstance(expected, str):
        return expected
    return _spelled(expected[0], expected[1])


def _line_of(exchange: Exchange) -> str:
    return _spelled(exchange.name, exchange.arguments)


def _spelled(name: str, arguments: Any) -> str:
    if not arguments:
        return name
    text = msgspec.json.encode(arguments, enc_hook=_spell_any, order="sorted").decode()
    return f"{name} {text}"


def _spell_any(value: Any) -> Any:
    return ANY if value is ... else repr(value)


def _explain(what: str, expected: Sequence[Expected], sent: Sequence[Exchange]) -> str:
    """Return a message with the differences between commands, line by line.

    A line that fits is shown as it was expected, so that only real differences stand
    out.
    """
    one = [_line(each) for each in expected]
    two = []
    for exchange in sent:
        fitting = [each for each in expected if _fits(each, exchange)]
        two.append(_line(fitting[0]) if fitting else _line_of(exchange))
    diff = list(difflib.ndiff(one, two))
    legend = "(- expected, + sent)"
    return f"{what} {legend}\n" + "\n".join(line.rstrip("\n") for line in diff)
