"""What a person is asked about first."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.cli.danger import COMMANDS, danger_of, danger_of_line
from qmpx.qapi.shipped import RELEASES, shipped_schema


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
    assert bool(danger_of(command, arguments)) is is_dangerous


def test_a_human_line_with_a_format_is_its_command() -> None:
    assert danger_of_line("o/b 0x60 1")
    assert danger_of_line("") == ""


def test_all_of_these_commands_exist_in_some_release() -> None:
    known: set[str] = set()
    for release in RELEASES:
        known |= shipped_schema(release).commands.keys()
    assert COMMANDS.keys() - known == set()
