"""Tokens, and what is none: with line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.language.lexer import column_behind
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ 'enum': 'E', 'data': [ 7 ] }", "t.json:1:26: stray '7'"),
        ("{ 'enum': 'E', 'data': null }", "t.json:1:24: stray 'null'"),
        ("{ command: 'c' }", "t.json:1:3: stray 'command'"),
        ("{ 'command': 'c' };", "t.json:1:19: stray ';'"),
        ("{ 'command': c-1.x }", "t.json:1:14: stray 'c-1.x'"),
        ("{ 'command': a'b' }", "t.json:1:14: stray 'a'"),
        ("{ 'command': a]b }", "t.json:1:14: stray 'a'"),
        ("{ 'command': 'c', 'gen': falsehood }", "t.json:1:31: stray 'hood'"),
        ("{ 'command': 'c', 'gen': tru }", "t.json:1:26: stray 'tru'"),
        ("{ \"command\": 'c' }", "t.json:1:3: stray '\"command\"'"),
        ("\ufeff{ }", "t.json:1:1: stray '\ufeff'"),
        ("\\u0020{ }", "t.json:1:1: stray '\\u0020'"),
        ("é", "t.json:1:1: stray 'é'"),
        ("{ 'command': 'c\n' }", 't.json:1:14: missing terminating "\'"'),
        ("{ 'command': 'c", 't.json:1:14: missing terminating "\'"'),
        ("{ 'command': ' ~", 't.json:1:14: missing terminating "\'"'),
        ("{ 'command': 'c\\", 't.json:1:14: missing terminating "\'"'),
        ("{ 'command': 'c\\n' }", "t.json:1:14: unknown escape \\n"),
        ("{ 'command': 'c\\'' }", "t.json:1:14: unknown escape \\'"),
        ("{ 'command': 'c\\\\\\/' }", "t.json:1:14: unknown escape \\/"),
        ("{ 'c\\u006fmmand': 'c' }", "t.json:1:3: unknown escape \\u"),
        ("{ 'command': '\x1f' }", "t.json:1:14: funny character in string"),
        ("{ 'command': '\x7f' }", "t.json:1:14: funny character in string"),
        ("{ 'command': '\t' }", "t.json:1:14: funny character in string"),
        ("{ 'command': 'é' }", "t.json:1:14: funny character in string"),
        ("{ 'command': 'é\\n' }", "t.json:1:14: funny character in string"),
        ("# a comment\n\n   ?", "t.json:3:4: stray '?'"),
        ("\t?", "t.json:1:1: stray '?'"),
        ("xyz", "t.json:1:1: stray 'xyz'"),
        ("{ }\t 'a' ?", "t.json:1:9: stray '?'"),
        ("\r\n\r?", "t.json:3:1: stray '?'"),
        ("\n\f\v?", "t.json:2:3: stray '?'"),
    ],
)
def test_what_is_no_token_is_refused_where_it_is(
    load: Load, text: str, message: str
) -> None:
    assert refusal(load, text) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "# only a comment",
        "#",
        "#\u2028é\x00 anything\n",
        "{ 'command': 'c' }",
        "{'command':'c'}{'command':'d'}",
        "{ 'command': 'c', # 'gen': ?\n 'gen': false }",
        "\f{ 'command'\u00a0: 'c' }\r\n",
        "{ 'pragma': { 'member-name-exceptions': ['#', '\\\\', '~ !'] } }",
        "{'pragma':{'doc-required':false}}",
        "#  # ## no documentation\n{ 'command': 'c' }",
    ],
)
def test_what_separates_tokens_is_passed_over(load: Load, text: str) -> None:
    assert refusal(load, text) == ""


def test_the_first_wrong_token_counts_that_the_parser_comes_to(load: Load) -> None:
    text = "{ 'command' 'c' }\n?"
    assert refusal(load, text) == "t.json:1:13: expected ':'"


def test_a_wrong_token_right_behind_an_expression_comes_before_its_meaning(
    load: Load,
) -> None:
    assert refusal(load, "{ 'include': true } ?") == "t.json:1:21: stray '?'"


@pytest.mark.parametrize(
    ("before", "column"),
    [("", 1), ("a", 2), ("\t", 1), ("a\t", 2), (" " * 8, 9), (" " * 8 + "\t", 1)],
)
def test_columns_are_counted_as_qemu_counts_them(before: str, column: int) -> None:
    assert column_behind(before) == column
