"""A subscription of the blocking client begins when it is made, not when it is read."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

import qmpx


def test_events_that_came_before_a_subscription_are_not_in_it() -> None:
    monitor = qmpx.Monitor()

    @monitor.command("announce")
    def announce(*, number: int) -> None:
        monitor.emit("ANNOUNCED", {"number": number})

    def drive(address: str) -> list[int]:
        with qmpx.connect(address) as idle, qmpx.connect(address) as other:
            for number in range(3):
                other.execute("announce", number=number)  # `idle` does not read these
            with idle.events() as events:
                idle.execute("announce", number=3)
                numbers = [events.get(timeout=10.0).data["number"]]
                with pytest.raises(qmpx.DeadlineExceeded):
                    events.get(timeout=0.01)
                return numbers

    async def serve() -> list[int]:
        with tempfile.TemporaryDirectory(prefix="qmpx-") as directory:
            address = str(Path(directory, "qmp.sock"))
            async with monitor.serve(address):
                return await asyncio.to_thread(drive, address)

    assert asyncio.run(serve()) == [3]


def test_a_subscription_to_a_lost_connection_says_so() -> None:
    monitor = qmpx.Monitor()

    def drive(address: str, close: object) -> None:
        with qmpx.connect(address) as vm:
            assert callable(close)
            close()
            with pytest.raises(qmpx.ConnectionLost):
                vm.execute("query-commands", timeout=10.0)
            with vm.events() as events, pytest.raises(qmpx.ConnectionLost):
                events.get(timeout=10.0)

    async def serve() -> None:
        with tempfile.TemporaryDirectory(prefix="qmpx-") as directory:
            address = str(Path(directory, "qmp.sock"))
            async with monitor.serve(address) as server:
                loop = asyncio.get_running_loop()

                def close() -> None:
                    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)

                await asyncio.to_thread(drive, address, close)

    asyncio.run(serve())
