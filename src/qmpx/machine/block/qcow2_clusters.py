"""Guest data of a qcow2 image: what is in its clusters, as they are read and written.

A cluster that nobody else uses is written where it is; any other is copied first. Data
are written before the entry that names them. They may be compressed, or encrypted.
"""

import errno
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.machine.block.image import ImageError
from qmpx.machine.block.qcow2_header import Header
from qmpx.machine.block.qcow2_tables import COMPRESSED, COPIED, OFFSET, ZERO, Tables
from qmpx.machine.block.storage import Storage

if (
    TYPE_CHECKING
):  # the tables of the cipher take a tenth of a second, and few need them
    from qmpx.machine.block.cipher import SectorCipher

_SECTOR: Final = 512


class Clusters:
    """The data of an image.

    Args:
        storage: The image file.
        header: Its header.
        tables: Its tables, which find the clusters.
        behind: Gives guest data that the image itself does not have.

    Attributes:
        cipher: For encrypted guest data, once there is a key.
    """

    def __init__(
        self,
        storage: Storage,
        header: Header,
        tables: Tables,
        behind: Callable[[int, int], bytes],
    ) -> None:
        self.cipher: SectorCipher | None = None
        self._storage = storage
        self._header = header
        self._tables = tables
        self._behind = behind

    def read(self, offset: int, size: int, l1: tuple[int, int] | None = None) -> bytes:
        """Return guest data of one cluster: at least one, at most *size* bytes.

        Args:
            offset: In the guest data.
            size: In bytes.
            l1: Offset and size of another L1 table than the active one.

        Raises:
            OSError: They cannot be read, or there is no key.
        """
        size = min(size, self._header.cluster_size - self._within(offset))
        return self._read_entry(self._tables.entry(offset, l1), offset, size)

    def write(self, offset: int, data: memoryview) -> int:
        """Write guest data of one cluster; return how many bytes that were.

        Raises:
            OSError: They cannot be written, or there is no key.
        """
        cluster_size, within = self._header.cluster_size, self._within(offset)
        data = data[: cluster_size - within]
        at, entry = self._tables.own(offset)
        start = offset - within
        if entry & COPIED and not entry & COMPRESSED and entry & OFFSET:
            if not entry & ZERO:
                self._write_in_place(entry & OFFSET, offset, data)
                return len(data)
            host, old = entry & OFFSET, 0
        else:
            host, old = self._tables.refcounts.allocate(), entry
        try:
            whole = bytes(data)
            if len(data) < cluster_size:
                self._storage.event("cow_read")
                content = bytearray(self._read_entry(entry, start, cluster_size))
                content[within : within + len(data)] = data
                whole = bytes(content)
            self._storage.event("write_aio")
            self._storage.write(host, self._encrypt(start, whole))
            self._tables.put(at, host | COPIED)
        except OSError:
            if host != entry & OFFSET:
                self._tables.refcounts.free(host)
            raise
        self._tables.drop(old)
        return len(data)

    def _within(self, offset: int) -> int:
        return offset & (self._header.cluster_size - 1)

    def _read_entry(self, entry: int, offset: int, size: int) -> bytes:
        """Return guest data of the cluster that an entry names."""
        within = self._within(offset)
        if entry & COMPRESSED:
            return self._decompress(entry)[within : within + size]
        if entry & ZERO:
            return bytes(size)
        host = entry & OFFSET
        if not host:
            self._storage.event("read_backing_aio")
            return self._behind(offset, size)
        if self._within(host):
            raise self._tables.broken(f"a cluster at {host:#x}")
        self._storage.event("read_aio")
        if not self._header.crypt_method:
            return self._storage.read(host + within, size).ljust(size, b"\0")
        before = within % _SECTOR
        whole = -(-(before + size) // _SECTOR) * _SECTOR
        data = self._storage.read(host + within - before, whole).ljust(whole, b"\0")
        sector = (offset - before) // _SECTOR
        return self._key().decrypt(sector, data)[before : before + size]

    def _decompress(self, entry: int) -> bytes:
        offset, size = self._tables.extent(entry)
        self._storage.event("read_compressed")
        data = self._storage.read(offset, size)
        cluster_size = self._header.cluster_size
        try:
            content = zlib.decompressobj(-12).decompress(data, cluster_size)
        except zlib.error as error:
            message = f"compressed data at {offset:#x}: {error}"
            raise self._tables.broken(message) from error
        if len(content) < cluster_size:
            raise self._tables.broken(f"compressed data at {offset:#x} end early")
        return content

    def _write_in_place(self, host: int, offset: int, data: memoryview) -> None:
        within = self._within(offset)
        self._storage.event("write_aio")
        if not self._header.crypt_method:
            self._storage.write(host + within, data)
            return
        before = within % _SECTOR
        whole = -(-(before + len(data)) // _SECTOR) * _SECTOR
        start = offset - before
        content = bytearray(self._read_entry(host | COPIED, start, whole))
        content[before : before + len(data)] = data
        encrypted = self._encrypt(start, bytes(content))
        self._storage.write(host + within - before, encrypted)

    def _encrypt(self, offset: int, data: bytes) -> bytes:
        if not self._header.crypt_method:
            return data
        return self._key().encrypt(offset // _SECTOR, data)

    def _key(self) -> "SectorCipher":
        if self.cipher is None:
            message = "the image is encrypted, and there is no key"
            raise ImageError(self._storage.filename, message, errno.EACCES)
        return self.cipher
