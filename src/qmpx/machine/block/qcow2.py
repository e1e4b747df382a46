"""qcow2: clusters found through two levels of tables, counted, shared by snapshots.

What `Image` offers to who saves machines (`savevm` and the like), and this format has::

    image = machine.drives["ide0-hd0"].image  # None: no medium, or one without a file
    image.can_save                              # a qcow2 image that can be written
    image.snapshots()                           # [Snapshot(id, name, state_size, ...)]
    image.find_snapshot("tag or id")            # the first that has it, or None
    image.save("tag", chunks, seconds=..., nanoseconds=..., clock=...)  # -> Snapshot
    image.read_state(snapshot, offset, size)    # b"" at the end
    image.load(snapshot)                        # guest data; state is read by hand
    image.delete(snapshot)

Snapshots are stored in the image as QEMU stores them: ``qemu-img snapshot -l`` lists
them, size of the state included. All failures are `OSError`.
"""

import errno
import struct
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from qmpx.machine.block.image import MAX_SIZE, Image, ImageError, Snapshot
from qmpx.machine.block.qcow2_bitmaps import BitmapTable
from qmpx.machine.block.qcow2_clusters import Clusters
from qmpx.machine.block.qcow2_header import (
    AES,
    AUTOCLEAR_AT,
    BITMAPS,
    CORRUPT,
    DATA_FILE,
    DIRTY,
    EXTENDED_L2,
    MAX_L1_SIZE,
    SIZE_AT,
    change_backing,
    read_header,
)
from qmpx.machine.block.qcow2_snapshots import SnapshotTable
from qmpx.machine.block.qcow2_tables import Tables
from qmpx.machine.block.storage import Storage

if TYPE_CHECKING:
    from qmpx.machine.block.bitmaps import Bitmap

COMPATIBLE_AT: Final[int] = 80
"""Where version 3 has the flags that a writer may overlook."""

COMPRESSION_AT: Final[int] = 104
"""Where version 3 tells the method of compression, if the feature is set."""


