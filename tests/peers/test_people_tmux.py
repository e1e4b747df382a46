"""Commands that do one thing, on a terminal."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

import pytest

from tests.loops import short_directory
from tests.peers.tmux import terminal
from tests.programs import QMPX, SECONDS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.conftest import StartQemu
    from tests.programs import Served

pytestmark = [pytest.mark.peer("tmux"), pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture(scope="module")
def box() -> Iterator[Served]:
    with serving("--name", "box\x1b[2J") as server:
        yield server


def shown(folder: Path, *words: str) -> str:
    """Run a command on a terminal; return what that shows, and the exit status."""
    script = f"{shlex.join([str(QMPX), *words])}; echo status $?; cat"
    with terminal(folder, ["sh", "-c", script]) as screen:
        deadline = time.monotonic() + SECONDS
        while "status " not in (contents := screen.contents):
            assert time.monotonic() < deadline, contents
            time.sleep(0.02)
    return contents


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["run", "{}", "query-name"], [r'{"name": "box\u001b[2J"}', "status 0"]),
        (["hmp", "{}", "info", "name"], [r"box\x1b[2J", "status 0"]),
        (["hmp", "{}", "foo"], ["unknown command: 'foo'", "status 1"]),
        (["wait", "{}", "NO*", "--timeout", "0.1"], ["no event NO*", "status 4"]),
        (["screenshot", "{}", "-"], ["nothing for a terminal", "status 2"]),
        (["type", "{}", "a", "--json"], ['{"typed": 1}', "status 0"]),
        (["job", "{}"], ["no jobs", "status 0"]),
        (["tree", "{}", "block"], ["── ide1-cd0", "status 0"]),
        (["doctor", "{}"], ["ok   socket:", "ok   machine:", "status 0"]),
        (["completion", "fish"], ["complete -c qmpx", "status 0"]),
    ],
    ids=lambda each: each[0] if len(each) > 1 else None,
)
def test_a_command_on_a_terminal(
    folder: Path, box: Served, words: list[str], texts: list[str]
) -> None:
    contents = shown(folder, *(word.format(box.address) for word in words))
    assert [text for text in texts if text not in contents] == []


def test_a_migration_has_a_bar(folder: Path, qemu: StartQemu) -> None:
    machine = qemu("-machine", "pc")
    contents = shown(folder, "migrate", str(machine.qmp), "exec:cat > /dev/null")
    assert "migrate: completed" in contents
    assert "━━━━" in contents
    assert "100%" in contents
    assert "status 0" in contents
