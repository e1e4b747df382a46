"""What a human monitor remembers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.monitor.recall import MAX_LINES, History


def history(*lines: str) -> History:
    """Return a history of lines."""
    made = History()
    for line in lines:
        made.add(line)
    return made


def test_lines_are_kept_in_their_order() -> None:
    assert list(history("a", "b", "c")) == ["a", "b", "c"]


def test_an_empty_line_is_not_kept() -> None:
    assert list(history("a", "", " ")) == ["a", " "]


def test_a_line_that_was_there_becomes_the_newest() -> None:
    assert list(history("a", "b", "c", "a")) == ["b", "c", "a"]


def test_the_oldest_is_forgotten() -> None:
    lines = [str(number) for number in range(MAX_LINES + 3)]
    assert list(history(*lines)) == lines[3:]


def test_a_search_goes_back_from_where_it_is_told_to() -> None:
    made = history("info block", "stop", "info cpus", "cont")
    assert made.search("info", 4) == 2
    assert made.search("info", 2) == 0
    assert made.search("info", 0) is None
    assert made.search("o", 99) == 3


@pytest.mark.slow
@given(st.lists(st.text("abc", max_size=2), max_size=200))
def test_no_line_is_there_twice_and_the_newest_are_there(lines: list[str]) -> None:
    kept = list(history(*lines))
    newest = list(dict.fromkeys(line for line in reversed(lines) if line))
    assert kept == newest[:MAX_LINES][::-1]