class Qcow2(Image):
    """A qcow2 image of version 2 or 3.

    What it cannot do is refused with the reason: guest data that are encrypted by
    LUKS, compressed by zstd, kept in another file, or found through extended entries;
    writing to an image that was not closed well or is known to be broken.
    """

    format = "qcow2"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        header = read_header(storage)
        super().__init__(storage, size=header.size, read_only=read_only)
        self._header = header
        self._tables = tables = Tables(storage, header)
        self._clusters = Clusters(storage, header, tables, self._read_behind)
        self._snapshots = SnapshotTable(storage, header, tables, self._clusters)
        self._bitmaps = BitmapTable(storage, header, tables.refcounts)
        self._strange = header.autoclear & ~BITMAPS
        self._refusal = self._why_not()
        self.backing_file = header.backing_file
        self.backing_format = header.backing_format
        self.is_dirty = bool(header.features & DIRTY)
        self.cluster_size = header.cluster_size
        self.is_encrypted = bool(header.crypt_method)
        self.can_save = not (read_only or self._refusal or self._broken())

    def _why_not(self) -> str:
        """Return why guest data cannot be had; empty if they can."""
        header = self._header
        if header.features & DATA_FILE:
            return "guest data in another file"
        if header.features & EXTENDED_L2:
            return "extended L2 entries"
        if header.crypt_method > AES:
            return "encryption by LUKS"
        if header.version == 3 and header.features >> 3 & 1:
            kind = self.storage.read(COMPRESSION_AT, 1)
            if kind != b"\0":
                return "compression other than zlib"
        return ""

    def _broken(self) -> str:
        """Return why it cannot be written; empty if it can."""
        if self._header.features & CORRUPT:
            return "marked as corrupt"
        if self._header.features & DIRTY:
            return "not closed well: its reference counts need a repair"
        return ""

    def _ready(self, *, writing: bool = False) -> None:
        """Raise if guest data cannot be read, or written."""
        what = self._refusal
        if what:
            message = f"not supported: {what}"
            raise ImageError(self.filename, message, errno.ENOTSUP)
        if not writing:
            return
        if self.read_only:
            raise ImageError(self.filename, "read-only", errno.EROFS)
        if broken := self._broken():
            raise ImageError(self.filename, broken)
        if self._strange:  # features of others that do not survive our writing
            known = self._header.autoclear & BITMAPS
            self.storage.write(AUTOCLEAR_AT, struct.pack(">Q", known))
            self._strange = 0

    def set_key(self, password: str) -> None:
        """Take a key; any will do, as there is nothing to check it by.

        Raises:
            ImageError: The image is not encrypted, or by LUKS.
        """
        if self._header.crypt_method != AES:
            message = "the image takes no key"
            raise ImageError(self.filename, message)
        from qmpx.machine.block.cipher import SectorCipher  # its tables take time

        self._clusters.cipher = SectorCipher(password)
        self.has_key = True

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell whether guest data are the image's own, not those behind it.

        Returns:
            That, and for how many bytes from *offset* on it is so, at least.

        Raises:
            OSError: It cannot be found out.
        """
        self._ready()
        return self._tables.allocated(offset)

    def fill_zeroes(self, offset: int, size: int) -> None:
        """Have zeros of its own: whole clusters take no room, as of version 3.

        Raises:
            OSError: As for `write`.
        """
        self._check(offset, size)
        self._ready(writing=True)
        end = offset + size
        while offset < end:
            next_ = min(end, (offset // self.cluster_size + 1) * self.cluster_size)
            is_whole = offset % self.cluster_size == 0 and (
                next_ % self.cluster_size == 0 or next_ == self.size
            )
            if not (
                is_whole and self._header.version > 2 and self._tables.try_zero(offset)
            ):
                self.write(offset, bytes(next_ - offset))
            offset = next_

    def resize(self, size: int) -> None:
        """Change the size of the guest data; what is behind a new end is gone.

        Raises:
            OSError: It is too large, or snapshots of another size cannot be kept.
        """
        self._ready(writing=True)
        if self._header.snapshot_count and self._header.version < 3:
            message = "Can't resize a v2 image which has snapshots"
            raise ImageError(self.filename, message, errno.ENOTSUP)
        if size > MAX_SIZE or -(-size // self._header.l2_coverage) > MAX_L1_SIZE:
            message = "Failed to grow the L1 table: File too large"
            raise ImageError(self.filename, message, errno.EFBIG)
        coverage = self._header.l2_coverage
        if size < self.size:
            self._tables.drop_behind(size)
        else:
            self._tables.drop_from(-(-self.size // coverage))
        self._tables.grow_l1(-(-size // coverage))
        self.storage.write(SIZE_AT, struct.pack(">Q", size))
        self._header.size = self.size = size

    def set_backing_file(self, name: str | None, format_: str | None) -> None:
        """Let the header say what is behind the image; what is open stays.

        Raises:
            OSError: There is no room for the name, or it cannot be written.
        """
        self._ready(writing=True)
        change_backing(self.storage, self._header, name, format_)
        self.backing_file = self._header.backing_file
        self.backing_format = format_

    @property
    def facts(self) -> dict[str, object]:
        """The version and the features, as QEMU tells them."""
        header = self._header
        if header.version == 2:
            return {
                "compat": "0.10",
                "compression-type": "zlib",
                "refcount-bits": 16,
            }
        is_lazy = bool(self.storage.read(COMPATIBLE_AT, 8)[-1:] > b"\0")
        is_zstd = self.storage.read(COMPRESSION_AT, 1) == b"\1"
        bitmaps = [bitmap.facts for bitmap in self._bitmaps]
        return {
            "compat": "1.1",
            "compression-type": "zstd"
            if is_zstd and header.features >> 3 & 1
            else "zlib",
            "lazy-refcounts": is_lazy,
            **({"bitmaps": bitmaps} if bitmaps else {}),
            "refcount-bits": 1 << header.refcount_order,
            "corrupt": bool(header.features & CORRUPT),
            "extended-l2": bool(header.features & EXTENDED_L2),
        }

    @property
    def why_no_bitmaps(self) -> str:
        """Why it cannot hold dirty bitmaps, in words; empty if it can."""
        if self._header.version < 3:
            return "Cannot store dirty bitmaps in qcow2 v2 files"
        return ""

    def load_bitmaps(self) -> "list[Bitmap]":
        """Return the dirty bitmaps that it holds; they are in use from now on.

        Raises:
            OSError: They cannot be read, or it cannot be said that they are in use.
        """
        loaded = list(self._bitmaps.load())
        if not self.read_only:
            self.use_bitmaps()
        return loaded

    def use_bitmaps(self) -> None:
        """Say in the image that its dirty bitmaps are in use from now on.

        Raises:
            OSError: It cannot be written.
        """
        if self._bitmaps:
            self._ready(writing=True)
            self._bitmaps.mark_in_use()

    def store_bitmaps(self, bitmaps: "Collection[Bitmap]") -> None:
        """Hold these dirty bitmaps, and no others; they are not in use any more.

        Raises:
            OSError: There is no room for them, or they cannot be written.
        """
        if bitmaps or self._bitmaps:
            self._ready(writing=True)
            self._bitmaps.store(bitmaps)

    def forget_bitmap(self, name: str) -> None:
        """Hold a dirty bitmap no more; nothing happens if it holds none so.

        Raises:
            OSError: It cannot be written.
        """
        if any(bitmap.name == name for bitmap in self._bitmaps):
            self._ready(writing=True)
            self._bitmaps.forget(name)

    def snapshots(self) -> list[Snapshot]:
        """Return its snapshots, oldest first."""
        return list(self._snapshots)

    def save(
        self,
        name: str,
        state: Iterable[bytes] = (),
        *,
        seconds: int,
        nanoseconds: int = 0,
        clock: int = 0,
    ) -> Snapshot:
        """Make a snapshot of the guest data.

        Args:
            name: Its name; several may have the same.
            state: The machine's state, in pieces.
            seconds: The time, since 1970.
            nanoseconds: And the fraction.
            clock: Time that the guest has run, in nanoseconds.

        Raises:
            OSError: It cannot be made; guest data and snapshots are as they were.
        """
        self._ready(writing=True)
        return self._snapshots.save(name, state, (seconds, nanoseconds), clock)

    def read_state(self, snapshot: Snapshot, offset: int, size: int) -> bytes:
        """Return a piece of a snapshot's machine state; less, or nothing, at its end.

        Raises:
            OSError: It cannot be read, or there is no such snapshot.
        """
        self._ready()
        return self._snapshots.read_state(snapshot, offset, size)

    def load(self, snapshot: Snapshot) -> None:
        """Give the guest data back the content that it had.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        self._ready(writing=True)
        size = self._snapshots.disk_size(snapshot)
        if size not in (None, self.size):
            self.resize(size)
        self._snapshots.load(snapshot)

    def delete(self, snapshot: Snapshot) -> None:
        """Forget a snapshot.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        self._ready(writing=True)
        self._snapshots.delete(snapshot)

    def _read_part(self, offset: int, size: int) -> bytes:
        self._ready()
        return self._clusters.read(offset, size)

    def _write_part(self, offset: int, data: memoryview) -> int:
        self._ready(writing=True)
        return self._clusters.write(offset, data)
