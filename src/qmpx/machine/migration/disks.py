"""The contents of disks on their way, block by block.

The payload of a record of a disk is the length of its name (one byte), the name, an
offset (eight bytes), a length (four bytes), a kind (one byte: 0 zeros, 1 data), and for
data the bytes; numbers are big-endian.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from qmpx.machine.migration.values import StreamError
from qmpx.machine.pages import PageSet

if TYPE_CHECKING:
    from qmpx.machine.block.image import Image
    from qmpx.machine.machine import Machine

BLOCK: Final[int] = 2**20
"""Bytes that are looked at and sent at once; QEMU 0.13 has the same unit."""

_HEAD: Final = struct.Struct(">QIB")


class Disk(Protocol):
    """A disk whose contents can be moved."""

    @property
    def size(self) -> int:
        """In bytes."""

    def watch(self) -> PageSet:
        """Return a set that shows which blocks are written from now on."""

    def unwatch(self) -> None:
        """Watch no more."""

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there."""

    def write(self, offset: int, data: bytes) -> None:
        """Put *data* there."""

    def flush(self) -> None:
        """Let the host write down what was written."""

    def is_own(self, offset: int, size: int) -> bool:
        """Whether any of it is in the image itself, and not behind it."""


Write = Callable[[bytes], None]


class DiskWalk:
    """The way of some disks into a stream: everything once, then what was written.

    Args:
        disks: The disks by name.
        is_incremental: Whether to leave out what both ends see behind their images.
        write: Takes payloads of disk records.

    Attributes:
        transferred: Bytes that count as sent.
    """

    def __init__(
        self, disks: Mapping[str, Disk], write: Write, *, is_incremental: bool
    ) -> None:
        self._disks = disks
        self._write = write
        self._written = {name: disk.watch() for name, disk in disks.items()}
        self._queue = [
            (name, block)
            for name, disk in disks.items()
            for block in _blocks(disk.size, is_incremental, disk)
        ]
        self._queue.reverse()
        self.transferred = 0

    @property
    def total(self) -> int:
        """All disks, in bytes."""
        return sum(disk.size for disk in self._disks.values())

    @property
    def remaining(self) -> int:
        """Bytes that are still to go, those written again included."""
        again = sum(len(written) for written in self._written.values())
        return min((len(self._queue) + again) * BLOCK, self.total)

    @property
    def has_bulk(self) -> bool:
        """Whether there are blocks that have not been sent once."""
        return bool(self._queue)

    def step(self, budget: int) -> int:
        """Send blocks until they are *budget*, or until none are left.

        Returns:
            Bytes that they count for.

        Raises:
            OSError: A disk cannot be read.
        """
        spent = 0
        while spent < budget and (self._queue or self._requeue()):
            name, block = self._queue.pop()
            spent += self._send(name, block)
        self.transferred += spent
        return spent

    def close(self) -> None:
        """Watch the disks no more."""
        for disk in self._disks.values():
            disk.unwatch()

    def _requeue(self) -> bool:
        for name, written in self._written.items():
            self._queue += [(name, block) for block in written]
            written.clear()
        self._queue.reverse()
        return bool(self._queue)

    def _send(self, name: str, block: int) -> int:
        disk = self._disks[name]
        offset = block * BLOCK
        size = min(BLOCK, disk.size - offset)
        data = disk.read(offset, size)
        label = name.encode()
        head = bytes([len(label)]) + label
        if data.count(0) == size:
            self._write(head + _HEAD.pack(offset, size, 0))
        else:
            self._write(head + _HEAD.pack(offset, size, 1) + data)
        return size


