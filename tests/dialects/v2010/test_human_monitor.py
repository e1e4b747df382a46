"""The human monitor of 2010 as a whole: every line of its table can be called."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.dialects.v2010.dialect import command_table
from qmpx.machine import Machine
from qmpx.monitor.human import run_line
from qmpx.monitor.human.completion import complete
from tests.loops import run_on, short_directory

if TYPE_CHECKING:
    from qmpx.monitor import Monitor
    from qmpx.monitor.human import HumanCommand

TABLE = command_table()
UNDEFINED = "An undefined error has ocurred"


@pytest.fixture
def monitor() -> Monitor:
    """Make a monitor for a paused machine."""
    return v2010_monitor(Machine("box"))


async def answer(monitor: Monitor, line: str) -> str:
    """Return what a person reads, while the monitor serves."""
    with short_directory() as folder:
        async with monitor.serve(human=[str(folder / "h")]):
            try:
                return await run_line(monitor, line)
            finally:
                monitor.target.close()  # `gdbserver` alone listens


@pytest.mark.parametrize("name", [x for x in TABLE.commands if x != "q|quit"])
def test_a_command_that_lacks_its_arguments_says_what_it_wants(
    monitor: Monitor, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    command = TABLE.commands[name]
    said = run_on("asyncio", answer(monitor, command.names[-1]))
    lacks = [
        p for p in command.parameters if not p.is_optional and p.letter not in "O/"
    ]
    assert UNDEFINED not in said
    assert said or not lacks
    assert not caplog.records


@pytest.mark.parametrize("name", [x for x in TABLE.items if x != "cpustats"])
def test_an_item_is_shown(
    monitor: Monitor, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = run_on("asyncio", answer(monitor, f"info {name}"))
    assert UNDEFINED not in said
    assert said == "" or said.endswith("\r\n")
    assert not said.startswith("info ")  # that would be the list of items
    assert not caplog.records


@pytest.mark.parametrize(
    ("line", "prefix", "lines"),
    [
        ("help", "", TABLE.commands),
        ("help info", "info ", TABLE.items),
        ("info cpustats", "info ", TABLE.items),  # a PC has none: as if unknown
        ("info foo", "info ", TABLE.items),
    ],
)
def test_each_command_and_item_has_its_help(
    monitor: Monitor, line: str, prefix: str, lines: dict[str, HumanCommand]
) -> None:
    assert all(each.help for each in lines.values())
    told = [f"{prefix}{x.name} {x.syntax} -- {x.help}\n" for x in lines.values()]
    said = run_on("asyncio", answer(monitor, line))
    assert said == "".join(told).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("inf", ["info"]),
        ("info na", ["name"]),
        ("help cont", ["cont"]),
        ("eject fl", ["floppy0"]),
        ("sendkey ctrl-alt-del", ["delete"]),
    ],
)
def test_a_line_goes_on(monitor: Monitor, line: str, words: list[str]) -> None:
    class Anybody:
        """A session, as far as completion looks."""

    anybody = Anybody()
    anybody.monitor = monitor  # type: ignore[attr-defined]
    monitor.target.drives.add("floppy0", id="", removable=True)
    assert list(complete(TABLE, anybody, line).words) == words


def test_quit_shows_no_prompt_any_more(monitor: Monitor) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        with short_directory() as folder, socket.socket(socket.AF_UNIX) as person:
            path = str(folder / "h")
            async with monitor.serve(human=[path]) as server:
                person.connect(path)
                person.setblocking(False)  # noqa: FBT003
                await loop.sock_sendall(person, b"quit\r")
                heard = b""
                while data := await loop.sock_recv(person, 4096):
                    heard += data
                await server.wait_closed()
        return heard

    assert run_on("asyncio", main()).endswith(b"quit\x1b[K\r\n")
