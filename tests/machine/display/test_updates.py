"""What a client has yet to be shown."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.machine.display.pixels import NATIVE, PixelFormat
from qmpx.machine.display.screen import ACCENT, Rectangle, Screen, line
from qmpx.machine.display.updates import DESKTOP_SIZE, RAW, ZLIB, Updates

ALL = Rectangle(0, 0, 0xFFFF, 0xFFFF)
ROW_2 = Rectangle(0, 32, 720, 16)


@pytest.fixture
def screen() -> Screen:
    screen = Screen()
    screen.show([line((f"row {n}", ACCENT), columns=90) for n in range(25)])
    return screen


@pytest.fixture
def updates(screen: Screen) -> Updates:
    return Updates(screen)


def raw(screen: Screen, *areas: Rectangle) -> bytes:
    """Return an update of these areas, as it is on the wire."""
    message = struct.pack(">BxH", 0, len(areas))
    for area in areas:
        message += struct.pack(">HHHHi", *area, RAW)
        message += NATIVE.convert(screen.pixels(area))
    return message


def test_who_has_not_asked_gets_nothing(updates: Updates) -> None:
    updates.mark(ALL)
    assert updates.take() == b""
    assert not updates.is_awaited


def test_who_asks_for_all_gets_all_at_once(screen: Screen, updates: Updates) -> None:
    updates.ask(ALL, incremental=False)
    assert updates.take() == raw(screen, Rectangle(0, 0, 720, 400))
    assert not updates.is_awaited


def test_who_asks_for_changes_waits_for_one(screen: Screen, updates: Updates) -> None:
    updates.ask(ALL, incremental=True)
    assert updates.take() == b""
    assert updates.is_awaited
    updates.mark(ROW_2)
    assert updates.take() == raw(screen, ROW_2)
    assert not updates.is_awaited


def test_what_was_sent_is_not_sent_again(updates: Updates) -> None:
    updates.ask(ALL, incremental=False)
    updates.take()
    updates.ask(ALL, incremental=True)
    assert updates.take() == b""


@pytest.mark.parametrize(
    ("changed", "sent"),
    [
        ([(0, 0, 8, 16)], [(0, 0, 8, 16)]),
        # Of one row the span that covers all, of rows below each other one rectangle
        # if they are as wide.
        ([(0, 0, 8, 16), (80, 0, 8, 16)], [(0, 0, 88, 16)]),
        ([(8, 0, 8, 16), (8, 16, 8, 16)], [(8, 0, 8, 32)]),
        ([(8, 0, 8, 16), (8, 32, 8, 16)], [(8, 0, 8, 16), (8, 32, 8, 16)]),
        ([(8, 0, 8, 16), (0, 16, 8, 16)], [(8, 0, 8, 16), (0, 16, 8, 16)]),
        ([(3, 5, 2, 30)], [(3, 5, 2, 30)]),
        ([(700, 390, 500, 500)], [(700, 390, 20, 10)]),
        ([(720, 0, 8, 16)], []),
    ],
)
def test_changes_are_sent_as_few_rectangles(
    screen: Screen,
    updates: Updates,
    changed: list[tuple[int, int, int, int]],
    sent: list[tuple[int, int, int, int]],
) -> None:
    for area in changed:
        updates.mark(Rectangle(*area))
    updates.ask(ALL, incremental=True)
    expected = raw(screen, *[Rectangle(*area) for area in sent]) if sent else b""
    assert updates.take() == expected


def test_what_is_outside_of_what_was_asked_for_waits(
    screen: Screen, updates: Updates
) -> None:
    upper, lower = Rectangle(0, 0, 720, 40), Rectangle(0, 32, 720, 368)
    updates.mark(ALL)
    updates.ask(upper, incremental=True)
    assert updates.take() == raw(screen, upper)
    updates.ask(ALL, incremental=True)
    # The row that was cut in two comes again as a whole.
    assert updates.take() == raw(screen, lower)


def test_who_asks_for_all_of_nothing_is_answered_with_nothing(
    screen: Screen, updates: Updates
) -> None:
    updates.ask(Rectangle(5000, 5000, 10, 10), incremental=False)
    assert updates.take() == raw(screen)


def test_two_questions_have_one_answer(screen: Screen, updates: Updates) -> None:
    updates.ask(Rectangle(0, 0, 8, 16), incremental=False)
    updates.ask(Rectangle(8, 0, 8, 16), incremental=True)
    assert updates.take() == raw(screen, Rectangle(0, 0, 8, 16))
    assert updates.take() == b""


def test_pixels_come_as_the_client_wants_them(screen: Screen, updates: Updates) -> None:
    wanted = PixelFormat(16, 16, True, (31, 63, 31), (11, 5, 0))  # noqa: FBT003
    updates.pixel_format = wanted
    updates.ask(ROW_2, incremental=False)
    assert updates.take() == (
        struct.pack(">BxHHHHHi", 0, 1, *ROW_2, RAW)
        + wanted.convert(screen.pixels(ROW_2))
    )


@pytest.mark.parametrize(
    ("encodings", "encoding"),
    [
        ((), RAW),
        ((16, 7, 5), RAW),
        ((RAW, ZLIB), RAW),
        ((16, ZLIB, RAW), ZLIB),
        ((DESKTOP_SIZE, ZLIB), ZLIB),
    ],
)
def test_the_first_encoding_that_both_know_is_used(
    updates: Updates, encodings: tuple[int, ...], encoding: int
) -> None:
    updates.choose(encodings)
    updates.ask(ROW_2, incremental=False)
    assert struct.unpack_from(">i", updates.take(), 12) == (encoding,)


def test_zlib_is_one_stream_over_all_updates(screen: Screen, updates: Updates) -> None:
    updates.choose((ZLIB,))
    inflate = zlib.decompressobj()
    for area in (ROW_2, Rectangle(8, 48, 100, 100), ROW_2):
        updates.ask(area, incremental=False)
        message = updates.take()
        assert message[:16] == struct.pack(">BxHHHHHi", 0, 1, *area, ZLIB)
        size = int.from_bytes(message[16:20])
        assert size == len(message) - 20
        pixels = inflate.decompress(message[20:])
        assert pixels == NATIVE.convert(screen.pixels(area))


def test_a_client_that_can_is_told_of_a_new_size(
    screen: Screen, updates: Updates
) -> None:
    updates.choose((RAW, DESKTOP_SIZE))
    screen.watch(updates.mark)
    updates.ask(ALL, incremental=True)
    screen.resize(80, 30)
    assert updates.take() == struct.pack(
        ">BxHHHHHi", 0, 1, 0, 0, 640, 480, DESKTOP_SIZE
    )
    updates.ask(ALL, incremental=True)
    assert updates.take() == raw(screen, Rectangle(0, 0, 640, 480))


@pytest.mark.parametrize(
    ("columns", "rows", "seen"), [(80, 30, (640, 400)), (100, 20, (720, 320))]
)
def test_a_client_that_cannot_sees_what_both_sizes_have(
    screen: Screen, updates: Updates, columns: int, rows: int, seen: tuple[int, int]
) -> None:
    screen.watch(updates.mark)
    screen.resize(columns, rows)
    updates.ask(ALL, incremental=True)
    assert updates.take() == raw(screen, Rectangle(0, 0, *seen))


NUMBERS = st.integers(0, 0xFFFF)
AREAS = st.builds(Rectangle, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(st.tuples(AREAS, st.booleans(), AREAS), max_size=5))
def test_no_question_gets_more_than_the_screen_holds(
    steps: list[tuple[Rectangle, bool, Rectangle]],
) -> None:
    screen = Screen()
    updates = Updates(screen)
    for changed, incremental, asked in steps:
        updates.mark(changed)
        updates.ask(asked, incremental=incremental)
        # Each row at most once, 16 bytes a rectangle.
        assert len(updates.take()) <= 4 * 720 * 400 + 25 * 16
