"""Dirty bitmaps: what is noted, and how much of the node that is."""

from __future__ import annotations

import pytest

from qmpx.machine.block.bitmaps import Bitmap


@pytest.mark.parametrize(
    ("writes", "areas"),
    [
        ([(0, 1)], [(0, 512)]),
        ([(511, 2)], [(0, 1024)]),
        ([(0, 0)], []),
        ([(1024, 512), (0, 512)], [(0, 512), (1024, 512)]),
        ([(1999, 1)], [(1536, 464)]),
    ],
)
def test_writes_set_the_bits_that_they_touch(
    writes: list[tuple[int, int]], areas: list[tuple[int, int]]
) -> None:
    bitmap = Bitmap("b", 512, 2000)
    for offset, length in writes:
        bitmap.note(offset, length)
    assert list(bitmap.areas()) == areas
    assert bitmap.count == 512 * sum(-(-length // 512) for _, length in areas)


def test_what_does_not_record_notes_nothing() -> None:
    bitmap = Bitmap("b", 512, 2000, recording=False)
    bitmap.note(0, 512)
    assert bitmap.count == 0
    bitmap.mark(0, 512)
    assert bitmap.count == 512


def test_bitmaps_of_other_granularity_are_merged() -> None:
    fine, coarse = Bitmap("f", 512, 8192), Bitmap("c", 4096, 8192)
    fine.note(4096, 1)
    coarse.merge([fine])
    assert list(coarse.areas()) == [(4096, 4096)]
    fine.merge([coarse])
    assert fine.count == 4096


def test_a_smaller_node_has_nothing_dirty_behind_its_end() -> None:
    bitmap = Bitmap("b", 512, 8192)
    bitmap.mark(0, 8192)
    bitmap.resize(1000)
    assert list(bitmap.areas()) == [(0, 1000)]
    bitmap.resize(8192)
    assert list(bitmap.areas()) == [(0, 1024)]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, (False, 512)), (512, (True, 1024)), (1000, (True, 536)), (1536, (False, 464))],
)
def test_it_tells_how_far_a_place_is_alike(
    offset: int, expected: tuple[bool, int]
) -> None:
    bitmap = Bitmap("b", 512, 2000)
    bitmap.mark(512, 1024)
    assert bitmap.run(offset) == expected
