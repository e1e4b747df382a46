"""The letters of the screen: a bitmap font of the project's own.

`font.txt` is the picture of it: 96 cells of 8 x 16 pixels, eight cells to a band, in
the order of ASCII from the space on; the last one is a full block. A ``#`` is ink.
Whoever wants another letter paints it there.
"""

import functools
from pathlib import Path
from typing import Final

CELL_WIDTH: Final[int] = 8
"""Pixels of a letter's cell, in width: one byte of a row."""
CELL_HEIGHT: Final[int] = 16
"""Pixels of a letter's cell, in height: 25 rows of text fill 400 lines."""

_CELLS_OF_BAND: Final = 8
_UNKNOWN: Final = "\x7f"


_BITS: Final = str.maketrans(".#", "01")


@functools.cache
def _glyphs() -> dict[str, tuple[int, ...]]:
    lines = Path(__file__).with_name("font.txt").read_text("ascii").splitlines()
    glyphs: dict[str, tuple[int, ...]] = {}
    for top in range(0, len(lines), CELL_HEIGHT):
        for n in range(_CELLS_OF_BAND):
            left = n * CELL_WIDTH
            glyphs[chr(0x20 + len(glyphs))] = tuple(
                int(row.translate(_BITS), 2)
                for row in (
                    line[left : left + CELL_WIDTH]
                    for line in lines[top : top + CELL_HEIGHT]
                )
            )
    return glyphs


def glyph(character: str) -> tuple[int, ...]:
    """Return the rows of a letter, top first; the highest bit is the leftmost pixel.

    What is not printable ASCII is shown as a full block.
    """
    glyphs = _glyphs()
    return glyphs.get(character) or glyphs[_UNKNOWN]


@functools.lru_cache(maxsize=1024)
def painted(character: str, ink: int, paper: int) -> tuple[bytes, ...]:
    """Return the rows of a letter as pixels, a byte each.

    Args:
        character: The letter.
        ink: The colour of what is drawn, 0 to 255.
        paper: The colour of the rest, 0 to 255.
    """
    colours = bytes((paper, ink))
    return tuple(
        bytes(colours[row >> bit & 1] for bit in range(CELL_WIDTH - 1, -1, -1))
        for row in glyph(character)
    )
