"""Snapshots inside a qcow2 image: a table of L1 tables.

The machine's state of a snapshot is guest data behind the end of the disk, which its
L1 table leads to and the active one does not.

Every change ends with one write into the header. What is cut short before it leaves the
old table valid, and clusters that are counted too often.
"""

import errno
import struct
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from qmpx.machine.block.image import ImageError, Snapshot
from qmpx.machine.block.qcow2_clusters import Clusters
from qmpx.machine.block.qcow2_header import (
    MAX_SNAPSHOTS,
    SNAPSHOTS_AT,
    Header,
)
from qmpx.machine.block.qcow2_tables import COPIED, Tables
from qmpx.machine.block.storage import Storage
from qmpx.machine.values import Value

_ENTRY: Final = struct.Struct(">QIHHIIQII")
_EXTRA: Final = struct.Struct(">QQ")
_UNCOUNTED: Final = b"\xff" * 8  # instructions that the guest has run: nobody counts

MAX_EXTRA: Final = 1024
"""Bytes of an entry that later versions have added: QEMU's figure."""

MAX_NAME: Final = 255
"""Bytes of a name: what QEMU takes from its users."""


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


class Entry(Value, frozen=True):
    """A snapshot as the table has it.

    Attributes:
        snapshot: What users see of it.
        l1: Offset and size of its L1 table.
        disk_size: Of its guest data in bytes; ``None`` if the table does not tell.
        extra: What later versions have added.
    """

    snapshot: Snapshot
    l1: tuple[int, int]
    disk_size: int | None
    extra: bytes

    def packed(self) -> bytes:
        """Return the entry as it stands in the table; each begins at 8 bytes."""
        shot = self.snapshot
        names = _encoded(shot.id), _encoded(shot.name)
        data = _ENTRY.pack(
            *(*self.l1, len(names[0]), len(names[1]), shot.seconds, shot.nanoseconds),
            *(shot.clock, min(shot.state_size, 0xFFFFFFFF), len(self.extra)),
        )
        return data + self.extra + b"".join(names)


