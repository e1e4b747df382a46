"""Time, real and moved by hand."""

from __future__ import annotations

import asyncio
import time

import pytest

from qmpx.machine import Clock, RealClock, VirtualClock

START = 1_281_312_000_000_000


class Diary:
    """What happened, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.entries: list[tuple[str, int]] = []

    def plan(self, name: str, delay: float) -> None:
        self.clock.call_later(delay, lambda: self.write(name))

    def write(self, name: str) -> None:
        self.entries.append((name, self.clock.microseconds() - START))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def diary(clock: VirtualClock) -> Diary:
    return Diary(clock)


def test_virtual_time_stands_still_by_itself(clock: VirtualClock) -> None:
    assert [clock.microseconds() for _ in range(3)] == [START] * 3


def test_virtual_time_begins_where_it_is_told() -> None:
    assert VirtualClock(7).microseconds() == 7


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [(0, 0), (1, 1_000_000), (0.25, 250_000), (600, 600_000_000), (1e-6, 1)],
)
def test_time_passes_when_it_is_moved(
    clock: VirtualClock, seconds: float, microseconds: int
) -> None:
    clock.advance(seconds)
    assert clock.microseconds() == START + microseconds


def test_ten_times_a_tenth_is_a_second(clock: VirtualClock) -> None:
    for _ in range(10):
        clock.advance(0.1)
    assert clock.microseconds() == START + 1_000_000


def test_each_thing_happens_at_its_own_moment_in_order(
    clock: VirtualClock, diary: Diary
) -> None:
    diary.plan("third", 3)
    diary.plan("first", 1)
    diary.plan("second", 2)
    diary.plan("later", 3.000001)
    clock.advance(3)
    assert diary.entries == [
        ("first", 1_000_000),
        ("second", 2_000_000),
        ("third", 3_000_000),
    ]
    clock.advance(1)
    assert diary.entries[3:] == [("later", 3_000_001)]


def test_what_is_due_at_one_moment_happens_in_the_order_of_planning(
    clock: VirtualClock, diary: Diary
) -> None:
    for name in "abc":
        diary.plan(name, 1)
    clock.advance(1)
    assert [name for name, _ in diary.entries] == ["a", "b", "c"]


def test_nothing_happens_before_its_time_nor_twice(
    clock: VirtualClock, diary: Diary
) -> None:
    diary.plan("once", 1)
    clock.advance(0.999999)
    assert diary.entries == []
    clock.advance(5)
    clock.advance(5)
    assert diary.entries == [("once", 1_000_000)]


def test_no_delay_means_with_the_next_move(clock: VirtualClock, diary: Diary) -> None:
    diary.plan("now", 0)
    diary.plan("before", -1)
    assert diary.entries == []
    clock.advance(0)
    assert diary.entries == [("before", 0), ("now", 0)]


def test_a_cancelled_timer_does_nothing(clock: VirtualClock, diary: Diary) -> None:
    timer = clock.call_later(1, lambda: diary.write("cancelled"))
    diary.plan("kept", 1)
    timer.cancel()
    timer.cancel()
    clock.advance(2)
    assert diary.entries == [("kept", 1_000_000)]


def test_a_timer_may_be_cancelled_by_one_that_is_due_before(
    clock: VirtualClock, diary: Diary
) -> None:
    timer = clock.call_later(1, lambda: diary.write("cancelled"))
    clock.call_later(0.5, timer.cancel)
    clock.advance(2)
    assert diary.entries == []
    timer.cancel()


def test_what_a_timer_plans_happens_in_the_same_move(
    clock: VirtualClock, diary: Diary
) -> None:
    clock.call_later(1, lambda: diary.plan("second", 1))
    diary.plan("third", 2.5)
    clock.advance(3)
    assert diary.entries == [("second", 2_000_000), ("third", 2_500_000)]


def test_a_timer_that_plans_itself_anew_ticks(
    clock: VirtualClock, diary: Diary
) -> None:
    def tick() -> None:
        diary.write("tick")
        clock.call_later(1, tick)

    clock.call_later(1, tick)
    clock.advance(3.5)
    assert diary.entries == [("tick", n * 1_000_000) for n in (1, 2, 3)]


def test_time_does_not_go_back_if_a_timer_moves_it(
    clock: VirtualClock, diary: Diary
) -> None:
    clock.call_later(1, lambda: clock.advance(10))
    diary.plan("between", 5)
    clock.advance(2)
    assert clock.microseconds() == START + 11_000_000
    assert diary.entries == [("between", 5_000_000)]


def test_a_timer_that_fails_leaves_the_others(
    clock: VirtualClock, diary: Diary
) -> None:
    def fail() -> None:
        message = "on purpose"
        raise RuntimeError(message)

    clock.call_later(1, fail)
    diary.plan("next", 2)
    with pytest.raises(RuntimeError, match="on purpose"):
        clock.advance(3)
    assert clock.microseconds() == START + 1_000_000
    clock.advance(1)
    assert diary.entries == [("next", 2_000_000)]


# The real one.


def test_real_time_is_that_of_the_host() -> None:
    before = time.time_ns() // 1000
    now = RealClock().microseconds()
    assert before <= now <= time.time_ns() // 1000


def test_real_timers_are_those_of_the_running_loop() -> None:
    async def run() -> list[str]:
        clock: Clock = RealClock()
        done = asyncio.Event()
        entries: list[str] = []
        cancelled = clock.call_later(0, lambda: entries.append("cancelled"))
        cancelled.cancel()
        clock.call_later(0, lambda: entries.append("first"))
        clock.call_later(0.001, done.set)
        await asyncio.wait_for(done.wait(), 10)
        return entries

    assert asyncio.run(run()) == ["first"]


def test_a_real_timer_needs_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        RealClock().call_later(0, lambda: None)
