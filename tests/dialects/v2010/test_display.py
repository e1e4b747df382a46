"""The display of 0.13's monitor: pictures, keys, pointers, VNC, lists."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.errors import MissingParameter, SetPasswdFailed, VNCServerFailed
from qmpx.machine import Machine, VirtualClock
from qmpx.monitor.human.oneline import run_line
from tests.loops import run_on, short_directory
from tests.machine.display.rfb_client import view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOCAL = "127.0.0.1"
START = 1_281_312_000  # of a virtual clock, in seconds


@dataclass
class Talk:
    """A machine, and a QMP client of its monitor."""

    machine: Machine
    monitor: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Any] = field(default_factory=list)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Run a command, and return its reply; keep the events before it."""
        command: dict[str, Any] = {"execute": name}
        if arguments:
            command["arguments"] = arguments
        self.writer.write(json.dumps(command).encode())
        while True:
            message = json.loads(await self.reader.readline())
            if "event" not in message:
                return message
            self.events.append(message)

    async def returned(self, name: str, **arguments: Any) -> Any:
        """Return what a command returns that succeeds."""
        return (await self.ask(name, **arguments))["return"]

    async def say(self, line: str) -> str:
        """Return what a person reads who types *line*."""
        text = await run_line(self.monitor, line)
        return text.replace("\r\n", "\n")


@asynccontextmanager
async def talking(machine: Machine) -> AsyncIterator[Talk]:
    """Serve a machine, and give a client that has negotiated."""
    monitor = v2010_monitor(machine)
    with short_directory() as directory:
        path = directory / "qmp"
        async with monitor.serve(path):
            reader, writer = await asyncio.open_unix_connection(str(path))
            await reader.readline()
            talk = Talk(machine, monitor, reader, writer)
            await talk.returned("qmp_capabilities")
            try:
                yield talk
            finally:
                machine.display.close()
                writer.close()
                await writer.wait_closed()


@pytest.fixture
def machine() -> Machine:
    return Machine("vmname", clock=VirtualClock())


def say(machine: Machine, *lines: str) -> str:
    """Return what a person reads who types these lines."""
    monitor = v2010_monitor(machine)

    async def main() -> str:
        texts = [await run_line(monitor, each) for each in lines]
        return "".join(texts).replace("\r\n", "\n")

    return run_on("asyncio", main())


def test_a_screendump_is_a_ppm(machine: Machine, tmp_path: Path) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            files = [tmp_path / "one.ppm", tmp_path / "two.ppm"]
            assert await talk.returned("screendump", filename=str(files[0])) == {}
            assert await talk.say(f"screendump {files[1]}") == ""
            one, two = (file.read_bytes() for file in files)
            assert one == two
            assert one.startswith(b"P6\n720 400\n255\n")
            assert len(one) == 15 + 3 * 720 * 400

    run_on("asyncio", main())


@pytest.mark.parametrize("filename", ["/nonexistent/s.ppm", "/", "", "a\0b"])
def test_a_screendump_that_fails_says_nothing(machine: Machine, filename: str) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            assert await talk.returned("screendump", filename=filename) == {}

    run_on("asyncio", main())


@pytest.mark.parametrize(
    ("line", "printed", "typed"),
    [
        ("sendkey a", "", "a"),
        ("sendkey shift-a", "", "A"),
        ("sendkey 0x1e-b", "", "ab"),
        ("sendkey ctrl-alt-f1", "", ""),
        ("sendkey a 5000", "", "a"),
        ("sendkey foo", "unknown key: 'foo'\n", ""),
        ("sendkey ctrl-foo", "unknown key: 'foo'\n", ""),
        ("sendkey aaaabbbbccccdddd", "invalid key: 'aaaabbbbccccddd...'\n", ""),
        ("sendkey " + "-".join("abcdefghijklmnopq"), "too many keys\n", ""),
        ("sendkey", "sendkey: string expected\n", ""),
    ],
)
def test_keys_are_pressed(
    machine: Machine, line: str, printed: str, typed: str
) -> None:
    assert say(machine, line) == printed
    assert list(machine.display.console.typed) == [typed]


