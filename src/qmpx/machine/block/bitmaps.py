"""Dirty bitmaps: which parts of a node were written since somebody began to watch."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.pages import PageSet

GRANULARITIES: Final = range(9, 32)
"""Logarithms of the granularities that a bitmap may have: 512 bytes to 2 GiB."""

DEFAULT_GRANULARITY: Final = 65536
"""Bytes of a bit, if nothing says otherwise."""

MAX_NAME: Final = 1023
"""Bytes of a bitmap's name: QEMU's figure."""

MAX_BITMAPS: Final = 65535
"""Bitmaps of one node: what a qcow2 image can hold."""


_numbers = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class NamelessBitmap:
    """What a job notes of a node, and what is shown of it.

    Attributes:
        granularity: Bytes that one bit stands for.
        recording: Whether writes are noted.
        count: Returns how many bytes are dirty.
        number: The later a bitmap is made, the greater.
    """

    granularity: int
    recording: bool
    count: Callable[[], int]
    number: int = field(default_factory=lambda: next(_numbers))


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
        is_inconsistent: Whether the image was not closed well, so that what it has of
            the bitmap is not to be trusted; it can only be removed.
        is_moved: Whether a machine elsewhere has it now, so that it is not stored here.
        dirty: The numbers of the bits that are set.
        number: The later a bitmap is made, the greater.
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
        self.is_inconsistent = False
        self.is_moved = False
        self.dirty = PageSet()
        self.number = next(_numbers)

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
            self.dirty.add(first, last + 1 - first)

    def merge(self, others: "Iterable[Bitmap]") -> None:
        """Set also the bits that others have, whatever their granularity."""
        for other in others:
            for offset, length in list(other.areas()):
                self.mark(offset, length)

    def areas(self) -> Iterator[tuple[int, int]]:
        """Yield offset and length of what is dirty, in order, within the node."""
        for first, count in self.dirty.runs():
            offset = first * self.granularity
            if offset < self.size:
                yield offset, min(count * self.granularity, self.size - offset)

    def resize(self, size: int) -> None:
        """Follow the node to another size: what is behind it is not dirty any more."""
        self.size = size
        first = -(-size // self.granularity)
        highest = max((a + n for a, n in self.dirty.runs(first)), default=first)
        self.dirty.discard(first, highest - first)

    def require_idle(self) -> None:
        """Make sure that no job and no export needs it as it is.

        Raises:
            GenericError: One does.
        """
        if self.is_busy:
            message = (
                f"Bitmap '{self.name}' is currently in use by another operation and "
                "cannot be used"
            )
            raise GenericError(message)

    def require_usable(self) -> None:
        """Make sure that it is idle, and tells the truth.

        Raises:
            GenericError: It is not, or does not.
        """
        self.require_idle()
        self.require_consistent()

    def require_consistent(self) -> None:
        """Make sure that it tells the truth.

        Raises:
            GenericError: It does not, as its image was not closed well.
        """
        if self.is_inconsistent:
            message = f"Bitmap '{self.name}' is inconsistent and cannot be used"
            raise GenericError(message)

    def run(self, offset: int) -> tuple[bool, int]:
        """Tell whether a place is dirty, and for how many bytes from there it is so."""
        bit = offset // self.granularity
        is_dirty = bit in self.dirty
        first, count = next(self.dirty.runs(bit), (None, 0))
        if first is None:
            end = self.size
        else:
            end = (first + count if is_dirty else first) * self.granularity
        return is_dirty, max(1, min(end, self.size) - offset)
