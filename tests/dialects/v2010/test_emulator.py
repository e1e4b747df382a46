"""Logs, debugger and statistics in 0.13's monitor."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.v2010.emulator import DEBUGGER_PLACE
from qmpx.machine import Machine
from qmpx.machine.log import LOG_ITEMS
from tests.dialects.v2010.conversation import say

if TYPE_CHECKING:
    from pathlib import Path


def test_a_reset_is_logged_if_that_is_wanted(tmp_path: Path) -> None:
    machine = Machine()
    file = tmp_path / "log"
    assert say(machine, f"logfile {file}", "log cpu_reset,int") == ""
    machine.reset(reason="why")
    assert file.read_text().startswith("CPU Reset (CPU 0)\nEAX=00000000 ")
    assert say(machine, "log none") == ""
    size = file.stat().st_size
    machine.reset(reason="why")
    assert file.stat().st_size == size


def test_all_items_are_one_word(tmp_path: Path) -> None:
    machine = Machine()
    assert say(machine, f"logfile {tmp_path}/log", "log all") == ""
    assert machine.log.items == {*LOG_ITEMS}


@pytest.mark.parametrize("items", ["foo", "int,foo", "none,foo", "int,"])
def test_an_unknown_item_shows_which_there_are(items: str) -> None:
    machine = Machine()
    text = say(machine, f"log {items}")
    lines = text.splitlines()
    assert lines[0].startswith("log item1[,...] -- ")
    assert lines[1] == "Log items (comma separated):"
    assert [line.split()[0] for line in lines[2:]] == ["none", *LOG_ITEMS]
    assert text == say(machine, "help log")
    assert machine.log.items == frozenset()


def test_a_log_that_cannot_be_written_is_an_error() -> None:
    machine = Machine()
    text = say(machine, "logfile /nonexistent/log", "log int", "log none")
    assert text == "Could not open '/nonexistent/log'\n"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("gdbserver none", "Disabled gdbserver\n"),
        ("gdbserver foo", "Could not open gdbserver on device 'foo'\n"),
        ("gdbserver tcp:", "Could not open gdbserver on device 'tcp:'\n"),
        ("info profile", "Internal profiler not compiled\n"),
    ],
)
def test_what_is_not_there_says_so(line: str, printed: str) -> None:
    assert say(Machine(), line) == printed


def test_nothing_was_translated() -> None:
    lines = say(Machine(), "info jit").splitlines()
    assert lines[0] == "Translation buffer state:"
    assert lines[2] == "TB count            0/0"
    assert lines[-1] == "[TCG profiler not compiled]"


def test_a_debugger_is_waited_for() -> None:
    machine = Machine()
    lines = ["gdbserver tcp::0", "gdbserver none", "gdbserver none"]
    assert say(machine, *lines) == (
        "Waiting for gdb connection on device 'tcp::0'\n"
        "Disabled gdbserver\n"
        "Disabled gdbserver\n"
    )
    assert machine.debugger.port is None
    assert DEBUGGER_PLACE == "tcp::1234"


def test_a_place_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        device = f"tcp::{taken.getsockname()[1]}"
        text = say(Machine(), f"gdbserver {device}")
    assert text == f"Could not open gdbserver on device '{device}'\n"
