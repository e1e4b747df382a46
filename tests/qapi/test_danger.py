"""What commands may do: what a person is asked about first, and how bad all are."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.qapi.danger import HAZARDS, Danger, harm_of, harm_of_line, is_unstable
from qmpx.qapi.shipped import RELEASES, shipped_schema
from tools import danger_page


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


def test_every_command_of_every_release_is_classified() -> None:
    known: dict[str, bool] = {}
    for release in RELEASES:
        for command in shipped_schema(release).commands.values():
            known[command.name] = command.unstable
    assert known.keys() - HAZARDS.keys() == set()
    unstable = {name for name, is_marked in known.items() if is_marked}
    assert {name for name in known if is_unstable(name)} == unstable


NEWER = {"query-accelerators", "qom-list-get", "monitor-add", "abort"}


def test_what_is_classified_exists_or_is_known_to_come() -> None:
    known = {name for release in RELEASES for name in shipped_schema(release).commands}
    agent = {name for name in HAZARDS if name.startswith("guest-")}
    assert HAZARDS.keys() - known - agent == NEWER


def test_what_may_destroy_something_is_no_mere_reading() -> None:
    harmless = {Danger.READ, Danger.LEAK}
    assert [
        name for name, row in HAZARDS.items() if row.harm and row.danger in harmless
    ] == []


def test_the_page_of_what_commands_may_do_is_up_to_date() -> None:
    assert danger_page.PAGE.read_text() == danger_page.page()
