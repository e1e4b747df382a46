"""Migration and snapshots in 2010: what QMP answers and what people see."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.v2010 import migration, v2010_monitor
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.migration.links import pair
from qmpx.monitor.human import run_line
from tests.loops import run_on, short_directory
from tests.machine.migration.worlds import close, settled, side

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.monitor import Monitor

GIB = 2**30
UNDEFINED = {
    "class": "UndefinedError",
    "desc": "An undefined error has ocurred",
    "data": {},
}


class Client:
    """A connection to a monitor in the same loop, with all that went over it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer
        self.transcript = b""

    @classmethod
    async def connect(cls, path: str, **capabilities: Any) -> Client:
        client = cls(*await asyncio.open_unix_connection(path))
        await client.read()
        await client.ask("qmp_capabilities", **capabilities)
        return client

    async def read(self) -> Any:
        line = await self._reader.readline()
        self.transcript += line
        return json.loads(line)

    def send(self, name: str, how: str = "execute", **arguments: Any) -> None:
        request = json.dumps({how: name, "arguments": arguments}).encode() + b"\n"
        self.transcript += request
        self._writer.write(request)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Return the reply; events before it are only written down."""
        self.send(name, **arguments)
        while "event" in (reply := await self.read()):
            pass
        return reply

    def close(self) -> None:
        self._writer.close()


def served(machine: Machine, path: str) -> Any:
    return v2010_monitor(machine, offers_async=True).serve(path)


def watched_migration() -> tuple[bytes, str | None]:
    """Move 64 GiB in virtual time, and return all that a watcher sent and saw."""

    async def main() -> tuple[bytes, str | None]:
        clock = VirtualClock()
        source = side(started=True, size=64 * GIB, clock=clock)
        destination = side(size=64 * GIB, clock=clock)
        source.machine.guest.working_set = 64 * GIB
        source.machine.guest.dirty_rate = 2**20
        here, there = pair(clock)
        destination.machine.migration.receive_from(there)
        with short_directory() as directory:
            path = f"{directory}/q"
            async with served(source.machine, path):
                watcher = await Client.connect(path)
                source.machine.migration.start_over(here)
                status = "active"
                while status == "active":
                    clock.advance(10)
                    reply = await watcher.ask("query-migrate")
                    status = reply["return"]["status"]
                await watcher.ask("query-status")
                watcher.close()
        assert destination.is_running
        return watcher.transcript, status

    return run_on("asyncio", main())


@pytest.mark.slow
def test_64_gib_move_in_virtual_time_and_twice_the_same() -> None:
    first, status = watched_migration()
    assert status == "completed"
    assert first == watched_migration()[0]
    polls = first.count(b'"query-migrate"')
    assert polls * 10 > 64 * GIB / (32 * 2**20)
    assert first.count(b'"event": "STOP"') == 1
    assert first.count(b'"active"') == polls - 1


def migrating(uri: str, **arguments: Any) -> Any:
    """Return what `migrate` answers."""

    async def main() -> Any:
        machine = Machine()
        with short_directory() as directory:
            async with served(machine, f"{directory}/q"):
                client = await Client.connect(f"{directory}/q")
                reply = await client.ask("migrate", uri=uri, **arguments)
                await machine.migration.wait()
                client.close()
                return reply, machine.migration.status

    return run_on("asyncio", main())


@pytest.mark.parametrize(
    ("uri", "reply", "status"),
    [
        ("bad:", {"error": UNDEFINED}, None),
        ("unix:/nonexistent", {"error": UNDEFINED}, None),
        ("fd:nothing", {"error": UNDEFINED}, None),
        ("tcp:127.0.0.1:1", {"return": {}}, "failed"),
        ("exec:cat > /dev/null", {"return": {}}, "completed"),
        ("exec:exit 1", {"return": {}}, "failed"),
    ],
)
def test_qmp_is_answered_when_it_has_begun(
    uri: str, reply: Any, status: str | None
) -> None:
    assert migrating(uri, detach=True) == (reply, status)


def test_a_second_one_is_refused_and_a_cancelled_one_says_so() -> None:
    async def main() -> None:
        clock = VirtualClock()
        machine = Machine(clock=clock)
        machine.migration.start_over(pair(clock)[0])
        clock.advance(0.1)
        with short_directory() as directory:
            async with served(machine, f"{directory}/q"):
                client = await Client.connect(f"{directory}/q")
                reply = await client.ask("migrate", uri="exec:true")
                assert reply == {"error": UNDEFINED}
                reply = await client.ask("query-migrate")
                assert reply["return"]["ram"]["total"] == 142868480
                assert await client.ask("migrate_cancel") == {"return": {}}
                assert await client.ask("migrate_cancel") == {"return": {}}
                reply = await client.ask("query-migrate")
                assert reply == {"return": {"status": "cancelled"}}
                client.close()

    run_on("asyncio", main())


@pytest.mark.parametrize(
    ("uri", "ends"),
    [
        ("exec:cat > /dev/null", {"return": {}}),
        ("exec:sleep 0.05; exit 1", {"error": UNDEFINED}),
    ],
)
def test_by_execute_async_the_reply_comes_at_the_end(uri: str, ends: Any) -> None:
    async def main() -> None:
        machine = Machine()
        with short_directory() as directory:
            async with served(machine, f"{directory}/q"):
                client = await Client.connect(f"{directory}/q", enable=["async"])
                client.send("migrate", "execute_async", uri=uri)
                assert await client.ask("query-name") == {"return": {}}
                assert await client.read() == ends
                client.close()

    run_on("asyncio", main())


def test_by_execute_async_a_cancelled_one_is_an_error() -> None:
    async def main() -> None:
        machine = Machine()
        with short_directory() as directory:
            async with served(machine, f"{directory}/q"):
                client = await Client.connect(f"{directory}/q", enable=["async"])
                await client.ask("migrate_set_speed", value=0)
                client.send("migrate", "execute_async", uri="exec:cat > /dev/null")
                client.send("migrate_cancel")
                replies = [await client.read(), await client.read()]
                assert replies == [{"return": {}}, {"error": UNDEFINED}]
                client.close()

    run_on("asyncio", main())


def test_a_client_that_leaves_does_not_end_the_migration_it_waits_for() -> None:
    async def main() -> None:
        source, destination = side(started=True), side()
        address = await destination.machine.migration.listen("tcp:127.0.0.1:0")
        with short_directory() as directory:
            async with served(source.machine, f"{directory}/q"):
                client = await Client.connect(f"{directory}/q", enable=["async"])
                client.send("migrate", "execute_async", uri=address)
                await client.ask("query-name")
                client.close()
                await settled(source, destination)
        assert destination.is_running
        close(source, destination)

    run_on("asyncio", main())


def read_by_a_person(machine: Machine, *lines: str) -> list[str]:
    """Return what a person reads after each line."""

    async def main() -> list[str]:
        monitor: Monitor = v2010_monitor(machine)
        with short_directory() as directory:
            async with monitor.serve(f"{directory}/q"):
                said = [await run_line(monitor, line) for line in lines]
                await machine.migration.wait()
                return [text.replace("\r\n", "\n") for text in said]

    return run_on("asyncio", main())


ACTIVE = """\
Migration status: active
transferred ram: 0 kbytes
remaining ram: 131072 kbytes
total ram: 139520 kbytes
"""


def test_what_people_read_of_migrations() -> None:
    said = read_by_a_person(
        Machine(),
        "info migrate",
        "migrate bad:",
        "migrate unix:/nonexistent",
        "migrate_set_speed 0",
        "migrate_set_downtime 50ms",
        "migrate -d exec:cat>/dev/null",
        "info migrate",
        "migrate -d exec:true",
        "migrate_cancel",
        "info migrate",
        "migrate_set_speed 32m",
        "migrate exec:cat>/dev/null",
    )
    assert said == [
        "",
        "unknown migration protocol: bad:\n",
        "migration failed\n",
        "",
        "",
        "",
        ACTIVE,
        "migration already in progress\n",
        "",
        "Migration status: cancelled\n",
        "",
        "terminal does not allow synchronous migration, continuing detached\n",
    ]


def test_limits_reach_the_machine() -> None:
    machine = Machine()
    migration.migrate_set_speed(machine, value=1000.7)
    migration.migrate_set_downtime(machine, value=0.25)
    assert machine.migration.limits.speed == 1000
    assert machine.migration.limits.downtime == 250_000_000


def test_a_person_without_detach_gets_the_prompt_at_the_end() -> None:
    async def main() -> None:
        machine = Machine()
        monitor = v2010_monitor(machine)
        with short_directory() as directory:
            path = f"{directory}/h"
            async with monitor.serve(human=[path]):
                reader, writer = await asyncio.open_unix_connection(path)
                await reader.readuntil(b"(qemu) ")
                writer.write(b"migrate exec:cat>/dev/null\ninfo migrate\n")
                await reader.readuntil(b"(qemu) ")
                text = await reader.readuntil(b"(qemu) ")
                assert b"Migration status: completed\r\n(qemu) " in text
                writer.close()

    run_on("asyncio", main())


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine with a disk that can hold snapshots, at noon of the talk."""
    monkeypatch.setitem(os.environ, "TZ", "UTC")
    time.tzset()
    (tmp_path / "hd.qcow2").write_bytes(new_image(2**20))
    clock = VirtualClock(1_281_355_200_000_000)
    machine = Machine(clock=clock, is_started=True, memory_size=2**20)
    machine.drives.plug({"file": str(tmp_path / "hd.qcow2"), "index": "0"})
    return machine