def test_keys_are_let_go_when_their_time_is_over(machine: Machine) -> None:
    assert say(machine, "sendkey ctrl-a", "sendkey shift 300") == ""
    assert machine.display.keyboard.held_names == ["shift"]
    assert isinstance(machine.clock, VirtualClock)
    machine.clock.advance(0.3)
    assert machine.display.keyboard.held_names == []


def test_without_a_tablet_there_is_a_mouse(machine: Machine) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            assert await talk.returned("query-mice") == [
                {
                    "index": 0,
                    "name": "QEMU PS/2 Mouse",
                    "current": True,
                    "absolute": False,
                }
            ]
            assert await talk.say("info mice") == "* Mouse #0: QEMU PS/2 Mouse\n"

    run_on("asyncio", main())


def test_the_mouse_that_is_chosen_comes_first(machine: Machine) -> None:
    machine.display.pointers.add("QEMU USB Tablet", is_absolute=True)
    assert say(machine, "info mice") == (
        "* Mouse #0: QEMU PS/2 Mouse\n  Mouse #1: QEMU USB Tablet (absolute)\n"
    )
    assert say(machine, "mouse_set 1", "info mice") == (
        "* Mouse #1: QEMU USB Tablet (absolute)\n  Mouse #0: QEMU PS/2 Mouse\n"
    )
    assert say(machine, "mouse_set 2") == "Mouse at given index not found\n"


def test_without_any_mouse_none_can_be_chosen(machine: Machine) -> None:
    pointers = machine.display.pointers
    pointers.remove(pointers.mice[0])
    assert say(machine, "info mice", "mouse_set 0", "mouse_move 1 1") == (
        "No mouse devices connected\nNo mouse devices connected\n"
    )


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("100 200", (100, 200, 0)),
        ("0x10 010 -3", (16, 8, -3)),
        ("12abc +7", (12, 7, 0)),
        ("-5 99999", (0, 0x7FFF, 0)),
        ("x y z", (0, 0, 0)),
        ("09 0x", (0, 0, 0)),
    ],
)
def test_a_move_is_read_as_c_reads_numbers(
    machine: Machine, arguments: str, place: tuple[int, int, int]
) -> None:
    machine.display.pointers.add("QEMU USB Tablet", is_absolute=True)
    assert say(machine, "mouse_set 1", f"mouse_move {arguments}") == ""
    pointers = machine.display.pointers
    assert (pointers.x, pointers.y, pointers.wheel) == place


def test_buttons_are_held_until_they_are_not(machine: Machine) -> None:
    assert say(machine, "mouse_button 5") == ""
    assert machine.display.pointers.buttons == 5
    assert say(machine, "mouse_button 0") == ""
    assert machine.display.pointers.buttons == 0


def test_vnc_is_told_of_with_its_clients(machine: Machine) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            assert await talk.returned("query-vnc") == {"enabled": False}
            assert await talk.say("info vnc") == "Server: disabled\n"
            await machine.display.start_vnc(f"{LOCAL}:0,to=99")
            info = await talk.returned("query-vnc")
            port = int(info["service"])
            server = {"host": LOCAL, "service": str(port), "family": "ipv4"}
            server["auth"] = "none"
            assert info == {"enabled": True, "clients": [], **server}
            shown = f"Server:\n     address: {LOCAL}:{port}\n        auth: none\n"
            assert await talk.say("info vnc") == f"{shown}Client: none\n"
            async with await view(LOCAL, port) as viewer:
                await viewer.shake_hands()
                _, ours = viewer.writer.get_extra_info("sockname")
                client = {"host": LOCAL, "service": str(ours), "family": "ipv4"}
                assert (await talk.returned("query-vnc"))["clients"] == [client]
                assert await talk.say("info vnc") == (
                    f"{shown}Client:\n     address: {LOCAL}:{ours}\n"
                )
            while (await talk.returned("query-vnc"))["clients"]:
                pass
            data = {"server": server, "client": client}
            timestamp = {"seconds": START, "microseconds": 0}
            assert talk.events == [
                {"timestamp": timestamp, "event": name, "data": data}
                for name in ("VNC_CONNECTED", "VNC_INITIALIZED", "VNC_DISCONNECTED")
            ]

    run_on("asyncio", main())


