"""A VNC client: what it sees and does, on a real socket."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any

import pytest

from qmpx.machine import VirtualClock
from qmpx.machine.display.pictures import rgb
from qmpx.machine.display.screen import PALETTE
from qmpx.machine.display.viewer import MAX_REPLIES, READ_SIZE
from tests.loops import run_on, short_directory
from tests.machine.display.rfb_client import (
    DESKTOP_SIZE,
    RAW,
    ZLIB,
    Area,
    view,
    view_unix,
)
from tests.machine.display.room import LOCAL, room


def test_a_client_is_shown_what_has_changed_and_only_that(loop: str) -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            viewer.ask(incremental=False)
            await viewer.update()
            viewer.ask()
            here.machine.cont()
            # The word in the row of the state, and nothing else.
            assert await viewer.update() == [Area(128, 32, 72, 16, RAW)]
            assert viewer.rgb == rgb(here.display.screen)

    run_on(loop, main())


def test_what_is_typed_and_pointed_at_is_seen(loop: str) -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            viewer.type("Hello, World!")
            viewer.key(0xFF0D, down=True)
            viewer.key(0xFFE3, down=True)
            viewer.point(719, 0, 4)
            viewer.ask(incremental=False)
            await viewer.update()
            display = here.display
            assert list(display.console.typed) == ["Hello, World!", ""]
            assert display.keyboard.held_names == ["ret", "ctrl"]
            assert display.pointers.state() == {
                "x": 0x7FFF,
                "y": 0,
                "wheel": 0,
                "buttons": 4,
            }
            assert viewer.rgb == rgb(display.screen)

    run_on(loop, main())


def test_the_wheel_turns_once_for_each_press() -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            for buttons in (16, 16, 0, 16, 8):
                viewer.point(5, 5, buttons)
            viewer.ask(incremental=False)
            await viewer.update()
            assert here.display.pointers.wheel == 1

    run_on("asyncio", main())


def test_what_a_client_holds_is_let_go_when_it_leaves() -> None:
    async def main() -> None:
        async with room() as here:
            here.display.keyboard.press(0x2A)
            async with await here.view() as viewer:
                viewer.key(0xFFE3, down=True)
                viewer.point(5, 5, 1)
                viewer.ask(incremental=False)
                await viewer.update()
                assert here.display.keyboard.held_names == ["shift", "ctrl"]
            await here.until(lambda: not here.vnc.viewers)
            assert here.display.keyboard.held_names == ["shift"]
            assert here.display.pointers.buttons == 0

    run_on("asyncio", main())


def test_the_clock_on_the_screen_goes_on_while_somebody_waits() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with room(clock=clock) as here, await here.view() as viewer:
            viewer.ask(incremental=False)
            await viewer.update()
            viewer.ask()
            await here.until(lambda: here.vnc.viewers[0].session.updates.is_awaited)
            await asyncio.sleep(0)
            clock.advance(1)
            assert await viewer.update() == [Area(672, 0, 8, 16, RAW)]
            # Nobody waits now: nothing is planned any more but the handshake's end.
            clock.advance(100)
            assert here.display.screen.lines[0][84].character == "1"

    run_on("asyncio", main())


@pytest.mark.parametrize("encodings", [(RAW,), (ZLIB,), (ZLIB, DESKTOP_SIZE), (16, 7)])
def test_every_encoding_shows_the_same(loop: str, encodings: tuple[int, ...]) -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            viewer.choose(*encodings)
            viewer.ask(incremental=False)
            (area,) = await viewer.update()
            assert area.encoding == (ZLIB if ZLIB in encodings else RAW)
            viewer.type("abc")
            viewer.ask()
            await viewer.update()
            assert viewer.rgb == rgb(here.display.screen)

    run_on(loop, main())


def test_a_client_that_can_follows_to_another_size() -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            viewer.choose(RAW, DESKTOP_SIZE)
            viewer.ask(incremental=False)
            await viewer.update()
            viewer.ask()
            here.display.resize(80, 30)
            assert await viewer.update() == [Area(0, 0, 640, 480, DESKTOP_SIZE)]
            viewer.ask(incremental=False)
            assert await viewer.update() == [Area(0, 0, 640, 480, RAW)]
            assert viewer.rgb == rgb(here.display.screen)

    run_on("asyncio", main())


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"GET / HTTP/1.0\r\n", "a client that is no VNC client: it began with"),
        (b"RFB 009.000\n", "no version 9.0"),
        (b"RFB 003.008\n\x05", "security type 5 was not offered"),
        (b"RFB 003.008\n\1\1\x63", "a message of the unknown type 99"),
        (b"RFB 003.008\n\1\1\6\0\0\0\xff\xff\xff\xff", "4294967295 bytes of cut text"),
    ],
)
def test_who_breaks_the_protocol_is_sent_away_with_a_clear_word_in_the_log(
    loop: str, caplog: pytest.LogCaptureFixture, sent: bytes, complaint: str
) -> None:
    async def main() -> None:
        async with room() as here:
            viewer = await view(LOCAL, here.port)
            viewer.writer.write(sent)
            await viewer.reader.read()
            await viewer.close()
            assert here.vnc.viewers == []
            assert here.names()[-1] == "VncDisconnected"

    with caplog.at_level(logging.WARNING, "qmpx.machine"):
        run_on(loop, main())
    (record,) = caplog.records
    assert complaint in record.message
    assert record.message.startswith("VNC client 127.0.0.1:")


@pytest.mark.slow
def test_a_client_that_does_not_read_costs_one_picture_and_no_more(loop: str) -> None:
    async def main() -> None:
        async with room() as here, await here.view() as viewer:
            viewer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            (server_side,) = here.vnc.viewers
            for n in range(200):
                viewer.type(f"{n} ")
                viewer.ask(incremental=False)
                await asyncio.sleep(0)
                assert len(server_side._unsent) <= 4 * 720 * 400 + 1000  # noqa: SLF001
            assert len(server_side._unsent) > 0  # noqa: SLF001
            # It sees what is, not all that was, once it reads on.
            viewer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            viewer.ask(incremental=False)
            pictures = 0
            while viewer.rgb != rgb(here.display.screen):
                await viewer.update()
                pictures += 1
            assert pictures < 10

    run_on(loop, main())


def test_a_client_that_only_asks_for_maps_of_colours_is_not_read_for_ever(
    loop: str,
) -> None:
    async def main() -> None:
        # A unix socket: the kernel keeps less for it.
        with short_directory() as directory:
            path = str(directory / "vnc")
            async with room(f"unix:{path}") as here, await view_unix(path) as viewer:
                await viewer.shake_hands()
                transport: Any = viewer.writer.transport
                transport.pause_reading()
                (server_side,) = here.vnc.viewers
                viewer.ask(incremental=False)
                await here.until(lambda: len(server_side._unsent) > 0)  # noqa: SLF001
                wanted = b"\0\0\0\0" + struct.pack(">BB14x", 8, 8)
                longest = 4 * 720 * 400 + 1000 + MAX_REPLIES + 60 * READ_SIZE // 20
                while transport.get_write_buffer_size() < READ_SIZE:
                    viewer.writer.write(wanted * 100)
                    await asyncio.sleep(0)
                    assert len(server_side._unsent) <= longest  # noqa: SLF001
                # What was written is stuck; it is read when the client reads.
                transport.resume_reading()
                assert len(await viewer.update()) == 1
                while transport.get_write_buffer_size():
                    await viewer.reader.readexactly(6 + 6 * len(PALETTE))

    run_on(loop, main())
