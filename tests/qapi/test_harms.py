"""What commands may destroy, as a person is asked about it first."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.qapi.danger import HAZARDS, Danger
from qmpx.qapi.harms import HARMS, harm_of, harm_of_line


@pytest.mark.parametrize(
    ("command", "arguments", "is_dangerous"),
    [
        ("quit", {}, True),
        ("stop", {}, False),
        ("query-status", {}, False),
        ("human-monitor-command", {"command-line": "quit"}, True),
        ("human-monitor-command", {"command-line": " delvm x"}, True),
        ("human-monitor-command", {"command-line": "info status"}, False),
        ("human-monitor-command", {}, False),
        ("transaction", {"actions": [{"type": "block-dirty-bitmap-clear"}]}, True),
        ("transaction", {"actions": [{"type": "abort"}, 7]}, False),
        ("transaction", {"actions": "x"}, False),
        ("set-action", {"reboot": "reset"}, False),
        ("set-action", {"panic": "none"}, True),
    ],
)
def test_what_may_destroy_something(
    command: str, arguments: dict[str, Any], is_dangerous: bool
) -> None:
    assert bool(harm_of(command, arguments)) is is_dangerous


def test_a_human_line_with_a_format_is_its_command() -> None:
    assert harm_of_line("o/b 0x60 1")
    assert harm_of_line("") == ""


def test_what_may_destroy_something_is_no_mere_reading() -> None:
    harmless = {Danger.READ, Danger.LEAK}
    assert [name for name in HARMS if HAZARDS[name].danger in harmless] == []
