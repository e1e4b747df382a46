"""Who dials in is asked for its name before it is one of the upstreams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.finding.arrivals import Arrivals
from qmpx.transport.address import parse_listen_address
from tests.loops import silenced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from qmpx.gateway.upstreams.link import Link
    from tests.monitor.conftest import Run

GREETING = {"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}}
EVENT = {"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}


class Caller:
    """A QEMU that connects: it says what it is told to."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, *messages: Any) -> None:
        """Send messages, each on a line."""
        for message in messages:
            self._writer.write(json.dumps(message).encode() + b"\r\n")

    async def heard(self) -> Any:
        """Wait for a command."""
        return json.loads(await self._reader.readline())

    async def answer(self, **values: Any) -> list[Any]:
        """Answer the three questions; return them, without their ids."""
        asked = []
        for value in ({}, {"name": "box"}, {"UUID": "u-u"}):
            message = await self.heard()
            id_ = message.pop("id")
            asked.append(message)
            told = values.get(message["execute"], {"return": value})
            self.say(EVENT, told | {"id": id_})
        return asked

    async def ended(self) -> bytes:
        """Wait for the end of the conversation; return what was said before."""
        return await self._reader.read()

    def close(self) -> None:
        self._writer.close()


class Desk:
    """Takes in who arrives."""

    def __init__(self) -> None:
        self.has_room = True
        self.came: asyncio.Queue[tuple[str, Link]] = asyncio.Queue()

    def __call__(self, name: str, link: Link) -> bool:
        self.came.put_nowait((name, link))
        return self.has_room


@contextlib.asynccontextmanager
async def receiving(
    place: str, template: str = "", timeout: float = 5.0
) -> AsyncIterator[tuple[Desk, Caller]]:
    """Receive who comes, and let one come."""
    desk = Desk()
    address = parse_listen_address(f"unix:{place}")
    arrivals = Arrivals(address, template, desk, timeout=timeout)
    arrivals.start()
    caller = Caller(*await asyncio.open_unix_connection(place))
    yield desk, caller
    caller.close()
    await arrivals.close()


@pytest.mark.parametrize(
    ("template", "values", "name"),
    [
        ("", {}, "box"),
        ("", {"query-name": {"return": {}}}, "u-u"),
        ("", {"query-name": {"error": {"class": "CommandNotFound"}}}, "u-u"),
        ("{uuid}", {}, "u-u"),
        ("vm-{vm}", {}, "vm-box"),
        ("", {"query-name": {"return": {"name": "../../etc/x y"}}}, "_.._etc_x_y"),
    ],
)
def test_it_is_called_by_what_it_says(
    run: Run, path: str, template: str, values: dict[str, Any], name: str
) -> None:
    async def main() -> None:
        async with receiving(path, template) as (desk, caller):
            caller.say(GREETING)
            assert await caller.answer(**values) == [
                {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}},
                {"execute": "query-name"},
                {"execute": "query-uuid"},
            ]
            called, link = await desk.came.get()
            assert called == name
            assert link.greeting is not None
            assert link.greeting.version == GREETING["QMP"]["version"]
            # What it told beside that is not lost.
            assert [message.event for message in link.messages] == ["RESUME"] * 3
            link.sock.close()

    run(main())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["HTTP/1.1"], "no QMP message"),
        (
            [GREETING, {"id": "x-qmpx-qmp_capabilities", "error": {}}],
            "refused the nego",
        ),
        ([EVENT] * 1100, "said 1100 other things"),
        ([], "did not say who it is within 0.2 s"),
    ],
)
def test_who_does_not_say_its_name_is_turned_away(
    run: Run,
    path: str,
    said: list[Any],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with receiving(path, timeout=0.2) as (desk, caller):
            caller.say(*said)
            with contextlib.suppress(ConnectionResetError):
                await caller.ended()
            assert desk.came.empty()

    run(main())
    assert reason in caplog.text


def test_where_there_is_no_room_it_is_closed_and_said_once(
    run: Run, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with receiving(path) as (desk, first):
            desk.has_room = False
            again = Caller(*await asyncio.open_unix_connection(path))
            for caller in (first, again):
                caller.say(GREETING)
                await caller.answer()
                assert await caller.ended() == b""
            again.close()

    run(main())
    assert caplog.text.count("another 'box' has connected") == 1


def test_strangers_wait_for_nobody_else(run: Run, path: str) -> None:
    async def main() -> None:
        async with receiving(path, timeout=60.0) as (desk, caller):
            silent = socket.socket(socket.AF_UNIX)
            silent.connect(path)
            caller.say(GREETING)
            await caller.answer()
            _, link = await desk.came.get()
            link.sock.close()
            silent.close()

    with silenced("qmpx.gateway"):
        run(main())


def test_it_listens_for_its_user_only(run: Run, path: str, directory: Path) -> None:
    async def main() -> None:
        async with receiving(path):
            assert os.stat(path).st_mode & 0o777 == 0o600

    run(main())
    assert list(directory.iterdir()) == []
