"""The letters of the screen."""

from __future__ import annotations

import string

import pytest

from qmpx.machine.display.font import CELL_HEIGHT, glyph, painted

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]


def test_every_printable_letter_has_a_shape_of_its_own() -> None:
    assert len({glyph(character) for character in PRINTABLE}) == len(PRINTABLE)


@pytest.mark.parametrize("character", PRINTABLE)
def test_a_letter_fills_its_cell_and_no_more(character: str) -> None:
    rows = glyph(character)
    assert len(rows) == CELL_HEIGHT
    assert all(0 <= row <= 0xFF for row in rows)
    assert any(rows) is (character != " ")


@pytest.mark.parametrize("character", PRINTABLE[1:])
def test_letters_do_not_touch_their_neighbours(character: str) -> None:
    assert all(row & 0x81 == 0 for row in glyph(character))


@pytest.mark.parametrize("character", [c for c in string.ascii_uppercase if c != "Q"])
def test_capitals_stand_on_the_line(character: str) -> None:
    rows = glyph(character)
    assert rows[11]
    assert not any(rows[12:])


@pytest.mark.parametrize("character", ["\x00", "\n", "é", "\x80", "漢"])
def test_what_is_not_ascii_is_a_block(character: str) -> None:
    assert glyph(character) == glyph("\x7f")


def test_a_letter_is_painted_in_its_colours() -> None:
    rows = painted("T", 5, 2)
    assert rows[2] == bytes([2, 5, 5, 5, 5, 5, 2, 2])
    assert rows[3] == bytes([2, 2, 2, 5, 2, 2, 2, 2])
    assert rows[0] == bytes([2] * 8)
