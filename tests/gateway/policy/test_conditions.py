"""Conditions on arguments: what holds, and in whose favour it is settled."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.gateway.policy.conditions import (
    MAX_PATTERN,
    MAX_SUBJECT,
    Condition,
    check_pattern,
)

ARGUMENTS = {
    "device": "d0",
    "count": 1,
    "on": True,
    "none": None,
    "deep": {"file": "/srv/a/../b"},
    "actions": [{"type": "x"}, {"type": "y"}],
    "plain": "/srv/a/b",
}


@pytest.mark.parametrize(
    ("condition", "to_allow", "to_refuse"),
    [
        ({"path": "device", "equals": "d0"}, True, True),
        ({"path": "device", "equals": "D0"}, False, False),
        ({"path": "count", "equals": 1}, True, True),
        ({"path": "count", "equals": True}, False, False),
        ({"path": "on", "equals": 1}, False, False),
        ({"path": "none", "equals": None}, True, True),
        ({"path": "nothing", "equals": None}, False, False),
        ({"path": "device", "one-of": ["a", "d0"]}, True, True),
        ({"path": "device", "one-of": []}, False, False),
        ({"path": "plain", "prefix": "/srv/a"}, True, True),
        ({"path": "plain", "prefix": "/srv/a/b"}, True, True),
        ({"path": "plain", "prefix": "/srv/a/b/c"}, False, False),
        # Where a link may lead elsewhere the client loses either way.
        ({"path": "deep.file", "prefix": "/srv"}, False, True),
        ({"path": "count", "prefix": "/srv"}, False, False),
        ({"path": "device", "matches": "d[0-9]"}, True, True),
        ({"path": "device", "matches": "d"}, False, False),
        ({"path": "count", "matches": "1"}, False, False),
        ({"path": "actions.*.type", "equals": "x"}, False, True),
        ({"path": "actions.*.type", "one-of": ["x", "y"]}, True, True),
        ({"path": "actions.0.type", "equals": "x"}, False, False),
        ({"path": "device.more", "equals": "x"}, False, False),
        ({"path": "device", "is-there": True}, True, True),
        ({"path": "device", "is-there": False}, False, False),
        ({"path": "nothing", "is-there": False}, True, True),
    ],
)
def test_what_holds(condition: Any, to_allow: bool, to_refuse: bool) -> None:
    made = msgspec.convert(condition, Condition)
    assert made.holds(ARGUMENTS, to_allow=True) is to_allow
    assert made.holds(ARGUMENTS, to_allow=False) is to_refuse


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ({"path": "a"}, "exactly one of"),
        ({"path": "a", "equals": 1, "prefix": "/"}, "exactly one of"),
        ({"path": "", "equals": 1}, "empty part"),
        ({"path": "a..b", "equals": 1}, "empty part"),
        ({"path": "a", "prefix": "srv"}, "is no absolute path"),
        ({"path": "a", "matches": "("}, "is none"),
        ({"path": "a", "equals": 1, "more": 1}, "unknown field"),
    ],
)
def test_what_cannot_be_decided_by_is_refused(condition: Any, fault: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=fault):
        msgspec.convert(condition, Condition)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|a)*",
        "a*a*a*b",
        r"(a)\1",
        "(?=a)a",
        "(?P<x>a)(?P=x)",
        "a?" * 30 + "a" * 30,
        "(a|a)" * 20,
        "a" * (MAX_PATTERN + 1),
        "a{1,2}b{1,2}c{1,2}",
    ],
)
def test_what_may_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["virtio[0-9]+", r"a\*\+b*", "[*+?|]*", "(?:a|b)c", r"\(x\)*", ""]
)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    check_pattern(pattern)


def test_a_text_that_is_too_long_is_settled_against_the_client() -> None:
    condition = Condition(path="a", matches="x*")
    arguments = {"a": "x" * (MAX_SUBJECT + 1)}
    assert not condition.holds(arguments, to_allow=True)
    assert condition.holds(arguments, to_allow=False)


@pytest.mark.slow
@given(st.text(alphabet="ab*+?|()[]{},1.\\^$", max_size=24))
def test_no_pattern_that_is_taken_costs_much(pattern: str) -> None:
    try:
        condition = Condition(path="a", matches=pattern)
    except ValueError:
        return
    arguments = {"a": "a" * (MAX_SUBJECT - 1) + "!"}
    condition.holds(arguments, to_allow=True)  # those refused take years
