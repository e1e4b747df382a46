"""A machine moves over each kind of way between two machines of one process."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import FdNotFound, GenericError
from qmpx.machine import Machine, RunState
from qmpx.machine.happenings import MigrationMoved, Resumed, Stopped
from qmpx.machine.migration import outgoing
from tests.loops import LOOPS, run_on, short_directory
from tests.machine.migration.worlds import (
    MIB,
    Side,
    close,
    content,
    fill,
    settled,
    side,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


async def ended(source: Side) -> str | None:
    await until(lambda: not source.machine.migration.is_active, source)
    return source.machine.migration.status


def check_moved(source: Side, destination: Side, was: str) -> None:
    """Make sure that the machine is at the destination, whole, and nowhere else."""
    assert (source.machine.state, destination.machine.state) == (
        RunState.POSTMIGRATE,
        RunState.RUNNING,
    )
    assert content(destination.machine) == was
    assert [x for x in source.told if not isinstance(x, MigrationMoved)] == [Stopped()]
    assert Resumed() in destination.told
    assert not destination.machine.migration.is_expected


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["tcp", "tcp6", "name", "unix"])
def test_a_machine_moves_over_a_socket(loop: str, way: str) -> None:
    async def main() -> None:
        with short_directory() as directory:
            where = {
                "tcp": "tcp:127.0.0.1:0",
                "tcp6": "tcp:[::1]:0",
                "name": "tcp:127.0.0.1:0",
                "unix": f"unix:{directory}/in",
            }[way]
            source, destination = side(started=True), side()
            fill(source.machine)
            was = content(source.machine)
            there = await destination.machine.migration.listen(where)
            if way == "name":
                there = there.replace("127.0.0.1", "localhost")
            elif way == "tcp6":
                there = there.replace("::1", "[::1]")
            source.machine.migration.start(there)
            await settled(source, destination)
            check_moved(source, destination, was)
            close(source, destination)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_machine_moves_over_descriptors_that_are_sockets(loop: str) -> None:
    async def main() -> None:
        ours, theirs = (end.detach() for end in socket.socketpair())
        source, destination = side(started=True), side()
        fill(source.machine)
        was = content(source.machine)
        await destination.machine.migration.listen(f"fd:{theirs}")
        source.machine.migration.start("fd:way", take_descriptor={"way": ours}.pop)
        await settled(source, destination)
        check_moved(source, destination, was)
        close(source, destination)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_machine_moves_through_a_pipe_that_nobody_answers(loop: str) -> None:
    async def main() -> None:
        ours, theirs = os.pipe()[::-1]
        source, destination = side(started=True), side()
        fill(source.machine)
        was = content(source.machine)
        await destination.machine.migration.listen(f"fd:{theirs}")
        source.machine.migration.start("fd:way", take_descriptor={"way": ours}.pop)
        await settled(source, destination)
        check_moved(source, destination, was)
        close(source, destination)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["command", "descriptor"])
def test_a_machine_is_kept_in_a_file_and_comes_back(
    loop: str, way: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept"

    async def main() -> None:
        source, destination = side(started=True), side()
        fill(source.machine)
        was = content(source.machine)
        if way == "command":
            source.machine.migration.start(f"exec:cat > {file}")
        else:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT)
            source.machine.migration.start("fd:file", take_descriptor={"file": fd}.pop)
        assert await ended(source) == "completed"
        if way == "command":
            await destination.machine.migration.listen(f"exec:cat {file}")
        else:
            fd = os.open(file, os.O_RDONLY)
            await destination.machine.migration.listen(f"fd:{fd}")
        await settled(source, destination)
        check_moved(source, destination, was)
        close(source, destination)

    run_on(loop, main())


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("exec:cat > /dev/null; exit 3", "the command has ended with status 3"),
        ("exec:false", "the command has ended with status 1"),
    ],
)
def test_a_command_that_fails_leaves_the_source_running(
    command: str, failure: str
) -> None:
    async def main() -> None:
        source = side(started=True)
        source.machine.migration.start(command)
        assert await ended(source) == "failed"
        assert source.machine.migration.failure in (failure, "Broken pipe")
        assert source.is_running
        assert source.machine.migration.ram_progress is None
        close(source)

    run_on("asyncio", main())


def test_a_command_that_gives_no_machine_is_told() -> None:
    async def main() -> None:
        destination = side()
        await destination.machine.migration.listen("exec:echo hello")
        await until(lambda: destination.refusal is not None, destination)
        assert destination.refusal == (
            "this is no stream of a machine: it begins b'hello\\n'"
        )
        assert destination.machine.migration.is_expected
        assert destination.machine.state is RunState.INMIGRATE
        close(destination)

    run_on("asyncio", main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_receiver_that_only_takes_is_taken_for_a_store(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "GREETING_LIMIT", 0.1)
    taken = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            taken.extend(data)
        writer.close()

    async def main() -> None:
        source, destination = side(started=True), side()
        fill(source.machine)
        was = content(source.machine)
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        source.machine.migration.start(f"tcp:127.0.0.1:{port}")
        assert await ended(source) == "completed"
        await asyncio.sleep(0.01)
        server.close()
        reader, writer = os.pipe()
        os.write(writer, taken)
        os.close(writer)
        await destination.machine.migration.listen(f"fd:{reader}")
        await settled(source, destination)
        check_moved(source, destination, was)
        close(source, destination)

    run_on(loop, main())


def test_a_receiver_that_only_takes_shows_progress_until_it_is_cancelled() -> None:
    async def main() -> None:
        source = side(size=128 * MIB)
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
        migration = source.machine.migration
        migration.limits.set_speed(20_000)
        migration.start(f"tcp:127.0.0.1:{port}")
        assert migration.status == "active"
        await until(lambda: migration.is_active, source)
        for _ in range(3):
            await asyncio.sleep(0)
        progress = migration.ram_progress
        assert progress is not None
        assert progress.total == 142868480
        assert progress.transferred == 2007
        assert progress.remaining == 128 * MIB - 223 * 4096
        migration.cancel()
        assert migration.status == "cancelled"
        assert source.machine.state is RunState.PRELAUNCH
        migration.cancel()
        assert migration.status == "cancelled"
        server.close()
        close(source)

    run_on("asyncio", main())


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_where_nobody_listens_it_fails_only_after_it_has_begun() -> None:
    async def main() -> None:
        source = side(started=True)
        source.machine.migration.start(f"tcp:127.0.0.1:{refused_port()}")
        assert source.machine.migration.status == "active"
        assert await ended(source) == "failed"
        assert source.machine.migration.failure == "Connection refused"
        assert source.is_running
        assert source.told == [MigrationMoved("active"), MigrationMoved("failed")]

    run_on("asyncio", main())


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("bad:", "unknown migration protocol: bad:"),
        ("", "unknown migration protocol: "),
        ("tcp", "migration failed"),
        ("tcp:127.0.0.1", "migration failed"),
        ("tcp:127.0.0.1:x", "migration failed"),
        ("tcp:127.0.0.1:65536", "migration failed"),
        ("unix:/nonexistent", "migration failed"),
        ("fd:way", "unknown migration protocol: fd:way"),
    ],
)
def test_what_cannot_be_begun_is_refused_at_once(uri: str, message: str) -> None:
    async def main() -> None:
        machine = Machine()
        with pytest.raises(GenericError) as caught:
            machine.migration.start(uri)
        assert caught.value.desc == message
        assert machine.migration.status is None

    run_on("asyncio", main())


def test_a_descriptor_that_there_is_not_is_refused() -> None:
    def take(name: str) -> int:
        raise FdNotFound(name=name)

    async def main() -> None:
        with pytest.raises(GenericError) as caught:
            Machine().migration.start("fd:way", take_descriptor=take)
        assert caught.value.desc == "migration failed"

    run_on("asyncio", main())


def test_an_address_that_is_taken_leaves_a_machine_that_can_run() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            machine = Machine()
            with pytest.raises(GenericError) as caught:
                await machine.migration.listen(f"tcp:127.0.0.1:{port}")
        assert caught.value.desc == (
            f"cannot await a machine at tcp:127.0.0.1:{port}: Address already in use"
        )
        machine.cont()

    run_on("asyncio", main())


def full(size: int) -> Side:
    """Return a running machine whose memory holds something everywhere."""
    source = side(started=True, size=size)
    chance = random.Random(5).randbytes(4096)
    for number in range(size // 4096):
        source.machine.memory.set_page(number, chance)
    source.machine.migration.limits.set_speed(2**32)
    return source


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["tcp", "unix", "pipe", "command"])
def test_more_than_a_way_holds_at_once_comes_too(
    loop: str, way: str, tmp_path: Path
) -> None:
    async def main() -> None:
        source, destination = full(24 * MIB), side(size=24 * MIB)
        was = content(source.machine)
        migration = source.machine.migration
        with short_directory() as directory:
            if way == "pipe":
                reader, writer = os.pipe()
                await destination.machine.migration.listen(f"fd:{reader}")
                migration.start("fd:x", take_descriptor={"x": writer}.pop)
            elif way == "command":
                fifo = tmp_path / "fifo"
                os.mkfifo(fifo)
                await destination.machine.migration.listen(f"exec:cat {fifo}")
                migration.start(f"exec:cat > {fifo}")
            else:
                where = "tcp:127.0.0.1:0" if way == "tcp" else f"unix:{directory}/in"
                migration.start(await destination.machine.migration.listen(where))
            await settled(source, destination)
        assert migration.failure == ""
        check_moved(source, destination, was)
        close(source, destination)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_receiver_that_stops_reading_holds_up_the_migration_only(loop: str) -> None:
    async def main() -> None:
        source = full(24 * MIB)
        migration = source.machine.migration
        with socket.create_server(("127.0.0.1", 0)) as server:
            migration.start(f"tcp:127.0.0.1:{server.getsockname()[1]}")
            seen = None
            while (now := migration.ram_progress) is None or now != seen:
                seen = now
                await asyncio.sleep(0.05)
            assert 0 < now.remaining < 24 * MIB
            migration.cancel()
        assert (migration.status, source.is_running) == ("cancelled", True)
        close(source)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["tcp", "pipe"])
def test_a_receiver_that_leaves_in_the_middle_leaves_the_source_running(
    loop: str, way: str
) -> None:
    async def main() -> None:
        source = full(24 * MIB)
        migration = source.machine.migration
        if way == "pipe":
            reader, writer = os.pipe()
            migration.start("fd:x", take_descriptor={"x": writer}.pop)
            await asyncio.sleep(0.05)
            os.read(reader, 1000)
            os.close(reader)
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                migration.start(f"tcp:127.0.0.1:{server.getsockname()[1]}")
                await asyncio.sleep(0.05)
                connection, _ = server.accept()
                connection.recv(1000)
                connection.close()
        assert await ended(source) == "failed"
        assert migration.failure in ("Broken pipe", "Connection reset by peer")
        assert source.is_running
        close(source)

    run_on(loop, main())


def test_a_name_that_nobody_has_fails_once_that_is_known() -> None:
    async def main() -> None:
        source = side(started=True)
        source.machine.migration.start("tcp:nobody.invalid:4444")
        assert await ended(source) == "failed"
        failure = source.machine.migration.failure
        assert failure.startswith("cannot find nobody.invalid: ")
        assert source.is_running

    run_on("asyncio", main())


def test_a_stale_socket_is_replaced_and_a_live_one_is_not() -> None:
    async def main() -> None:
        with short_directory() as directory:
            path = f"{directory}/in"
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()
            first, second = side(), side()
            assert await first.machine.migration.listen(f"unix:{path}")
            with pytest.raises(GenericError) as caught:
                await second.machine.migration.listen(f"unix:{path}")
            assert caught.value.desc == (
                f"cannot await a machine at unix:{path}: Address already in use"
            )
            close(first)

    run_on("asyncio", main())


@pytest.mark.parametrize("uri", ["bad:", "tcp:1", "fd:x", "unix:/nonexistent/x"])
def test_where_no_machine_can_be_awaited(uri: str) -> None:
    async def main() -> str:
        machine = Machine()
        with pytest.raises(GenericError) as caught:
            await machine.migration.listen(uri)
        assert machine.state is RunState.PRELAUNCH
        return caught.value.desc

    assert (
        run_on("asyncio", main())
        == {
            "bad:": "unknown migration protocol: bad:",
            "tcp:1": "migration failed",
            "fd:x": "unknown migration protocol: fd:x",
            "unix:/nonexistent/x": "cannot await a machine at unix:/nonexistent/x: "
            "No such file or directory",
        }[uri]
    )
