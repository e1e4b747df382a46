"""Roles from their settings."""

from __future__ import annotations

import pytest

from qmpx.gateway.policy import EVERYTHING, Rule
from qmpx.gateway.settings.roles import (
    LOOKED_INTO,
    MAX_RULES,
    RoleSettings,
    build_role,
    built_in_roles,
)
from qmpx.qapi.danger import HUMAN_LINES, Danger


def test_a_role_has_the_lines_of_its_profile_and_its_own() -> None:
    role = build_role("r", RoleSettings(profile="observe", lines=("info usb",)))
    harmless = {x for x, danger in HUMAN_LINES.items() if danger is Danger.READ}
    assert role.reach.lines == harmless | {"info usb"}


def test_who_may_be_asked_is_the_roles_own_or_everybodys() -> None:
    settings = RoleSettings(profile="read", contact="alice")
    assert build_role("r", settings, "ops").contact == "alice"
    assert build_role("r", RoleSettings(), "ops").contact == "ops"


def test_everything_is_no_policy() -> None:
    assert built_in_roles()["everything"] is EVERYTHING
    own = build_role("root", RoleSettings(profile="everything"))
    assert own.is_unrestricted
    assert own.takes_descriptors


def test_a_role_has_no_thousands_of_rules() -> None:
    rules = (Rule(verdict="allow", command="stop"),) * (MAX_RULES + 1)
    with pytest.raises(ValueError, match="expected at most"):
        RoleSettings(rule=rules)


def test_what_is_looked_into_is_told() -> None:
    assert {"transaction", "blockdev-add", "human-monitor-command"} <= LOOKED_INTO
