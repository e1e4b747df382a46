"""QEMU's ``qmp-shell`` talks to ``qmpx serve``: by a pipe, and on a terminal."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.tmux import terminal
from tests.programs import BIN, ENVIRONMENT, SECONDS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Served

pytestmark = [pytest.mark.peer("qmp-shell"), pytest.mark.slow]

SHELL = BIN / "qmp-shell"
PROMPT = "(QEMU) "
RUNNING = {"status": "running", "singlestep": False, "running": True}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a machine to the tests of this module; each leaves it running."""
    with serving("--name", "box") as server:
        yield server


def shell(served: Served, home: Path, *options: str, typed: str) -> list[str]:
    """Type lines into the shell; return what it says to each, and its first words."""
    ended = subprocess.run(
        [SHELL, *options, served.path],
        input=typed,
        env={**ENVIRONMENT, "HOME": str(home)},  # it writes a history there
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout.split(PROMPT)


def answers(served: Served, home: Path, *lines: str) -> list[Any]:
    """Type lines into the shell; return its answers as JSON."""
    typed = "".join(f"{line}\n" for line in lines)
    first, *said, last = shell(served, home, typed=typed)
    assert "Connected to QEMU 7.2.22" in first
    assert last.strip() == ""
    return [json.loads(each) for each in said]


def test_it_runs_commands(served: Served, tmp_path: Path) -> None:
    said = answers(served, tmp_path, "query-status", "query-name", "eject device=x")
    desc = "Device 'x' not found"
    assert said == [
        {"return": RUNNING},
        {"return": {"name": "box"}},
        {"error": {"class": "DeviceNotFound", "desc": desc}},
    ]


def test_it_sends_arguments_of_all_kinds(served: Served, tmp_path: Path) -> None:
    said = answers(
        served,
        tmp_path,
        "object-add qom-type=iothread id=thread0 poll-max-ns=5",
        "query-iothreads",
        "object-del id=thread0",
        "blockdev-open-tray id=x force=true",
        'yank instances=[{"type":"chardev","id":"x"}]',
        "block_resize node-name=a size=0x10",
        "query-status a.b=1",
    )
    assert said[0] == said[2] == {"return": {}}
    (thread,) = said[1]["return"]
    assert (thread["id"], thread["poll-max-ns"]) == ("thread0", 5)
    assert [reply["error"]["desc"] for reply in said[3:]] == [
        "Device 'x' not found",
        "Instance not found",
        "Invalid parameter type for 'size', expected: integer",
        "Parameter 'a' is unexpected",
    ]


def test_it_indents_and_repeats_what_it_sends(served: Served, tmp_path: Path) -> None:
    _, said, _ = shell(served, tmp_path, "-p", "-v", typed="query-name\n")
    sent = {"arguments": {}, "execute": "query-name"}
    reply = {"return": {"name": "box"}}
    assert said == "".join(json.dumps(each, indent=4) + "\n" for each in (sent, reply))


def test_it_shows_events(served: Served, tmp_path: Path) -> None:
    _, *said = shell(served, tmp_path, typed="stop\ncont\n\n")
    assert [json.loads(each) for each in said[:2]] == [{"return": {}}] * 2
    assert "'event': 'STOP'" in said[2]
    assert "'event': 'RESUME'" in said[2]


@pytest.mark.peer("tmux")
def test_it_completes_and_converses_on_a_terminal(served: Served) -> None:
    folder = served.path.parent  # tmux needs a short name for its socket
    with terminal(folder, [str(SHELL), str(served.path)]) as screen:
        screen.wait_for(PROMPT)
        screen.press("query-n", "Tab")
        screen.wait_for("query-name")
        screen.press("Enter")
        shown = screen.wait_for('{"return": {"name": "box"}}\n' + PROMPT)
        assert "Connected to QEMU 7.2.22" in shown
        screen.press("stop", "Enter", "cont", "Enter", "Enter")
        shown = screen.wait_for("'RESUME'}\n" + PROMPT)
        assert "'event': 'STOP'" in shown
        screen.press("Up", "Up", "Up", "Enter")
        screen.wait_for('{"return": {"name": "box"}}\n' + PROMPT)
