"""After a reset from outside the firmware resets the machine once more."""

from __future__ import annotations

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.happenings import Happening, Reset
from qmpx.machine.hardware.self_test import DELAY, TIMES, SelfTest

BY_HOST = Reset(by_guest=False, reason="host-qmp-system-reset")
BY_GUEST = Reset(by_guest=True, reason="guest-reset")


class Room:
    """A running machine with firmware, and the resets in it."""

    def __init__(self) -> None:
        self.clock = VirtualClock(start=0)
        self.machine = Machine(clock=self.clock, is_started=True)
        SelfTest(self.machine)
        self.told: list[Happening] = []
        self.machine.listen(self._hear)

    def _hear(self, happening: Happening) -> None:
        if isinstance(happening, Reset):
            self.told.append(happening)

    def reset(self) -> None:
        self.machine.reset(reason="host-qmp-system-reset")


def test_it_resets_the_machine_after_a_while() -> None:
    room = Room()
    room.clock.advance(2)
    room.reset()
    assert room.told == [BY_HOST]
    room.clock.advance(DELAY)
    assert room.told == [BY_HOST] + [BY_GUEST] * TIMES
    room.clock.advance(100)
    assert len(room.told) == 1 + TIMES


def test_it_knows_nothing_of_a_machine_that_has_hardly_run() -> None:
    room = Room()
    room.reset()
    room.clock.advance(100)
    assert room.told == [BY_HOST]


def test_it_waits_while_the_machine_stands_still() -> None:
    room = Room()
    room.clock.advance(2)
    room.reset()
    room.machine.stop()
    room.clock.advance(100)
    assert room.told == [BY_HOST]
    room.machine.cont()
    room.clock.advance(DELAY)
    assert room.told == [BY_HOST] + [BY_GUEST] * TIMES


def test_a_second_reset_begins_the_wait_anew() -> None:
    room = Room()
    room.clock.advance(2)
    room.reset()
    room.clock.advance(DELAY / 2)
    room.reset()
    room.clock.advance(DELAY * 0.75)
    assert room.told == [BY_HOST] * 2
    room.clock.advance(DELAY)
    assert room.told == [BY_HOST] * 2 + [BY_GUEST] * TIMES


def test_a_reset_by_the_guest_is_left_alone() -> None:
    room = Room()
    room.clock.advance(2)
    room.machine.reset(by_guest=True, reason="guest-reset")
    room.clock.advance(100)
    assert room.told == [BY_GUEST]
