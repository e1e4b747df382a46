"""The board as a guest finds it, through the ports of a machine."""

from __future__ import annotations

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.happenings import ClockSet, Happening, Reset


def test_a_guest_that_sets_its_clock_is_told_of() -> None:
    machine = Machine(clock=VirtualClock(start=1_281_312_000_000_000))
    told: list[Happening] = []
    machine.listen(told.append)
    machine.ports.write(0x70, 1, 9)
    machine.ports.write(0x71, 1, 0x11)
    assert told == [ClockSet(365 * 86_400)]


@pytest.mark.parametrize(("port", "value"), [(0x64, 0xFE), (0x92, 0x03)])
def test_a_guest_may_reset_the_machine(port: int, value: int) -> None:
    machine = Machine(is_started=True)
    told: list[Happening] = []
    machine.listen(told.append)
    machine.ports.write(port, 1, value)
    assert told == [Reset(by_guest=True, reason="guest-reset")]


def test_line_20_is_that_of_all_processors() -> None:
    machine = Machine(processor_count=2)
    machine.ports.write(0x92, 1, 0)
    assert [p.is_a20_open for p in machine.processors] == [False, False]
    machine.ports.write(0x64, 1, 0xDF)
    assert [p.is_a20_open for p in machine.processors] == [True, True]


def test_what_is_not_there_reads_as_all_ones() -> None:
    ports = Machine().ports
    assert [ports.read(0x1234, size) for size in (1, 2, 4)] == [255, 65535, 2**32 - 1]


def test_the_clock_chip_knows_the_machine() -> None:
    machine = Machine(memory_size=16 * 2**20, processor_count=4)
    machine.ports.write(0x70, 1, 0x5F)
    assert machine.ports.read(0x71) == 3
    machine.ports.write(0x70, 1, 0x18)
    assert machine.ports.read(0x71) == 0x3C


def test_its_state_is_that_of_all_devices_and_comes_back() -> None:
    machine, other = Machine(), Machine()
    machine.ports.write(0x21, 1, 0x7F)
    machine.ports.write(0xB004, 2, 1)
    machine.chipset.keyboard.put(5)
    state = machine.chipset.state()
    assert {"clock_chip", "interrupts", "keyboard", "power", "watchdog"} <= {*state}
    other.chipset.restore(state)
    assert other.chipset.state() == state
    other.reset(reason="why")
    assert other.ports.read(0x21) == 0
    assert other.chipset.keyboard.pending == 0
