"""Sets of memory pages, as bitmaps: small for a large memory, quick where it is empty.

A memory of 64 GiB has 16 million pages, and most of them are never written. So a set
grows only as far as its highest page, and walks over blocks of which all pages are in
it, or none, in one step.
"""

from collections.abc import Iterator
from typing import Final, Self

_BLOCK: Final = 512  # bytes of the bitmap looked at in one step: 4096 pages
_NONE: Final = bytes(_BLOCK)
_ALL: Final = b"\xff" * _BLOCK


class PageSet:
    """Page numbers, from 0 on.

    Args:
        pages: The first members.
    """

    __slots__ = ("_bits",)

    def __init__(self, pages: range = range(0)) -> None:
        self._bits = bytearray()
        self.add(pages.start, len(pages))

    def add(self, first: int, count: int = 1) -> None:
        """Put *count* pages from *first* on into the set.

        Raises:
            ValueError: *first* or *count* is negative.
        """
        if first < 0 or count < 0:
            message = f"no pages: {count} from {first} on"
            raise ValueError(message)
        end = first + count
        if count and len(self._bits) * 8 < end:
            self._bits.extend(bytes((end + 7) // 8 - len(self._bits)))
        self._change(first, end, is_in=True)

    def discard(self, first: int, count: int = 1) -> None:
        """Take *count* pages from *first* on out of the set, where they are in it."""
        self._change(first, min(first + count, len(self._bits) * 8), is_in=False)

    def _change(self, first: int, end: int, *, is_in: bool) -> None:
        bits = self._bits
        while first < end and (first % 8 or end - first < 8):
            if is_in:
                bits[first // 8] |= 1 << first % 8
            else:
                bits[first // 8] &= ~(1 << first % 8)
            first += 1
        if first < end:  # whole bytes, and perhaps some bits more
            whole = end // 8
            length = whole - first // 8
            bits[first // 8 : whole] = (b"\xff" if is_in else b"\x00") * length
            self._change(whole * 8, end, is_in=is_in)

    def __contains__(self, page: int) -> bool:
        index, bit = divmod(page, 8)
        return index < len(self._bits) and bool(self._bits[index] >> bit & 1)

    def __len__(self) -> int:
        return int.from_bytes(self._bits, "little").bit_count()

    def __bool__(self) -> bool:
        return any(self._bits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PageSet):
            return NotImplemented
        return self._bits.rstrip(b"\x00") == other._bits.rstrip(b"\x00")

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"PageSet({len(self)} pages)"

    def __iter__(self) -> Iterator[int]:
        for first, count in self.runs():
            yield from range(first, first + count)

    def runs(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the pages as runs: first page and how many, in ascending order.

        The set may be changed meanwhile; runs that were not yielded yet then may or
        may not show it.

        Args:
            start: The first page to look at.
            end: The page at which to stop looking; ``None`` for the end.
        """
        known = len(self._bits) * 8
        end = known if end is None else min(end, known)
        first = page = start
        is_in = False
        while page < end:
            index = page // 8
            block = bytes(self._bits[index : index + _BLOCK])
            if page % 8 == 0 and block in (_NONE, _ALL):
                length, here = _BLOCK * 8, block == _ALL
            elif page % 8 == 0 and block[:1] in (b"\x00", b"\xff"):
                length, here = 8, block[:1] == b"\xff"
            else:
                length, here = 1, page in self
            if here and not is_in:
                first = page
            elif is_in and not here:
                yield first, page - first
            is_in = here
            page += length
        if is_in:
            yield first, min(page, end) - first

    def update(self, other: "PageSet") -> None:
        """Put all pages of another set into this one."""
        for first, count in other.runs():
            self.add(first, count)

    def bits(self, start: int, size: int) -> bytes:
        """Return bytes of the bitmap: eight pages each, the first in the lowest bit.

        Args:
            start: The first byte; page *start* times 8 is the first.
            size: How many bytes; zeros behind the highest page.
        """
        return bytes(self._bits[start : start + size]).ljust(size, b"\x00")

    def put_bits(self, start: int, data: bytes) -> None:
        """Put all pages into the set that bytes of a bitmap, as of `bits`, have."""
        data = data.rstrip(b"\x00")
        end = start + len(data)
        if len(self._bits) < end and data:
            self._bits.extend(bytes(end - len(self._bits)))
        was = int.from_bytes(self._bits[start:end], "little")
        both = was | int.from_bytes(data, "little")
        self._bits[start:end] = both.to_bytes(len(data), "little")

    def copy(self) -> Self:
        """Return another set of the same pages."""
        copied = type(self)()
        copied._bits += self._bits  # noqa: SLF001 - of its own kind
        return copied

    def clear(self) -> None:
        """Take all pages out."""
        self._bits = bytearray()
