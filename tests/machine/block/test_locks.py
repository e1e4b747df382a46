"""Locks on files: who does what, and what nobody else may do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NONE: frozenset[int] = frozenset()
READ = frozenset({locks.READ})
WRITE = frozenset({locks.READ, locks.WRITE})
FIXED = frozenset({locks.WRITE, locks.RESIZE})


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Open a file twice."""
    path = tmp_path / "file"
    path.touch()
    fds = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ((READ, FIXED), (READ, FIXED), None),
        ((READ, NONE), (WRITE, NONE), None),
        ((WRITE, NONE), (WRITE, NONE), None),
        ((WRITE, NONE), (READ, FIXED), 'Failed to get shared "write" lock'),
        ((READ, FIXED), (WRITE, NONE), 'Failed to get "write" lock'),
        ((NONE, NONE), (WRITE, FIXED), None),
    ],
)
def test_two_agree_or_the_second_is_refused(
    pair: tuple[int, int],
    first: tuple[frozenset[int], frozenset[int]],
    second: tuple[frozenset[int], frozenset[int]],
    said: str | None,
) -> None:
    locks.take(pair[0], *first)
    if said is None:
        locks.take(pair[1], *second)
        return
    with pytest.raises(OSError, match=said):
        locks.take(pair[1], *second)
    locks.take(pair[0], NONE, NONE)
    locks.take(pair[1], *second)


def test_who_needs_less_gives_the_rest_back(pair: tuple[int, int]) -> None:
    locks.take(pair[0], WRITE, FIXED)
    locks.take(pair[0], READ, NONE)
    locks.take(pair[1], WRITE, NONE)
    locks.drop(pair[1])
    locks.take(pair[0], READ, FIXED)
