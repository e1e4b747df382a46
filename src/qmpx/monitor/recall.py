"""What a human monitor remembers, for whoever types there next."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

MAX_LINES: Final = 64
"""Lines that are kept, as in QEMU; then the oldest is forgotten."""


class History:
    """Lines, the oldest first, each of them once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __getitem__(self, index: int) -> str:
        return self._lines[index]

    def add(self, line: str) -> None:
        """Keep a line as the newest; an empty one is not kept."""
        if not line:
            return
        if line in self._lines:
            self._lines.remove(line)
        self._lines.append(line)
        del self._lines[:-MAX_LINES]

    def search(self, text: str, before: int) -> int | None:
        """Return the index of the newest line with *text* in it, before an index."""
        for index in range(min(before, len(self._lines)) - 1, -1, -1):
            if text in self._lines[index]:
                return index
        return None


class FormatMemory(Struct):
    """The format and size that were used last: what ``x 0`` does after ``x/4xb 0``.

    QEMU remembers one of each, whichever command it was.

    Attributes:
        format: One of ``o``, ``d``, ``u``, ``x``, ``i`` and ``c``.
        size: Bytes of one value.
    """

    format: str = "x"
    size: int = 4
