"""The tables of a qcow2 image: two levels, from guest data to a cluster of the file.

An entry with the flag `COPIED` names a cluster that nobody else uses, which may be
written where it is. A table of the first level (L1) stands for the guest data of one
moment: one is active, snapshots have others, and share tables of the second level (L2)
and clusters with it.
"""

import errno
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from qmpx.machine.block.image import ImageError
from qmpx.machine.block.qcow2_header import L1_AT, MAX_L1_SIZE, Header
from qmpx.machine.block.qcow2_refcounts import Refcounts, big_endian
from qmpx.machine.block.storage import Storage

if TYPE_CHECKING:
    from array import array

COPIED: Final[int] = 1 << 63
COMPRESSED: Final[int] = 1 << 62
ZERO: Final[int] = 1
OFFSET: Final = (1 << 56) - 512
"""The bits of an entry that are an offset."""

_SECTOR: Final = 512  # what the size of compressed data is counted in


class Tables:
    """The tables of an image.

    Args:
        storage: The image file.
        header: Its header, which changes when the L1 table moves.

    Attributes:
        refcounts: Which clusters are used.
    """

    def __init__(self, storage: Storage, header: Header) -> None:
        self.refcounts = Refcounts(storage, header)
        self._storage = storage
        self._header = header

    def entry(self, offset: int, l1: tuple[int, int] | None = None) -> int:
        """Return the entry for guest data; 0 if there is none.

        Args:
            offset: In the guest data.
            l1: Offset and size of another L1 table than the active one.

        Raises:
            OSError: The tables cannot be read.
        """
        header = self._header
        table, size = l1 or (header.l1_offset, header.l1_size)
        index = offset // header.l2_coverage
        if index >= size:
            return 0
        l2 = self._l2_of(self._number(table + 8 * index))
        if not l2:
            return 0
        self._storage.event("l2_load")
        return self._number(l2 + 8 * self._l2_index(offset))

    def own(self, offset: int) -> tuple[int, int]:
        """Return the entry for guest data, and where it stands.

        There it may be changed: nobody else uses the table.

        Returns:
            The place in the file, and the entry.

        Raises:
            OSError: The tables cannot be read or written.
        """
        at = self._own_l2(offset) + 8 * self._l2_index(offset)
        return at, self._number(at)

    def put(self, at: int, entry: int) -> None:
        """Change an entry, at its place as of `own`.

        Raises:
            OSError: It cannot be written.
        """
        self._storage.event("l2_update")
        self._storage.write(at, struct.pack(">Q", entry))

    def try_zero(self, offset: int) -> bool:
        """Let a cluster that the image does not have be zeros; return whether it is.

        Raises:
            OSError: The tables cannot be read or written.
        """
        at, entry = self.own(offset)
        if entry == 0:
            self.put(at, ZERO)
        return entry in (0, ZERO)

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell whether there is a cluster for guest data, and how far that holds.

        Raises:
            OSError: The tables cannot be read.
        """
        header = self._header
        index = offset // header.l2_coverage
        if index < header.l1_size and self._l2_of(
            self._number(header.l1_offset + 8 * index)
        ):
            left = header.cluster_size - self._within(offset)
            return bool(self.entry(offset)), left
        return False, header.l2_coverage - offset % header.l2_coverage

    def drop(self, entry: int) -> None:
        """Use what an entry names one time less.

        Raises:
            OSError: A count cannot be written.
        """
        for cluster in self._clusters_of(entry):
            self.refcounts.change(cluster, -1)

    def l1(self, table: tuple[int, int]) -> "array[int]":
        """Return the entries of a L1 table.

        Raises:
            OSError: They cannot be read.
        """
        offset, size = table
        if not 0 <= size <= MAX_L1_SIZE:
            raise self.broken(f"a L1 table of {size} entries")
        data = self._storage.read(offset, 8 * size)
        if len(data) < 8 * size:
            raise self.broken("a L1 table behind the end")
        entries = big_endian("Q", data)
        tables = sum(bool(entry & OFFSET) for entry in entries)
        if tables > self._storage.size >> self._header.cluster_bits:
            raise self.broken(f"{tables} L2 tables, more than there is room for")
        return entries

    def share(self, l1: "array[int]", by: int) -> None:
        """Use everything that a L1 table leads to *by* times more.

        Raises:
            OSError: It cannot be read, or a count cannot be written.
        """
        bits = self._header.cluster_bits
        for entry in l1:
            if not entry & OFFSET:
                continue
            for _, each in self._l2_entries(entry):
                for cluster in self._clusters_of(each):
                    self.refcounts.change(cluster, by)
            self.refcounts.change((entry & OFFSET) >> bits, by)

    def mark_own(self) -> None:
        """Let the active tables tell which clusters nobody else uses.

        Raises:
            OSError: They cannot be read or written.
        """
        bits, table = self._header.cluster_bits, self._header.l1_offset
        for index, entry in enumerate(self.l1((table, self._header.l1_size))):
            if not entry & OFFSET:
                continue
            for at, each in self._l2_entries(entry):
                if not each & COMPRESSED and each & OFFSET:
                    self._mark(at, each, self.refcounts[(each & OFFSET) >> bits])
            count = self.refcounts[(entry & OFFSET) >> bits]
            self._mark(table + 8 * index, entry, count)

    def _mark(self, at: int, entry: int, count: int) -> None:
        marked = entry & ~COPIED | (COPIED if count == 1 else 0)
        if marked != entry:
            self._storage.write(at, struct.pack(">Q", marked))

    def grow_l1(self, size: int) -> None:
        """Let the active L1 table have so many entries, or more.

        Raises:
            OSError: There is no room for them.
        """
        header, storage = self._header, self._storage
        if size <= header.l1_size:
            return
        if size > MAX_L1_SIZE:
            raise ImageError(storage.filename, "no room in tables", errno.EFBIG)
        content = self.l1((header.l1_offset, header.l1_size))
        offset = self.store_l1(content, size)
        storage.flush()
        storage.event("l1_grow.activate_table")
        storage.write(L1_AT, struct.pack(">IQ", size, offset))
        was, clusters = header.l1_offset, self.table_clusters(header.l1_size)
        header.l1_offset, header.l1_size = offset, size
        if was:
            self.refcounts.free(was, clusters)

    def store_l1(self, entries: "array[int]", size: int) -> int:
        """Write a new L1 table of *size* entries, those given first; return where.

        Raises:
            OSError: There is no room for it.
        """
        clusters = self.table_clusters(size)
        offset = self.refcounts.allocate(clusters)
        data = struct.pack(f">{len(entries)}Q", *entries)
        self._storage.event("l1_grow.write_table")
        padded = data.ljust(clusters * self._header.cluster_size, b"\0")
        self._storage.write(offset, padded)
        return offset

    def table_clusters(self, size: int) -> int:
        """Return how many clusters a L1 table of *size* entries takes."""
        return max(1, -(-8 * size // self._header.cluster_size))

    def drop_from(self, index: int) -> None:
        """Forget what the active L1 table leads to from its entry *index* on.

        Raises:
            OSError: A table cannot be read or written.
        """
        header = self._header
        entries = self.l1((header.l1_offset, header.l1_size))[index:]
        if not any(entries):
            return
        at = header.l1_offset + 8 * index
        self._storage.event("l1_update")
        self._storage.write(at, bytes(8 * len(entries)))
        self.share(entries, -1)

    def drop_behind(self, size: int) -> None:
        """Forget all clusters of guest data that lie behind the first *size* bytes.

        Raises:
            OSError: A table cannot be read or written.
        """
        cluster_size, coverage = self._header.cluster_size, self._header.l2_coverage
        offset = -(-size // cluster_size) * cluster_size
        whole = -(-offset // coverage)
        self.drop_from(whole)
        while offset < whole * coverage:
            if entry := self.entry(offset):
                at, _ = self.own(offset)
                self.put(at, 0)
                self.drop(entry)
            offset += cluster_size

    def extent(self, entry: int) -> tuple[int, int]:
        """Return where the compressed data of an entry are: offset and size."""
        shift = 62 - (self._header.cluster_bits - 8)
        offset = entry & ((1 << shift) - 1)
        sectors = (entry & (COMPRESSED - 1)) >> shift
        return offset, (sectors + 1) * _SECTOR - offset % _SECTOR

    def broken(self, what: str) -> ImageError:
        """Return the error for an image whose tables, or data, are not sound."""
        return ImageError(self._storage.filename, f"broken image: {what}", errno.EIO)

    def _within(self, offset: int) -> int:
        return offset & (self._header.cluster_size - 1)

    def _l2_index(self, offset: int) -> int:
        header = self._header
        return (offset >> header.cluster_bits) % (header.cluster_size // 8)

    def _number(self, at: int) -> int:
        """Return the entry of a table, in the file at an offset."""
        number: int = struct.unpack(">Q", self._storage.read(at, 8).ljust(8, b"\0"))[0]
        return number

    def _l2_of(self, entry: int) -> int:
        """Return the offset of the L2 table that an entry names; 0 if none."""
        offset = entry & OFFSET
        if self._within(offset):
            raise self.broken(f"a L2 table at {offset:#x}")
        return offset

    def _l2_entries(self, entry: int) -> Iterator[tuple[int, int]]:
        """Give the entries of a L2 table, with their places, but for empty ones."""
        offset = self._l2_of(entry)
        self._storage.event("l2_load")
        data = self._storage.read(offset, self._header.cluster_size)
        for index, each in enumerate(big_endian("Q", data[: len(data) & ~7])):
            if each:
                yield offset + 8 * index, each

    def _own_l2(self, offset: int) -> int:
        """Return the offset of the L2 table for guest data; nobody else uses it."""
        header, storage = self._header, self._storage
        index = offset // header.l2_coverage
        self.grow_l1(index + 1)
        at = header.l1_offset + 8 * index
        entry = self._number(at)
        l2 = self._l2_of(entry)
        if l2 and entry & COPIED:
            return l2
        content = b""
        if l2:
            storage.event("l2_alloc.cow_read")
            content = storage.read(l2, header.cluster_size)
        new = self.refcounts.allocate()
        storage.event("l2_alloc.write")
        storage.write(new, content.ljust(header.cluster_size, b"\0"))
        storage.event("l1_update")
        storage.write(at, struct.pack(">Q", new | COPIED))
        if l2:
            self.refcounts.free(l2)
        return new

    def _clusters_of(self, entry: int) -> range:
        """Return the clusters that an entry of a L2 table uses."""
        bits = self._header.cluster_bits
        if entry & COMPRESSED:
            offset, size = self.extent(entry)
            return range(offset >> bits, (offset + size - 1 >> bits) + 1)
        host = entry & OFFSET
        if self._within(host):
            raise self.broken(f"a cluster at {host:#x}")
        return range(host >> bits, (host >> bits) + bool(host))
