"""Dirty bitmaps inside a qcow2 image: a directory of tables of clusters of bits.

As long as somebody who may write has the image open, the directory says so of each
bitmap, and what it has of them is old: whoever finds that in an image that nobody has
open must not trust it. So a crash is noticed.

Source: the qcow2 specification that QEMU publishes (``docs/interop/qcow2.txt``), and
QEMU 7.2.22, observed.
"""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from qmpx.machine.block.bitmaps import GRANULARITIES, MAX_NAME, Bitmap
from qmpx.machine.block.image import ImageError
from qmpx.machine.block.qcow2_header import (
    AUTOCLEAR_AT,
    BITMAPS,
    MAX_DIRECTORY,
    BitmapDirectory,
    Header,
    rewrite_header,
)
from qmpx.machine.block.qcow2_refcounts import Refcounts, big_endian
from qmpx.machine.block.storage import Storage

IN_USE: Final[int] = 1
"""The flag of a bitmap that somebody changes at this moment."""

AUTO: Final[int] = 2
"""The flag of a bitmap that notes writes as soon as the image is open."""

MAX_BITS: Final = 64 << 20
"""Bytes of bits of all bitmaps of one image that are loaded: a disk of 32 TiB with the
usual granularity. QEMU takes eight times as much."""

_ENTRY: Final = struct.Struct(">QIIBBHI")
_DIRTY_BITMAP: Final = 1  # the only type of bitmap
_OFFSET: Final = (1 << 56) - 512
_ALL_ONES: Final = 1
_NAMES: Final = {IN_USE: "in-use", AUTO: "auto"}


