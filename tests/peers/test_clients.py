"""Other people's clients see the same machine, by a real QEMU and by the stand-in.

Each script of ``clients`` plays scenes with one client and prints what it saw; it does
so before either program, and the two must be equal. The scripts say what is looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.client_packages import environment_of
from tests.peers.machines import PROGRAMS, running
from tests.peers.tmux import Terminal, terminal

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPTS: Final = Path(__file__).parent / "clients"
SECONDS: Final = 100.0  # for what takes some seconds

CLIENTS: Final[dict[str, str]] = {
    "qemu_qmp_asyncio": "qemu.qmp",
    "qemu_qmp_legacy": "qemu.qmp",
    "shell_lines": "qemu.qmp",
    "qmp_1_1": "qmp",
    "avocado_qmp": "avocado-vt",
    "avocado_hmp": "avocado-vt",
    "vmify_qmp": "vmify",
    "transient_qmp": "transient",
    "dbxdebug_qmp": "dbxdebug",
}
"""The scripts, and the client that each plays with."""


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
    theirs, ours = (seen(script, program, environment) for program in PROGRAMS)
    assert theirs
    assert all(theirs.values())
    assert ours == theirs


@pytest.mark.peer("socat", "jq")
def test_the_wire_is_the_same_through_socat() -> None:
    theirs, ours = (
        seen("socat_wire", program, environment_of(None)) for program in PROGRAMS
    )
    assert all(theirs.values())
    assert ours == theirs


def wait_until_shown(screen: Terminal, text: str) -> None:
    """Wait until a text is anywhere on a screen, which a key has to make it draw."""
    deadline = time.monotonic() + SECONDS / 5
    while text not in (shown := screen.contents):
        assert time.monotonic() < deadline, shown
        screen.press("Space", "BSpace")
        time.sleep(0.1)


TUI: Final = "from qemu.qmp.qmp_tui import main; main()"


@pytest.mark.peer("tmux")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_full_screen_shell_connects_and_shows_how(program: str) -> None:
    environment = environment_of("qemu.qmp")
    with running(program) as machine:
        words = ["env", *(f"{name}={value}" for name, value in environment.items())]
        words += [sys.executable, "-c", TUI, str(machine.qmp)]
        with terminal(machine.folder, words) as screen:
            wait_until_shown(screen, "[Connected")
            shown = screen.contents
    assert '"oob"' in shown
    assert '"return": {}' in shown


@pytest.mark.peer("telnet")
def test_the_human_monitor_is_the_same_through_telnet() -> None:
    theirs, ours = (
        seen("telnet_hmp", program, environment_of(None)) for program in PROGRAMS
    )
    assert all(theirs.values())
    assert ours == theirs
