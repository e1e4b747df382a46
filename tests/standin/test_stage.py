"""A stage: its clock, its guest, what it keeps."""

from __future__ import annotations

import pytest

from qmpx.errors import LocalProtocolError
from qmpx.machine import Machine
from qmpx.machine.clock import RealClock, VirtualClock
from qmpx.machine.guest import ObedientGuest
from qmpx.monitor import Monitor
from qmpx.standin import stage as module
from qmpx.standin.faults import Scenario
from qmpx.standin.stage import Stage
from qmpx.transcript import Entry


@pytest.mark.parametrize(
    ("scenario", "clock", "kind"),
    [
        (None, None, RealClock),
        (None, "virtual", VirtualClock),
        (Scenario(clock="virtual"), None, VirtualClock),
        (Scenario(clock="virtual"), "real", RealClock),
    ],
)
def test_what_is_asked_for_outdoes_the_scenario(
    scenario: Scenario | None, clock: str | None, kind: type
) -> None:
    assert isinstance(Stage(scenario, clock=clock).clock, kind)


def test_the_scenario_s_guest_is_put_in() -> None:
    stage = Stage(Scenario(guest={"unplug": None}))
    machine = Machine()
    stage.set(machine, Monitor(machine))
    assert isinstance(machine.guest, ObedientGuest)
    assert stage.machine is machine


def test_there_is_nobody_on_an_empty_stage() -> None:
    with pytest.raises(LocalProtocolError, match="there is no machine yet"):
        _ = Stage().machine
    with pytest.raises(LocalProtocolError, match="there is no monitor yet"):
        _ = Stage().monitor


def test_the_oldest_messages_are_forgotten_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    stage = Stage()
    for number in range(5):
        stage.plan.tell(Entry(float(number), note="x"))
    assert [entry.time for entry in stage.conversation] == [2.0, 3.0, 4.0]
    assert stage.forgotten == 2
