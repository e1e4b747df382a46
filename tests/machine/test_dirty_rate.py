"""How fast memory is written: measured over a time, in the machine's own time."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.guest import Guest

MIB = 2**20


def machine_with(dirty_rate: int, *, is_started: bool = True) -> Machine:
    """Return a machine whose guest writes so many bytes a second."""
    machine = Machine(clock=VirtualClock(), is_started=is_started)
    machine.guest = Guest()
    machine.guest.dirty_rate = dirty_rate
    return machine


@pytest.mark.parametrize(
    ("rate", "is_started", "measured"),
    [(0, True, 0), (5 * MIB, True, 5), (5 * MIB, False, 0), (MIB - 1, True, 0)],
)
def test_a_guest_that_runs_writes(
    rate: int,
    is_started: bool,
    measured: int,
) -> None:
    machine = machine_with(rate, is_started=is_started)
    clock = machine.clock
    assert isinstance(clock, VirtualClock)
    rates = machine.dirty_rate
    assert (rates.status, rates.rate) == ("unstarted", None)
    rates.start(3)
    clock.advance(2.9)
    assert (rates.status, rates.rate) == ("measuring", None)
    clock.advance(0.1)
    assert (rates.status, rates.rate) == ("measured", measured)
    assert (rates.seconds, rates.sample_pages) == (3, 512)


def test_pages_that_are_really_written_count() -> None:
    machine = machine_with(0)
    assert isinstance(machine.clock, VirtualClock)
    machine.dirty_rate.start(2)
    machine.memory.write(MIB, b"x" * (6 * MIB))
    machine.clock.advance(2)
    assert machine.dirty_rate.rate == 3


@pytest.mark.parametrize(
    ("seconds", "sample_pages", "error"),
    [
        (0, None, "calc-time is out of range[1, 60]."),
        (61, None, "calc-time is out of range[1, 60]."),
        (1, 127, "sample-pages is out of range[128, 16384]."),
        (1, 16385, "sample-pages is out of range[128, 16384]."),
    ],
)
def test_figures_have_ranges(
    seconds: int, sample_pages: int | None, error: str
) -> None:
    with pytest.raises(GenericError) as caught:
        machine_with(0).dirty_rate.start(seconds, sample_pages)
    assert caught.value.desc == error


def test_one_measurement_at_a_time() -> None:
    machine = machine_with(0)
    machine.dirty_rate.start(60, 128)
    with pytest.raises(GenericError) as caught:
        machine.dirty_rate.start(1)
    assert caught.value.desc == "the dirty rate is already being measured."
