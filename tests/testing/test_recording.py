"""A proxy that writes down what passes: nothing more, nothing less, descriptors too."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.testing import Recorder
from tests.loops import LOOPS, run_on, settle, short_directory

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.transcript import Entry


def in_short(entries: list[Entry]) -> list[Any]:
    shown: list[Any] = []
    for entry in entries:
        if entry.kind == "note":
            shown.append((entry.connection, entry.note))
        elif entry.kind in ("command", "event"):
            shown.append((entry.connection, entry.name))
        else:
            shown.append((entry.connection, entry.kind))
    return shown


def monitor() -> qmpx.Monitor:
    monitor = qmpx.Monitor(version={"qemu": {"major": 7, "minor": 2, "micro": 0}})

    @monitor.command("stop")
    def stop() -> None:
        monitor.emit("STOP")

    @monitor.command("blob")
    def blob(*, size: int) -> str:
        return "x" * size

    @monitor.command("take")
    def take(session: qmpx.Session) -> str:
        with os.fdopen(session.pending.take()) as file:
            return file.read()

    return monitor


async def record_two_clients(folder: Path) -> None:
    entries: list[Entry] = []
    async with (
        monitor().serve(folder / "real", grace=0.0),
        Recorder(folder / "real", folder / "mine", entries.append),
    ):
        async with qmpx.connect_async(folder / "mine") as one:
            await one.execute("stop")
            async with qmpx.connect_async(folder / "mine") as two:
                await two.execute("stop")
                with pytest.raises(qmpx.CommandError):
                    await two.execute("nothing")
            await settle()
        await settle()
    told = in_short(entries)
    assert [what for number, what in told if number == 1] == [
        "connected",
        "greeting",
        "qmp_capabilities",
        "reply",
        "stop",
        "STOP",
        "reply",
        "STOP",
        "closed",
    ]
    assert [what for number, what in told if number == 2] == [
        "connected",
        "greeting",
        "qmp_capabilities",
        "reply",
        "stop",
        "STOP",
        "reply",
        "nothing",
        "error",
        "closed",
    ]
    assert sorted(entry.time for entry in entries) == [x.time for x in entries]


@pytest.mark.parametrize("loop", LOOPS)
def test_each_client_s_messages_are_written(loop: str) -> None:
    with short_directory() as folder:
        run_on(loop, record_two_clients(folder))


async def record_much(folder: Path) -> None:
    entries: list[Entry] = []
    async with (
        monitor().serve(folder / "real", grace=0.0),
        Recorder(folder / "real", folder / "mine", entries.append),
        qmpx.connect_async(folder / "mine") as vm,
    ):
        sizes = [10, 3_000_000, 0, 500_000]
        values = await asyncio.gather(
            *(vm.execute("blob", size=size) for size in sizes)
        )
        assert [len(value) for value in values] == sizes
        returned = [
            entry.message["return"] for entry in entries if entry.kind == "reply"
        ]
        assert [len(value) for value in returned[1:]] == sizes


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_large_messages_pass_whole(loop: str) -> None:
    with short_directory() as folder:
        run_on(loop, record_much(folder))


async def record_descriptors(folder: Path) -> None:
    entries: list[Entry] = []
    async with (
        monitor().serve(folder / "real", grace=0.0),
        Recorder(folder / "real", folder / "mine", entries.append),
        qmpx.connect_async(folder / "mine") as vm,
    ):
        reading, writing = os.pipe()
        os.write(writing, b"through the proxy")
        os.close(writing)
        assert await vm.execute("take", fds=[reading]) == "through the proxy"
        os.close(reading)
        taken = [entry.fds for entry in entries if entry.name == "take"]
        assert taken == [1]


@pytest.mark.parametrize("loop", LOOPS)
def test_descriptors_pass_with_their_message(loop: str) -> None:
    with short_directory() as folder:
        run_on(loop, record_descriptors(folder))


async def record_nobody(folder: Path) -> None:
    entries: list[Entry] = []
    async with Recorder(folder / "none", folder / "mine", entries.append):
        with pytest.raises(qmpx.ConnectionLost):
            await _connect(folder / "mine")
    assert len(entries) == 1
    assert str(entries[0].note).startswith("no connection: cannot talk to ")


async def _connect(path: Path) -> None:
    async with qmpx.connect_async(path):
        pass


def test_where_there_is_no_monitor_the_client_is_sent_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with short_directory() as folder:
        run_on("asyncio", record_nobody(folder))
    assert "there is no socket" in caplog.text


async def record_garbage(folder: Path) -> None:
    entries: list[Entry] = []
    async with (
        monitor().serve(folder / "real", grace=0.0),
        Recorder(folder / "real", folder / "mine", entries.append),
    ):
        reader, writer = await asyncio.open_unix_connection(folder / "mine")
        await reader.readline()
        writer.write(b"GET / HTTP/1.1\r\n{'execute': 'qmp_capabilities'} {")
        writer.write_eof()
        answer = await reader.read()
        assert answer.endswith(b'{"return": {}}\r\n')
        writer.close()
    told = [
        entry.raw if entry.kind == "raw" else entry.name
        for entry in entries
        if entry.direction == "->"
    ]
    assert told == ["GET / HTTP/1.1", "qmp_capabilities", "{"]


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_no_message_is_written_as_it_is_and_a_half_closed_end_passed_on(
    loop: str,
) -> None:
    with short_directory() as folder:
        run_on(loop, record_garbage(folder))


async def record_end(folder: Path) -> None:
    entries: list[Entry] = []
    async with Recorder(folder / "real", folder / "mine", entries.append):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / "real"))
            listening.listen()
            reader, writer = await asyncio.open_unix_connection(folder / "mine")
            server, _ = await asyncio.to_thread(listening.accept)
        server.sendall(b'{"QMP"')
        server.close()
        assert await reader.read() == b'{"QMP"'
        writer.close()
    assert [entry.raw for entry in entries if entry.kind == "raw"] == ['{"QMP"']


def test_the_end_of_the_monitor_reaches_the_client_and_the_recording() -> None:
    with short_directory() as folder:
        run_on("asyncio", record_end(folder))
