"""The watchdog: when it expires, and what follows."""

from __future__ import annotations

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.happenings import (
    Exited,
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    Stopped,
    WatchdogExpired,
)
from qmpx.machine.hardware.watchdog import WatchdogAction


class Kennel:
    """A machine with a watchdog."""

    def __init__(self, *, has_watchdog: bool = True) -> None:
        self.clock = VirtualClock(start=0)
        self.machine = Machine(clock=self.clock, is_started=True)
        if has_watchdog:
            self.machine.devices.add({"driver": "ib700"})
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)

    @property
    def left(self) -> float | None:
        return self.machine.chipset.watchdog.left

    def feed(self, value: int, port: int = 0x443) -> None:
        self.machine.ports.write(port, 1, value)


@pytest.mark.parametrize(
    ("value", "seconds"), [(0, 30), (1, 28), (14, 2), (15, 0), (0x1F, 0), (0xF0, 30)]
)
@pytest.mark.parametrize("port", [0x443, 0x444])
def test_it_lasts_as_long_as_it_was_fed_for(
    value: int, seconds: int, port: int
) -> None:
    kennel = Kennel()
    kennel.machine.chipset.watchdog.action = WatchdogAction.NONE
    kennel.feed(value, port)
    assert kennel.left == seconds
    kennel.clock.advance(seconds - 0.001)
    assert kennel.told == []
    kennel.clock.advance(0.001)
    assert kennel.told == [WatchdogExpired("none")]
    kennel.clock.advance(100)
    assert len(kennel.told) == 1


@pytest.mark.parametrize("port", [0x441, 0x442])
def test_it_sleeps_until_it_is_fed_again(port: int) -> None:
    kennel = Kennel()
    kennel.feed(0)
    kennel.feed(0, port)
    assert kennel.left is None
    kennel.clock.advance(100)
    assert kennel.told == []


def test_fed_in_time_it_does_nothing() -> None:
    kennel = Kennel()
    for _ in range(5):
        kennel.feed(14)
        kennel.clock.advance(1.9)
    assert kennel.told == []


ACTIONS: list[tuple[str, list[Happening], str]] = [
    ("reset", [Reset(by_guest=True, reason="guest-reset")], "running"),
    ("shutdown", [PowerButtonPressed()], "running"),
    ("poweroff", [Exited()], "running"),
    ("pause", [Stopped()], "watchdog"),
    ("debug", [], "running"),
    ("none", [], "running"),
    ("inject-nmi", [], "running"),
]


@pytest.mark.parametrize(("action", "follows", "state"), ACTIONS)
def test_it_tells_first_and_then_acts(
    action: str,
    follows: list[Happening],
    state: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kennel = Kennel()
    kennel.machine.chipset.watchdog.action = WatchdogAction(action)
    kennel.feed(15)
    kennel.clock.advance(0)
    assert repr(kennel.told) == repr([WatchdogExpired(action), *follows])
    assert kennel.machine.state.value == state
    nmis = kennel.machine.processors[0].nmi_count
    assert nmis == (1 if action == "inject-nmi" else 0)
    said = "watchdog: timer fired\n" if action == "debug" else ""
    assert capsys.readouterr().err == said


def test_every_action_is_tried() -> None:
    assert [name for name, _, _ in ACTIONS] == [it.value for it in WatchdogAction]


def test_at_first_it_resets() -> None:
    assert Kennel().machine.chipset.watchdog.action is WatchdogAction.RESET


def test_it_waits_while_the_machine_stands_still() -> None:
    kennel = Kennel()
    kennel.machine.chipset.watchdog.action = WatchdogAction.NONE
    kennel.machine.stop()
    kennel.feed(15)
    kennel.clock.advance(10)
    kennel.machine.cont()
    kennel.clock.advance(0)
    assert repr(kennel.told) == repr([Stopped(), Resumed(), WatchdogExpired("none")])


def test_after_a_reset_it_sleeps() -> None:
    kennel = Kennel()
    kennel.feed(0)
    kennel.machine.reset(reason="why")
    assert kennel.left is None


def test_it_cannot_be_read() -> None:
    kennel = Kennel()
    kennel.feed(0)
    assert [kennel.machine.ports.read(port) for port in (0x441, 0x443)] == [255, 255]


def test_a_machine_without_one_has_nothing_there() -> None:
    kennel = Kennel(has_watchdog=False)
    kennel.feed(15)
    assert kennel.left is None


@pytest.mark.parametrize("value", [None, 14])
def test_its_state_comes_back(value: int | None) -> None:
    kennel, other = Kennel(), Kennel()
    kennel.machine.chipset.watchdog.action = WatchdogAction.PAUSE
    other.feed(0)
    if value is not None:
        kennel.feed(value)
        kennel.clock.advance(0.5)
    other.machine.chipset.watchdog.restore(kennel.machine.chipset.watchdog.state())
    assert other.left == kennel.left
    assert other.machine.chipset.watchdog.action is WatchdogAction.PAUSE
