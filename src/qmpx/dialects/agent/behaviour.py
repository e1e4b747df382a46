"""What a guest agent does not do as it should, for tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MAX_DELAY: Final = 1e9
"""Seconds that an agent may be told to take, some thirty years: beyond, clocks lose
microseconds."""


@dataclass(slots=True)
class AgentBehaviour:
    """How an agent differs from one that does all that it should.

    Attributes:
        starts_after: Seconds of the machine's running until it is there; ``None``:
            never.
        echoes_ids: Whether its replies have ids; those before QEMU 4.0 had none.
        disabled: Commands that its administrator does not allow.
        is_deaf: Whether it hears nothing until its client connects anew.
        stale: What is in the port from an earlier client: a reply, for example.
        delays: Seconds until some commands are answered; the others wait behind them.
    """

    starts_after: float | None = 0.0
    echoes_ids: bool = True
    disabled: set[str] = field(default_factory=set)
    is_deaf: bool = False
    stale: bytes = b""
    delays: dict[str, float] = field(default_factory=dict)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute from a plain value, as a file or a command has it.

        Args:
            name: Its name, with hyphens: one of `SETTINGS`.
            value: The value; for ``starts-after`` also ``never``.

        Raises:
            KeyError: There is no such attribute.
            ValueError: It takes no such value; the message says what it takes.
        """
        setting = SETTINGS[name]
        if not setting.takes(value):
            message = f"{setting.expected} for {name!r}"
            raise ValueError(message)
        setattr(self, name.replace("-", "_"), setting.read(value))


class Setting(NamedTuple):
    """What an attribute can be set to.

    Attributes:
        expected: What it takes, for messages.
        takes: Whether that is such a value.
        read: The value as the attribute has it.
    """

    expected: str
    takes: Callable[[Any], bool]
    read: Callable[[Any], object]


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= MAX_DELAY


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


SETTINGS: Final = {
    "starts-after": Setting(
        'seconds or "never"',
        lambda value: value == "never" or _is_time(value),
        lambda value: None if value == "never" else float(value),
    ),
    "echoes-ids": Setting("true or false", _is_switch, bool),
    "is-deaf": Setting("true or false", _is_switch, bool),
    "stale": Setting("text", lambda value: isinstance(value, str), str.encode),
    "disabled": Setting(
        "a list of commands",
        lambda value: (
            isinstance(value, list) and all(isinstance(name, str) for name in value)
        ),
        set,
    ),
    "delays": Setting(
        "a table of commands and seconds",
        lambda value: isinstance(value, dict) and all(map(_is_time, value.values())),
        lambda value: {name: float(delay) for name, delay in value.items()},
    ),
}
"""What can be set from outside, by its name there."""
