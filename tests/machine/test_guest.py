"""Guests answer at once, after a time, or never."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from qmpx.machine import Machine, RunState, VirtualClock
from qmpx.machine.guest import MAX_REQUESTS, Guest, ObedientGuest
from qmpx.machine.happenings import BalloonChanged, Happening, ShutDown

MIB = 2**20
OFF = ShutDown(by_guest=True, reason="guest-shutdown")


class Room:
    """A machine with a balloon and a guest, and what happened in it."""

    def __init__(self, guest: Guest | None = None, *, is_started: bool = True) -> None:
        self.clock = VirtualClock(start=0)
        self.machine = Machine(clock=self.clock, is_started=is_started)
        self.machine.devices.add({"driver": "virtio-balloon-pci"})
        if guest is not None:
            self.machine.guest = guest
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)

    def told_of(self, *kinds: type) -> list[Happening]:
        return [it for it in self.told if isinstance(it, kinds)]


def test_by_default_nobody_answers() -> None:
    room = Room()
    assert type(room.machine.guest) is Guest
    released: list[str] = []
    room.machine.press_power_button()
    room.machine.balloon.set_target(64 * MIB)
    room.machine.guest.ask_to_unplug("a", lambda: released.append("a"))
    room.clock.advance(1000)
    assert room.machine.state is RunState.RUNNING
    assert (room.machine.balloon.actual, released) == (128 * MIB, [])


@pytest.mark.parametrize(("delay", "at"), [(0, 0.0), (7.5, 7.5)])
def test_an_obedient_guest_switches_off_after_its_time(delay: float, at: float) -> None:
    room = Room(ObedientGuest(power_off=delay))
    room.machine.press_power_button()
    assert room.told_of(ShutDown) == []
    room.clock.advance(at)
    assert repr(room.told_of(ShutDown)) == repr([OFF])


def test_it_gives_memory_back_after_its_time_and_the_last_wish_counts() -> None:
    room = Room(ObedientGuest(balloon=2))
    room.machine.balloon.set_target(100 * MIB)
    room.clock.advance(1)
    room.machine.balloon.set_target(64 * MIB)
    room.clock.advance(1.5)
    assert room.machine.balloon.actual == 128 * MIB
    room.clock.advance(1)
    assert room.machine.balloon.actual == 64 * MIB
    assert room.told_of(BalloonChanged) == [BalloonChanged(64 * MIB)]


def test_it_lets_a_device_go_once() -> None:
    room = Room(ObedientGuest(unplug=1))
    released: list[str] = []
    for path in ("a", "b", "a"):
        room.machine.guest.ask_to_unplug(path, partial(released.append, path))
        room.clock.advance(0.25)
    room.clock.advance(5)
    assert released == ["a", "b"]


def test_after_it_has_let_go_it_can_be_asked_again() -> None:
    room = Room(ObedientGuest(unplug=1))
    released: list[str] = []
    for _ in range(2):
        room.machine.guest.ask_to_unplug("a", lambda: released.append("a"))
        room.clock.advance(2)
    assert released == ["a", "a"]


@pytest.mark.parametrize("name", ["power_off", "balloon", "unplug"])
def test_it_may_never_do_one_thing(name: str) -> None:
    never: dict[str, Any] = {name: None}
    room = Room(ObedientGuest(**never))
    released: list[str] = []
    room.machine.balloon.set_target(64 * MIB)
    room.machine.guest.ask_to_unplug("a", lambda: released.append("a"))
    room.clock.advance(0)
    room.machine.press_power_button()
    room.clock.advance(1000)
    found = {
        "power_off": room.machine.state is RunState.SHUTDOWN,
        "balloon": room.machine.balloon.actual == 64 * MIB,
        "unplug": bool(released),
    }
    assert found == {key: key != name for key in found}


def test_a_guest_does_nothing_while_the_machine_stands_still() -> None:
    room = Room(ObedientGuest(), is_started=False)
    room.machine.press_power_button()
    room.clock.advance(100)
    assert room.told_of(ShutDown) == []
    room.machine.cont()
    room.clock.advance(0)
    assert repr(room.told_of(ShutDown)) == repr([OFF])


def test_a_guest_that_left_does_nothing_more() -> None:
    guest = ObedientGuest(power_off=1)
    room = Room(guest)
    room.machine.press_power_button()
    room.machine.guest = Guest()
    room.clock.advance(5)
    guest.power_button_was_pressed()
    guest.asked_for_memory(5)
    guest.ask_to_unplug("a", lambda: room.machine.stop())
    room.clock.advance(5)
    assert room.machine.state is RunState.RUNNING


def test_a_guest_that_moves_in_elsewhere_forgets_what_it_was_asked() -> None:
    guest = ObedientGuest(unplug=1)
    room, other = Room(guest), Room()
    released: list[str] = []
    guest.ask_to_unplug("a", lambda: released.append("old"))
    other.machine.guest = guest
    guest.ask_to_unplug("a", lambda: released.append("new"))
    room.clock.advance(5)
    other.clock.advance(5)
    assert released == ["new"]


def test_a_guest_thinks_of_so_many_devices_and_no_more() -> None:
    room = Room(ObedientGuest(unplug=1))
    released: list[int] = []
    for number in range(MAX_REQUESTS + 1):
        room.machine.guest.ask_to_unplug(str(number), partial(released.append, number))
    room.clock.advance(2)
    assert released == [*range(MAX_REQUESTS)]


def test_a_guest_of_ones_own_hears_of_everything() -> None:
    heard: list[tuple[str, Any]] = []

    class Mine(Guest):
        def power_button_was_pressed(self) -> None:
            heard.append(("power", None))

        def asked_for_memory(self, target: int) -> None:
            heard.append(("memory", target))

        def ask_to_unplug(self, path: str, release: object) -> None:  # noqa: ARG002
            heard.append(("unplug", path))

        def clock_was_set(self, offset: int) -> None:
            heard.append(("clock", offset))

    room = Room(Mine())
    room.machine.press_power_button()
    room.machine.balloon.set_target(64 * MIB)
    room.machine.ports.write(0x70, 1, 9)
    room.machine.ports.write(0x71, 1, 0x71)  # as the year, while it is 1970
    assert [what for what, _ in heard] == ["power", "memory", "clock"]
    assert heard[1] == ("memory", 64 * MIB)
