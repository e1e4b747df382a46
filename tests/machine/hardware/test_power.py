"""Power management: a guest that sleeps, or switches itself off."""

from __future__ import annotations

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.happenings import (
    Happening,
    PowerButtonPressed,
    Reset,
    ShutDown,
    Suspended,
)

BASE = 0xB000
OFF = ShutDown(by_guest=True, reason="guest-shutdown")


def machine_and_news() -> tuple[Machine, list[Happening]]:
    machine = Machine(clock=VirtualClock(start=0), is_started=True)
    told: list[Happening] = []
    machine.listen(told.append)
    return machine, told


@pytest.mark.parametrize(
    ("value", "told", "state"),
    [
        (0x2000, [OFF], "shutdown"),
        (0x2001, [OFF], "shutdown"),
        (0x2400, [Suspended()], "suspended"),
        (0x2800, [], "running"),
        (0x0000, [], "running"),
        (0x1C00, [], "running"),
    ],
)
def test_a_guest_writes_its_wish_to_the_control_register(
    value: int, told: list[Happening], state: str
) -> None:
    machine, news = machine_and_news()
    machine.ports.write(BASE + 4, 2, value)
    assert (repr(news), machine.state.value) == (repr(told), state)
    assert machine.ports.read(BASE + 4, 2) == value & ~0x2000


def test_a_machine_that_stands_still_is_not_sent_to_sleep() -> None:
    machine, news = machine_and_news()
    machine.stop()
    news.clear()
    machine.ports.write(BASE + 4, 2, 0x2400)
    assert (news, machine.state.value) == ([], "paused")


def test_a_machine_that_cannot_sleep_begins_anew() -> None:
    machine, news = machine_and_news()
    machine.can_sleep = False
    machine.ports.write(BASE + 4, 2, 0x2400)
    assert repr(news) == repr([Reset(by_guest=True, reason="guest-reset")])
    assert machine.state.value == "running"


def test_the_button_shows_if_the_guest_wants_to_know() -> None:
    machine, news = machine_and_news()
    machine.ports.read(BASE, 2)
    machine.press_power_button()
    assert machine.ports.read(BASE, 2) == 0
    machine.ports.write(BASE + 2, 2, 0x0100)
    machine.press_power_button()
    assert machine.ports.read(BASE, 2) == 0x0100
    machine.ports.write(BASE, 2, 0x0001)
    assert machine.ports.read(BASE, 2) == 0x0100
    machine.ports.write(BASE, 2, 0x0100)
    assert machine.ports.read(BASE, 2) == 0
    assert repr(news) == repr([PowerButtonPressed()] * 2)


def test_its_timer_has_3_579545_mhz_and_24_bits() -> None:
    machine, _ = machine_and_news()
    clock = machine.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(1)
    assert machine.ports.read(BASE + 8, 4) == 3_579_545
    clock.advance(4)
    assert machine.ports.read(BASE + 8, 4) == 5 * 3_579_545 - (1 << 24)


def test_other_registers_are_zero_and_cannot_be_written() -> None:
    machine, news = machine_and_news()
    machine.ports.write(BASE + 6, 2, 0xFFFF)
    machine.ports.write(BASE + 8, 4, 0)
    assert (machine.ports.read(BASE + 6, 2), machine.ports.read(BASE, 4)) == (0, 0)
    assert machine.ports.read(BASE + 4, 1) == 0xFF
    assert news == []


def test_a_reset_clears_it_and_its_state_comes_back() -> None:
    machine, _ = machine_and_news()
    other, _ = machine_and_news()
    machine.ports.write(BASE + 2, 2, 0x0100)
    machine.ports.write(BASE + 4, 2, 0x0001)
    machine.press_power_button()
    state = machine.chipset.power.state()
    assert state == {"status": 0x100, "enabled": 0x100, "control": 1}
    other.chipset.power.restore(state)
    assert other.chipset.power.state() == state
    other.reset(reason="why")
    assert other.chipset.power.state() == {"status": 0, "enabled": 0, "control": 0}
