"""A line without a person: what ``human-monitor-command`` gives."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from qmpx.errors import DeviceNotFound, LocalProtocolError
from qmpx.monitor import Monitor
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.human import CommandTable, HumanSession, run_line
from qmpx.monitor.registry import SessionLike  # noqa: TC001 - a handler's annotation

NO_PASSWORD = "terminal does not support password prompting"


@pytest.fixture
def monitor() -> Monitor:
    """Make a monitor with some commands."""
    table = CommandTable()

    @table.human("say", "text:s", help="")
    def say(*, text: str) -> str:
        return f"{text}\n"

    @table.human("late", help="")
    async def late() -> str:
        await asyncio.sleep(0)
        return "late\n"

    @table.human("fail", help="")
    def fail() -> None:
        raise DeviceNotFound(device="foo").hinting("Look for it.")

    @table.human("defect", help="")
    def defect() -> None:
        raise ZeroDivisionError

    async def ask_person(_: Any, session: HumanSession) -> None:
        session.print("It is locked.\n")
        if not session.has_terminal:
            session.print("Nobody is there.\n")
        await session.read_password()

    @table.command("ask", help="", human=ask_person)
    def ask() -> None: ...

    @table.human("where", help="")
    def where(session: SessionLike) -> str:
        return f"{session.frontend.processor} {session.monitor.target}\n"

    @table.human("take", help="")
    def take(session: SessionLike) -> None:
        os.close(session.pending.take())

    async def quit_person(_: Any, session: HumanSession) -> str:
        session.hold_prompt()
        return ""

    @table.command("quit", help="", human=quit_person)
    def quit_() -> None: ...

    @table.human("for_ever", help="")
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    return Monitor("box", human=table)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("say hello", "hello\r\n"),
        ('say "a\\nb"', "a\r\nb\r\n"),
        ("", ""),
        ("late", "late\r\n"),
        ("foo", "unknown command: 'foo'\r\n"),
        ("say", "say: string expected\r\n"),
        ("fail", "Device 'foo' not found\r\nLook for it.\r\n"),
        (
            "ask",
            f"It is locked.\r\nNobody is there.\r\n{NO_PASSWORD}\r\n",
        ),
        ("where", "0 box\r\n"),
        ("quit", ""),
    ],
)
def test_a_line_gives(monitor: Monitor, line: str, said: str) -> None:
    assert asyncio.run(run_line(monitor, line)) == said


def test_a_defect_is_logged(monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    said = asyncio.run(run_line(monitor, "defect"))
    assert said == "An undefined error has occurred\r\n"
    assert caplog.messages == ["command defect failed"]


def test_it_can_run_for_a_front_end(monitor: Monitor) -> None:
    frontend = Frontend()
    frontend.processor = 3
    said = asyncio.run(run_line(monitor, "where", frontend=frontend))
    assert said == "3 box\r\n"


def test_it_hands_over_descriptors(monitor: Monitor) -> None:
    pending = PendingDescriptors()
    read_fd, write_fd = os.pipe()
    pending.replace([write_fd])
    assert asyncio.run(run_line(monitor, "take", pending=pending)) == ""
    assert os.read(read_fd, 1) == b""  # nobody has the other end
    os.close(read_fd)


def test_it_can_be_cancelled(monitor: Monitor) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(run_line(monitor, "for_ever"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())


def test_without_commands_for_people_there_is_nothing_to_run() -> None:
    with pytest.raises(LocalProtocolError, match="no commands for people"):
        asyncio.run(run_line(Monitor(), "help"))
