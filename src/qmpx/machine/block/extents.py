"""Formats that are read only: guest data in blocks that a table finds.

Each class knows its header and its table; that a table is larger than the file, or
points out of it, is noticed when a block is looked for, and nothing is allocated
because a header says so.

Sources: the published descriptions of the formats, and images that ``qemu-img`` makes.
"""

import errno
import struct
import zlib
from typing import Final

from qmpx.machine.block.image import MAX_SIZE, Image, ImageError
from qmpx.machine.block.storage import Storage

SECTOR: Final[int] = 512

MAX_BLOCK: Final = 64 << 20
"""Bytes of a block of guest data: what VirtualBox allows; others have a megabyte."""

MAX_NAME: Final = 1023
"""Bytes of the name of a backing file: QEMU's figure."""


class Extents(Image):
    """Guest data in blocks."""

    def _extent(self, offset: int) -> tuple[int | None, int]:
        """Return where guest data are in the file, and how many bytes in a row.

        Where is -1 for zeros and ``None`` for what the backing image shows.
        """
        raise NotImplementedError

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell whether guest data are the image's own, not those behind it.

        Returns:
            That, and for how many bytes from *offset* on it is so, at least.

        Raises:
            OSError: It cannot be found out.
        """
        at, length = self._extent(offset)
        return at is not None, length

    def _read_part(self, offset: int, size: int) -> bytes:
        at, length = self._extent(offset)
        size = min(size, length)
        if at is None:
            return self._read_behind(offset, size)
        if at < 0:
            return bytes(size)
        self.storage.event("read_aio")
        return self.storage.read(at, size).ljust(size, b"\0")

    def _number(self, code: str, at: int) -> int:
        """Return one number of a table; tables do not reach behind the end."""
        size = struct.calcsize(code)
        data = self.storage.read(at, size) if at <= MAX_SIZE else b""
        if len(data) < size:
            message = f"broken image: a table entry at {at:#x}"
            raise ImageError(self.filename, message, errno.EIO)
        number: int = struct.unpack(code, data)[0]
        return number

    def _name(self, at: int, size: int) -> str | None:
        """Return the name of a backing file that the header tells of."""
        if not at or not size:
            return None
        if size > MAX_NAME or at > MAX_SIZE:
            raise ImageError(self.filename, "impossible name of a backing file")
        return self.storage.read(at, size).decode(errors="surrogateescape")


def fields(storage: Storage, code: str, at: int = 0) -> tuple[int, ...]:
    """Return numbers of a header.

    Raises:
        ImageError: The file is shorter.
    """
    size = struct.calcsize(code)
    data = storage.read(at, size)
    if len(data) < size:
        raise ImageError(storage.filename, "the file is shorter than its header")
    return struct.unpack(code, data)


def block_size(storage: Storage, size: int) -> int:
    """Return the size of blocks that a header tells, in bytes.

    Raises:
        ImageError: There are no such blocks.
    """
    if not 0 < size <= MAX_BLOCK or size % SECTOR:
        raise ImageError(storage.filename, f"blocks of {size} bytes")
    return size


class Qcow(Extents):
    """qcow, version 1."""

    format = "qcow"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        name_at, name_size, _, size, bits, l2_bits, crypt, l1_at = fields(
            storage, ">8xQIIQBBxxIQ"
        )
        if bits not in range(9, 17) or l2_bits not in range(6, 14) or crypt > 1:
            raise ImageError(storage.filename, "impossible tables or encryption")
        super().__init__(storage, size=size, read_only=read_only)
        self.backing_file = self._name(name_at, name_size)
        self.is_encrypted = bool(crypt)
        self._bits, self._l2_bits, self._l1_at = bits, l2_bits, l1_at

    def set_key(self, password: str) -> None:
        """Take a key; any will do, and no data can be read with it.

        Raises:
            ImageError: The image is not encrypted.
        """
        if not self.is_encrypted:
            super().set_key(password)
        self.has_key = True

    def _read_part(self, offset: int, size: int) -> bytes:
        if self.is_encrypted:
            message = "not supported: an encrypted qcow image"
            raise ImageError(self.filename, message, errno.ENOTSUP)
        at, length = self._extent(offset)
        if at is None or not at >> 63:
            return super()._read_part(offset, size)
        packed = at >> 63 - self._bits & (1 << self._bits) - 1
        data = self.storage.read(at & (1 << 63 - self._bits) - 1, packed)
        cluster = 1 << self._bits
        content = inflate(self, data, cluster, raw=True)
        within = offset % cluster
        return content[within : within + min(size, length)]

    def _extent(self, offset: int) -> tuple[int | None, int]:
        cluster = 1 << self._bits
        within = offset % cluster
        index = offset >> self._bits + self._l2_bits
        l2 = self._number(">Q", self._l1_at + 8 * index)
        entry = 0
        if l2:
            index = offset >> self._bits & (1 << self._l2_bits) - 1
            entry = self._number(">Q", l2 + 8 * index)
        if not entry:
            return None, cluster - within
        return (entry if entry >> 63 else entry + within), cluster - within


class Vdi(Extents):
    """VirtualBox's format, growing or fixed."""

    format = "vdi"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        version, _, kind = fields(storage, "<3I", 68)
        map_at, data_at = fields(storage, "<2I", 340)
        sector, _, size, block, extra, blocks = fields(storage, "<IIQ3I", 360)
        if version >> 16 != 1 or kind not in (1, 2) or sector != SECTOR or extra:
            raise ImageError(storage.filename, "an unknown kind of vdi image")
        self._block = block_size(storage, block)
        if blocks < -(-size // block):
            raise ImageError(storage.filename, f"{blocks} blocks for {size} bytes")
        size = -(-size // SECTOR) * SECTOR
        super().__init__(storage, size=size, read_only=read_only)
        self._map_at, self._data_at = map_at, data_at

    def _extent(self, offset: int) -> tuple[int | None, int]:
        index, within = divmod(offset, self._block)
        entry = self._number("<I", self._map_at + 4 * index)
        if entry >= 0xFFFFFFFE:  # never written, or discarded
            return -1, self._block - within
        return self._data_at + entry * self._block + within, self._block - within


class Vpc(Extents):
    """Virtual PC's format; fixed ones are only told from raw when asked for by name."""

    format = "vpc"
    _BY_SIZE: Final = (b"win ", b"qem2", b"d2v ", b"tap\0", b"vs  ", b"wa\0\0")

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        at = 0
        if storage.read(0, 8) != b"conectix":
            at = max(0, storage.size - SECTOR)
            if storage.read(at, 8) != b"conectix":
                raise ImageError(storage.filename, "no vpc image")
        (header_at,) = fields(storage, ">Q", at + 16)
        maker = storage.read(at + 28, 4)
        size, cylinders, heads, sectors, kind = fields(storage, ">QHBBI", at + 48)
        if kind not in (2, 3):
            raise ImageError(storage.filename, "not supported: a differencing image")
        by_geometry = cylinders * heads * sectors * SECTOR
        if maker not in self._BY_SIZE and by_geometry < 65535 * 16 * 255 * SECTOR:
            size = by_geometry  # what Virtual PC itself shows to the guest
        super().__init__(storage, size=size, read_only=read_only)
        self._table_at, self._block = 0, 0
        if kind == 3:
            self._table_at, _, entries, block = fields(storage, ">QIII", header_at + 16)
            self._block = block_size(storage, block)
            if entries < -(-size // block):
                raise ImageError(storage.filename, f"{entries} blocks for {size} bytes")

    def _extent(self, offset: int) -> tuple[int | None, int]:
        if not self._block:
            return offset, self.size - offset
        index, within = divmod(offset, self._block)
        entry = self._number(">I", self._table_at + 4 * index)
        if entry == 0xFFFFFFFF:
            return -1, self._block - within
        bits = -(-self._block // SECTOR // 8 // SECTOR) * SECTOR  # of sectors in use
        return entry * SECTOR + bits + within, self._block - within


class Qed(Extents):
    """The QEMU enhanced disk."""

    format = "qed"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        cluster, table, _, features, _, _, l1_at, size, name_at, name_size = fields(
            storage, "<4xIIIQQQQQII"
        )
        if cluster not in (1 << bits for bits in range(12, 27)):
            raise ImageError(storage.filename, f"clusters of {cluster} bytes")
        if table not in (1, 2, 4, 8, 16) or features & ~7:
            raise ImageError(storage.filename, "unknown features or tables")
        super().__init__(storage, size=size, read_only=read_only)
        if features & 1:
            self.backing_file = self._name(name_at, name_size)
            self.backing_format = "raw" if features & 4 else None
        self._cluster, self._l1_at = cluster, l1_at
        self._entries = cluster * table // 8

    def _extent(self, offset: int) -> tuple[int | None, int]:
        index, within = divmod(offset, self._cluster)
        first, second = divmod(index, self._entries)
        if first >= self._entries:
            message = "broken image: guest data behind its tables"
            raise ImageError(self.filename, message, errno.EIO)
        entry = self._number("<Q", self._l1_at + 8 * first)
        if entry:
            entry = self._number("<Q", entry + 8 * second)
        if entry in (0, 1):  # the backing image's, or zeros
            return -entry or None, self._cluster - within
        return entry + within, self._cluster - within


class Parallels(Extents):
    """Parallels' format."""

    format = "parallels"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        version, _, _, tracks, entries, sectors = fields(storage, "<5IQ", 16)
        is_extended = storage.read(0, 16) == b"WithouFreSpacExt"
        if version != 2 or not 0 < tracks <= MAX_BLOCK // SECTOR:
            raise ImageError(storage.filename, "an unknown kind of parallels image")
        if not is_extended:
            sectors &= 0xFFFFFFFF  # what is behind was not defined then
        super().__init__(storage, size=sectors * SECTOR, read_only=read_only)
        self._block, self._entries = tracks * SECTOR, entries
        self._unit = self._block if is_extended else SECTOR

    def _extent(self, offset: int) -> tuple[int | None, int]:
        index, within = divmod(offset, self._block)
        entry = self._number("<I", 64 + 4 * index) if index < self._entries else 0
        if not entry:
            return -1, self._block - within
        return entry * self._unit + within, self._block - within


class Cloop(Extents):
    """A compressed loop device, as Knoppix has it."""

    format = "cloop"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        block, blocks = fields(storage, ">2I", 128)
        self._block = block_size(storage, block)
        super().__init__(storage, size=blocks * block, read_only=read_only)

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell that all is the image's own."""
        return True, self.size - offset

    def _read_part(self, offset: int, size: int) -> bytes:
        index, within = divmod(offset, self._block)
        start = self._number(">Q", 136 + 8 * index)
        end = self._number(">Q", 144 + 8 * index)
        if not 0 < end - start <= 2 * self._block:
            message = f"broken image: a block from {start} to {end}"
            raise ImageError(self.filename, message, errno.EIO)
        content = inflate(self, self.storage.read(start, end - start), self._block)
        return content[within : within + size]


def inflate(image: Image, data: bytes, size: int, *, raw: bool = False) -> bytes:
    """Return what compressed *data* hold: *size* bytes and never more.

    Raises:
        ImageError: They are broken.
    """
    try:
        content = zlib.decompressobj(-12 if raw else 15).decompress(data, size)
    except zlib.error as error:
        message = f"broken image: compressed data: {error}"
        raise ImageError(image.filename, message, errno.EIO) from error
    if len(content) < size:
        message = "broken image: compressed data end early"
        raise ImageError(image.filename, message, errno.EIO)
    return content
