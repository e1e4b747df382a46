"""QEMU's VNC server and ours, side by side: the same bytes for the same bytes."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.machine import Machine
from tests.loop_thread import LoopThread
from tests.loops import run_on, short_directory
from tests.machine.display.rfb_client import view_unix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

V3, V7, V8 = (b"RFB 003.%03d\n" % minor for minor in (3, 7, 8))
SILENCE = 0.25  # seconds without a byte after which it is the client's turn
CHALLENGE = 16  # bytes
ANYTHING = bytes(CHALLENGE)
FAILED = b"\x15Authentication failed"

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


def converse(path: Path, chunks: list[bytes]) -> list[bytes | None]:
    """Return what the server says before and after each chunk; ``None`` at its end."""
    said: list[bytes | None] = []
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(SILENCE)
        client.connect(str(path))
        for chunk in [b"", *chunks]:
            try:
                client.sendall(chunk)
                heard = b""
                while data := client.recv(65536):
                    heard += data
            except TimeoutError:
                said.append(heard)
            except OSError:
                return [*said, None]
            else:
                return [*said, heard, None]
    return said


def alike(said: list[bytes | None], *, is_open: bool) -> list[bytes | None]:
    """Return what was said without what may differ."""
    result: list[bytes | None] = []
    for heard in said:
        text = heard
        if text is not None and text.endswith(b"QEMU (side)"):
            text = b"SIZE" + text[4:]
        if text is not None and not is_open and len(text) > CHALLENGE:
            text = text[:-CHALLENGE] + b"CHALLENGE"
        # QEMU counts a zero byte at the end of its text.
        if text is not None:
            text = text.replace(b"\x16Authentication failed\0", FAILED)
        result.append(text)
    return result


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
        for is_open, conversations in ((True, OPEN), (False, GUARDED)):
            for chunks in conversations:
                place = 0 if is_open else 1
                said, expected = (
                    alike(converse(paths[place], chunks), is_open=is_open)
                    for paths in (ours, theirs)
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