def test_a_vnc_password_is_set_and_taken_away(machine: Machine) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            await machine.display.start_vnc(f"{LOCAL}:0,to=99")

            async def auth() -> Any:
                return (await talk.returned("query-vnc"))["auth"]

            for word, password, expected in (
                ("password", "secret123456", "vnc"),
                ("passwd", "", "none"),
                ("passwd", "x", "vnc"),
            ):
                changed = await talk.returned(
                    "change", device="vnc", target=word, arg=password
                )
                assert (changed, await auth()) == ({}, expected)
            refused = await talk.ask("change", device="vnc", target="password")
            assert refused["error"] == {
                "class": "MissingParameter",
                "desc": "Parameter 'password' is missing",
                "data": {"name": "password"},
            }

    run_on("asyncio", main())


def test_vnc_moves_where_it_is_told_to_and_a_failure_leaves_nothing(
    machine: Machine,
) -> None:
    async def main() -> None:
        async with talking(machine) as talk:
            for target, answer in (
                ("none", {"enabled": False}),
                ("nonexistent.invalid:1", {}),
                ("nonsense", {}),
                ("none", {"enabled": False}),
            ):
                reply = await talk.ask("change", device="vnc", target=target)
                if not answer:
                    assert reply["error"] == {
                        "class": "VNCServerFailed",
                        "desc": f"Could not start VNC server on {target}",
                        "data": {"target": target},
                    }
                assert await talk.returned("query-vnc") == answer
                shown = await talk.say("info vnc")
                assert shown == ("Server: disabled\n" if answer else "")
            assert await talk.say(f"change vnc {LOCAL}:0,to=99") == ""
            assert (await talk.returned("query-vnc"))["enabled"] is True

    run_on("asyncio", main())


def test_a_machine_without_a_display_has_no_vnc_to_change(machine: Machine) -> None:
    machine.display.vnc.is_offered = False

    async def main() -> None:
        async with talking(machine) as talk:
            assert await talk.returned("query-vnc") == {"enabled": False}
            refused = await talk.ask("change", device="vnc", target="password", arg="x")
            assert refused["error"]["class"] == SetPasswdFailed.__name__
            refused = await talk.ask("change", device="vnc", target=":1")
            assert refused["error"]["class"] == VNCServerFailed.__name__
            refused = await talk.ask("change", device="vnc", target="password")
            assert refused["error"]["class"] == MissingParameter.__name__

    run_on("asyncio", main())


@pytest.mark.parametrize(
    "line",
    [
        "acl_show foo",
        "acl_policy foo allow",
        "acl_add foo x allow",
        "acl_remove foo x",
        "acl_reset foo",
    ],
)
def test_without_the_option_there_is_no_list(machine: Machine, line: str) -> None:
    assert say(machine, line) == "acl: unknown list 'foo'\n"


def test_a_list_is_shown_and_changed(machine: Machine) -> None:
    async def main() -> str:
        async with talking(machine) as talk:
            await machine.display.start_vnc(f"{LOCAL}:0,to=99,acl")
            lines = (
                "show vnc.username",
                "policy vnc.username allow",
                "policy vnc.username maybe",
                "add vnc.username bob allow",
                "add vnc.username al* deny",
                "add vnc.username carl deny 1",
                "add vnc.username dora maybe",
                "add vnc.username dora deny 0",
                "show vnc.username",
                "remove vnc.username bob",
                "remove vnc.username bob",
                "show vnc.x509dname",
                "reset vnc.username",
                "show vnc.username",
            )
            return "".join([await talk.say(f"acl_{line}") for line in lines])

    assert run_on("asyncio", main()).splitlines() == [
        "policy: deny",
        "acl: policy set to 'allow'",
        "acl: unknown policy 'maybe', expected 'deny' or 'allow'",
        "acl: added rule at position 1",
        "acl: added rule at position 2",
        "acl: added rule at position 1",
        "acl: unknown policy 'maybe', expected 'deny' or 'allow'",
        "acl: unable to add acl entry",
        "policy: allow",
        "1: deny carl",
        "2: allow bob",
        "3: deny al*",
        "acl: removed rule at position 2",
        "acl: no matching acl entry",
        "policy: deny",
        "acl: removed all rules",
        "policy: deny",
    ]
