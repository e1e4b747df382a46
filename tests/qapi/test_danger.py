"""What commands may do: how bad all are."""

from __future__ import annotations

from qmpx.qapi.danger import HAZARDS, is_unstable
from qmpx.qapi.shipped import RELEASES, shipped_schema
from tools import danger_page


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


def test_the_page_of_what_commands_may_do_is_up_to_date() -> None:
    assert danger_page.PAGE.read_text() == danger_page.page()
