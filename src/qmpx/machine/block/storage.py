"""What an image is stored in: a file of the host, perhaps behind rules that break it.

This is QEMU's protocol layer: it reads and writes bytes at offsets, and counts.
"""

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from typing import Final, Literal

from qmpx.machine.files import OF_THE_HOST, HostFiles

MAX_OFFSET: Final = 1 << 62
"""Bytes into a file: what a broken image may claim goes beyond what a host can seek."""

LARGE: Final = 1 << 16
"""Bytes of a read from which on it pays to ask how long the file is."""


@dataclass(slots=True)
class Statistics:
    """Counters of one layer.

    Attributes:
        rd_bytes: Bytes read.
        wr_bytes: Bytes written.
        rd_operations: Reads.
        wr_operations: Writes.
        wr_highest_offset: The first byte behind the highest that was written; 0 if
            none was.
    """

    rd_bytes: int = 0
    wr_bytes: int = 0
    rd_operations: int = 0
    wr_operations: int = 0
    wr_highest_offset: int = 0

    def count_read(self, size: int) -> None:
        """Count a read of so many bytes."""
        self.rd_operations += 1
        self.rd_bytes += size

    def count_write(self, offset: int, size: int) -> None:
        """Count a write of so many bytes there."""
        self.wr_operations += 1
        self.wr_bytes += size
        self.wr_highest_offset = max(self.wr_highest_offset, offset + size)


class Storage:
    """A file of the host.

    Args:
        filename: A regular file or a block device.
        read_only: Whether it is opened for reading only.
        files: What opens files.

    Attributes:
        statistics: What went through since it was last reset.
        below: The storage that this one is stored in, or ``None``.

    Raises:
        OSError: It cannot be opened, or is another kind of file.
    """

    def __init__(
        self, filename: str, *, read_only: bool, files: HostFiles = OF_THE_HOST
    ) -> None:
        self.filename = filename
        self._files = files
        self.read_only = read_only
        self.statistics = Statistics()
        self.below: Storage | None = None
        self._fd = self._open(filename)

    def _open(self, filename: str) -> int:
        if "\0" in filename:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), filename)
        access = os.O_RDONLY if self.read_only else os.O_RDWR
        # A FIFO must not make us wait; O_NONBLOCK means nothing to what we accept.
        fd = self._files.open(filename, access | os.O_NONBLOCK)
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
            return fd
        self._files.close(fd)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ENOTSUP
        raise OSError(code, os.strerror(code), filename)

    @property
    def is_device(self) -> bool:
        """Whether it is a block device, and no regular file."""
        return stat.S_ISBLK(os.fstat(self._fd).st_mode)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return os.lseek(self._fd, 0, os.SEEK_END)

    @property
    def allocated(self) -> int:
        """Bytes that it takes on the host."""
        return os.fstat(self._fd).st_blocks * 512

    def lock(self, does: frozenset[int], against: frozenset[int]) -> None:
        """Lock it for what is done with it; see `qmpx.machine.block.locks`.

        Raises:
            OSError: Somebody else does not let us.
        """
        from qmpx.machine.block import locks  # only block graphs have any

        locks.take(self._fd, does, against)

    def hole(self, offset: int) -> tuple[Literal["data", "zero"], int]:
        """Tell whether there are data or a hole, and for how many bytes from there."""
        size = self.size
        if offset >= size:
            return "zero", MAX_OFFSET
        try:
            begins = os.lseek(self._fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return "zero", size - offset
            return "data", size - offset
        if begins > offset:
            return "zero", begins - offset
        return "data", os.lseek(self._fd, offset, os.SEEK_HOLE) - offset

    def event(self, name: str) -> None:
        """Hear what a format is about to do; see `qmpx.machine.block.blkdebug`."""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes; fewer at the end of the file.

        Raises:
            OSError: The host cannot read them.
        """
        self._check(offset)
        if size > LARGE:  # so that a buffer is never larger than what there is to read
            size = min(size, max(0, self.size - offset))
        data = os.pread(self._fd, size, offset)
        while len(data) < size:
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        self.statistics.count_read(size)
        return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes; behind the end of the file it grows.

        Raises:
            OSError: The host cannot write them.
        """
        self._check(offset)
        view, at = memoryview(data), offset
        while view:
            written = os.pwrite(self._fd, view, at)
            view, at = view[written:], at + written
        self.statistics.count_write(offset, len(data))

    def _check(self, offset: int) -> None:
        if not 0 <= offset <= MAX_OFFSET:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self.filename)

    def truncate(self, size: int) -> None:
        """Make the file that long.

        Raises:
            OSError: The host cannot.
        """
        os.ftruncate(self._fd, size)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        if not self.read_only:
            os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # what counts was flushed
                self._files.close(fd)