class SnapshotTable:
    """The snapshots of an image.

    Args:
        storage: The image file.
        header: Its header, which changes with the snapshots.
        tables: Its tables.
        clusters: Its data.

    Raises:
        OSError: The table cannot be read.
    """

    def __init__(
        self, storage: Storage, header: Header, tables: Tables, clusters: Clusters
    ) -> None:
        self._storage = storage
        self._header = header
        self._tables = tables
        self._clusters = clusters
        self._size = 0  # of the table, in bytes
        self._entries = list(self._read())

    def __iter__(self) -> Iterator[Snapshot]:
        return (entry.snapshot for entry in self._entries)

    def _read(self) -> Iterator[Entry]:
        start = at = self._header.snapshots_offset
        for _ in range(self._header.snapshot_count):
            data = self._storage.read(at, _ENTRY.size)
            if len(data) < _ENTRY.size:
                raise self._refuse("the table of snapshots ends early")
            l1_at, l1_size, id_size, name_size, *rest = _ENTRY.unpack(data)
            seconds, nanoseconds, clock, state_size, extra_size = rest
            if extra_size > MAX_EXTRA:
                raise self._refuse(f"a snapshot with {extra_size} bytes more")
            size = extra_size + id_size + name_size
            data = self._storage.read(at + _ENTRY.size, size)
            if len(data) < size:
                raise self._refuse("the table of snapshots ends early")
            extra, names = data[:extra_size], data[extra_size:]
            disk_size = None
            if extra_size >= 8:
                state_size = int.from_bytes(extra[:8], "big")
            if extra_size >= 16:
                disk_size = int.from_bytes(extra[8:16], "big")
            id_, name = (
                part.decode(errors="surrogateescape")
                for part in (names[:id_size], names[id_size:])
            )
            shot = Snapshot(id_, name, state_size, seconds, nanoseconds, clock)
            yield Entry(shot, (l1_at, l1_size), disk_size, extra)
            at += -(-(_ENTRY.size + size) // 8) * 8
        self._size = at - start

    def save(
        self, name: str, state: Iterable[bytes], when: tuple[int, int], clock: int
    ) -> Snapshot:
        """Make a snapshot.

        Raises:
            OSError: It cannot be made.
        """
        header, tables = self._header, self._tables
        if len(_encoded(name)) > MAX_NAME:
            raise self._refuse(f"a name of more than {MAX_NAME} bytes")
        if len(self._entries) >= MAX_SNAPSHOTS:
            raise self._refuse(f"{MAX_SNAPSHOTS} snapshots are all it can have")
        first = -(-header.size // header.l2_coverage)  # L1 entry of the state
        tables.drop_from(first)
        try:
            state_size = self._write_state(first * header.l2_coverage, state)
            l1 = tables.l1((header.l1_offset, header.l1_size))
            tables.share(l1, 1)
            tables.mark_own()
            plain = array("Q", (entry & ~COPIED for entry in l1))
            table = tables.store_l1(plain, len(plain))
            numbers = (int(s.id) for s in self if s.id.isdecimal() and s.id.isascii())
            id_ = str(max(numbers, default=0) + 1)
            shot = Snapshot(id_, name, state_size, when[0], when[1], clock)
            extra = _EXTRA.pack(state_size, header.size)
            if header.version >= 3:
                extra += _UNCOUNTED
            entry = Entry(shot, (table, len(plain)), header.size, extra)
            self._store([*self._entries, entry])
        finally:
            tables.drop_from(first)
            tables.mark_own()
        return shot

    def _write_state(self, offset: int, state: Iterable[bytes]) -> int:
        """Write machine state at an offset of guest data; return its size."""
        cluster_size, size = self._header.cluster_size, 0
        pending = bytearray()

        def put(data: bytes) -> None:
            nonlocal size
            if data.count(0) != len(data):  # what is not there reads as zero
                self._clusters.write(offset + size, memoryview(data))
            size += len(data)

        self._storage.event("vmstate_save")
        for piece in state:
            pending += piece
            whole = len(pending) // cluster_size * cluster_size
            for at in range(0, whole, cluster_size):
                put(bytes(pending[at : at + cluster_size]))
            del pending[:whole]
        put(bytes(pending))
        return size

    def read_state(self, shot: Snapshot, offset: int, size: int) -> bytes:
        """Return a piece of machine state; less, or nothing, at its end.

        Raises:
            OSError: It cannot be read, or there is no such snapshot.
        """
        entry, header = self._find(shot), self._header
        size = max(0, min(size, shot.state_size - offset))
        disk_size = header.size if entry.disk_size is None else entry.disk_size
        at = -(-disk_size // header.l2_coverage) * header.l2_coverage + offset
        self._storage.event("vmstate_load")
        parts = list[bytes]()
        while size:
            part = self._clusters.read(at, size, entry.l1)
            at, size = at + len(part), size - len(part)
            parts.append(part)
        return b"".join(parts)

    def disk_size(self, shot: Snapshot) -> int | None:
        """Return how many bytes of guest data there were; ``None`` if nothing tells.

        Raises:
            OSError: There is no such snapshot.
        """
        return self._find(shot).disk_size

    def load(self, shot: Snapshot) -> None:
        """Give the guest data back the content that it had.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        entry, header, tables = self._find(shot), self._header, self._tables
        if entry.disk_size not in (None, header.size):
            raise self._refuse("the disk had another size then")
        guest = -(-header.size // header.l2_coverage)
        saved = tables.l1(entry.l1)[:guest]
        if len(saved) < guest:
            raise self._refuse("the snapshot has a smaller L1 table than the disk")
        tables.share(saved, 1)
        was = tables.l1((header.l1_offset, header.l1_size))
        content = struct.pack(f">{guest}Q", *(each & ~COPIED for each in saved))
        self._storage.event("l1_update")
        self._storage.write(header.l1_offset, content.ljust(8 * len(was), b"\0"))
        tables.share(was, -1)
        tables.mark_own()

    def delete(self, shot: Snapshot) -> None:
        """Forget a snapshot.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        gone, tables = self._find(shot), self._tables
        l1 = tables.l1(gone.l1)
        self._store([entry for entry in self._entries if entry is not gone])
        tables.share(l1, -1)
        tables.refcounts.free(gone.l1[0], tables.table_clusters(gone.l1[1]))
        tables.mark_own()

    def _find(self, shot: Snapshot) -> Entry:
        for entry in self._entries:
            if entry.snapshot == shot:
                return entry
        message = f"no snapshot {shot.name!r} with id {shot.id!r}"
        raise ImageError(self._storage.filename, message, errno.ENOENT)

    def _store(self, entries: list[Entry]) -> None:
        """Write a new table, then let the header name it."""
        header, refcounts = self._header, self._tables.refcounts
        data = b""
        for entry in entries:
            data = data.ljust(-(-len(data) // 8) * 8, b"\0") + entry.packed()
        offset = 0
        if data:
            offset = refcounts.allocate(-(-len(data) // header.cluster_size))
            self._storage.write(offset, data)
        self._storage.flush()
        place = struct.pack(">IQ", len(entries), offset)
        self._storage.write(SNAPSHOTS_AT, place)
        self._storage.flush()
        was, was_size = header.snapshots_offset, self._size
        header.snapshots_offset, header.snapshot_count = offset, len(entries)
        self._entries, self._size = entries, len(data)
        if was_size:
            refcounts.free(was, -(-was_size // header.cluster_size))

    def _refuse(self, what: str) -> ImageError:
        return ImageError(self._storage.filename, what)