def _blocks(size: int, is_incremental: bool, disk: Disk) -> Sequence[int]:  # noqa: FBT001
    count = -(-size // BLOCK)
    if not is_incremental:
        return range(count)
    return [
        block
        for block in range(count)
        if disk.is_own(block * BLOCK, min(BLOCK, size - block * BLOCK))
    ]


def check_disks(disks: Mapping[str, Disk], sizes: Mapping[str, object]) -> None:
    """Make sure that *disks* can take the contents of those that come.

    Raises:
        StreamError: One is missing, or of another size.
    """
    for name, size in sizes.items():
        if name not in disks:
            message = f"this machine has no disk {name!r} that can be written"
            raise StreamError(message)
        if disks[name].size != size:
            message = f"disk {name!r} comes with {size} bytes, has {disks[name].size}"
            raise StreamError(message)


def load_disk(disks: Mapping[str, Disk], payload: bytes) -> None:
    """Put the contents of a disk record where they belong.

    Raises:
        StreamError: There is no such disk, it is too small, or cannot be written.
    """
    end_of_name = 1 + (payload[0] if payload else 0)
    try:
        name = payload[1:end_of_name].decode()
        offset, size, kind = _HEAD.unpack_from(payload, end_of_name)
        disk = disks[name]
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        message = f"a record is of no disk here: {error}"
        raise StreamError(message) from None
    if kind > 1:
        message = f"there are no blocks of kind {kind}"
        raise StreamError(message)
    data = payload[end_of_name + _HEAD.size :] if kind else bytes(min(size, BLOCK))
    if len(data) != size or offset + size > disk.size:
        message = f"bytes {offset} to {offset + size} of disk {name!r} do not fit"
        raise StreamError(message)
    try:
        disk.write(offset, data)
    except OSError as error:
        message = f"disk {name!r} cannot be written: {error.strerror}"
        raise StreamError(message) from error


class ImageDisk:
    """The image in a drive, as a disk that can be moved.

    Args:
        image: The image.
    """

    def __init__(self, image: "Image") -> None:
        self._image = image

    @property
    def size(self) -> int:
        """In bytes."""
        return self._image.size

    def watch(self) -> PageSet:
        """Return a set that shows which blocks are written from now on."""
        written = PageSet()

        def note(offset: int, size: int) -> None:
            first = offset // BLOCK
            written.add(first, (offset + max(size, 1) - 1) // BLOCK - first + 1)

        self._image.on_write = note
        return written

    def unwatch(self) -> None:
        """Watch no more."""
        self._image.on_write = None

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there."""
        return self._image.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Put *data* there."""
        self._image.write(offset, data)

    def flush(self) -> None:
        """Let the host write down what was written."""
        self._image.flush()

    def is_own(self, offset: int, size: int) -> bool:
        """Whether any of it is in the image itself, and not behind it."""
        end = offset + size
        while offset < end:
            is_own, length = self._image.allocated(offset)
            if is_own:
                return True
            offset += max(length, 1)
        return False


def disks_of(machine: "Machine") -> dict[str, Disk]:
    """Return the disks of *machine* whose contents can be moved, by drive.

    These are the fixed ones that can be written and have data, as in QEMU 0.13.
    """
    return {
        name: ImageDisk(drive.image)
        for name, drive in machine.drives.items()
        if drive.image is not None and not drive.removable and not drive.image.read_only
    }


def look_anew(machine: "Machine", moved: Collection[str]) -> None:
    """Open images again that both ends share: the other end has written to them.

    Raw ones are read as they are, without memory; encrypted ones would lose their key;
    temporary ones are this end's own. Block nodes look anew when the machine owns them.

    Args:
        machine: The machine.
        moved: Drives whose contents came by themselves.

    Raises:
        OpenFileFailed: One cannot be opened any more.
    """
    for name, drive in machine.drives.items():
        medium, image = drive.medium, drive.image
        if medium is None or image is None or name in moved:
            continue
        if "blocks" in vars(machine) and machine.blocks.drives.node_in(drive):
            continue
        if (
            image.format != "raw"
            and not image.is_encrypted
            and Path(image.filename).exists()
        ):
            drive.open_file(
                image.filename,
                image.format,
                read_only=medium.read_only,
                node_name=medium.node_name,
            )
