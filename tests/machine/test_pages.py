"""Sets of pages behave as sets of integers, and are walked in runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.pages import PageSet

SPANS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 9000), st.integers(0, 9000)), max_size=6
)


@given(SPANS, st.integers(0, 18_000), st.integers(0, 18_000))
def test_it_holds_what_a_set_of_integers_would(
    spans: list[tuple[bool, int, int]], start: int, end: int
) -> None:
    pages, expected = PageSet(), set[int]()
    for is_in, first, count in spans:
        if is_in:
            pages.add(first, count)
            expected |= {*range(first, first + count)}
        else:
            pages.discard(first, count)
            expected -= {*range(first, first + count)}
    assert [*pages] == sorted(expected)
    assert (len(pages), bool(pages)) == (len(expected), bool(expected))
    assert (start in pages) is (start in expected)
    within = [
        page
        for first, count in pages.runs(start, end)
        for page in range(first, first + count)
    ]
    assert within == sorted(expected & {*range(start, end)})


@pytest.mark.parametrize(
    ("pages", "runs"),
    [
        ([], []),
        ([0], [(0, 1)]),
        ([7, 8], [(7, 2)]),
        ([1, 3], [(1, 1), (3, 1)]),
        ([*range(5, 10_000)], [(5, 9995)]),
        ([4095, 4096, 20_000], [(4095, 2), (20_000, 1)]),
    ],
)
def test_runs_are_as_long_as_can_be(
    pages: list[int], runs: list[tuple[int, int]]
) -> None:
    made = PageSet()
    for page in pages:
        made.add(page)
    assert [*made.runs()] == runs


def test_sixteen_million_pages_are_walked_in_steps() -> None:
    pages = PageSet(range(1 << 24))
    pages.discard(5_000_000)
    assert [*pages.runs()] == [(0, 5_000_000), (5_000_001, (1 << 24) - 5_000_001)]
    assert len(pages) == (1 << 24) - 1


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1)])
def test_no_page_has_a_negative_number(first: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"no pages: {count} from {first} on"):
        PageSet().add(first, count)


def test_adding_nothing_takes_up_nothing() -> None:
    pages = PageSet()
    pages.add(1 << 40, 0)
    assert not pages
    assert [*pages.runs()] == []


def test_sets_of_the_same_pages_are_equal() -> None:
    long = PageSet(range(3))
    long.add(500)
    long.discard(500)
    assert long == PageSet(range(3))
    assert long != PageSet(range(4))
    assert long != {0, 1, 2}
    assert repr(long) == "PageSet(3 pages)"


def test_a_copy_goes_its_own_way() -> None:
    pages = PageSet(range(2))
    copy = pages.copy()
    copy.add(9)
    pages.discard(0)
    assert ([*pages], [*copy]) == ([1], [0, 1, 9])
    pages.update(copy)
    assert [*pages] == [0, 1, 9]
    pages.clear()
    assert ([*pages], [*copy]) == ([], [0, 1, 9])


def test_it_is_no_key() -> None:
    with pytest.raises(TypeError):
        hash(PageSet())


def test_it_is_a_bitmap_that_can_be_moved_in_pieces() -> None:
    pages = PageSet()
    pages.add(3, 14)
    assert pages.bits(0, 4) == b"\xf8\xff\x01\0"
    moved = PageSet()
    moved.add(0)
    for at in range(0, 4, 2):
        moved.put_bits(at, pages.bits(at, 2))
    moved.put_bits(1 << 20, bytes(8))
    assert list(moved.runs()) == [(0, 1), (3, 14)]
    assert len(moved.bits(0, 1 << 20).rstrip(b"\0")) == 3
