"""Lines cut into words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.cli.shell.words import quoted, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   ", []),
        ("query-status", [("", "", "query-status")]),
        ("a=b c:=1", [("a", "=", "b"), ("c", ":=", "1")]),
        ("a.b=c=d", [("a.b", "=", "c=d")]),
        ("a=", [("a", "=", "")]),
        ("=a", [("", "", "=a")]),
        ('a="x y" b', [("a", "=", "x y"), ("", "", "b")]),
        ("a='x \"y\"'", [("a", "=", 'x "y"')]),
        (r'a="x \"y\" \n"', [("a", "=", r'x "y" \n')]),
        ('a={"b": [1, 2]} c=d', [("a", "=", '{"b": [1, 2]}'), ("c", "=", "d")]),
        ('a:={"b": "} c"} d', [("a", ":=", '{"b": "} c"}'), ("", "", "d")]),
        ('a:="x y" b=c', [("a", ":=", '"x y"'), ("b", "=", "c")]),
        ("[1, 2] x", [("", "", "[1, 2]"), ("", "", "x")]),
    ],
)
def test_a_line_is_cut_into_words(line: str, words: list[tuple[str, str, str]]) -> None:
    found = split_words(line)
    assert [(word.key, word.operator, word.value) for word in found] == words
    for word in found:
        assert line[word.value_start : word.end] == word.raw


@pytest.mark.parametrize("line", ['a="x', "a='x y", "a={", 'a:={"x": "}', 'a:="x'])
def test_what_is_not_closed_is_known(line: str) -> None:
    assert split_words(line)[-1].is_open


@given(st.text(alphabet=st.characters(exclude_characters="\0")))
def test_what_is_quoted_is_one_word_with_that_value(text: str) -> None:
    (word,) = split_words(f"a={quoted(text)}")
    assert word.value == text


@given(st.text(alphabet="ab=:.\"'{}[]\\ ", max_size=30))
def test_any_line_can_be_cut(line: str) -> None:
    words = split_words(line)
    places = [place for word in words for place in (word.start, word.end)]
    assert places == sorted(places)
    rest = list(line)
    for word in words:
        rest[word.start : word.end] = " " * (word.end - word.start)
    assert "".join(rest).strip() == ""
