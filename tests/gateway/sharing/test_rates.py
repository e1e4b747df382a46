"""So many a second, and of what happens too often some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.gateway.sharing.rates import Sparing, TokenBucket


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 10), min_size=1, max_size=100),
)
def test_a_bucket_never_gives_more_than_its_burst_and_rate(
    rate: float, burst: int, pauses: list[float]
) -> None:
    now, given_ = 0.0, 0
    bucket = TokenBucket(rate, burst, now)
    for pause in pauses:
        now += pause
        given_ += bucket.try_take(now)
        assert given_ <= burst + now * rate + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50), st.integers(1, 100))
def test_whoever_waits_for_a_token_waits_for_all_before(
    rate: float, burst: int, count: int
) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    waits = [bucket.take(0.0) for _ in range(count)]
    expected = [max(0, number - burst) / rate for number in range(1, count + 1)]
    assert waits == pytest.approx(expected)


def test_so_many_a_second_are_told_of_and_the_others_are_counted() -> None:
    spared = Sparing(3.0)
    told = [spared.take(100.0) for _ in range(10)]
    assert told == [True] * 3 + [False] * 7
    assert spared.omitted() == 7
    assert spared.omitted() == 0
    assert [spared.take(101.0) for _ in range(4)] == [True] * 3 + [False]
    assert spared.omitted() == 1
