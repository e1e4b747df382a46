"""A character device that keeps what is written to it, up to a size."""

from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.character.device import CharacterDevice

DEFAULT_SIZE: Final = 65536
"""Bytes that a ring buffer keeps if nobody says; QEMU's figure."""

MAX_SIZE: Final = 2**26
"""Bytes that a ring buffer may be told to keep: 64 MiB are logs enough."""


class RingBuffer(CharacterDevice):
    """A character device that keeps the last bytes that were written to it.

    Args:
        label: What it is called.
        size: How many bytes; a power of two.
        kind: What ``query-chardev`` calls it: ``ringbuf`` or ``memory``.

    Raises:
        GenericError: The size is none.
    """

    def __init__(
        self, label: str, size: int = DEFAULT_SIZE, kind: str = "ringbuf"
    ) -> None:
        super().__init__(label, kind)
        if size < 0 or size & (size - 1):
            message = f"size of {kind} chardev must be power of two"
            raise GenericError(message)
        if size > MAX_SIZE:
            message = f"size of {kind} chardev must be at most {MAX_SIZE}"
            raise GenericError(message)
        self.size = size
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        """Keep bytes; the oldest make room for them."""
        self._kept += data
        del self._kept[: max(0, len(self._kept) - self.size)]
        return len(data)

    def take(self, size: int) -> bytes:
        """Return up to *size* of the oldest bytes, which are then kept no more."""
        data = bytes(self._kept[:size])
        del self._kept[:size]
        return data
