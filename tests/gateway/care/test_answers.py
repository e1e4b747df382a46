"""What is remembered is what was said, byte for byte, and only for so long."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw

from qmpx.gateway.care.answers import MAX_KEPT, UnchangingAnswers
from qmpx.gateway.settings.unchanging import UNCHANGING


@pytest.mark.parametrize("name", UNCHANGING)
def test_what_does_not_change_is_remembered_as_it_came(name: str) -> None:
    answers = UnchangingAnswers()
    assert answers.recall(name, UNSET) is None
    answers.learn(name, UNSET, b'{"a":  1}')
    answers.learn(name, UNSET, b"2")
    assert answers.recall(name, UNSET) == b'{"a":  1}'
    assert answers.recall(name, Raw(b"{ }")) == b'{"a":  1}'
    assert answers.hits == 2


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("query-status", UNSET),
        ("query-version", Raw(b'{"a":1}')),
        ("query-version", Raw(b"[]")),
        ("query-version", Raw(b"{" + b" " * 20 + b"}")),
    ],
)
def test_the_rest_is_not(name: str, arguments: Raw) -> None:
    answers = UnchangingAnswers()
    answers.learn(name, arguments, b"1")
    assert answers.recall(name, arguments) is None
    answers.learn("query-version", UNSET, b"1")
    assert answers.recall(name, arguments) is None
    assert answers.hits == 0


def test_only_what_is_asked_for_is_remembered() -> None:
    answers = UnchangingAnswers({"query-name"})
    for name in ("query-name", "query-uuid"):
        answers.learn(name, UNSET, b"1")
    assert answers.recall("query-name", UNSET) == b"1"
    assert answers.recall("query-uuid", UNSET) is None


def test_it_is_forgotten_at_once() -> None:
    answers = UnchangingAnswers()
    answers.learn("query-name", UNSET, b"1")
    answers.forget()
    assert answers.recall("query-name", UNSET) is None
    answers.learn("query-name", UNSET, b"2")
    assert answers.recall("query-name", UNSET) == b"2"


def test_what_does_not_fit_is_not_kept() -> None:
    answers = UnchangingAnswers()
    answers.learn("query-qmp-schema", UNSET, b"x" * MAX_KEPT)
    answers.learn("query-name", UNSET, b"1")
    assert answers.recall("query-name", UNSET) is None
    assert answers.recall("query-qmp-schema", UNSET) is not None
