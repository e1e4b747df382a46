"""The guest's own time stands still while the machine does."""

from __future__ import annotations

from qmpx.machine import Machine, VirtualClock


def test_it_passes_only_while_the_machine_runs() -> None:
    clock = VirtualClock()
    machine = Machine(clock=clock)
    ran = machine.run_time.microseconds
    clock.advance(1)
    assert ran() == 0
    machine.cont()
    clock.advance(2)
    machine.cont()
    clock.advance(3)
    assert ran() == 5_000_000
    machine.stop()
    clock.advance(7)
    assert ran() == 5_000_000
    machine.cont()
    clock.advance(0.5)
    machine.shut_down(reason="why")
    clock.advance(1)
    assert ran() == 5_500_000


def test_it_can_be_that_of_another_machine() -> None:
    clock = VirtualClock()
    machine = Machine(clock=clock, is_started=True)
    clock.advance(5)
    machine.run_time.set(60_000_000)
    clock.advance(1)
    assert machine.run_time.microseconds() == 61_000_000
    machine.stop()
    machine.run_time.set(1)
    assert machine.run_time.microseconds() == 1
