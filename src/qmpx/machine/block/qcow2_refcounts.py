"""Which clusters of a qcow2 image are in use, and how often.

A table finds blocks, a block holds a count for each of many clusters. Counts are raised
before a cluster is used and lowered after it no longer is, so that what is cut short
leaves clusters that nobody uses, and never two users of one.
"""

import struct
import sys
from array import array
from typing import Final

from qmpx.machine.block.image import ImageError
from qmpx.machine.block.qcow2_header import (
    MAX_REFCOUNT_TABLE,
    REFCOUNT_TABLE_AT,
    Header,
)
from qmpx.machine.block.storage import Storage

MAX_TRIES: Final = 4
"""Blocks that have to be added to place one more cluster: one for it, one for the table
that has to grow, and those for its new place. More is a sign of a broken image."""

MAX_BEHIND: Final = 16
"""Blocks whose clusters may all be in use although the file ends before them: what a
crash may leave is one."""

_BLOCK_OFFSET: Final = ~511
"""The bits of an entry of the table that are the block's offset."""

_CODES: Final = {3: "B", 4: "H", 5: "I", 6: "Q"}
"""The array type of a count, by the logarithm of its bits."""


def big_endian(code: str, data: bytes) -> "array[int]":
    """Return big-endian numbers as an array."""
    numbers = array(code, data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class Refcounts:
    """The reference counts of an image.

    Args:
        storage: The image file.
        header: Its header, which changes when the table moves.
    """

    def __init__(self, storage: Storage, header: Header) -> None:
        self._storage = storage
        self._header = header
        self._order = header.refcount_order
        self._per_block = header.cluster_size * 8 >> self._order
        self._hint = 0  # no cluster before it is free
        self._index = -1  # of the block that is at hand
        self._offset = 0
        self._block = array("B")

    def __getitem__(self, cluster: int) -> int:
        """Return how often a cluster is used.

        Raises:
            OSError: The count cannot be read.
        """
        index, within = divmod(cluster, self._per_block)
        if not self._load(index):
            return 0
        if self._order >= 3:
            return int(self._block[within])
        per_byte = 8 >> self._order
        at, place = divmod(within, per_byte)
        mask = (1 << (1 << self._order)) - 1
        return int(self._block[at]) >> (place << self._order) & mask

    def change(self, cluster: int, by: int) -> int:
        """Add to the count of a cluster, and return the sum.

        Raises:
            OSError: The count cannot be written; it would be none.
        """
        count = self[cluster] + by
        if not 0 <= count < 1 << (1 << self._order) or not self._offset:
            raise self._broken(f"{count} for cluster {cluster}")
        self._put(cluster, count)
        if not count:
            self._storage.event("cluster_free")
            self._hint = min(self._hint, cluster)
        return count

    def allocate(self, count: int = 1) -> int:
        """Return the offset of free clusters in a row, which are now used once.

        Raises:
            OSError: There is no room for them, or for their counts.
        """
        self._storage.event("cluster_alloc")
        # Each turn adds a block, unless the image is so broken that it gets lost again.
        for _ in range(count // self._per_block + MAX_TRIES):
            first = self._find(count)
            last = (first + count - 1) // self._per_block
            blocks = range(first // self._per_block, last + 1)
            missing = [index for index in blocks if not self._load(index)]
            if not missing:
                break
            self._add_block(missing[0])  # which takes a cluster, so look again
        else:
            raise self._broken("blocks that get lost")
        for cluster in range(first, first + count):
            self[cluster]  # its block is at hand now
            self._put(cluster, 1)
        if count == 1:
            self._hint = first + 1
        return first << self._header.cluster_bits

    def free(self, offset: int, count: int = 1) -> None:
        """Use clusters in a row one time less.

        Raises:
            OSError: A count cannot be written.
        """
        first = offset >> self._header.cluster_bits
        for cluster in range(first, first + count):
            self.change(cluster, -1)

    def _entries(self) -> int:
        return self._header.refcount_table_clusters * self._header.cluster_size // 8

    def _load(self, index: int) -> bool:
        """Have a block at hand; tell whether there is one."""
        if index != self._index:
            self._index = -1  # should the reads fail
            self._offset, self._block = 0, array("B")
            if index < self._entries():
                self._read_block(index)
            self._index = index
        return bool(self._offset)

    def _read_block(self, index: int) -> None:
        cluster_size = self._header.cluster_size
        table = self._header.refcount_table_offset
        data = self._storage.read(table + 8 * index, 8).ljust(8, b"\0")
        offset = struct.unpack(">Q", data)[0] & _BLOCK_OFFSET
        if offset % cluster_size or offset >= self._storage.size:
            raise self._broken(f"a block at {offset:#x}")
        if offset:
            self._storage.event("refblock_load")
            block = self._storage.read(offset, cluster_size).ljust(cluster_size, b"\0")
            self._block = big_endian(_CODES[max(3, self._order)], block)
        self._offset = offset

    def _put(self, cluster: int, count: int) -> None:
        """Write a count into the block that is at hand."""
        within = cluster % self._per_block
        if self._order >= 3:
            width, at, value = 1 << self._order - 3, within, count
        else:
            width, (at, place) = 1, divmod(within, 8 >> self._order)
            mask = (1 << (1 << self._order)) - 1 << (place << self._order)
            value = int(self._block[at]) & ~mask | count << (place << self._order)
        self._storage.event("refblock_update_part")
        self._storage.write(self._offset + at * width, value.to_bytes(width, "big"))
        self._block[at] = value

    def _find(self, count: int) -> int:
        """Return the first of *count* free clusters in a row."""
        first = self._next_free(self._hint)
        if count == 1:
            self._hint = first
        at = first + 1
        while at < first + count:
            if self[at]:
                first = at = self._next_free(at)
            at += 1
        return first

    def _broken(self, what: str) -> ImageError:
        message = f"broken reference counts: {what}"
        return ImageError(self._storage.filename, message)

    def _next_free(self, cluster: int) -> int:
        end = self._storage.size >> self._header.cluster_bits
        end += MAX_BEHIND * self._per_block
        while True:
            if cluster > end:
                raise self._broken("all that is behind the end is in use")
            index, within = divmod(cluster, self._per_block)
            if not self._load(index):
                return cluster
            if self._order >= 3:
                try:
                    return cluster - within + self._block.index(0, within)
                except ValueError:
                    cluster += self._per_block - within
            elif not self[cluster]:
                return cluster
            else:
                cluster += 1

    def _add_block(self, index: int) -> None:
        """Add a block where there is none: it counts clusters that nobody uses."""
        if index >= self._entries():
            self._grow_table(index)
            return
        cluster_size = self._header.cluster_size
        offset = index * self._per_block * cluster_size  # the first that it counts
        if any(self._storage.read(offset, cluster_size)):
            raise self._broken(f"data that nobody counts at {offset:#x}")
        self._storage.event("refblock_alloc.write")
        self._storage.write(offset, self._new_block(1))
        self._storage.event("refblock_alloc.hookup")
        entry = self._header.refcount_table_offset + 8 * index
        self._storage.write(entry, struct.pack(">Q", offset))
        self._index = -1

    def _new_block(self, used: int) -> bytes:
        """Return a block whose first *used* clusters are used once."""
        size, bits = self._header.cluster_size, 1 << self._order
        if bits >= 8:
            return ((1).to_bytes(bits // 8, "big") * used).ljust(size, b"\0")
        value = sum(1 << place * bits for place in range(used))
        return value.to_bytes(size, "little")

    def _grow_table(self, index: int) -> None:
        """Move the table behind all that it counts, with the blocks for that place."""
        cluster_size, old = self._header.cluster_size, self._entries()
        per_block = self._per_block
        clusters, blocks = 0, 1
        while True:
            entries = max(old * 3 // 2, index + 1, old + blocks)
            clusters = -(-entries * 8 // cluster_size)
            if blocks * per_block >= clusters + blocks:
                break
            blocks += 1
        if clusters * cluster_size > MAX_REFCOUNT_TABLE:
            message = "no room for more reference counts"
            raise ImageError(self._storage.filename, message)
        start = old * per_block * cluster_size
        self._storage.event("refblock_alloc.write_blocks")
        left = clusters + blocks
        for number in range(blocks):
            used = min(left, per_block)
            at = start + number * cluster_size
            self._storage.write(at, self._new_block(used))
            left -= used
        table = self._storage.read(self._header.refcount_table_offset, old * 8)
        table = table.ljust(old * 8, b"\0") + struct.pack(
            f">{blocks}Q", *(start + number * cluster_size for number in range(blocks))
        )
        self._storage.event("refblock_alloc.write_table")
        offset = start + blocks * cluster_size
        self._storage.write(offset, table.ljust(clusters * cluster_size, b"\0"))
        self._storage.flush()
        self._storage.event("refblock_alloc.switch_table")
        self._storage.write(REFCOUNT_TABLE_AT, struct.pack(">QI", offset, clusters))
        was = self._header.refcount_table_offset, self._header.refcount_table_clusters
        self._header.refcount_table_offset = offset
        self._header.refcount_table_clusters = clusters
        self._index = -1
        self.free(*was)
