"""Asynchronous commands: replies that later ones may overtake."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from qmpx.monitor import Monitor
from qmpx.monitor.session import MAX_OVERTAKABLE
from qmpx.wire.rules_2010 import RULES_2010
from qmpx.wire.server import ASYNC, MODERN_RULES, OOB, Rules
from tests.loops import settle
from tests.monitor.conftest import Peer, Run, command, failed, returned

ENABLE = command("qmp_capabilities", enable=["async"])


def overtakable(name: str, id_: Any = None, /, **arguments: Any) -> dict[str, Any]:
    message = command(name, id_, **arguments)
    message["execute_async"] = message.pop("execute")
    return message


class Doors:
    """A monitor whose commands wait until a door is opened."""

    def __init__(self, rules: Rules = MODERN_RULES) -> None:
        offered = (OOB, ASYNC) if rules is MODERN_RULES else (ASYNC,)
        self.monitor = Monitor(self, capabilities=offered, rules=rules, version={})
        self.open: dict[str, asyncio.Event] = {}
        self.running: list[str] = []

        @self.monitor.command("quick")
        def quick(doors: Doors) -> list[str]:
            return doors.running

        @self.monitor.command("wait")
        async def wait(doors: Doors, *, door: str) -> dict[str, str]:
            return await doors.wait(door)

        @self.monitor.command("slow", asynchronous=True)
        async def slow(doors: Doors, *, door: str) -> dict[str, str]:
            return await doors.wait(door)

    async def wait(self, door: str) -> dict[str, str]:
        self.running.append(door)
        try:
            await self.open.setdefault(door, asyncio.Event()).wait()
        finally:
            self.running.remove(door)
        return {"door": door}


async def talk(doors: Doors, *first: Any) -> tuple[Peer, Any]:
    mine, theirs = socket.socketpair()
    with theirs:
        server = doors.monitor.serve(f"fd:{theirs.fileno()}", grace=0.05)
        await server.__aenter__()
    peer = Peer(mine)
    await peer.receive()
    for message in first:
        assert await peer.ask(message) == returned({})
    return peer, server


def test_execute_async_is_overtaken_and_each_reply_has_its_id(run: Run) -> None:
    async def main() -> None:
        doors = Doors()
        peer, server = await talk(doors, ENABLE)
        await peer.send(overtakable("wait", "a", door="1"))
        await peer.send(overtakable("wait", "b", door="2"))
        assert await peer.ask(command("quick", "c")) == returned(["1", "2"], "c")
        doors.open["2"].set()
        assert await peer.receive() == [returned({"door": "2"}, "b")]
        doors.open["1"].set()
        assert await peer.receive() == [returned({"door": "1"}, "a")]
        peer.close()
        await server.wait_closed()

    run(main())


def test_what_does_not_wait_is_answered_at_once_in_its_turn(run: Run) -> None:
    async def main() -> None:
        peer, server = await talk(Doors(), ENABLE)
        assert await peer.ask(overtakable("quick", 1)) == returned([], 1)
        refused = failed("The command x has not been found", 2, "CommandNotFound")
        assert await peer.ask(overtakable("x", 2)) == refused
        refused = failed("Parameter 'door' is missing", 3)
        assert await peer.ask(overtakable("wait", 3)) == refused
        peer.close()
        await server.wait_closed()

    run(main())


REFUSED = [
    ({"execute_async": 1}, "QMP input member 'execute_async' must be a string"),
    (
        {"execute_async": "quick", "execute": "quick"},
        "QMP input member 'execute_async' clashes with 'execute'",
    ),
]


@pytest.mark.parametrize(("message", "text"), REFUSED)
def test_what_is_malformed_is_refused(
    run: Run, message: dict[str, Any], text: str
) -> None:
    async def main() -> None:
        peer, server = await talk(Doors(), ENABLE)
        assert await peer.ask(message | {"id": 1}) == failed(text, 1)
        peer.close()
        await server.wait_closed()

    run(main())


def test_without_the_capability_there_is_no_such_member(run: Run) -> None:
    async def main() -> None:
        peer, server = await talk(Doors(), command("qmp_capabilities"))
        text = "QMP input member 'execute_async' is unexpected"
        assert await peer.ask(overtakable("quick", 1)) == failed(text, 1)
        peer.close()
        await server.wait_closed()

    run(main())


def test_a_session_reads_on_when_not_too_many_run(run: Run) -> None:
    async def main() -> None:
        doors = Doors()
        peer, server = await talk(doors, ENABLE)
        for number in range(MAX_OVERTAKABLE):
            await peer.send(overtakable("wait", number, door=str(number)))
        await peer.send(command("quick", "last"))
        assert await peer.now() == []
        assert len(doors.running) == MAX_OVERTAKABLE
        doors.open["7"].set()
        first, second = await peer.receive(2)
        assert first == returned({"door": "7"}, 7)
        assert len(second["return"]) == MAX_OVERTAKABLE - 1
        for door in doors.open.values():
            door.set()
        await peer.receive(MAX_OVERTAKABLE - 1)
        peer.close()
        await server.wait_closed()

    run(main())


def test_a_client_that_goes_leaves_its_commands_to_end_by_themselves(
    run: Run,
) -> None:
    async def main() -> None:
        doors = Doors()
        peer, server = await talk(doors, ENABLE)
        await peer.send(overtakable("wait", 1, door="1"))
        await settle()
        assert doors.running == ["1"]
        doors.open["1"].set()
        peer.close()
        await server.wait_closed()
        await settle()
        assert doors.running == []

    run(main())


def test_what_runs_when_the_server_ends_is_cancelled_and_says_so(run: Run) -> None:
    async def main() -> None:
        doors = Doors()
        peer, server = await talk(doors, ENABLE)
        await peer.send(overtakable("wait", 1, door="1"))
        await settle()
        server.stop()
        await server.wait_closed()
        assert doors.running == []
        assert await peer.rest() in ([], [failed("The command wait was cancelled", 1)])
        peer.close()

    run(main())


def test_in_2010_asynchronous_handlers_are_overtaken_unasked(run: Run) -> None:
    async def main() -> None:
        doors = Doors(RULES_2010)
        peer, server = await talk(doors, command("qmp_capabilities"))
        await peer.send(command("slow", "a", door="1"))
        assert await peer.ask(command("quick", "b")) == returned(["1"], "b")
        await peer.send(command("wait", "c", door="2"), command("quick", "d"))
        assert await peer.now() == []  # this one is not declared asynchronous
        doors.open["1"].set()
        assert await peer.receive() == [returned({"door": "1"}, "a")]
        doors.open["2"].set()
        assert await peer.receive(2) == [
            returned({"door": "2"}, "c"),
            returned([], "d"),
        ]
        peer.close()
        await server.wait_closed()

    run(main())


def test_today_an_asynchronous_handler_is_overtaken_only_if_asked(run: Run) -> None:
    async def main() -> None:
        doors = Doors()
        peer, server = await talk(doors, ENABLE)
        await peer.send(command("slow", "a", door="1"), command("quick", "b"))
        assert await peer.now() == []
        doors.open["1"].set()
        assert [reply["id"] for reply in await peer.receive(2)] == ["a", "b"]
        peer.close()
        await server.wait_closed()

    run(main())
