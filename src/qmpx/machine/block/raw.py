"""raw: the guest data, as it is."""

from typing import Final

from qmpx.machine.block.image import MAX_SIZE, Image, ImageError
from qmpx.machine.block.storage import Storage

SECTOR: Final[int] = 512
"""Bytes that guests count in; sizes are rounded up to them."""


def round_up(size: int, unit: int = SECTOR) -> int:
    """Return *size*, rounded up to whole units."""
    return -(-size // unit) * unit


class Raw(Image):
    """Guest data that fills a file; what lacks in its last sector reads as zero."""

    format = "raw"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        super().__init__(storage, size=round_up(storage.size), read_only=read_only)

    def resize(self, size: int) -> None:
        """Make the file that long.

        Raises:
            OSError: The host cannot do that.
        """
        if not 0 <= size <= MAX_SIZE:
            raise ImageError(self.filename, f"impossible size of {size} bytes")
        self.storage.truncate(size)
        self.size = round_up(size)

    def _read_part(self, offset: int, size: int) -> bytes:
        self.storage.event("read_aio")
        return self.storage.read(offset, size).ljust(size, b"\0")

    def _write_part(self, offset: int, data: memoryview) -> int:
        self.storage.event("write_aio")
        self.storage.write(offset, data)
        return len(data)


class File(Raw):
    """The same, under the name of QEMU's protocol layer, which some give as format."""

    format = "file"


class HostDevice(Raw):
    """The same for a block device of the host."""

    format = "host_device"
