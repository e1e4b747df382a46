"""A real VNC client, vncdotool, looks at the machine's screen, and types and points."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.display.pictures import rgb
from qmpx.machine.vnc_happenings import VncDisconnected, VncInitialized
from tests.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmpx.machine.happenings import Happening

pytestmark = [pytest.mark.peer("vncdotool"), pytest.mark.slow]

PROGRAM = Path(sys.executable).with_name("vncdo")
LIMIT = 30.0  # seconds; a start takes half of one


class Screen:
    """A machine with a VNC server, whose clock stands still."""

    def __init__(self, thread: LoopThread) -> None:
        self.machine = Machine("peer", clock=VirtualClock(), is_started=True)
        self.display = self.machine.display
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)
        self._thread = thread
        thread.run(lambda: self.display.vnc.open("127.0.0.1:0,to=99"))
        self.port = int(self.display.vnc.info()["service"])

    def vncdo(self, *actions: str) -> tuple[int, str]:
        """Let vncdotool do something; return its exit status and what it complains."""
        place = ["--server", f"127.0.0.1::{self.port}", "--timeout", "20"]
        ended = subprocess.run(
            [PROGRAM, *place, *actions],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return ended.returncode, ended.stderr

    def pixels(self) -> bytes:
        """Return what there is to see, as the last client saw it: with itself there."""

        def draw() -> bytes:
            self.display.console.draw(["vncdotool"], self.display.vnc.address)
            return rgb(self.display.screen)

        picture = self._thread.run(draw)
        assert isinstance(picture, bytes)
        return picture


@pytest.fixture
def screen() -> Iterator[Screen]:
    """Serve a screen in a thread of its own."""
    with LoopThread() as thread:
        made = Screen(thread)
        try:
            yield made
        finally:
            thread.run(made.display.close)


def seen(file: Path) -> bytes:
    """Return the pixels of a picture that vncdotool has taken."""
    from PIL import Image

    with Image.open(file) as picture:
        assert picture.size == (720, 400)
        return picture.convert("RGB").tobytes()


def test_it_sees_the_screen_pixel_by_pixel(screen: Screen, tmp_path: Path) -> None:
    file = tmp_path / "seen.png"
    assert screen.vncdo("capture", str(file))[0] == 0
    assert seen(file) == screen.pixels()


def test_it_types_and_points_and_sees_it(screen: Screen, tmp_path: Path) -> None:
    file = tmp_path / "seen.png"
    actions = ["type", "Hello, World! {[#]}", "key", "enter", "type", "ls"]
    actions += ["keydown", "ctrl", "move", "719", "0", "mousedown", "1"]
    assert screen.vncdo(*actions, "pause", "0.2", "capture", str(file))[0] == 0
    assert list(screen.display.console.typed) == ["Hello, World! {[#]}", "ls"]
    # It is gone, and what it held was let go; while it was there it saw it held.
    assert screen.display.keyboard.held_names == []
    assert screen.display.pointers.buttons == 0
    screen.display.keyboard.press(0x1D)
    screen.display.pointers.hold(1)
    assert seen(file) == screen.pixels()


def test_with_the_password_it_comes_in(screen: Screen, tmp_path: Path) -> None:
    screen.display.vnc.set_password("secret123456")
    file = tmp_path / "seen.png"
    assert screen.vncdo("--password", "secret12", "capture", str(file))[0] == 0
    assert seen(file) == screen.pixels()
    assert [type(happening) for happening in screen.told[1:]] == [
        VncInitialized,
        VncDisconnected,
    ]


def test_with_another_password_it_is_told_no(screen: Screen, tmp_path: Path) -> None:
    screen.display.vnc.set_password("secret")
    file = tmp_path / "seen.png"
    status, complaint = screen.vncdo("--password", "Secret", "capture", str(file))
    assert status != 0
    assert "Authentication failed" in complaint
    assert not file.exists()
    assert not any(isinstance(told, VncInitialized) for told in screen.told)
