"""Events on their way to all clients of a shared monitor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

from qmpx.gateway import SharedMonitor
from qmpx.gateway.policy import Role
from qmpx.gateway.policy.profiles import PROFILES
from qmpx.monitor.outgoing import MAX_EVENTS
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run

STAMP = {"seconds": 1}


class Upstream:
    """A monitor whose every byte is the test's to say."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def say(self, *messages: Mapping[str, object]) -> None:
        """Send messages, all at once."""
        text = b"".join(json.dumps(each).encode() + b"\n" for each in messages)
        await self._loop.sock_sendall(self._sock, text)

    async def asked(self) -> int:
        """Return the id of the next command."""
        return int(json.loads(await self._loop.sock_recv(self._sock, 4096))["id"])


@contextlib.asynccontextmanager
async def shared_upstream(
    directory: Path, path: str
) -> AsyncIterator[tuple[Upstream, SharedMonitor]]:
    """Share a monitor of ours, at `path`."""
    address = str(directory / "raw.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        listening.settimeout(0)

        async def greet() -> socket.socket:
            sock, _ = await asyncio.get_running_loop().sock_accept(listening)
            monitor = Upstream(sock)
            await monitor.say({"QMP": {"version": {}, "capabilities": []}})
            await monitor.say({"return": {}, "id": await monitor.asked()})
            return sock

        greeting = asyncio.create_task(greet())
        async with SharedMonitor(address) as shared, shared.serve(path, grace=0):
            with await greeting as sock:
                yield Upstream(sock), shared


def event(name: str, **data: int) -> dict[str, object]:
    return {"timestamp": STAMP, "event": name, "data": data}


def test_what_is_said_at_once_keeps_its_order_for_those_who_ask_and_who_do_not(
    run: Run, path: str, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with shared_upstream(directory, path) as (upstream, _):
            one, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await one.send(command("x", "id"))
            number = await upstream.asked()
            events = [event(name) for name in "ABCD"]
            reply = {"return": 5, "id": number}
            await upstream.say(*events[:2], reply, *events[2:])
            told = [*events[:2], returned(5, "id"), *events[2:]]
            assert await one.receive(5) == told
            assert await other.receive(4) == events

    run(main())


def test_a_role_that_sees_little_is_told_little_of_what_is_said_at_once(
    run: Run, path: str, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with shared_upstream(directory, path) as (upstream, shared):
            one, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            shared.clients[1].role = Role("observe", profile=PROFILES["observe"])
            events = [event("STOP"), event("X_NOT_KNOWN"), event("RESUME")]
            await upstream.say(*events)
            assert await one.receive(3) == events
            assert await other.receive(2) == [events[0], events[2]]

    run(main())


def test_who_does_not_read_has_each_event_counted_though_they_came_together(
    run: Run, path: str, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with shared_upstream(directory, path) as (upstream, shared):
            deaf, peer = await connect(NEGOTIATE), await connect(NEGOTIATE)
            session = shared.clients[0].session
            await deaf.send(command("x", "id"))
            large = "x" * (1 << 20)
            await upstream.say({"return": large, "id": await upstream.asked()})
            await settle()
            assert session.channel is not None
            assert session.channel.is_congested
            count = MAX_EVENTS + 50
            events = [event("E", number=number) for number in range(count)]
            with silenced("qmpx.monitor"):
                await upstream.say(*events)
                assert await peer.receive(count) == events
            assert session.events_dropped == 50
            assert await deaf.receive() == [returned(large, "id")]
            assert await deaf.receive(MAX_EVENTS) == events[50:]

    run(main())
