"""Dirty bitmaps: which parts of a node were written since somebody began to watch."""

from collections.abc import Iterable, Iterator
from typing import Final

GRANULARITIES: Final = range(9, 32)
"""Logarithms of the granularities that a bitmap may have: 512 bytes to 2 GiB."""

DEFAULT_GRANULARITY: Final = 65536
"""Bytes of a bit, if nothing says otherwise."""

MAX_NAME: Final = 1023
"""Bytes of a bitmap's name: QEMU's figure."""

MAX_BITMAPS: Final = 65535
"""Bitmaps of one node: what a qcow2 image can hold."""


class Bitmap:
    """A dirty bitmap.

    Args:
        name: Its name.
        granularity: Bytes that one bit stands for; a power of two.
        size: Bytes of the node.
        persistent: Whether it is to be stored in the image.
        recording: Whether writes are noted.

    Attributes:
        is_busy: Whether a job or an export uses it, so that nobody may change it.
        dirty: The numbers of the bits that are set.
    """

    def __init__(
        self,
        name: str,
        granularity: int,
        size: int,
        *,
        persistent: bool = False,
        recording: bool = True,
    ) -> None:
        self.name = name
        self.granularity = granularity
        self.size = size
        self.persistent = persistent
        self.recording = recording
        self.is_busy = False
        self.dirty: set[int] = set()

    @property
    def count(self) -> int:
        """Bytes that are dirty."""
        return len(self.dirty) * self.granularity

    def note(self, offset: int, length: int) -> None:
        """Note a write, if writes are recorded."""
        if self.recording:
            self.mark(offset, length)

    def mark(self, offset: int, length: int) -> None:
        """Set the bits of these bytes."""
        if length > 0:
            first = offset // self.granularity
            last = (offset + length - 1) // self.granularity
            self.dirty.update(range(first, last + 1))

    def merge(self, others: "Iterable[Bitmap]") -> None:
        """Set also the bits that others have, whatever their granularity."""
        for other in others:
            for offset, length in list(other.areas()):
                self.mark(offset, length)

    def areas(self) -> Iterator[tuple[int, int]]:
        """Yield offset and length of what is dirty, in order, within the node."""
        for bit in sorted(self.dirty):
            offset = bit * self.granularity
            if offset < self.size:
                yield offset, min(self.granularity, self.size - offset)
