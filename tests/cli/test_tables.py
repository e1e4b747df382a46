"""Answers as tables."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.cli.coloured import highlighted, json_text
from qmpx.cli.tables import MAX_CELL, cell, plain, table_of


@pytest.mark.parametrize(
    ("value", "command", "lines"),
    [
        (
            [{"a": 1, "b": "x"}, {"b": "yy", "c": True}],
            "",
            ["a  b   c", "1  x", "   yy  yes"],
        ),
        (
            [{"device": "hd", "inserted": {"file": "d.img", "ro": False}}],
            "query-block",
            ["device  file   read-only", "hd      d.img  no"],
        ),
        (
            [{"id": "j", "status": "running"}],
            "query-jobs",
            ["id  status", "j   running"],
        ),
    ],
)
def test_a_list_of_objects(value: Any, command: str, lines: list[str]) -> None:
    table = table_of(value, command)
    assert table is not None
    assert plain(table) == lines


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [1, 2],
        [{"a": 1}, 2],
        [{"a": 1}],
        [{"a": "x" * 90}, {"a": {"b": "y" * 90}}],
        [dict.fromkeys("abcdefghi"), {}],
        "text",
        None,
    ],
)
def test_what_is_no_table(value: Any) -> None:
    assert table_of(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (7, "7"),
        ([1], "[1]"),
        ("a\nb\x1b[2J", r"a\nb\x1b[2J"),
        ("x" * 100, "x" * (MAX_CELL - 3) + "..."),
    ],
)
def test_a_cell_is_fit_for_a_terminal(value: Any, text: str) -> None:
    assert cell(value) == text


def test_json_without_what_a_terminal_would_act_on() -> None:
    text = json_text({"ü\x1b[2J": "\x9b\x7f"}, indent=None)
    assert text == r'{"ü\u001b[2J": "\x9b\x7f"}'


def test_json_in_colour() -> None:
    text = highlighted('{"a": ["b\\"", -1.5e3, true]}')
    plain_text = text
    for code in ("36", "32", "35", "33", "0"):
        assert f"\x1b[{code}m" in text
        plain_text = plain_text.replace(f"\x1b[{code}m", "")
    assert plain_text == '{"a": ["b\\"", -1.5e3, true]}'
    assert '\x1b[36m"a"\x1b[0m' in text
    assert '\x1b[32m"b\\""\x1b[0m' in text
