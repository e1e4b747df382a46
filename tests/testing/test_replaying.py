"""A recorded conversation, served again: what is the same passes, the rest is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.errors import LocalProtocolError
from qmpx.testing import Replay
from qmpx.testing.replaying import scripts_of
from qmpx.transcript import Entry
from qmpx.transcript.difference import Looseness
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from tests.loops import LOOPS, run_on, short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    Client = Callable[[Path], Coroutine[Any, Any, object]]


def recording(*messages: dict[str, Any], connection: int = 1) -> list[Entry]:
    return [
        Entry(
            float(number),
            TO_SERVER if "execute" in message else TO_CLIENT,
            connection,
            message,
        )
        for number, message in enumerate(messages)
    ]


STOPPED = recording(
    {"QMP": {"version": {"qemu": {"major": 9}}, "capabilities": []}},
    {"execute": "qmp_capabilities", "id": "a"},
    {"return": {}, "id": "a"},
    {"execute": "stop", "id": "b"},
    {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}},
    {"return": {}, "id": "b"},
    {"execute": "eject", "arguments": {"device": "cd", "pid": 11}, "id": "c"},
    {"error": {"class": "DeviceNotFound", "desc": "no cd"}, "id": "c"},
)


async def stop_and_eject(path: Path, **arguments: Any) -> None:
    async with qmpx.connect_async(path, capabilities=()) as vm:
        events = vm.events("STOP")
        assert await vm.execute("stop") == {}
        assert (await events.get(5)).seconds == 1
        with pytest.raises(qmpx.CommandError, match="no cd"):
            await vm.execute("eject", {"device": "cd", "pid": 11} | arguments)


async def replayed(
    folder: Path, entries: list[Entry], *clients: Client, **options: Any
) -> list[str]:
    async with Replay(entries, folder / "qmp", **options) as replay:
        for client in clients:
            await client(folder / "qmp")
        divergence = await replay.wait()
    return [] if divergence is None else list(divergence.lines)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("strict", [True, False])
def test_the_same_client_finds_the_same_server(loop: str, *, strict: bool) -> None:
    with short_directory() as folder:
        lines = run_on(loop, replayed(folder, STOPPED, stop_and_eject, strict=strict))
    assert lines == []


def test_another_argument_is_shown() -> None:
    async def other(path: Path) -> None:
        with pytest.raises(qmpx.CommandError, match="this differs from the recording"):
            await stop_and_eject_with(path, device="hd")

    with short_directory() as folder:
        assert run_on("asyncio", replayed(folder, STOPPED, other)) == [
            "command 3 of connection 1 is another",
            "--- recorded",
            "+++ sent",
            "@@ -1,7 +1,7 @@",
            " -> {",
            '      "arguments": {',
            '-       "device": "cd",',
            '+       "device": "hd",',
            '        "pid": 11',
            "      },",
            '      "execute": "eject"',
            "    }",
        ]


async def stop_and_eject_with(path: Path, **arguments: Any) -> None:
    async with qmpx.connect_async(path, capabilities=()) as vm:
        await vm.execute("stop")
        await vm.execute("eject", {"device": "cd", "pid": 11} | arguments)


@pytest.mark.parametrize(
    ("looseness", "passes"),
    [(None, False), (Looseness(("pid",)), True), (Looseness(("device",)), False)],
)
def test_what_is_passed_over_may_differ(
    looseness: Looseness | None, *, passes: bool
) -> None:
    async def other(path: Path) -> None:
        with pytest.raises(qmpx.CommandError):
            await stop_and_eject_with(path, pid=12)

    with short_directory() as folder:
        lines = run_on("asyncio", replayed(folder, STOPPED, other, looseness=looseness))
    assert (lines == []) is passes


async def eject_first(path: Path) -> None:
    async with qmpx.connect_async(path) as vm:
        for name in ("eject", "stop", "stop"):
            arguments = {"device": "cd", "pid": 99} if name == "eject" else {}
            try:
                await vm.execute(name, arguments)
            except qmpx.CommandError as error:
                if error.error_class != "DeviceNotFound":
                    return


def test_loosely_the_order_does_not_count_and_commands_may_come_again() -> None:
    with short_directory() as folder:
        assert (
            run_on("asyncio", replayed(folder, STOPPED, eject_first, strict=False))
            == []
        )
        strict = run_on("asyncio", replayed(folder, STOPPED, eject_first))
    assert strict[0] == "command 2 of connection 1 is another"


def test_loosely_the_nearest_command_is_shown() -> None:
    async def other(path: Path) -> None:
        async with qmpx.connect_async(path) as vm:
            with pytest.raises(qmpx.CommandError):
                await vm.execute("eject", device="hd")

    with short_directory() as folder:
        lines = run_on("asyncio", replayed(folder, STOPPED, other, strict=False))
    assert lines[0] == "connection 1: no such command was recorded"
    assert '-       "device": "cd",' in lines
    assert '+       "device": "hd"' in lines


def test_who_leaves_early_differs() -> None:
    async def early(path: Path) -> None:
        async with qmpx.connect_async(path, capabilities=()) as vm:
            await vm.execute("stop")

    with short_directory() as folder:
        lines = run_on("asyncio", replayed(folder, STOPPED, early))
    assert lines[0] == "the client of connection 1 left 1 commands early; the next was"
    assert '     "execute": "eject"' in lines


def test_who_says_more_differs() -> None:
    async def longer(path: Path) -> None:
        async with qmpx.connect_async(path, capabilities=()) as vm:
            await vm.execute("stop")
            for _ in range(2):
                with pytest.raises(qmpx.CommandError):
                    await vm.execute("eject", {"device": "cd", "pid": 11})

    with short_directory() as folder:
        lines = run_on("asyncio", replayed(folder, STOPPED, longer))
    assert lines[0].endswith("the recording has ended, and there came")


def test_each_client_gets_the_next_recorded_connection() -> None:
    entries = STOPPED + recording(
        {"execute": "query-name"}, {"return": {"name": "x"}}, connection=2
    )

    async def second(path: Path) -> None:
        async with qmpx.connect_async(path) as vm:
            assert await vm.execute("query-name") == {"name": "x"}

    with short_directory() as folder:
        assert (
            run_on("asyncio", replayed(folder, entries, stop_and_eject, second)) == []
        )


def test_pipelined_replies_go_to_their_commands() -> None:
    entries = recording(
        {"execute": "a", "id": 1},
        {"execute": "b", "id": 2},
        {"return": "A", "id": 1},
        {"event": "E"},
        {"return": "B", "id": 2},
    )
    (script,) = scripts_of(entries)
    assert [
        [x.get("return", x.get("event")) for x in s.said] for s in script.steps
    ] == [
        ["A"],
        ["E", "B"],
    ]


def test_a_recording_without_commands_is_none() -> None:
    with pytest.raises(LocalProtocolError, match="there is no command"):
        Replay([Entry(note="connected")], "unix:/nowhere")


def test_what_is_no_command_differs() -> None:
    import asyncio

    async def garbage(path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        greeting = json.loads(await reader.readline())
        assert greeting["QMP"]["version"] == {"qemu": {"major": 9}}
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()

    with short_directory() as folder:
        lines = run_on("asyncio", replayed(folder, STOPPED, garbage))
    assert lines == ["the client sent what is no command: 'GET / HTTP/1.1'"]
