"""A screen in text mode: cells of letters, of which pixels are made when asked for.

Nothing is allocated until somebody looks. Whoever looks continually is told which
rectangles have changed.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from qmpx.machine.display.font import CELL_HEIGHT, CELL_WIDTH, painted

COLUMNS: Final[int] = 90
"""Letters of a row at first: 720 pixels, those of a VGA in text mode."""
ROWS: Final[int] = 25
"""Rows of text at first: 400 pixels, those of a VGA in text mode."""
MAX_COLUMNS: Final = 240
"""Letters of a row at most: 1,920 pixels."""
MAX_ROWS: Final = 75
"""Rows of text at most: 1,200 pixels, so that a full update stays below 10 MB."""

PALETTE: Final[tuple[tuple[int, int, int], ...]] = (
    (0x10, 0x14, 0x1A),  # paper
    (0xC8, 0xD0, 0xD8),  # ink
    (0xF0, 0xC0, 0x60),  # what matters
    (0x70, 0x80, 0x90),  # what matters less
    (0x20, 0x40, 0x60),  # the bars
    (0xFF, 0xFF, 0xFF),  # ink on the bars
    (0x50, 0xB0, 0x70),  # all is well
    (0xD0, 0x60, 0x50),  # it is not
)
"""Red, green and blue of each colour, 0 to 255."""
PAPER, INK, ACCENT, DIM, BAR, BAR_INK, GOOD, BAD = range(8)


class Rectangle(NamedTuple):
    """A part of the screen, in pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    def intersection(self, other: "Rectangle") -> "Rectangle | None":
        """Return what both cover, or ``None``."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        if right <= x or bottom <= y:
            return None
        return Rectangle(x, y, right - x, bottom - y)

    def union(self, other: "Rectangle") -> "Rectangle":
        """Return the smallest rectangle that covers both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return Rectangle(x, y, right - x, bottom - y)


class Cell(NamedTuple):
    """A letter on the screen, and its colours out of `PALETTE`."""

    character: str = " "
    ink: int = INK
    paper: int = PAPER


Line = list[Cell]


def line(*parts: tuple[str, int] | str, paper: int = PAPER, columns: int) -> Line:
    """Return a row of text, filled up and cut to *columns*.

    Args:
        parts: Texts, each alone or with its ink.
        paper: The colour behind all of it.
        columns: How many letters the row has.
    """
    cells: Line = []
    for part in parts:
        text, ink = (part, INK) if isinstance(part, str) else part
        cells += [Cell(character, ink, paper) for character in text]
    cells += [Cell(paper=paper)] * (columns - len(cells))
    return cells[:columns]


class Screen:
    """What is to be seen.

    Attributes:
        columns: Letters of a row.
        rows: Rows of text.
        lines: The letters, row by row.
    """

    def __init__(self) -> None:
        self.columns = COLUMNS
        self.rows = ROWS
        self.lines: list[Line] = [line(columns=COLUMNS)] * ROWS
        self._watchers: dict[Callable[[Rectangle], None], None] = {}

    @property
    def width(self) -> int:
        """In pixels."""
        return self.columns * CELL_WIDTH

    @property
    def height(self) -> int:
        """In pixels."""
        return self.rows * CELL_HEIGHT

    @property
    def whole(self) -> Rectangle:
        """The whole screen."""
        return Rectangle(0, 0, self.width, self.height)

    def watch(self, watcher: Callable[[Rectangle], None]) -> None:
        """Tell *watcher* of every rectangle that changes from now on."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Callable[[Rectangle], None]) -> None:
        """Tell *watcher* no more."""
        self._watchers.pop(watcher, None)

    def resize(self, columns: int, rows: int) -> None:
        """Take on another size, and be empty.

        Args:
            columns: Letters of a row, 1 to `MAX_COLUMNS`.
            rows: Rows of text, 1 to `MAX_ROWS`.

        Raises:
            ValueError: It is none of these.
        """
        if not (0 < columns <= MAX_COLUMNS and 0 < rows <= MAX_ROWS):
            message = f"a screen of {columns} x {rows} letters cannot be had"
            raise ValueError(message)
        self.columns, self.rows = columns, rows
        self.lines = [line(columns=columns)] * rows
        self._tell(self.whole)

    def _tell(self, changed: Rectangle) -> None:
        for watcher in list(self._watchers):
            watcher(changed)

    def show(self, lines: list[Line]) -> None:
        """Show these rows, and tell of what is not as it was, a rectangle a row."""
        for row, new in enumerate(lines[: self.rows]):
            old = self.lines[row]
            if new == old:
                continue
            differing = [n for n in range(self.columns) if new[n] != old[n]]
            self.lines[row] = new
            first, last = differing[0], differing[-1]
            self._tell(
                Rectangle(
                    first * CELL_WIDTH,
                    row * CELL_HEIGHT,
                    (last - first + 1) * CELL_WIDTH,
                    CELL_HEIGHT,
                )
            )

    def pixels(self, area: Rectangle | None = None) -> bytes:
        """Return the pixels of *area*, or of all, row by row: indices of `PALETTE`."""
        x, y, width, height = area or self.whole
        rows: list[bytes] = []
        for row in range(y // CELL_HEIGHT, -(-(y + height) // CELL_HEIGHT)):
            cells = [painted(*cell) for cell in self.lines[row]]
            top = row * CELL_HEIGHT
            for n in range(max(y - top, 0), min(y + height - top, CELL_HEIGHT)):
                whole = b"".join([cell[n] for cell in cells])
                rows.append(whole[x : x + width])
        return b"".join(rows)
