"""QEMU's own Python client, as it is on PyPI, talks to ``qmpx serve``."""

from __future__ import annotations

import asyncio
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Served

qemu_qmp = pytest.importorskip("qemu.qmp")
legacy = pytest.importorskip("qemu.qmp.legacy")

pytestmark = pytest.mark.peer("qemu.qmp")

RUNNING = {"status": "running", "singlestep": False, "running": True}
STOPPED = {"status": "paused", "singlestep": False, "running": False}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a machine to the tests of this module; each leaves it running."""
    with serving("--name", "box") as server:
        yield server


def converse(served: Served, talk: Any) -> None:
    """Connect the asyncio client, and let *talk* use it."""

    async def run() -> None:
        client = qemu_qmp.QMPClient("test")
        async with asyncio.timeout(20):
            await client.connect(str(served.path))
            try:
                await talk(client)
            finally:
                await client.disconnect()

    asyncio.run(run())


def test_it_connects_negotiates_and_asks(served: Served) -> None:
    async def talk(client: Any) -> None:
        greeting = client.greeting._asdict()
        assert greeting["QMP"]["capabilities"] == ["oob", "async"]
        assert await client.execute("query-status") == RUNNING
        assert await client.execute("query-name") == {"name": "box"}
        assert await client.execute("query-version") == greeting["QMP"]["version"]

    converse(served, talk)


@pytest.mark.parametrize(
    ("command", "arguments", "error_class", "desc"),
    [
        ("eject", {"device": "x"}, "DeviceNotFound", "Device 'x' not found"),
        ("no", {}, "CommandNotFound", "The command no has not been found"),
        ("stop", {"x": 1}, "GenericError", "Parameter 'x' is unexpected"),
    ],
)
def test_a_refusal_is_its_exception(
    served: Served,
    command: str,
    arguments: dict[str, object],
    error_class: str,
    desc: str,
) -> None:
    async def talk(client: Any) -> None:
        with pytest.raises(qemu_qmp.ExecuteError) as caught:
            await client.execute(command, arguments)
        assert (caught.value.error_class, str(caught.value)) == (error_class, desc)
        assert await client.execute("query-status") == RUNNING

    converse(served, talk)


def test_events_come_before_their_replies(served: Served) -> None:
    async def talk(client: Any) -> None:
        with client.listener(("STOP", "RESUME")) as listener:
            assert await client.execute("stop") == {}
            assert not listener.empty()
            assert await client.execute("query-status") == STOPPED
            await client.execute("cont")
            events = [await listener.get(), await listener.get()]
        assert [event["event"] for event in events] == ["STOP", "RESUME"]
        assert events[0].keys() == {"timestamp", "event"}

    converse(served, talk)


def test_out_of_band(served: Served, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def talk(client: Any) -> None:
        secret = {"qom-type": "secret", "id": "oob0", "file": str(fifo)}
        blocked = asyncio.ensure_future(client.execute("object-add", secret))
        behind = asyncio.ensure_future(client.execute("query-status"))
        await asyncio.sleep(0)
        devices = await client.execute("query-yank", oob=True)
        assert {"type": "chardev", "id": "compat_monitor0"} in devices
        assert not blocked.done()
        assert not behind.done()
        fifo.write_bytes(b"letmein")
        assert await blocked == {}
        assert await behind == RUNNING
        with pytest.raises(qemu_qmp.ExecuteError, match="does not support OOB"):
            await client.execute("query-status", oob=True)
        await client.execute("object-del", {"id": "oob0"})

    converse(served, talk)


def test_a_descriptor_arrives(served: Served) -> None:
    async def talk(client: Any) -> None:
        reading, writing = os.pipe()
        client.send_fd_scm(writing)
        assert await client.execute("getfd", {"fdname": "pipe"}) == {}
        os.close(writing)
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)  # the server holds the other end
        await client.execute("closefd", {"fdname": "pipe"})
        assert os.read(reading, 1) == b""
        os.close(reading)
        with pytest.raises(qemu_qmp.ExecuteError, match="No file descriptor supplied"):
            await client.execute("add-fd")

    converse(served, talk)


def test_many_in_flight_get_their_own_replies(served: Served) -> None:
    async def ask(client: Any, number: int) -> str:
        try:
            await client.execute(f"no-{number}")
        except qemu_qmp.ExecuteError as error:
            return str(error)
        return ""

    async def talk(client: Any) -> None:
        replies = await asyncio.gather(*(ask(client, n) for n in range(500)))
        assert replies == [f"The command no-{n} has not been found" for n in range(500)]

    converse(served, talk)


@pytest.mark.slow
def test_quit_ends_its_conversation() -> None:
    async def talk(client: Any) -> None:
        with client.listener("SHUTDOWN") as listener:
            assert await client.execute("quit") == {}
            event = await listener.get()
            assert event["data"] == {"guest": False, "reason": "host-qmp-quit"}
        while client.runstate is qemu_qmp.Runstate.RUNNING:
            await client.runstate_changed()
        # It is for disconnect() to tell of the end: an EOF.

    with serving() as server:
        with pytest.raises(EOFError):
            converse(server, talk)
        assert server.ended() == (0, "")


class TestLegacy:
    """The synchronous client of old, as its users use it."""

    @pytest.fixture
    def monitor(self, served: Served) -> Iterator[Any]:
        """Connect it."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                with legacy.QEMUMonitorProtocol(str(served.path)) as monitor:
                    greeting = monitor.connect()
                    assert greeting["QMP"]["capabilities"] == ["oob", "async"]
                    yield monitor
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def test_cmd_returns_the_value(self, monitor: Any) -> None:
        assert monitor.cmd("query-status") == RUNNING
        with pytest.raises(qemu_qmp.ExecuteError, match="Device 'x' not found"):
            monitor.cmd("eject", device="x")

    def test_commands_without_an_id_are_answered_without_one(
        self, monitor: Any
    ) -> None:
        assert monitor.cmd_raw("query-name") == {"return": {"name": "box"}}
        reply = monitor.cmd_obj({"execute": "eject", "arguments": {"device": "x"}})
        desc = "Device 'x' not found"
        assert reply == {"error": {"class": "DeviceNotFound", "desc": desc}}
        reply = monitor.cmd_obj({"execute": "query-name", "id": "my own"})
        assert reply == {"return": {"name": "box"}, "id": "my own"}

    def test_events(self, monitor: Any) -> None:
        monitor.cmd("stop")
        monitor.cmd("cont")
        first = monitor.pull_event(wait=5.0)
        assert first["event"] == "STOP"
        assert [event["event"] for event in monitor.get_events()] == ["RESUME"]
        assert monitor.get_events(wait=False) == []

    def test_a_descriptor(self, monitor: Any) -> None:
        with open(os.devnull, "rb") as file:
            monitor.send_fd_scm(file.fileno())
        assert monitor.cmd("add-fd").keys() == {"fd", "fdset-id"}
