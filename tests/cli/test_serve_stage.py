"""``qmpx serve`` with a scenario, a clock and a control monitor; how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@contextmanager
def staged(
    folder: Path, *options: str, scenario: str = ""
) -> Iterator[subprocess.Popen[str]]:
    (folder / "scenario.toml").write_text(scenario)
    with subprocess.Popen(
        [
            QMPX,
            "serve",
            *("--qmp", f"unix:{folder}/qmp"),
            *("--control", f"unix:{folder}/control"),
            *("--scenario", str(folder / "scenario.toml"), *options),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == f"qmpx: control unix:{folder}/control\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("options", [(), ("--dialect", "2010", "--", "-m", "64")])
def test_virtual_time_moves_a_late_reply(options: tuple[str, ...]) -> None:
    scenario = '[[fault]]\nkind = "reply-late"\ncommand = "query-name"\nseconds = 600'
    with (
        short_directory() as folder,
        staged(folder, "--clock", "virtual", *options, scenario=scenario),
        qmpx.connect(folder / "qmp", wait=SECONDS) as vm,
        qmpx.connect(folder / "control", wait=SECONDS) as hand,
    ):
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("query-name", timeout=0.1)
        hand.execute("x-qmpx-clock-advance", seconds=600)
        assert "running" in vm.execute("query-status")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 42}, 42),
        ({}, 1),
        ({"signal": 9}, -signal.SIGKILL),
        ({"signal": 11}, -signal.SIGSEGV),
    ],
)
def test_the_process_crashes(fault: dict[str, int], status: int) -> None:
    with short_directory() as folder, staged(folder) as process:
        with (
            qmpx.connect(folder / "qmp", wait=SECONDS) as vm,
            qmpx.connect(folder / "control", wait=SECONDS) as hand,
        ):
            whole = {"kind": "crash", "command": "stop", **fault}
            hand.execute("x-qmpx-fault-add", fault=whole)
            with pytest.raises(qmpx.ConnectionLost):
                vm.execute("stop")
        assert process.wait(SECONDS) == status
        assert (folder / "qmp").exists()  # nobody could clean up


def test_the_process_hangs_then_dies() -> None:
    scenario = '[[fault]]\nkind = "hang-then-die"\ncommand = "stop"\nseconds = 0.2'
    with short_directory() as folder, staged(folder, scenario=scenario) as process:
        with qmpx.connect(folder / "qmp", wait=SECONDS) as vm:
            began = time.monotonic()
            with pytest.raises(qmpx.ConnectionLost):
                vm.execute("stop", timeout=SECONDS)
            assert time.monotonic() - began >= 0.2
        assert process.wait(SECONDS) == -signal.SIGKILL


def test_its_process_dies_at_a_moment() -> None:
    scenario = '[[fault]]\nkind = "crash"\nat = 60.0\nstatus = 7'
    with (
        short_directory() as folder,
        staged(folder, "--clock", "virtual", scenario=scenario) as process,
        qmpx.connect(folder / "control", wait=SECONDS) as hand,
    ):
        with pytest.raises(qmpx.ConnectionLost):
            hand.execute("x-qmpx-clock-advance", seconds=61)
        assert process.wait(SECONDS) == 7


def test_a_late_socket_appears_when_time_has_passed() -> None:
    scenario = 'clock = "virtual"\n[[fault]]\nkind = "socket-late"\nseconds = 5'
    with short_directory() as folder, staged(folder, scenario=scenario):
        with qmpx.connect(folder / "control", wait=SECONDS) as hand:
            with pytest.raises(qmpx.ConnectError, match="there is no socket"):
                qmpx.connect(folder / "qmp")
            hand.execute("x-qmpx-clock-advance", seconds=5)
        with qmpx.connect(folder / "qmp", wait=SECONDS) as vm:
            assert vm.execute("query-name") == {}


def test_it_ends_in_order_though_a_reply_is_held_back() -> None:
    scenario = 'clock = "virtual"\n[[fault]]\nkind = "reply-late"\nseconds = 5'
    with (
        short_directory() as folder,
        staged(folder, scenario=scenario) as process,
        qmpx.connect(folder / "qmp", wait=SECONDS) as vm,
    ):
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("query-name", timeout=0.05)
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.parametrize("kind", ["socket-late", "socket-dead"])
def test_a_signal_ends_it_also_before_it_listens(kind: str) -> None:
    scenario = f'[[fault]]\nkind = "{kind}"\nseconds = 3600'
    with short_directory() as folder, staged(folder, scenario=scenario) as process:
        with qmpx.connect(folder / "control", wait=SECONDS) as hand:
            (fault,) = hand.execute("x-qmpx-fault-query")
            assert fault["kind"] == kind
        process.terminate()
        assert process.wait(SECONDS) == 0
        assert [path.name for path in folder.iterdir()] == ["scenario.toml"]


def test_a_wrong_scenario_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('seed = 1\n[[fault]]\nkind = "mut"\n')
    ended = subprocess.run(
        [QMPX, "serve", "--qmp", "unix:x", "--scenario", path],
        capture_output=True,
        env=ENVIRONMENT,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"qmpx: {path}:3: no fault is called 'mut'; did you mean 'mute'?\n"
    )


def test_what_crosses_the_wire_is_written_down() -> None:
    with short_directory() as folder:
        path = folder / "talk.jsonl"
        with serving("--record", str(path)) as server:
            with qmpx.connect(server.path) as vm:
                vm.execute("query-name")
            server.end()
        assert path.stat().st_mode & 0o777 == 0o600
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    asked = [x["msg"]["execute"] for x in lines if x.get("dir") == "->"]
    assert asked == ["qmp_capabilities", "query-name"]
    assert [lines[0]["note"], lines[-1]["note"]] == ["connected", "closed"]
