"""``qmpx top`` through a pipe and on a terminal."""

from __future__ import annotations

import json
import time

import pytest

import qmpx
from tests.loops import short_directory
from tests.peers.tmux import terminal
from tests.programs import QMPX, SECONDS, serving
from tests.programs import qmpx as run

pytestmark = pytest.mark.slow


def test_through_a_pipe_each_machine_is_a_line() -> None:
    with serving("--name", "box") as server, short_directory() as folder:
        gone = f"unix:{folder / 'gone'}"
        words = ["--interval", "0.3", "--count", "20"]  # it may start late
        ended = run("top", server.address, gone, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(lines) == 40
    assert [each["address"] for each in lines[-2:]] == [server.address, gone]
    assert lines[-2]["machine"] == "box"
    assert lines[-2]["sample"]["status"] == "running"
    assert lines[-2]["rates"] is not None
    assert lines[-1]["sample"] is None
    assert "there is no socket" in lines[-1]["trouble"]


@pytest.mark.peer("tmux")
def test_on_a_terminal_it_is_a_screen() -> None:
    with (
        serving("--name", "box\x1b[2J") as server,
        short_directory() as folder,
        terminal(folder, [str(QMPX), "top", server.address, "unix:gone"]) as screen,
    ):
        deadline = time.monotonic() + SECONDS

        def shows(*texts: str) -> None:
            while not all(text in screen.contents for text in texts):
                assert time.monotonic() < deadline, screen.contents
                time.sleep(0.05)

        shows("machine", r"box\x1b[2J", "running", "unix:gone", "no answer")
        with qmpx.connect(server.path) as other:
            other.execute("stop")
        shows("paused", "STOP", "processors", "disk")
