"""``help`` and ``info``, which every human monitor has."""

from __future__ import annotations

import asyncio

import pytest

from qmpx.monitor import Monitor
from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.human import CommandTable, run_line
from qmpx.monitor.human.builtin import commands as builtin


@pytest.fixture
def monitor() -> Monitor:
    """Make a monitor with some commands."""
    commands = CommandTable()
    commands.human("c|cont", help="go on")(lambda: None)

    @commands.human("log", "items:s", "item1[,...]", help="log something")
    def log(*, items: str) -> None: ...

    @commands.query("name", help="the name", show=lambda it: f"{it['name']}\n")
    def query_name(target: str) -> dict[str, str]:
        return {"name": target}

    commands.further_help["log"] = "Log items (comma separated):\n"
    return Monitor("box", human=CommandTable(builtin, commands))


def read(monitor: Monitor, line: str, frontend: Frontend | None = None) -> list[str]:
    """Return the lines that *line* prints."""
    text = asyncio.run(run_line(monitor, line, frontend=frontend))
    assert not text or text.endswith("\r\n")
    return text.split("\r\n")[:-1]


ITEMS = [
    "info history  -- show the lines that were typed on this monitor",
    "info name  -- the name",
]


def test_help_tells_of_all_commands_in_the_tables_order(monitor: Monitor) -> None:
    assert read(monitor, "help") == [
        "help|? [cmd] -- show what the commands are, or one of them",
        "info [subcommand] -- show something about the system; alone, what there is",
        "c|cont  -- go on",
        "log item1[,...] -- log something",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("help c|cont", ["c|cont  -- go on"]),
        ("? c|cont", ["c|cont  -- go on"]),
        ("help cont", []),
        ("help foo", []),
        ("help info", ITEMS),
        (
            "help log",
            ["log item1[,...] -- log something", "Log items (comma separated):"],
        ),
        ("info", ITEMS),
        ("info foo", ITEMS),
        ("info name", ["box"]),
        ("info history", []),
    ],
)
def test_a_line_shows(monitor: Monitor, line: str, said: list[str]) -> None:
    assert read(monitor, line) == said


def test_the_history_is_numbered(monitor: Monitor) -> None:
    frontend = Frontend(Mode.READLINE)
    for line in ("stop", "it's"):
        frontend.history.add(line)
    assert read(monitor, "info history", frontend) == ["0: 'stop'", "1: 'it's'"]
