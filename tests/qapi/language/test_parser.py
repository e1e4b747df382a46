"""The syntax of expressions, and where it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.language.lexer import END
from qmpx.qapi.language.parser import MAX_NESTING, Expression, parse
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

FIRST = "expected '{', '[', string, or boolean"
IN_LIST = "expected '{', '[', ']', string, or boolean"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ 'a' 'b' }", "t.json:1:7: expected ':'"),
        ("{ 'a', 'b' }", "t.json:1:6: expected ':'"),
        ("{ 'a'", "t.json:1:6: expected ':'"),
        ("{ 'a' }", "t.json:1:7: expected ':'"),
        ("{ 'a': 'b' 'c': 'd' }", "t.json:1:12: expected ',' or '}'"),
        ("{ 'a': 'b'", "t.json:1:11: expected ',' or '}'"),
        ("{ 'a': 'b'\n\n", "t.json:2:1: expected ',' or '}'"),
        ("{ 'a': 'b' ]", "t.json:1:12: expected ',' or '}'"),
        ("{ 'a': 'b', }", "t.json:1:13: expected string"),
        ("{ 'a': 'b', true: 'b' }", "t.json:1:13: expected string"),
        ("{ 'a': 'b',", "t.json:1:12: expected string"),
        ("{ , 'a': 'b' }", "t.json:1:3: expected string or '}'"),
        ("{ true: 'b' }", "t.json:1:3: expected string or '}'"),
        ("{ { } }", "t.json:1:3: expected string or '}'"),
        ("{", "t.json:1:2: expected string or '}'"),
        ("{ 'a': }", f"t.json:1:8: {FIRST}"),
        ("{ 'a': , }", f"t.json:1:8: {FIRST}"),
        ("{ 'a':", f"t.json:1:7: {FIRST}"),
        ("{ 'a': : }", f"t.json:1:8: {FIRST}"),
        ("{ 'a': [ , 'b' ] }", f"t.json:1:10: {IN_LIST}"),
        ("{ 'a': [ } }", f"t.json:1:10: {IN_LIST}"),
        ("{ 'a': [", f"t.json:1:9: {IN_LIST}"),
        ("{ 'a': [ 'b', ] }", f"t.json:1:15: {FIRST}"),
        ("{ 'a': [ 'b',", f"t.json:1:14: {FIRST}"),
        ("{ 'a': [ 'b' 'c' ] }", "t.json:1:14: expected ',' or ']'"),
        ("{ 'a': [ 'b' }", "t.json:1:14: expected ',' or ']'"),
        ("{ 'a': [ 'b'", "t.json:1:13: expected ',' or ']'"),
        ("}", f"t.json:1:1: {FIRST}"),
        (",", f"t.json:1:1: {FIRST}"),
        ("{ } }", f"t.json:1:5: {FIRST}"),
        ("{ 'a': 'b',\n  'a': 'c' }", "t.json:2:8: duplicate key 'a'"),
        ("{ 'a': 'b', 'a' }", "t.json:1:17: expected ':'"),
        ("{ 'a': 'b', 'a': ? }", "t.json:1:18: stray '?'"),
        ("{ 'a': { 'b\\\\': 1 } }", "t.json:1:17: stray '1'"),
        ("{ 'a': [ { 'b': true, 'b': true } ] }", "t.json:1:28: duplicate key 'b'"),
        ("{ 'a': 'b', ## c\n }", "t.json:1:13: expected string"),
        ("{ 'a': ##\n##\n 'b' }", f"t.json:1:8: {FIRST}"),
        ("'a'", "t.json:1: top-level expression must be an object"),
        ("[ 'a' ]", "t.json:1: top-level expression must be an object"),
        ("\ntrue", "t.json:2: top-level expression must be an object"),
        ("'{ \\\\ }'", "t.json:1: top-level expression must be an object"),
    ],
)
def test_wrong_syntax_is_refused_where_it_is(
    load: Load, text: str, message: str
) -> None:
    assert refusal(load, text) == message


def test_values_are_those_of_json() -> None:
    text = "{ 'a\\\\': [ true, false, 'x', [ ], { } ], '*a': { 'b': [ { } ] } }\n{}"
    items = list(parse(text, "t.json", None))
    assert [item.value for item in items if isinstance(item, Expression)] == [
        {"a\\": [True, False, "x", [], {}], "*a": {"b": [{}]}},
        {},
    ]


def test_expressions_know_their_lines_and_share_one_if_they_begin_on_it() -> None:
    text = "{ 'a':\n'b' } {\n} { } { }\n\n{ }"
    places = [
        item.place
        for item in parse(text, "t.json", None)
        if isinstance(item, Expression)
    ]
    assert [place.line for place in places] == [1, 2, 3, 3, 5]
    assert places[2] is places[3]


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ("{ 'a': ", "}"), ("[ { 'a': ", "} ]")]
)
def test_nesting_is_bounded(load: Load, opening: str, closing: str) -> None:
    brackets = opening.count("[") + opening.count("{")
    deep = MAX_NESTING // brackets
    inside = "{ 'a': 'b' }" if brackets == 1 else ""
    text = opening * deep + "'a'" + closing * deep
    assert "nested" not in refusal(load, text)
    text = opening * (deep + 1) + inside + closing * (deep + 1)
    assert f"nested deeper than {MAX_NESTING} levels" in refusal(load, text)


def test_an_empty_file_has_no_items() -> None:
    assert list(parse("", "t.json", None)) == []
    assert END == ""
