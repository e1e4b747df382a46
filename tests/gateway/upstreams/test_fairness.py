"""Whose turn it is."""

from __future__ import annotations

import pytest

from qmpx.gateway import FairQueue


def queue_of(words: str) -> FairQueue[str]:
    """Return a queue in which each word waits; its first letter is its owner."""
    queue: FairQueue[str] = FairQueue()
    for word in words.split():
        queue.put(word[0], word)
    return queue


@pytest.mark.parametrize(
    ("brought", "taken"),
    [
        ("a1", "a1"),
        ("a1 a2 a3 b1 c1", "a1 b1 c1 a2 a3"),
        ("a1 a2 b1 b2 c1 c2", "a1 b1 c1 a2 b2 c2"),
        ("b1 a1 b2 a2", "b1 a1 b2 a2"),
    ],
)
def test_owners_take_turns(brought: str, taken: str) -> None:
    queue = queue_of(brought)
    assert len(queue) == len(brought.split())
    assert [queue.take() for _ in taken.split()] == taken.split()
    with pytest.raises(IndexError, match="nothing waits"):
        queue.take()


def test_who_had_a_turn_comes_behind_who_waits() -> None:
    queue = queue_of("a1 a2 b1")
    assert queue.take() == "a1"
    queue.put("c", "c1")
    queue.put("a", "a3")
    assert [queue.take() for _ in range(4)] == ["b1", "a2", "c1", "a3"]


def test_what_an_owner_brought_can_be_forgotten() -> None:
    queue = queue_of("a1 b1 a2")
    assert queue.forget("a") == ["a1", "a2"]
    assert queue.forget("nobody") == []
    assert queue.clear() == ["b1"]
    assert len(queue) == 0
