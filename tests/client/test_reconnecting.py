"""The asyncio client that makes its connection anew: what goes out when."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import qmpx

if TYPE_CHECKING:
    from pathlib import Path

GREETING: dict[str, Any] = {"QMP": {"version": {}, "capabilities": []}}


class Server:
    """One connection of a client, spoken to by hand."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def command(self) -> Any:
        """Return what the client sent, and answer it."""
        command = json.loads(await self._reader.readline())
        self.send({"return": command["execute"], "id": command["id"]})
        return command["execute"]

    def send(self, message: object) -> None:
        """Send a message."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def test_a_call_waits_for_the_new_negotiation(tmp_path: Path) -> None:
    async def talk() -> None:
        connections: asyncio.Queue[Server] = asyncio.Queue()
        path = tmp_path / "qmp"
        listening = await asyncio.start_unix_server(
            lambda *streams: connections.put_nowait(Server(*streams)), path
        )
        async with listening, asyncio.timeout(20):
            connecting = asyncio.ensure_future(open_client(path))
            first = await connections.get()
            first.send(GREETING)
            assert await first.command() == "qmp_capabilities"
            client = await connecting
            async with client:
                states = [client.is_connected]
                first.close()
                second = await connections.get()
                states.append(client.is_connected)
                call = asyncio.ensure_future(client.execute("query-status"))
                await asyncio.sleep(0)  # it runs up to where it waits
                second.send(GREETING)
                assert await second.command() == "qmp_capabilities"
                assert await second.command() == "query-status"
                assert await call == "query-status"
                states.append(client.is_connected)
                assert states == [True, False, True]
            second.close()

    async def open_client(path: Path) -> qmpx.AsyncClient:
        return await qmpx.connect_async(path, reconnect=True)

    asyncio.run(talk())
