"""The display of today's monitor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, VirtualClock
from tests.dialects.conftest import boxed
from tests.machine.display.rfb_client import view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box

GENERIC = "GenericError"
REFUSED = (GENERIC, "Could not set password")


@pytest.fixture
def vnc() -> Iterator[Box]:
    """Serve a running machine whose time stands still, with VNC and its password."""
    machine = Machine("vnc", clock=VirtualClock(), is_started=True)
    with boxed(machine) as box:
        box.do(lambda: machine.display.vnc.open("127.0.0.1:0,to=99,password"))
        try:
            yield box
        finally:
            box.do(machine.display.close)


def port_of(box: Box) -> int:
    """Return where its VNC server listens."""
    return int(box.run("query-vnc")["service"])


def looks(box: Box, password: str) -> bool:
    """Return whether a VNC client with that password is let in."""

    async def look() -> bool:
        viewer = await view("127.0.0.1", port_of(box))
        try:
            await viewer.shake_hands(password=password)
        except PermissionError:
            return False
        finally:
            await viewer.close()
        return True

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ({}, b"P6\n720 400\n"),
        ({"format": "ppm"}, b"P6\n"),
        ({"format": "png"}, b"\x89PNG"),
    ],
)
def test_a_picture_is_written(
    box: Box, tmp_path: Path, arguments: dict[str, str], begins: bytes
) -> None:
    file = tmp_path / "screen"
    assert box.run("screendump", filename=str(file), **arguments) == {}
    assert file.read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (
            {"filename": "/nonexistent/x"},
            (
                GENERIC,
                "failed to open file '/nonexistent/x': No such file or directory",
            ),
        ),
        (
            {"filename": "x", "format": "gif"},
            (GENERIC, "Parameter 'format' does not accept value 'gif'"),
        ),
        (
            {"filename": "x", "head": 1},
            (GENERIC, "'head' must be specified together with 'device'"),
        ),
        (
            {"filename": "x", "device": "foo", "head": 1},
            ("DeviceNotFound", "Device 'foo' not found"),
        ),
    ],
)
def test_a_picture_that_cannot_be_had_is_an_error(
    box: Box, arguments: dict[str, Any], refusal: tuple[str, str]
) -> None:
    assert box.refusal("screendump", **arguments) == refusal


def qcode(name: str) -> dict[str, str]:
    """Return a key by its name."""
    return {"type": "qcode", "data": name}


def test_keys_are_held_as_long_as_is_said(vnc: Box) -> None:
    keys = [qcode("shift"), {"type": "number", "data": 0x1E}, qcode("unmapped")]
    assert vnc.run("send-key", keys=keys, hold_time=500) == {}
    keyboard, clock = vnc.machine.display.keyboard, vnc.machine.clock
    assert isinstance(clock, VirtualClock)
    assert keyboard.held_names == ["shift", "a"]
    vnc.do(lambda: clock.advance(0.5))
    assert keyboard.held_names == []
    assert list(vnc.machine.display.console.typed) == ["A"]


@pytest.mark.parametrize("name", ["nokey", "<", "altgr"])
def test_a_key_that_is_none_is_refused(vnc: Box, name: str) -> None:
    refusal = (GENERIC, f"Parameter 'data' does not accept value '{name}'")
    assert vnc.refusal("send-key", keys=[qcode(name)]) == refusal
    key = {"down": True, "key": qcode(name)}
    events = [{"type": "key", "data": key}]
    assert vnc.refusal("input-send-event", events=events) == refusal


def test_events_are_carried_out_one_by_one(vnc: Box) -> None:
    def key(name: str, *, down: bool) -> dict[str, Any]:
        return {"type": "key", "data": {"down": down, "key": qcode(name)}}

    def button(name: str, *, down: bool) -> dict[str, Any]:
        return {"type": "btn", "data": {"down": down, "button": name}}

    events = [
        key("a", down=True),
        key("a", down=False),
        key("b", down=True),
        key("copy", down=True),
        {"type": "abs", "data": {"axis": "x", "value": 100}},
        {"type": "abs", "data": {"axis": "y", "value": 32767}},
        {"type": "rel", "data": {"axis": "x", "value": 10}},
        {"type": "rel", "data": {"axis": "y", "value": -640}},
        button("left", down=True),
        button("right", down=True),
        button("left", down=False),
        button("wheel-down", down=True),
        button("wheel-down", down=False),
        button("side", down=True),
    ]
    display = vnc.machine.display
    display.pointers.add("QEMU HID Tablet", is_absolute=True)
    assert vnc.run("input-send-event", events=events) == {}
    assert list(display.console.typed) == ["ab"]
    assert display.keyboard.held_names == ["b"]
    place = {"x": 100 + 511, "y": 0, "wheel": 1, "buttons": 2}
    assert display.pointers.state() == place


def test_a_machine_that_stands_still_takes_no_events(box: Box) -> None:
    assert box.refusal("input-send-event", events=[]) == (GENERIC, "VM not running")
    assert box.refusal("input-send-event", device="foo", events=[]) == (
        "DeviceNotFound",
        "Device 'foo' not found",
    )


def test_there_is_a_mouse(box: Box) -> None:
    mouse = {"name": "QEMU PS/2 Mouse", "index": 2, "current": True, "absolute": False}
    assert box.run("query-mice") == [mouse]


def test_the_vnc_server_and_its_clients_are_told_of(vnc: Box) -> None:
    server = {
        "auth": "vnc",
        "family": "ipv4",
        "service": str(port_of(vnc)),
        "host": "127.0.0.1",
    }
    assert vnc.run("query-vnc") == {"enabled": True, "clients": [], **server}
    server["websocket"] = False  # type: ignore[assignment]
    assert vnc.run("query-vnc-servers") == [
        {"auth": "vnc", "clients": [], "server": [server], "id": "default"}
    ]

    async def look() -> tuple[int, Any, Any]:
        loop = asyncio.get_running_loop()
        viewer = await view("127.0.0.1", int(str(server["service"])))
        await viewer.reader.readexactly(12)
        port = viewer.writer.get_extra_info("sockname")[1]
        one = await loop.run_in_executor(None, vnc.run, "query-vnc")
        many = await loop.run_in_executor(None, vnc.run, "query-vnc-servers")
        await viewer.close()
        return port, one, many

    port, one, many = asyncio.run(look())
    client = {"family": "ipv4", "service": str(port), "host": "127.0.0.1"}
    client["websocket"] = False  # type: ignore[assignment]
    assert one["clients"] == many[0]["clients"] == [client]
    while vnc.run("query-vnc")["clients"]:
        pass
    data = {"server": server, "client": client}
    assert vnc.events() == [("VNC_CONNECTED", data), ("VNC_DISCONNECTED", data)]


def test_a_password_is_changed_where_one_is_asked_for(vnc: Box) -> None:
    assert vnc.run("set_password", protocol="vnc", password="first") == {}
    assert looks(vnc, "first")
    assert vnc.run("change-vnc-password", password="second") == {}
    assert not looks(vnc, "first")
    assert looks(vnc, "second")
    # Nobody knows an empty one.
    assert vnc.run("change-vnc-password", password="") == {}
    assert not looks(vnc, "")
    assert vnc.run("query-vnc")["auth"] == "vnc"


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        ("now", False),
        ("never", True),
        ("+10", True),
        ("123", False),
        ("99999999999", True),
        ("foo", False),
        ("", False),
    ],
)
def test_a_password_expires(vnc: Box, time: str, counts: bool) -> None:
    vnc.run("set_password", protocol="vnc", password="x")
    assert vnc.run("expire_password", protocol="vnc", time=time) == {}
    assert looks(vnc, "x") is counts


def test_what_lasts_ten_seconds_does_not_last_eleven(vnc: Box) -> None:
    vnc.run("set_password", protocol="vnc", password="x")
    vnc.run("expire_password", protocol="vnc", time="+10")
    clock = vnc.machine.clock
    assert isinstance(clock, VirtualClock)
    vnc.do(lambda: clock.advance(10))
    assert not looks(vnc, "x")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"display": "foo"}, REFUSED),
        ({"connected": "fail"}, (GENERIC, "Invalid parameter 'connected'")),
        ({"protocol": "spice"}, ("DeviceNotActive", "SPICE is not in use")),
        (
            {"protocol": "foo"},
            (GENERIC, "Parameter 'protocol' does not accept value 'foo'"),
        ),
    ],
)
def test_what_a_password_cannot_be_set_for_is_said(
    vnc: Box, arguments: dict[str, str], refusal: tuple[str, str]
) -> None:
    given = {"protocol": "vnc", "password": "x", **arguments}
    assert vnc.refusal("set_password", **given) == refusal


def test_where_there_is_no_vnc_there_is_no_password(box: Box) -> None:
    assert box.run("query-vnc") == {"enabled": False}
    assert box.run("query-vnc-servers") == []
    assert box.refusal("set_password", protocol="vnc", password="x") == REFUSED
    assert box.refusal("change-vnc-password", password="x") == REFUSED
    assert box.refusal("expire_password", protocol="vnc", time="now") == (
        GENERIC,
        "Could not set password expire time",
    )


def test_a_server_that_could_not_be_had_is_not_there(vnc: Box) -> None:
    def fail() -> None:
        with pytest.raises(Exception, match="Could not start VNC server on nonsense"):
            vnc.machine.display.vnc.open("nonsense")

    vnc.do(fail)
    assert vnc.run("query-vnc") == {"enabled": False}
    assert vnc.run("query-vnc-servers") == []
