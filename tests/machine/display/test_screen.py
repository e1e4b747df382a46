"""The screen: what changes on it, and the pixels of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.machine.display.font import glyph, painted
from qmpx.machine.display.screen import (
    ACCENT,
    BAR,
    INK,
    MAX_COLUMNS,
    MAX_ROWS,
    PAPER,
    Rectangle,
    Screen,
    line,
)

WHOLE = Rectangle(0, 0, 720, 400)


def test_a_screen_is_a_vga_in_text_mode() -> None:
    screen = Screen()
    assert screen.whole == WHOLE
    assert screen.pixels() == bytes(720 * 400)


def test_text_is_drawn_where_it_stands() -> None:
    screen = Screen()
    screen.show([line("A", columns=90)])
    first = painted("A", INK, PAPER)
    assert screen.pixels(Rectangle(0, 0, 8, 16)) == b"".join(first)
    assert screen.pixels(Rectangle(8, 0, 712, 16)) == bytes(712 * 16)
    assert screen.pixels(Rectangle(0, 16, 720, 384)) == bytes(720 * 384)


def test_a_part_of_the_screen_is_that_part_of_the_whole() -> None:
    screen = Screen()
    screen.show([line(("qmpx" * 30, ACCENT), paper=BAR, columns=90)] * 25)
    whole = screen.pixels()
    for x, y, width, height in [(0, 0, 1, 1), (3, 5, 100, 40), (719, 399, 1, 1)]:
        expected = b"".join(
            whole[720 * n + x : 720 * n + x + width] for n in range(y, y + height)
        )
        assert screen.pixels(Rectangle(x, y, width, height)) == expected


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({}, {}, []),
        ({"row1": "same"}, {"row1": "same"}, []),
        ({}, {"row0": "a"}, [(0, 0, 8, 16)]),
        ({"row2": "a b c"}, {"row2": "a d c"}, [(16, 32, 8, 16)]),
        ({"row2": "abc"}, {"row2": "xby"}, [(0, 32, 24, 16)]),
        ({"row24": "gone"}, {}, [(0, 384, 32, 16)]),
        ({}, {"row3": "a", "row5": "b"}, [(0, 48, 8, 16), (0, 80, 8, 16)]),
    ],
)
def test_who_watches_is_told_of_what_changed_and_nothing_else(
    before: dict[str, str], after: dict[str, str], changed: list[tuple[int, ...]]
) -> None:
    screen = Screen()
    screen.show([line(before.get(f"row{n}", ""), columns=90) for n in range(25)])
    told: list[Rectangle] = []
    screen.watch(told.append)
    screen.show([line(after.get(f"row{n}", ""), columns=90) for n in range(25)])
    assert told == [Rectangle(*each) for each in changed]


def test_who_has_gone_is_told_nothing() -> None:
    screen, told = Screen(), list[Rectangle]()
    watcher = told.append
    screen.watch(watcher)
    screen.unwatch(watcher)
    screen.unwatch(watcher)
    screen.show([line("a", columns=90)])
    assert told == []


def test_a_row_is_filled_up_and_cut() -> None:
    assert len(line("a", columns=90)) == 90
    assert len(line("a" * 200, columns=90)) == 90


def test_another_size_is_told_and_empty() -> None:
    screen, told = Screen(), list[Rectangle]()
    screen.show([line("a", columns=90)])
    screen.watch(told.append)
    screen.resize(80, 30)
    assert screen.pixels() == bytes(640 * 480)
    assert told == [Rectangle(0, 0, 640, 480)]


@pytest.mark.parametrize(
    ("columns", "rows"), [(0, 25), (90, 0), (-1, 25), (MAX_COLUMNS + 1, 25), (90, 76)]
)
def test_no_screen_is_without_bounds(columns: int, rows: int) -> None:
    screen = Screen()
    message = f"a screen of {columns} x {rows} letters cannot be had"
    with pytest.raises(ValueError, match=message):
        screen.resize(columns, rows)
    assert screen.whole == WHOLE


def test_the_largest_screen_can_be_had() -> None:
    screen = Screen()
    screen.resize(MAX_COLUMNS, MAX_ROWS)
    assert screen.whole == Rectangle(0, 0, 1920, 1200)


RECTANGLES = st.builds(
    Rectangle,
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(1, 50),
    st.integers(1, 50),
)


@settings(max_examples=50)
@given(RECTANGLES, RECTANGLES)
def test_rectangles_meet_and_join(one: Rectangle, other: Rectangle) -> None:
    def points(area: Rectangle | None) -> set[tuple[int, int]]:
        if area is None:
            return set()
        x, y, width, height = area
        return {(a, b) for a in range(x, x + width) for b in range(y, y + height)}

    assert points(one.intersection(other)) == points(one) & points(other)
    assert points(one.union(other)) >= points(one) | points(other)
    assert one.union(other).intersection(one) == one


def test_a_glyph_is_what_the_screen_shows() -> None:
    screen = Screen()
    screen.show([line("~", columns=90)])
    pixels = screen.pixels(Rectangle(0, 0, 8, 16))
    drawn = [
        sum((pixels[8 * n + bit] == INK) << (7 - bit) for bit in range(8))
        for n in range(16)
    ]
    assert tuple(drawn) == glyph("~")
