"""Conditions: when they hold, and how they are told."""

from __future__ import annotations

import pytest

from qmpx.qapi.conditions import AllOf, AnyOf, Condition, Defined, Not

A, B, C = Defined("A"), Defined("B"), Defined("C")


@pytest.mark.parametrize(
    ("condition", "symbols", "holds"),
    [
        (A, "A", True),
        (A, "B", False),
        (A, "", False),
        (Not(A), "B", True),
        (Not(A), "AB", False),
        (AllOf((A, B)), "ABC", True),
        (AllOf((A, B)), "AC", False),
        (AnyOf((A, B)), "B", True),
        (AnyOf((A, B)), "C", False),
        (Not(AnyOf((A, AllOf((B, C))))), "B", True),
        (Not(AnyOf((A, AllOf((B, C))))), "BC", False),
    ],
)
def test_a_condition_holds_by_what_is_defined(
    condition: Condition, symbols: str, holds: bool
) -> None:
    assert condition.holds(set(symbols)) is holds


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (A, "A"),
        (Not(A), "not A"),
        (Not(Not(A)), "not not A"),
        (AllOf((A, B)), "A and B"),
        (AllOf((A,)), "A"),
        (AnyOf((A, AllOf((B, C)))), "A or (B and C)"),
        (AllOf((AnyOf((A,)), Not(AnyOf((B, C))))), "A and not (B or C)"),
    ],
)
def test_a_condition_is_told_in_words(condition: Condition, text: str) -> None:
    assert str(condition) == text
