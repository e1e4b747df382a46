"""The fixtures, as a user's tests have them; and what they cost where nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.errors import LocalProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.testing import ServedMachine, TestClock, TestFaults

USERS = """
import pytest
import qmpx

def change_disk(address):
    with qmpx.connect(address, timeout=5.0) as vm:
        vm.execute("stop")
        vm.execute("eject", device="ide1-cd0")
        vm.execute("cont")

def test_passes(qmpx_machine, qmpx_clock, qmpx_faults):
    change_disk(qmpx_machine.address)
    qmpx_machine.conversation.assert_commands(
        "stop", ("eject", {"device": "ide1-cd0"}), "cont")

def test_is_explained(qmpx_machine):
    change_disk(qmpx_machine.address)
    qmpx_machine.conversation.assert_commands("stop", "cont")

@pytest.mark.qmpx(scenario="slow.toml", name="slow", paused=True)
def test_scenario(qmpx_machine):
    with qmpx_machine.connect() as vm:
        assert vm.execute("query-name") == {"name": "slow"}
        assert vm.execute("query-status")["status"] == "prelaunch"
        with pytest.raises(qmpx.CommandError, match="it is broken"):
            vm.execute("cont")
"""
SCENARIO = """
[[fault]]
kind = "command-failed"
command = "cont"
desc = "it is broken"
"""


def pytest_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {x: y for x, y in os.environ.items() if not x.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--strict-markers", "-W", "error", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.mark.slow
def test_a_user_s_tests_have_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS)
    (tmp_path / "slow.toml").write_text(SCENARIO)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ended = pytest_in(tmp_path)
    assert "1 failed, 2 passed" in ended.stdout, ended.stdout + ended.stderr
    assert 'E         stop\nE       + eject {"device":"ide1-cd0"}\nE         cont' in (
        ended.stdout
    )
    assert "conversation.py" not in ended.stdout  # the failure is the test's own line


MISTAKES = """
import pytest

@pytest.mark.qmpx(dialekt="2010")
def test_marker(qmpx_machine):
    pass

def test_fault(qmpx_faults):
    qmpx_faults.add("reply-late", second=1)

@pytest.mark.qmpx(clock="real")
def test_clock(qmpx_clock):
    qmpx_clock.advance(1)
"""


@pytest.mark.slow
def test_a_mistake_is_told_at_the_test_s_own_line(tmp_path: Path) -> None:
    (tmp_path / "test_mistakes.py").write_text(MISTAKES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ended = pytest_in(tmp_path)
    assert "2 failed, 1 error" in ended.stdout, ended.stdout + ended.stderr
    for said in (
        "@pytest.mark.qmpx has no 'dialekt': expected one of dialect, clock, name, ",
        "reply-late has no 'second'; did you mean 'seconds'?",
        "the clock is the real one: it cannot be advanced",
    ):
        assert said in ended.stdout
    for place in ("plugin.py:", "served.py:", "fault.py:", "stage.py:"):
        assert place not in ended.stdout


@pytest.mark.slow
def test_where_nobody_uses_it_it_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_other():\n"
        "    loaded = {x for x in sys.modules if x.split('.')[0] == 'qmpx'}\n"
        "    assert loaded == {'qmpx', 'qmpx._lazy', 'qmpx.testing',"
        " 'qmpx.testing.plugin'}\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ended = pytest_in(tmp_path)
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


def test_time_passes_when_the_test_says_so(
    qmpx_machine: ServedMachine, qmpx_clock: TestClock
) -> None:
    assert qmpx_clock.elapsed == 0.0
    before = qmpx_clock.microseconds
    qmpx_clock.advance(600)
    assert qmpx_clock.elapsed == 600.0
    assert qmpx_clock.microseconds == before + 600_000_000
    with qmpx_machine.connect() as vm, vm.events() as events:
        vm.execute("stop")
        assert events.get(5).seconds == qmpx_clock.microseconds // 1_000_000


@pytest.mark.qmpx(clock="real")
def test_real_time_is_not_moved(qmpx_clock: TestClock) -> None:
    with pytest.raises(LocalProtocolError, match="it cannot be advanced"):
        qmpx_clock.advance(1)


@pytest.mark.qmpx(dialect="2010")
def test_the_monitor_of_2010_has_faults_too(
    qmpx_machine: ServedMachine, qmpx_faults: TestFaults
) -> None:
    fault = qmpx_faults.add(
        "command-failed", command="stop", class_="DeviceNotFound", desc="gone"
    )
    with qmpx_machine.connect() as vm:
        with pytest.raises(qmpx.CommandError) as raised:
            vm.execute("stop")
        assert raised.value.error_class == "DeviceNotFound"
        assert fault.fired == 1
        qmpx_faults.remove(fault)
        vm.execute("stop")


def test_events_reach_the_clients(qmpx_machine: ServedMachine) -> None:
    with qmpx_machine.connect() as vm, vm.events("GUEST_*") as events:
        qmpx_machine.emit("GUEST_PANICKED", {"action": "pause"})
        assert events.get(5).data == {"action": "pause"}
    assert qmpx_machine.conversation.events == ["GUEST_PANICKED"]


def test_what_is_described_wrong_is_said_in_the_test(qmpx_faults: TestFaults) -> None:
    with pytest.raises(qmpx.QmpxError, match="did you mean 'reply-late'"):
        qmpx_faults.add("reply-latte")
    qmpx_faults.add_described({"kind": "reply-late"})
    qmpx_faults.clear()
