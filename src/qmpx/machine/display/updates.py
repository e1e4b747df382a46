"""What a VNC client has yet to be shown, and how it is put.

A client is sent one update at a time, and only when it has asked for one: one that is
slow sees fewer pictures, and costs no more memory. What has changed meanwhile is kept
as one span a row of text.

Source: RFC 6143, sections 7.5.3, 7.6.1 and 7.7; the Zlib encoding is in the community's
register of RFB (rfbproto).
"""

import struct
import zlib
from typing import Final

from qmpx.machine.display.font import CELL_HEIGHT
from qmpx.machine.display.pixels import NATIVE, PixelFormat
from qmpx.machine.display.screen import Rectangle, Screen

RAW: Final[int] = 0
ZLIB: Final[int] = 6
DESKTOP_SIZE: Final = -223

_HEADER: Final = struct.Struct(">BxH")
_RECTANGLE: Final = struct.Struct(">HHHHi")


class Updates:
    """What one client is to be shown.

    Args:
        screen: What there is to see.

    Attributes:
        pixel_format: How the client wants its pixels.
    """

    def __init__(self, screen: Screen) -> None:
        self.pixel_format: PixelFormat = NATIVE
        self._screen = screen
        self._size = (screen.width, screen.height)  # what the client knows
        self._encoding = RAW
        self._can_resize = False
        self._deflate = zlib.compressobj()
        self._asked: Rectangle | None = None
        self._must_answer = False
        self._dirty: dict[int, Rectangle] = {}

    @property
    def is_awaited(self) -> bool:
        """Whether the client has asked and has not been answered."""
        return self._asked is not None

    def choose(self, encodings: tuple[int, ...]) -> None:
        """Take the client's list of encodings, the ones that it prefers first."""
        known = [encoding for encoding in encodings if encoding in (RAW, ZLIB)]
        self._encoding = known[0] if known else RAW
        self._can_resize = DESKTOP_SIZE in encodings

    def ask(self, area: Rectangle, *, incremental: bool) -> None:
        """Take a request for what has changed, or for all there is, in *area*."""
        self._asked = area if self._asked is None else self._asked.union(area)
        if not incremental:
            self._must_answer = True
            self.mark(area)

    def mark(self, area: Rectangle) -> None:
        """Note that *area* has changed."""
        seen = area.intersection(self._screen.whole)
        if seen is None:
            return
        first, last = seen.y // CELL_HEIGHT, (seen.y + seen.height - 1) // CELL_HEIGHT
        for row in range(first, last + 1):
            band = Rectangle(
                seen.x, row * CELL_HEIGHT, seen.width, CELL_HEIGHT
            ).intersection(seen)
            if band is not None:
                was = self._dirty.get(row)
                self._dirty[row] = band if was is None else was.union(band)

    def take(self) -> bytes:
        """Return the answer to the client's request; empty if it has to wait."""
        if self._asked is None:
            return b""
        message = self._resized() or self._changed(self._asked)
        if message:
            self._asked = None
            self._must_answer = False
        return message

    def _resized(self) -> bytes:
        """Tell the client of a new size; it asks for what is there next."""
        width, height = self._screen.width, self._screen.height
        if not self._can_resize or self._size == (width, height):
            return b""
        self._size = (width, height)
        self._dirty.clear()
        self.mark(self._screen.whole)
        return _HEADER.pack(0, 1) + _RECTANGLE.pack(0, 0, width, height, DESKTOP_SIZE)

    def _changed(self, asked: Rectangle) -> bytes:
        # A client that cannot be told of a new size never sees beyond the old one.
        known = self._screen.whole.intersection(Rectangle(0, 0, *self._size))
        visible = None if known is None else asked.intersection(known)
        areas = [] if visible is None else self._cut(visible)
        if not areas and not self._must_answer:
            return b""
        parts = [_HEADER.pack(0, len(areas))]
        for area in areas:
            pixels = self.pixel_format.convert(self._screen.pixels(area))
            if self._encoding == ZLIB:
                packed = self._deflate.compress(pixels)
                packed += self._deflate.flush(zlib.Z_SYNC_FLUSH)
                pixels = len(packed).to_bytes(4) + packed
            parts += [_RECTANGLE.pack(*area, self._encoding), pixels]
        return b"".join(parts)

    def _cut(self, visible: Rectangle) -> list[Rectangle]:
        """Take the changes within *visible* out, those below each other as one."""
        areas: list[Rectangle] = []
        for row in sorted(self._dirty):
            area = self._dirty[row].intersection(visible)
            if area is None:
                continue
            # What is outside stays: its whole row, if it is more than nothing.
            if area == self._dirty[row]:
                del self._dirty[row]
            last = areas[-1] if areas else None
            if (
                last is not None
                and (last.x, last.width) == (area.x, area.width)
                and last.y + last.height == area.y
            ):
                areas[-1] = last.union(area)
            else:
                areas.append(area)
        return areas