@dataclass(frozen=True, slots=True)
class StoredBitmap:
    """A bitmap as the directory has it.

    Attributes:
        name: Its name.
        granularity_bits: The logarithm of the bytes of a bit.
        flags: `IN_USE`, `AUTO`.
        table: Where its table is.
        table_size: Entries of the table: one for each cluster of bits.
        extra: What later versions have added.
    """

    name: str
    granularity_bits: int
    flags: int
    table: int
    table_size: int
    extra: bytes = b""

    @property
    def facts(self) -> dict[str, object]:
        """What QEMU tells of it."""
        return {
            "flags": [name for flag, name in _NAMES.items() if self.flags & flag],
            "name": self.name,
            "granularity": 1 << self.granularity_bits,
        }

    def packed(self) -> bytes:
        """Return the entry as it stands in the directory."""
        name = self.name.encode(errors="surrogateescape")
        data = _ENTRY.pack(
            *(self.table, self.table_size, self.flags, _DIRTY_BITMAP),
            *(self.granularity_bits, len(name), len(self.extra)),
        )
        data += self.extra + name
        return data.ljust(-(-len(data) // 8) * 8, b"\0")


class BitmapTable:
    """The bitmaps of an image.

    Args:
        storage: The image file.
        header: Its header, which changes with the bitmaps.
        refcounts: Which clusters are used.

    Raises:
        OSError: The directory cannot be read, or cannot be true.
    """

    def __init__(self, storage: Storage, header: Header, refcounts: Refcounts) -> None:
        self._storage = storage
        self._header = header
        self._refcounts = refcounts
        self._entries = list(self._read())

    def __iter__(self) -> Iterator[StoredBitmap]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _read(self) -> Iterator[StoredBitmap]:
        found = self._header.bitmaps
        if found is None:
            return
        data = self._storage.read(found.offset, found.size)
        if len(data) < found.size:
            raise self._refuse("the directory of bitmaps ends early")
        at = 0
        for _ in range(found.count):
            if at + _ENTRY.size > len(data):
                raise self._refuse("the directory of bitmaps ends early")
            table, size, flags, kind, bits, name_size, extra_size = _ENTRY.unpack_from(
                data, at
            )
            at += _ENTRY.size
            end = at + extra_size + name_size
            if (
                kind != _DIRTY_BITMAP
                or flags & ~(IN_USE | AUTO)
                or bits not in GRANULARITIES
                or not 0 < name_size <= MAX_NAME
                or table % self._header.cluster_size
                or end > len(data)
            ):
                raise self._refuse(f"a bitmap of kind {kind} with flags {flags:#x}")
            extra, name = data[at : at + extra_size], data[at + extra_size : end]
            text = name.decode(errors="surrogateescape")
            yield StoredBitmap(text, bits, flags, table, size, extra)
            at = -(-end // 8) * 8

    def load(self) -> Iterator[Bitmap]:
        """Yield the bitmaps, in the directory's order.

        Raises:
            OSError: One cannot be read, or is not of the size of the disk.
        """
        left = MAX_BITS
        for entry in self._entries:
            bitmap = Bitmap(
                entry.name,
                1 << entry.granularity_bits,
                self._header.size,
                persistent=True,
                recording=bool(entry.flags & AUTO),
            )
            if entry.flags & IN_USE:
                bitmap.is_inconsistent, bitmap.recording = True, False
            else:
                left -= entry.table_size * self._header.cluster_size
                self._check(entry, left)
                self._fill(bitmap, entry)
            yield bitmap

    def _check(self, entry: StoredBitmap, left: int) -> None:
        if entry.table_size != self._clusters(self._bytes(1 << entry.granularity_bits)):
            raise self._refuse(f"bitmap '{entry.name}' is of another size")
        if left < 0:
            raise self._refuse(f"more than {MAX_BITS} bytes of bitmaps")

    def _fill(self, bitmap: Bitmap, entry: StoredBitmap) -> None:
        cluster = self._header.cluster_size
        length = self._bytes(bitmap.granularity)
        for index, each in enumerate(self._table(entry)):
            at = index * cluster
            if offset := each & _OFFSET:
                data = self._storage.read(offset, cluster).ljust(cluster, b"\0")
            elif each & _ALL_ONES:
                data = b"\xff" * cluster
            else:
                continue
            bitmap.dirty.put_bits(at, data[: length - at])
        bitmap.resize(bitmap.size)  # bits behind its end are not meant

    def mark_in_use(self) -> None:
        """Say that the bitmaps are changed from now on.

        Raises:
            OSError: It cannot be written.
        """
        found = self._header.bitmaps
        entries = [replace(each, flags=each.flags | IN_USE) for each in self._entries]
        if found is None or entries == self._entries:
            return
        # Not true for a moment: a crash leaves no directory rather than half of one.
        self._storage.write(AUTOCLEAR_AT, bytes(8))
        self._storage.flush()
        data = b"".join(entry.packed() for entry in entries)
        self._storage.write(found.offset, data)
        self._storage.flush()
        self._storage.write(AUTOCLEAR_AT, struct.pack(">Q", BITMAPS))
        self._entries = entries

    def store(self, bitmaps: Collection[Bitmap]) -> None:
        """Let the image have these bitmaps, and no others.

        Args:
            bitmaps: All that are to be there; what is inconsistent stays as it is.

        Raises:
            OSError: There is no room for them.
        """
        wanted = {bitmap.name: bitmap for bitmap in bitmaps}
        known = {entry.name for entry in self._entries}
        order = [entry.name for entry in self._entries if entry.name in wanted]
        # QEMU has the newest first.
        order += [
            each.name for each in reversed(list(bitmaps)) if each.name not in known
        ]
        kept = {
            entry.name: entry
            for entry in self._entries
            if entry.name in wanted and wanted[entry.name].is_inconsistent
        }
        entries = [kept.get(name) or self._write(wanted[name]) for name in order]
        self._switch(entries)

    def forget(self, name: str) -> None:
        """Let the image have a bitmap no more; nothing happens if it has none so.

        Raises:
            OSError: It cannot be written.
        """
        if any(entry.name == name for entry in self._entries):
            self._switch([entry for entry in self._entries if entry.name != name])

    def _write(self, bitmap: Bitmap) -> StoredBitmap:
        """Write the bits of a bitmap, and its table."""
        cluster = self._header.cluster_size
        length = self._bytes(bitmap.granularity)
        table = list[int]()
        for at in range(0, length, cluster):
            data = bitmap.dirty.bits(at, min(cluster, length - at))
            offset = 0
            if any(data):
                offset = self._refcounts.allocate()
                self._storage.write(offset, data.ljust(cluster, b"\0"))
            table.append(offset)
        place = self._place(struct.pack(f">{len(table)}Q", *table))
        bits = bitmap.granularity.bit_length() - 1
        flags = AUTO if bitmap.recording else 0
        return StoredBitmap(bitmap.name, bits, flags, place, len(table))

    def _switch(self, entries: list[StoredBitmap]) -> None:
        """Write a new directory, let the header name it, and free what was there."""
        data = b"".join(entry.packed() for entry in entries)
        if len(data) > MAX_DIRECTORY:
            raise self._refuse("the directory of bitmaps is full")
        was = self._header.bitmaps
        fresh = None
        if entries:
            fresh = BitmapDirectory(len(entries), len(data), self._place(data))
        if was is None and fresh is None:
            return
        self._storage.flush()
        self._header.bitmaps = fresh
        rewrite_header(self._storage, self._header)
        self._storage.flush()
        old, self._entries = self._entries, entries
        if was is not None:
            self._refcounts.free(was.offset, self._clusters(was.size))
        tables = {entry.table for entry in entries}
        for entry in old:
            if entry.table not in tables:
                self._free(entry)

    def _free(self, entry: StoredBitmap) -> None:
        for each in self._table(entry):
            if offset := each & _OFFSET:
                self._refcounts.free(offset)
        self._refcounts.free(entry.table, max(1, self._clusters(8 * entry.table_size)))

    def _table(self, entry: StoredBitmap) -> list[int]:
        size = 8 * entry.table_size
        if size > self._storage.size:
            raise self._refuse(f"bitmap '{entry.name}' with a table of {size} bytes")
        data = self._storage.read(entry.table, size).ljust(size, b"\0")
        return list(big_endian("Q", data))

    def _place(self, data: bytes) -> int:
        clusters = max(1, self._clusters(len(data)))
        offset = self._refcounts.allocate(clusters)
        self._storage.write(
            offset, data.ljust(clusters * self._header.cluster_size, b"\0")
        )
        return offset

    def _bytes(self, granularity: int) -> int:
        """Return how many bytes of bits a bitmap of the disk has."""
        bits = -(-self._header.size // granularity)
        return -(-bits // 8)

    def _clusters(self, size: int) -> int:
        return -(-size // self._header.cluster_size)

    def _refuse(self, what: str) -> ImageError:
        return ImageError(self._storage.filename, what)
