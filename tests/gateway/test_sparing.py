"""Of many that happen some are told of, and the others are counted."""

from __future__ import annotations

from qmpx.gateway.sparing import Sparing


def test_so_many_a_second_are_told_of_and_the_others_are_counted() -> None:
    spared = Sparing(3.0)
    told = [spared.take(100.0) for _ in range(10)]
    assert told == [True] * 3 + [False] * 7
    assert spared.omitted() == 7
    assert spared.omitted() == 0
    assert [spared.take(101.0) for _ in range(4)] == [True] * 3 + [False]
    assert spared.omitted() == 1
