"""The stand-in as a process, with a control monitor beside it: the fixture's way."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

import qmpx

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.testing.process import MakeStandIn

pytestmark = pytest.mark.slow


def test_it_runs_with_qemu_s_options_and_a_control_monitor(
    qmpx_standin: MakeStandIn,
) -> None:
    vm = qmpx_standin("-machine", "pc", "-S", "-name", "box", clock="virtual")
    with vm.connect() as client, vm.control() as hand:
        assert client.execute("query-name") == {"name": "box"}
        assert client.execute("query-status")["status"] == "prelaunch"
        vm.advance(30)
        assert hand.execute("x-qmpx-clock-query")["elapsed"] == 30


def test_faults_meet_its_clients(qmpx_standin: MakeStandIn) -> None:
    vm = qmpx_standin("-machine", "pc", "-S")
    with vm.connect() as client:
        assert vm.add_fault("command-failed", command="cont", desc="no") == 1
        with pytest.raises(qmpx.CommandError, match="no"):
            client.execute("cont")


@pytest.mark.parametrize(
    ("fault", "status"), [({"status": 3}, 3), ({"signal": 6}, -signal.SIGABRT)]
)
def test_it_crashes_as_it_is_told_to(
    qmpx_standin: MakeStandIn, fault: dict[str, int], status: int
) -> None:
    vm = qmpx_standin("-machine", "none")
    with vm.connect() as client:
        vm.add_fault("crash", command="stop", **fault)
        with pytest.raises(qmpx.ConnectionLost):
            client.execute("stop")
    assert vm.ended()[0] == status


def test_a_scenario_makes_its_socket_late(
    qmpx_standin: MakeStandIn, tmp_path: Path
) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text('[[fault]]\nkind = "socket-dead"\nseconds = 0.3\n')
    vm = qmpx_standin("-machine", "none", scenario=str(scenario))
    with vm.connect() as client:
        assert client.execute("query-name") == {}


def test_a_wrong_scenario_ends_it_with_the_reason(
    qmpx_standin: MakeStandIn, tmp_path: Path
) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text('[[fault]]\nkind = "mut"\n')
    status, said = qmpx_standin("-machine", "none", scenario=str(scenario)).ended()
    assert status == 1
    assert said.endswith(
        f"{scenario}:2: no fault is called 'mut'; did you mean 'mute'?\n"
    )