SNAPSHOTS = """\
Snapshot devices: ide0-hd0
Snapshot list (from ide0-hd0):
ID        TAG                 VM SIZE                DATE       VM CLOCK
1         one                 {size:>7} 2010-08-09 12:00:00   00:00:00.000
2                             {size:>7} 2010-08-09 13:02:03   01:02:03.456
"""


def test_what_people_read_of_snapshots(saved: Machine) -> None:
    assert isinstance(saved.clock, VirtualClock)
    assert read_by_a_person(saved, "savevm one") == [""]
    saved.clock.advance(3723.4567)
    said = read_by_a_person(
        saved, "savevm", "info snapshots", "loadvm 1", "delvm one", "delvm one"
    )
    size = migration.human_size(saved.snapshots.saved()[0].state_size)
    assert said == [
        "",
        SNAPSHOTS.format(size=size),
        "",
        "",
        "Could not find snapshot 'one' on device 'ide0-hd0'\n",
    ]


def test_people_are_told_when_there_is_no_disk_for_snapshots() -> None:
    said = read_by_a_person(
        Machine(), "savevm", "savevm x", "loadvm x", "delvm x", "info snapshots"
    )
    assert said == [
        "No block device can accept snapshots\n",
        "No block device can accept snapshots\n",
        "No block device supports snapshots\n",
        "No block device supports snapshots\n",
        "No available block device supports snapshots\n",
    ]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (10 * 1024 - 1, "10.0K"),
        (10 * 1024, "10K"),
        (999 * 1024, "999K"),
        (1000 * 1024, "1.0M"),
        (150 * 2**20, "150M"),
        (3 * 2**30 + 2**29, "3.5G"),
        (5000 * 2**40, "5000T"),
    ],
)
def test_sizes_are_shown_as_in_the_lists_of_qemu(size: int, shown: str) -> None:
    assert migration.human_size(size) == shown
