"""The whole table: everything that is declared is carried out, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.modern.human.assembled import assemble
from qmpx.dialects.modern.human.declared_commands import COMMANDS, Line
from qmpx.dialects.modern.human.declared_items import ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[4]


def test_every_line_of_the_tables_is_carried_out() -> None:
    table = assemble()
    assert list(table.commands) == sorted(COMMANDS)
    assert list(table.items) == sorted(ITEMS)


def test_completions_are_for_what_there_is() -> None:
    table = assemble()
    for key in table.completions:
        name, _, parameter = key.partition(":")
        if not parameter:
            continue
        line = table.find(name) or table.find_item(name)
        assert line is not None, key
        assert parameter in {each.name for each in line.parameters} | {"name"}, key


@pytest.mark.parametrize("item", sorted(ITEMS))
def test_every_item_is_answered(say: Callable[[str], str], item: str) -> None:
    said = say(f"info {item}")
    assert "undefined error" not in said
    assert "not been found" not in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("foo", "unknown command: 'foo'\n"),
        ("info foo bar", "unknown command: 'info foo'\n"),
        (
            "info status x",
            (
                "status: extraneous characters at the end of line\n"
                'Try "help info status" for more information\n'
            ),
        ),
        (
            "eject",
            (
                "eject: block device name expected\n"
                'Try "help eject" for more information\n'
            ),
        ),
        (
            "eject -x",
            'eject: unsupported option -x\nTry "help eject" for more information\n',
        ),
        (
            "cpu x",
            "invalid char 'x' in expression\nTry \"help cpu\" for more information\n",
        ),
        (
            "p 1)",
            (
                "print|p: extraneous characters at the end of line\n"
                'Try "help p" for more information\n'
            ),
        ),
        (
            "block_resize cd0 1Q",
            (
                "block_resize: extraneous characters at the end of line\n"
                'Try "help block_resize" for more information\n'
            ),
        ),
        (
            "block_resize cd0 x",
            'invalid size\nTry "help block_resize" for more information\n',
        ),
        (
            "balloon -1",
            'enter a positive value\nTry "help balloon" for more information\n',
        ),
        (
            "set_password vnc a -d",
            (
                "set_password: value expected for -d\n"
                'Try "help set_password" for more information\n'
            ),
        ),
        ('device_add "', 'Try "help device_add" for more information\n'),
        ("help zz", "unknown command: 'zz'\n"),
        ("help info zz", "unknown command: 'info zz'\n"),
        ("help cont", "cont|c  -- let the virtual processors run\n"),
        ("help info uuid", "info uuid  -- the machine's UUID\n"),
        ("  ", ""),
    ],
)
def test_a_line_that_says_nothing_is_explained(
    say: Callable[[str], str], line: str, said: str
) -> None:
    assert say(line) == said


def test_a_form_outlasts_the_line(say: Callable[[str], str]) -> None:
    assert say("p /d 16") == "16\n"
    assert say("p 16") == "16\n"
    assert say("p /x 16") == "0x10\n"
    assert say("p 16") == "0x10\n"


@pytest.mark.parametrize(("prefix", "lines"), [("", COMMANDS), ("info ", ITEMS)])
def test_the_reference_page_lists_every_line(
    prefix: str, lines: dict[str, Line]
) -> None:
    text = (ROOT / "docs/reference/human-monitor.md").read_text()
    for name, line in lines.items():
        shown = " ".join(f"{prefix}{name} {line.syntax}".split()).replace("|", "\\|")
        assert f"| `{shown}` | " in text
