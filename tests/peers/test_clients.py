"""Other people's clients see the same machine, by a real QEMU and by the stand-in.

Each script of ``clients`` plays scenes with one client and prints what it saw; it does
so before either program, and the two must be equal. The scripts say what is looked at.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.peers.client_packages import environment_of
from tests.peers.machines import PROGRAMS, running
from tests.peers.tmux import Terminal, terminal, without_blanks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPTS: Final = Path(__file__).parent / "clients"
SECONDS: Final = 100.0  # for what takes some seconds

CLIENTS: Final[dict[str, str | None]] = {
    "qemu_qmp_asyncio": "qemu.qmp",
    "qemu_qmp_legacy": "qemu.qmp",
    "shell_lines": "qemu.qmp",
    "qmp_1_1": "qmp",
    "avocado_qmp": "avocado-vt",
    "avocado_hmp": "avocado-vt",
    "avocado_specification": "avocado-vt",
    "vmify_qmp": "vmify",
    "transient_qmp": "transient",
    "dbxdebug_qmp": "dbxdebug",
    "reenacted": None,
}
"""The scripts, and the client that each plays with; ``None`` if it acts for them."""


def seen(script: str, program: str, environment: dict[str, str]) -> dict[str, Any]:
    """Play a script before a program; return what it saw, without the folder's name."""
    with running(program) as machine:
        ended = subprocess.run(
            [
                sys.executable,
                SCRIPTS / f"{script}.py",
                *(machine.qmp, machine.hmp, machine.files),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        told = ended.stdout.replace(str(machine.folder), "FOLDER")
    scenes: dict[str, Any] = json.loads(told)
    return scenes


@pytest.mark.parametrize("script", CLIENTS)
def test_a_client_sees_the_same(script: str) -> None:
    environment = environment_of(CLIENTS[script])
    # A real QEMU may hang or miss a moment on a busy host: what it does twice counts.
    for is_last in (False, True):
        try:
            theirs, ours = (seen(script, program, environment) for program in PROGRAMS)
            assert theirs
            assert all(theirs.values())
            assert ours == theirs
        except AssertionError:
            if is_last:
                raise
        else:
            break


@pytest.mark.peer("socat", "jq")
def test_the_wire_is_the_same_through_socat() -> None:
    theirs, ours = (
        seen("socat_wire", program, environment_of(None)) for program in PROGRAMS
    )
    assert all(theirs.values())
    assert ours == theirs


def wait_until_shown(screen: Terminal, pattern: str) -> str:
    """Return what matches, once it is on a screen, which a key has to make it draw."""
    deadline = time.monotonic() + SECONDS / 5
    while True:
        shown = without_blanks(screen.contents)
        if match := re.search(pattern, shown, re.DOTALL):
            return match[0]
        assert time.monotonic() < deadline, shown
        screen.press("Space", "BSpace")
        time.sleep(0.1)


TUI: Final = "from qemu.qmp.qmp_tui import main; main()"


@contextlib.contextmanager
def full_screen_shell(program: str) -> Iterator[Terminal]:
    """Run qmp-tui before a program, until it is connected."""
    environment = environment_of("qemu.qmp")
    with running(program) as machine:
        words = ["env", *(f"{name}={value}" for name, value in environment.items())]
        words += [sys.executable, "-c", TUI, str(machine.qmp)]
        with terminal(machine.folder, words) as screen:
            wait_until_shown(screen, r"\[Connected")
            yield screen


@pytest.mark.peer("tmux")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_full_screen_shell_connects_and_shows_how(program: str) -> None:
    with full_screen_shell(program) as screen:
        shown = screen.contents
    assert '"oob"' in shown
    assert '"return": {}' in shown


def typed(program: str) -> list[str]:
    """Type commands into qmp-tui, and return what it showed at the end of each.

    At first its history has the keyboard; an arrow gives it to the editor, in which
    Enter begins a line, and Alt with Enter sends. It draws when a key is pressed.
    """
    shown = []
    with full_screen_shell(program) as screen:
        screen.press("Down")
        for name in ("query-status", "stop", "nosuch", "cont"):
            screen.press("-l", json.dumps({"execute": name}))
            screen.press("M-Enter")
            answered = rf'"execute": "{name}",.*"(return|error)":.*\n}}\n\n┌'
            told = wait_until_shown(screen, answered)
            shown.append(re.sub(r'("(?:micro)?seconds":) \d+', r"\1", told))
    return shown


@pytest.mark.peer("tmux")
def test_what_is_typed_into_the_full_screen_shell_is_answered_alike() -> None:
    theirs, ours = (typed(program) for program in PROGRAMS)
    assert [text for text in theirs if '"id": "__qmp#' not in text] == []
    assert ours == theirs


@pytest.mark.peer("telnet")
def test_the_human_monitor_is_the_same_through_telnet() -> None:
    theirs, ours = (
        seen("telnet_hmp", program, environment_of(None)) for program in PROGRAMS
    )
    assert all(theirs.values())
    assert ours == theirs
