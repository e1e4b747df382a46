"""Answers as tables."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.cli.coloured import highlighted, json_text
from qmpx.cli.shell.rich_table import table_text
from qmpx.cli.tables import (
    MAX_CELL,
    Table,
    cell,
    fits,
    plain,
    record_of,
    spread,
    table_of,
)


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


WIDE = Table(
    ["device", "path"],
    [["a", "/machine/unattached/device[16]"], ["", "/machine/peripheral/sd0"]],
)


@pytest.mark.parametrize(("width", "is_wide"), [(20, True), (19, False)])
def test_a_table_that_is_folded_needs_room(width: int, *, is_wide: bool) -> None:
    assert fits(WIDE, width) is is_wide


def test_on_a_narrow_screen_each_full_cell_has_a_line() -> None:
    assert spread(WIDE) == [
        "device  a",
        "path    /machine/unattached/device[16]",
        "",
        "path    /machine/peripheral/sd0",
    ]


@pytest.mark.parametrize("width", [80, 40, 22])
def test_what_is_short_is_not_folded(width: int) -> None:
    lines = table_text(WIDE, width, colour=False).splitlines()
    assert lines[0].split() == ["device", "path"]
    assert all(len(line) <= width for line in lines)
    assert "".join(line[8:] for line in lines[2:]).replace(" ", "") == (
        "/machine/unattached/device[16]/machine/peripheral/sd0"
    )


def test_an_object_as_a_table_of_its_members() -> None:
    told = {"status": "running", "running": True}
    assert record_of(told) == Table(
        ["member", "value"], [["status", "running"], ["running", "yes"]]
    )
