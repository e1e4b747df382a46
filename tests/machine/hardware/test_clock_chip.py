"""The real-time clock: what a guest reads of it, and what setting it tells."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import VirtualClock
from qmpx.machine.hardware.clock_chip import ClockChip

if TYPE_CHECKING:
    from collections.abc import Iterator

START = dt.datetime(2010, 8, 9, 15, 4, 5, tzinfo=dt.UTC)
SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D, CENTURY = (
    *(0, 2, 4, 6, 7, 8, 9),
    *(10, 11, 12, 13),
    0x32,
)
DAY_LENGTH = 86_400


class Chip:
    """A chip, its clock, and what it told."""

    def __init__(self, start: dt.datetime = START) -> None:
        self.clock = VirtualClock(int(start.timestamp()) * 1_000_000 + 250_000)
        self.told: list[int] = []
        self.chip = ClockChip(self.clock, self.told.append)

    def read(self, *registers: int) -> list[int]:
        found = []
        for register in registers:
            self.chip.write_port(0x70, 1, register)
            found.append(self.chip.read_port(0x71, 1))
        return found

    def write(self, register: int, value: int) -> None:
        self.chip.write_port(0x70, 1, register)
        self.chip.write_port(0x71, 1, value)

    def time(self) -> list[int]:
        return self.read(CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS)


def test_it_shows_the_hosts_time_in_decimal_digits() -> None:
    expected = [0x20, 0x10, 0x08, 0x09, 2, 0x15, 0x04, 0x05]
    assert Chip().time() == expected


def test_time_goes_on() -> None:
    chip = Chip(dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
    assert chip.time() == [0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59]
    chip.clock.advance(0.8)
    assert chip.time() == [0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00]


@pytest.mark.parametrize(
    ("mode", "hour", "shown"),
    [
        (0x02, 15, 0x15),
        (0x06, 15, 15),
        (0x00, 15, 0x83),
        (0x04, 15, 0x83),
        (0x00, 12, 0x80),
        (0x00, 11, 0x11),
        (0x04, 23, 0x8B),
        (0x00, 0, 0x00),
    ],
)
def test_the_hour_is_written_as_the_guest_likes(
    mode: int, hour: int, shown: int
) -> None:
    chip = Chip(START.replace(hour=hour))
    chip.write(B, mode)
    assert chip.read(HOURS) == [shown]
    chip.write(HOURS, shown)
    assert chip.told == [0]


@pytest.mark.parametrize(
    ("register", "value", "offset"),
    [
        (SECONDS, 0x15, 10),
        (MINUTES, 0x03, -60),
        (HOURS, 0x16, 3600),
        (DAY, 0x10, DAY_LENGTH),
        (MONTH, 0x09, 31 * DAY_LENGTH),
        (YEAR, 0x11, 365 * DAY_LENGTH),
        (WEEKDAY, 5, 0),
        (DAY, 0x00, -9 * DAY_LENGTH),
        (MONTH, 0x00, -243 * DAY_LENGTH),
        (MONTH, 0x13, 153 * DAY_LENGTH),
        (SECONDS, 0x99, 94),
        (YEAR, 0xFF, (365 * 155 + 38) * DAY_LENGTH),
    ],
)
def test_setting_it_tells_how_far_it_is_ahead(
    register: int, value: int, offset: int
) -> None:
    chip = Chip()
    chip.write(register, value)
    assert chip.told == [offset]


def test_what_was_set_goes_on_from_there() -> None:
    chip = Chip()
    chip.write(YEAR, 0x15)
    chip.clock.advance(1)
    assert chip.time() == [0x20, 0x15, 0x08, 0x09, 1, 0x15, 0x04, 0x06]


def test_while_it_is_being_set_it_stands_still_and_tells_once() -> None:
    chip = Chip()
    chip.write(B, 0x82)
    chip.clock.advance(5)
    for register, value in ((YEAR, 0x11), (HOURS, 0x16), (SECONDS, 0x00)):
        chip.write(register, value)
    assert (chip.told, chip.chip.is_being_set) == ([], True)
    assert chip.time()[1:] == [0x11, 0x08, 0x09, 2, 0x16, 0x04, 0x00]
    chip.write(B, 0x02)
    assert chip.told == [365 * DAY_LENGTH + 3600 - 10]
    assert chip.time()[1:] == [0x11, 0x08, 0x09, 3, 0x16, 0x04, 0x00]


def test_to_begin_setting_changes_nothing() -> None:
    chip = Chip()
    chip.write(B, 0x82)
    chip.write(B, 0x82)
    assert chip.told == []
    chip.write(B, 0x02)
    assert chip.told == [0]


@pytest.mark.parametrize(
    ("register", "written", "shown"),
    [
        (A, 0xFF, 0x7F),
        (C, 0xFF, 0x00),
        (D, 0x00, 0x80),
        (1, 0xAB, 0xAB),
        (0x7F, 0x12, 0x12),
        (0x70 | 0x80, 0x34, 0x34),
    ],
)
def test_other_registers_keep_what_they_can(
    register: int, written: int, shown: int
) -> None:
    chip = Chip()
    chip.write(register, written)
    assert chip.read(register) == [shown]
    assert chip.told == []


def test_a_new_chip_has_its_figures() -> None:
    assert Chip().read(A, B, C, D) == [0x26, 0x02, 0x00, 0x80]


def test_which_register_was_chosen_cannot_be_read() -> None:
    assert Chip().chip.read_port(0x70, 1) == 0xFF


@pytest.mark.parametrize(
    ("mib", "registers"),
    [
        (1 / 2, [0x00, 0x02, 0, 0, 0, 0, 0, 0]),
        (1, [0x80, 0x02, 0, 0, 0, 0, 0, 0]),
        (16, [0x80, 0x02, 0x00, 0x3C, 0x00, 0x3C, 0, 0]),
        (128, [0x80, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x07]),
        (65536, [0x80, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
    ],
)
def test_firmware_finds_how_much_memory_there_is(
    mib: float, registers: list[int]
) -> None:
    chip = Chip()
    chip.chip.describe(memory_size=int(mib * 2**20), processor_count=3)
    assert chip.read(0x15, 0x16, 0x17, 0x18, 0x30, 0x31, 0x34, 0x35) == registers
    assert chip.read(0x14, 0x5F) == [0x06, 2]


@pytest.mark.parametrize(
    ("order", "registers"),
    [([], [0x00, 0x01]), ([2], [0x02, 0x01]), ([3, 2, 4], [0x23, 0x41])],
)
def test_firmware_finds_what_to_boot_from(
    order: list[int], registers: list[int]
) -> None:
    chip = Chip()
    chip.write(0x38, 0x91)
    chip.chip.set_boot_order(order)
    assert chip.read(0x3D, 0x38) == registers


def test_a_reset_leaves_the_time_and_stops_what_was_enabled() -> None:
    chip = Chip()
    chip.write(YEAR, 0x15)
    chip.write(B, 0x7A)
    chip.write(0x20, 0x55)
    chip.chip.reset()
    assert chip.read(B, YEAR, 0x20) == [0x02, 0x15, 0x55]


def test_it_may_start_at_another_time() -> None:
    chip = Chip()
    chip.chip.start_at(0)
    assert chip.time() == [0x19, 0x70, 0x01, 0x01, 5, 0x00, 0x00, 0x00]
    chip.clock.advance(60)
    assert chip.time() == [0x19, 0x70, 0x01, 0x01, 5, 0x00, 0x01, 0x00]
    chip.chip.start_at(None)
    assert chip.time()[1] == 0x10


@pytest.mark.parametrize("seconds", [-(1 << 60), 1 << 60])
def test_times_out_of_reach_are_the_first_and_the_last(seconds: int) -> None:
    chip = Chip()
    chip.chip.start_at(seconds)
    assert chip.time()[0] in (0x00, 0x99)


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("india")
def test_it_may_show_local_time() -> None:
    chip = Chip()
    assert chip.read(HOURS, MINUTES) == [0x15, 0x04]
    chip.chip.start_at(None, is_local=True)
    assert chip.read(HOURS, MINUTES) == [0x20, 0x34]
    chip.chip.start_at(None)
    assert chip.read(HOURS, MINUTES) == [0x15, 0x04]
    chip.chip.start_at(None, is_local=True)
    chip.write(MINUTES, 0x35)
    assert chip.told == [60]


def test_its_state_comes_back() -> None:
    chip, other = Chip(), Chip()
    chip.write(YEAR, 0x15)
    chip.write(0x40, 0x77)
    chip.chip.write_port(0x70, 1, 0x40)
    other.chip.restore(chip.chip.state())
    assert other.chip.read_port(0x71, 1) == 0x77
    assert other.time() == chip.time()
    assert other.chip.state() == chip.chip.state()
