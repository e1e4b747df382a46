"""QEMU's VNC server and ours, side by side: the same bytes for the same bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.machine import Machine
from tests.loop_thread import LoopThread
from tests.loops import run_on, short_directory
from tests.machine.display.rfb_client import view_unix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

V3, V7, V8 = (b"RFB 003.%03d\n" % minor for minor in (3, 7, 8))
SECONDS = 10.0  # for what takes milliseconds
ANYTHING = bytes(16)
SIZE = re.compile(rb"(?s)....( .{19}QEMU \(side\))")
CHALLENGE = re.compile(
    rb"(?s)(?<=\ARFB 003\.008\n)(\x00\x00\x00\x02|\x01\x02)(?!\x00\x00\x00\x01).{16}"
)

OPEN = [
    [V3, b"\1"],
    [b"RFB 003.004\n", b"\1"],
    [b"RFB 003.005\n", b"\0"],
    [V7, b"\1", b"\1"],
    [V8, b"\1", b"\1"],
    [b"GET / HTTP/1.0\r\n"],
    [V7, b"\5"],
    [V8, b"\5"],
    [V8, b"\1", b"\1", b"\x63"],
    [V8, b"\1", b"\1", b"\1"],
    [V8, b"\1", b"\1", b"\6\0\0\0\0\x20\0\0"],
]
GUARDED = [
    [V3, ANYTHING],
    [V7, b"\2", ANYTHING],
    [V8, b"\2", ANYTHING],
    [V8, b"\1"],
]


def converse(path: Path, sent: bytes) -> bytes:
    """Return all that the server says to these bytes and an end."""
    heard = b""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(SECONDS)
        client.connect(str(path))
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        # A server that closes without having read all breaks the connection.
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                heard += data
    return heard


def alike(said: bytes) -> bytes:
    """Return what was said without what may differ."""
    said = SIZE.sub(b"SIZE\\1", said)
    said = CHALLENGE.sub(b"\\1CHALLENGE", said)
    # QEMU counts a zero byte at the end of its text.
    return said.replace(b"\x16Authentication failed\0", b"\x15Authentication failed")


@pytest.fixture
def ours() -> Iterator[tuple[Path, Path]]:
    """Serve a display that is open, and one that wants a password."""
    with short_directory() as directory, LoopThread() as thread:
        paths = (directory / "open", directory / "guarded")
        displays = [Machine("side").display for _ in paths]
        thread.run(lambda: displays[0].vnc.open(f"unix:{paths[0]}"))
        thread.run(lambda: displays[1].vnc.open(f"unix:{paths[1]},password"))
        try:
            yield paths
        finally:
            for display in displays:
                thread.run(display.close)


def test_the_same_bytes_are_answered_with_the_same_bytes(
    qemu: StartQemu, ours: tuple[Path, Path]
) -> None:
    with short_directory() as directory:
        theirs = (directory / "open", directory / "guarded")
        qemu("-name", "side", "-vnc", f"unix:{theirs[0]}")
        qemu("-name", "side", "-vnc", f"unix:{theirs[1]},password=on")
        for place, conversations in enumerate((OPEN, GUARDED)):
            for chunks in conversations:
                sent = b"".join(chunks)
                said, expected = (
                    alike(converse(paths[place], sent)) for paths in (ours, theirs)
                )
                assert (chunks, said) == (chunks, expected)


def test_our_client_is_a_client_for_qemu_too(qemu: StartQemu) -> None:
    async def look(path: str, password: str | None, minor: int) -> tuple[str, int]:
        async with await view_unix(path) as viewer:
            await viewer.shake_hands(minor, password)
            viewer.ask(incremental=False)
            areas = await viewer.update()
            assert sum(area.width * area.height for area in areas) > 0
            return viewer.name, len(viewer.pixels)

    with short_directory() as directory:
        path = str(directory / "open")
        qemu("-name", "side", "-vnc", f"unix:{path}")
        for minor in (3, 7, 8):
            name, size = run_on("asyncio", look(path, None, minor))
            assert name == "QEMU (side)"
            assert size > 0


def test_a_password_opens_qemu_as_it_opens_ours(qemu: StartQemu) -> None:
    async def come_in(path: Path, password: str) -> bool:
        viewer = await view_unix(str(path))
        try:
            await viewer.shake_hands(password=password)
        except PermissionError:
            return False
        finally:
            await viewer.close()
        return True

    def tried(path: Path) -> list[bool]:
        words = ("secret12", "secret123", "Secret12", "secret1", "")
        return [asyncio.run(come_in(path, word)) for word in words]

    with short_directory() as directory, LoopThread() as thread:
        theirs, ours = directory / "theirs", directory / "ours"
        machine = qemu("-name", "side", "-vnc", f"unix:{theirs},password=on")
        with qmpx.connect(machine.qmp) as vm:
            vm.execute("change-vnc-password", password="secret123456")
        display = Machine("side").display
        thread.run(lambda: display.vnc.open(f"unix:{ours},password"))
        display.vnc.set_password("secret123456")
        assert tried(ours) == tried(theirs) == [True, True, False, False, False]
        thread.run(display.close)
