"""A person at a terminal: the human monitor on it, and through socat."""

from __future__ import annotations

import shlex
import socket
from typing import TYPE_CHECKING

import pytest

from tests.loops import short_directory
from tests.peers.tmux import Terminal, terminal
from tests.programs import QMPX, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("tmux"), pytest.mark.slow]

BANNER = "QEMU 0.13.0 monitor - type 'help' for more information\n"
PROMPT = "(qemu) "


def free_display() -> int:
    """Return the number of a VNC display that nobody listens on."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            if (port := int(sock.getsockname()[1])) > 5900:
                return port - 5900


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory with a disk and a CD, whose name is short enough for tmux."""
    with short_directory() as path:
        for name in ("hd.img", "cd.iso", "other.iso"):
            (path / name).write_bytes(bytes(1 << 20))
        (path / "images").mkdir()
        yield path


@pytest.fixture
def screen(folder: Path) -> Iterator[Terminal]:
    """Start a machine whose human monitor is a terminal, in a shell."""
    words = [
        *(str(QMPX), "serve", "--dialect", "2010", "--hmp", "stdio", "--"),
        *("-S", "-name", "box", "-hda", "hd.img", "-cdrom", "cd.iso"),
        *("-vnc", f"127.0.0.1:{free_display()}"),
    ]
    script = f"trap : INT; cd {folder}; {shlex.join(words)}; echo status $?; stty -a"
    with terminal(folder, ["sh", "-c", f"{script}; cat"]) as shown:
        shown.wait_for(BANNER + PROMPT)
        yield shown


def enter(screen: Terminal, line: str, answer: str) -> str:
    """Type a line; wait for it, its answer and the prompt. Return the screen."""
    screen.press(line, "Enter")
    return screen.wait_for(f"{PROMPT}{line}\n{answer}{PROMPT}")


def test_info_shows_how_things_are(screen: Terminal) -> None:
    enter(screen, "info name", "box\n")
    enter(screen, "info status", "VM status: paused\n")
    enter(screen, "cont", "")
    enter(screen, "info status", "VM status: running\n")
    enter(
        screen,
        "info block",
        "ide0-hd0: type=hd removable=0 file=hd.img ro=0 drv=raw encrypted=0\n"
        "ide1-cd0: type=cdrom removable=1 locked=0 file=cd.iso ro=1 drv=raw "
        "encrypted=0\n",
    )
    enter(screen, "eject foo", "Device 'foo' not found\n")


def test_tab_completes_commands_items_drives_files_and_keys(screen: Terminal) -> None:
    screen.press(
        "inf", "Tab", "unam", "BSpace", "BSpace", "BSpace", "BSpace", "na", "Tab"
    )
    screen.wait_for(f"{PROMPT}info name")
    screen.press("Enter")
    screen.wait_for(f"box\n{PROMPT}")
    screen.press("cha", "Tab", "ide1", "Tab", "oth", "Tab", "Enter")
    screen.wait_for(f"{PROMPT}change ide1-cd0 other.iso\n{PROMPT}")
    screen.press("system_", "Tab")
    screen.wait_for(
        f"{PROMPT}system_\nsystem_reset      system_powerdown\n{PROMPT}system_"
    )
    screen.press("C-u", "change ide1-cd0 i", "Tab")
    screen.wait_for(f"{PROMPT}change ide1-cd0 images/")
    screen.press("C-u", "sendkey ctrl-al", "Tab")
    screen.wait_for(f"\n{PROMPT}sendkey ctrl-alt")
    screen.press("C-u", "Enter")
    screen.wait_for(f"{PROMPT}\n{PROMPT}")


def test_lines_are_edited_and_recalled(screen: Terminal) -> None:
    screen.press("nfo namx", "C-a", "i", "C-e", "BSpace", "e")
    screen.wait_for(f"{PROMPT}info name")
    assert screen.cursor == len(f"{PROMPT}info name")
    screen.press("Left", "Left", "Home")
    screen.wait_for(f"{PROMPT}info name")
    screen.press("Right", "Delete", "n", "End", "Enter")
    screen.wait_for(f"{PROMPT}info name\nbox\n{PROMPT}")
    enter(screen, "info status", "VM status: paused\n")
    screen.press("Up", "Up")
    screen.wait_for(f"paused\n{PROMPT}info name")
    screen.press("C-w", "version", "Enter")
    screen.wait_for(f"{PROMPT}info version\n0.13.0\n{PROMPT}")
    screen.press("C-r", "stat")
    screen.wait_for("(reverse-i-search)`stat': info status")
    screen.press("Enter")
    screen.wait_for(f"{PROMPT}info status\nVM status: paused\n{PROMPT}")
    screen.press("x y z", "Left", "Left", "C-k")
    screen.wait_for(f"{PROMPT}x y")
    screen.press("C-u")
    enter(
        screen,
        "info history",
        "0: 'info name'\n1: 'info version'\n2: 'info status'\n3: 'info history'\n",
    )


def test_a_password_is_asked_for_and_not_shown(screen: Terminal) -> None:
    screen.press("change vnc password", "Enter")
    screen.wait_for("Password:")
    screen.press("secret")
    screen.wait_for("Password: ******")
    screen.press("Enter")
    screen.wait_for(f"Password: ******\n{PROMPT}")
    shown = enter(
        screen, "info history", "0: 'change vnc password'\n1: 'info history'\n"
    )
    assert "secret" not in shown


@pytest.mark.parametrize("keys", [("quit", "Enter"), ("C-c",)])
def test_in_the_end_the_terminal_is_as_it_was(
    screen: Terminal, keys: tuple[str, ...]
) -> None:
    screen.press(*keys)
    shown = screen.wait_for("-extproc")
    assert "status 0" in shown
    modes = shown.partition(PROMPT)[2].split()
    assert {"isig", "icanon", "iexten", "echo", "icrnl", "opost"} <= {*modes}


@pytest.mark.peer("socat")
def test_it_is_reached_through_socat(folder: Path) -> None:
    with serving("--dialect", "2010", "--hmp", f"unix:{folder}/h") as served:
        command = ["socat", "-,raw,echo=0,escape=0x0f", f"UNIX-CONNECT:{folder}/h"]
        with terminal(folder, [*command]) as screen:
            screen.wait_for(BANNER + PROMPT)
            screen.press("info sta", "Tab", "Enter")
            screen.wait_for(f"{PROMPT}info status\nVM status: running\n{PROMPT}")
            screen.press("half a line", "C-c")
            screen.wait_for(f"{PROMPT}half a line^C\n{PROMPT}")
        assert served.process.poll() is None
