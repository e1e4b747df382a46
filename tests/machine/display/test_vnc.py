"""The VNC server: who may come in, and what is told of them."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from qmpx.errors import SetPasswdFailed, VNCServerFailed
from qmpx.machine import VirtualClock
from qmpx.machine.display.pictures import rgb
from qmpx.machine.display.vnc import HANDSHAKE_TIMEOUT, MAX_VIEWERS, RETRY
from qmpx.machine.vnc_happenings import VncConnected, VncDisconnected, VncInitialized
from tests.loops import run_on
from tests.machine.display.rfb_client import (
    view,
)
from tests.machine.display.room import ALL, LOCAL, Room, room


@pytest.mark.parametrize("minor", [3, 7, 8])
@pytest.mark.parametrize("password", [None, "secret", "secret123456"])
def test_a_client_of_each_version_sees_the_screen(
    loop: str, minor: int, password: str | None
) -> None:
    async def main() -> None:
        async with room() as here:
            if password is not None:
                here.vnc.set_password(password)
            async with await here.view(minor, password) as viewer:
                assert viewer.offered == [1 if password is None else 2]
                assert (viewer.width, viewer.height) == (720, 400)
                assert viewer.name == "QEMU (vmname)"
                viewer.ask(incremental=False)
                assert await viewer.update() == ALL
                assert viewer.rgb == rgb(here.display.screen)

    run_on(loop, main())


def test_what_is_told_of_a_client_comes_in_order() -> None:
    async def main() -> None:
        async with room() as here:
            viewer = await view(LOCAL, here.port)
            host, port = viewer.writer.get_extra_info("sockname")
            await here.until(lambda: len(here.told) == 1)
            client = {"host": host, "service": str(port), "family": "ipv4"}
            server = {"host": LOCAL, "service": str(here.port), "family": "ipv4"}
            server["auth"] = "none"
            assert here.told == [VncConnected(server, client)]
            assert here.vnc.info() == {"enabled": True, "clients": [client], **server}
            await viewer.shake_hands()
            assert here.told[1:] == [VncInitialized(server, client)]
            await viewer.close()
            await here.until(lambda: len(here.told) == 3)
            assert here.told[2:] == [VncDisconnected(server, client)]
            assert here.vnc.info()["clients"] == []

    run_on("asyncio", main())


@pytest.mark.parametrize("stage", range(5))
def test_a_client_that_goes_at_any_moment_is_told_of(loop: str, stage: int) -> None:
    async def main() -> None:
        async with room() as here:
            here.vnc.set_password("secret")
            viewer = await view(LOCAL, here.port)
            if stage > 0:
                await viewer.reader.readexactly(12)
            if stage > 1:
                viewer.writer.write(b"RFB 003.008\n")
                await viewer.reader.readexactly(2)
            if stage > 2:
                viewer.writer.write(b"\2")
                await viewer.reader.readexactly(16)
            if stage > 3:
                viewer.writer.write(bytes(8))
            await viewer.close()
            await here.until(lambda: len(here.told) == 2)
            assert here.names() == ["VncConnected", "VncDisconnected"]
            assert here.vnc.viewers == []

    run_on(loop, main())


@pytest.mark.parametrize(
    ("password", "given"),
    [("secret", "Secret"), ("secret", ""), ("secret12", "secret1")],
)
def test_who_does_not_know_the_password_is_not_let_in(
    caplog: pytest.LogCaptureFixture, password: str, given: str
) -> None:
    async def main() -> None:
        async with room() as here:
            here.vnc.set_password(password)
            viewer = await view(LOCAL, here.port)
            with pytest.raises(PermissionError, match="Authentication failed"):
                await viewer.shake_hands(password=given)
            assert await viewer.reader.read() == b""
            await viewer.close()
            assert here.names() == ["VncConnected", "VncDisconnected"]

    with caplog.at_level(logging.WARNING, "qmpx.machine"):
        run_on("asyncio", main())
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "wrong password"
    ]


def test_a_server_that_wants_a_password_and_has_none_lets_nobody_in() -> None:
    async def main() -> None:
        async with room(":0,password") as here:
            assert here.vnc.info()["auth"] == "vnc"
            viewer = await view(LOCAL, here.port)
            with pytest.raises(PermissionError):
                await viewer.shake_hands(password="")
            await viewer.close()
            here.vnc.set_password("now")
            await (await here.view(password="now")).close()

    run_on("asyncio", main())


def test_a_password_counts_until_it_expires() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with room(clock=clock) as here:
            here.vnc.set_password("secret")
            here.vnc.expire_password(clock.microseconds() + 5_000_000)
            async with await here.view(password="secret"):
                clock.advance(5)
                late = await view(LOCAL, here.port)
                with pytest.raises(PermissionError):
                    await late.shake_hands(password="secret")
                await late.close()
            here.vnc.expire_password(None)
            await (await here.view(password="secret")).close()

    run_on("asyncio", main())


def test_an_empty_password_lets_everybody_in() -> None:
    async def main() -> None:
        async with room() as here:
            here.vnc.set_password("secret")
            assert here.vnc.info()["auth"] == "vnc"
            here.vnc.set_password("")
            assert here.vnc.info()["auth"] == "none"
            await (await here.view()).close()

    run_on("asyncio", main())


def test_several_clients_see_the_same_and_the_newest_is_named_first() -> None:
    async def main() -> None:
        async with room() as here, AsyncExitStack() as stack:
            viewers = [
                await stack.enter_async_context(await here.view()) for _ in range(3)
            ]
            ports = [each.writer.get_extra_info("sockname")[1] for each in viewers]
            clients = here.vnc.info()["clients"]
            assert [int(each["service"]) for each in clients] == ports[::-1]
            viewers[0].type("seen by all")
            for viewer in viewers:
                viewer.ask(incremental=False)
                await viewer.update()
                assert viewer.rgb == rgb(here.display.screen)

    run_on("asyncio", main())


@pytest.mark.parametrize(
    ("share", "first", "second"),
    [
        ("", True, True),
        (",share=ignore", True, True),
        (",share=allow-exclusive", False, True),
        (",share=force-shared", True, False),
    ],
)
def test_who_wants_to_look_alone_gets_what_was_decided(
    share: str, first: bool, second: bool
) -> None:
    async def main() -> None:
        async with room(f":0{share}") as here:
            one = await here.view()
            other = await here.view(shared=False)
            await here.until(lambda: len(here.vnc.viewers) == first + second)
            for viewer, stays in ((one, first), (other, second)):
                if stays:
                    viewer.ask(incremental=False)
                    assert await viewer.update() == ALL
                else:
                    assert await viewer.reader.read() == b""
                await viewer.close()

    run_on("asyncio", main())


def test_a_client_that_never_comes_in_is_sent_away_in_the_end() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with room(clock=clock) as here, await here.view() as inside:
            viewer = await view(LOCAL, here.port)
            await here.until(lambda: len(here.vnc.viewers) == 2)
            clock.advance(HANDSHAKE_TIMEOUT - 1)
            assert len(here.vnc.viewers) == 2
            clock.advance(1)
            assert await viewer.reader.read() == b"RFB 003.008\n"
            await viewer.close()
            inside.ask(incremental=False)
            assert await inside.update() == ALL

    run_on("asyncio", main())


def test_more_clients_than_there_is_room_for_are_turned_away() -> None:
    async def main() -> None:
        async with room() as here, AsyncExitStack() as stack:
            for _ in range(MAX_VIEWERS):
                await stack.enter_async_context(await view(LOCAL, here.port))
            await here.until(lambda: len(here.vnc.viewers) == MAX_VIEWERS)
            one_more = await view(LOCAL, here.port)
            assert await one_more.reader.read() == b""
            await one_more.close()
            assert len(here.told) == MAX_VIEWERS

    run_on("asyncio", main())


def test_a_server_that_cannot_be_had_is_neither_there_nor_not() -> None:
    async def main() -> None:
        async with room() as here:
            port = here.port
            for target in (f"{LOCAL}:{port - 5900}x", "nonexistent.invalid:1", "unix:"):
                with pytest.raises(VNCServerFailed) as caught:
                    here.vnc.open(target)
                assert caught.value.data == {"target": target}
                assert here.vnc.info() == {}
                assert here.vnc.address == ""
            here.vnc.open("none")
            assert here.vnc.info() == {"enabled": False}
            here.vnc.open(f"{LOCAL}:{port - 5900}")
            assert here.port == port

    run_on("asyncio", main())


def test_those_who_are_in_stay_when_the_server_moves() -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            here.vnc.open("none")
            assert here.vnc.info() == {"enabled": False}
            viewer.ask(incremental=False)
            assert await viewer.update() == ALL
            here.vnc.open(f"{LOCAL}:0,to=99")
            assert len(here.vnc.info()["clients"]) == 1
            await viewer.close()
            await here.until(lambda: not here.vnc.viewers)
            (left,) = [x for x in here.told if isinstance(x, VncDisconnected)]
            assert left.server["auth"] == "none"

    run_on("asyncio", main())


def test_a_closed_display_sends_everybody_away() -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            here.display.close()
            assert await viewer.reader.read() == b""
            assert here.vnc.info() == {"enabled": False}

    run_on("asyncio", main())


def test_a_machine_without_a_display_serves_nothing() -> None:
    here = Room()
    here.vnc.is_offered = False
    assert here.vnc.info() == {"enabled": False}
    with pytest.raises(SetPasswdFailed):
        here.vnc.set_password("x")
    with pytest.raises(SetPasswdFailed):
        here.vnc.expire_password(1)
    with pytest.raises(VNCServerFailed):
        here.vnc.open(":1")


def test_the_option_acl_makes_the_lists() -> None:
    async def main() -> None:
        async with room() as here:
            assert not here.vnc.lists
        async with room(":0,acl") as here:
            assert list(here.vnc.lists) == ["vnc.x509dname", "vnc.username"]

    run_on("asyncio", main())


@pytest.mark.slow
def test_clients_wait_while_there_are_no_descriptors(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with room(clock=clock) as here:
            accept = socket.socket.accept

            def no_more(_: socket.socket) -> Any:
                raise OSError(24, "Too many open files")

            monkeypatch.setattr(socket.socket, "accept", no_more)
            viewer = await view(LOCAL, here.port)
            await here.until(lambda: bool(caplog.records))
            await asyncio.sleep(0.01)
            assert len(caplog.records) == 1
            monkeypatch.setattr(socket.socket, "accept", accept)
            clock.advance(RETRY)
            await viewer.shake_hands()
            await viewer.close()

    with caplog.at_level(logging.WARNING, "qmpx.machine"):
        run_on("asyncio", main())


def test_a_server_that_is_open_to_all_the_world_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        here = Room()
        for target in (":0,to=99,ipv4", ":0,to=99,ipv4,password"):
            here.vnc.open(target)
        here.display.close()

    with caplog.at_level(logging.WARNING, "qmpx.machine"):
        run_on("asyncio", main())
    (record,) = caplog.records
    assert record.message.startswith("VNC on 0.0.0.0:59")
    assert record.message.endswith(": whoever reaches it may come in")
