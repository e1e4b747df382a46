"""A timer of the guest's time: it stands still with the machine."""

from __future__ import annotations

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.running_timer import RunningTimer


class Watch:
    """A machine, its clock, a timer, and when the timer went off."""

    def __init__(self, *, is_started: bool = True) -> None:
        self.clock = VirtualClock(start=1_000_000_000)
        self.machine = Machine(clock=self.clock, is_started=is_started)
        self.went_off: list[float] = []
        self.timer = RunningTimer(self.machine, self._note)

    def _note(self) -> None:
        self.went_off.append(self.now)

    @property
    def now(self) -> float:
        return self.clock.microseconds() / 1_000_000 - 1000


def test_it_goes_off_once_after_its_time() -> None:
    watch = Watch()
    watch.timer.set(4)
    assert watch.timer.is_set
    assert watch.timer.left == 4.0
    watch.clock.advance(1.5)
    assert watch.timer.left == 2.5
    watch.clock.advance(10)
    assert watch.went_off == [4.0]
    assert not watch.timer.is_set


def test_time_does_not_pass_while_the_machine_is_stopped() -> None:
    watch = Watch()
    watch.timer.set(4)
    watch.clock.advance(1)
    watch.machine.stop()
    watch.clock.advance(100)
    assert (watch.timer.left, watch.went_off) == (3.0, [])
    watch.machine.cont()
    watch.clock.advance(2.9)
    assert watch.went_off == []
    watch.clock.advance(0.2)
    assert watch.went_off == [104.0]


def test_set_in_a_machine_that_stands_still_it_waits_for_cont() -> None:
    watch = Watch(is_started=False)
    watch.timer.set(0)
    watch.clock.advance(5)
    assert watch.went_off == []
    watch.machine.cont()
    watch.clock.advance(0)
    assert watch.went_off == [5.0]


@pytest.mark.parametrize("stopped", [False, True])
def test_cancelled_it_never_goes_off(stopped: bool) -> None:
    watch = Watch()
    watch.timer.set(1)
    if stopped:
        watch.machine.stop()
    watch.timer.cancel()
    watch.timer.cancel()
    watch.machine.cont()
    watch.clock.advance(5)
    assert (watch.went_off, watch.timer.left) == ([], None)


def test_what_else_happens_does_not_disturb_it() -> None:
    watch = Watch()
    watch.timer.set(4)
    watch.clock.advance(1)
    watch.machine.press_power_button()
    assert watch.timer.left == 3.0
    watch.machine.stop()
    watch.clock.advance(10)
    watch.machine.press_power_button()
    assert watch.timer.left == 3.0
    watch.clock.advance(10)
    watch.machine.cont()
    watch.machine.press_power_button()
    watch.clock.advance(10)
    assert watch.went_off == [24.0]


def test_set_again_only_the_new_time_counts() -> None:
    watch = Watch()
    watch.timer.set(1)
    watch.timer.set(3)
    watch.clock.advance(5)
    assert watch.went_off == [3.0]


def test_it_may_set_itself_again() -> None:
    watch = Watch()
    timer = RunningTimer(watch.machine, lambda: again())

    def again() -> None:
        watch.went_off.append(watch.now)
        timer.set(1)

    timer.set(1)
    watch.clock.advance(3)
    assert watch.went_off == [1.0, 2.0, 3.0]
    timer.cancel()


def test_it_listens_only_while_it_is_set() -> None:
    watch = Watch()
    heard: list[object] = []
    watch.machine.listen(heard.append)
    for _ in range(3):
        watch.timer.set(1)
        watch.clock.advance(2)
    watch.machine.unlisten(heard.append)
    with pytest.raises(ValueError, match="not in list"):
        watch.machine.unlisten(watch.timer._look)  # noqa: SLF001 - it has gone
