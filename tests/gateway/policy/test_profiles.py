"""The built-in profiles, as sets of names."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qmpx.gateway.policy.profiles import LOCAL_DANGERS, PROFILES
from qmpx.qapi.danger import HAZARDS, Danger

ORDERED = ["nothing", "observe", "read", "operate", "storage", "admin"]


def allowed(profile: str) -> set[str]:
    names = [*HAZARDS, *LOCAL_DANGERS, "x-qmpx-brand-new"]
    return {name for name in names if PROFILES[profile].allows(name)}


@pytest.mark.parametrize(("narrow", "wide"), [*pairwise(ORDERED), ("agent", "operate")])
def test_each_allows_what_the_one_before_does_and_more(narrow: str, wide: str) -> None:
    assert allowed(narrow) < allowed(wide)
    assert PROFILES[narrow].lines <= PROFILES[wide].lines


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda each: each.name)
def test_what_a_profile_names_is_known(profile: object) -> None:
    names = profile.also | profile.never  # type: ignore[attr-defined]
    assert names - HAZARDS.keys() == set()


def test_what_is_not_known_has_no_class_and_is_below_the_floor() -> None:
    agent = PROFILES["agent"]
    assert agent.danger_of("brand-new") is None
    assert agent.forbids("brand-new")
    assert agent.forbids("quit")
    assert not agent.forbids("balloon")
    assert not PROFILES["observe"].forbids("quit")
    assert agent.danger_of("x-qmpx-brand-new") is Danger.CONTROL
