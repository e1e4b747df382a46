"""The header of a qcow2 image: read with suspicion, and written for a new image.

Source: the qcow2 specification that QEMU publishes (``docs/interop/qcow2.txt``).
"""

import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from qmpx.machine.block.image import MAX_SIZE, ImageError
from qmpx.machine.block.storage import Storage

MAGIC: Final = b"QFI\xfb"

_FIXED: Final = struct.Struct(">4sIQIIQIIQQIIQ")
_VERSION_3: Final = struct.Struct(">QQQII")

L1_AT: Final[int] = 36
"""Where the size of the L1 table (32 bit) and its offset (64 bit) stand."""
REFCOUNT_TABLE_AT: Final[int] = 48
"""Where the offset of that table (64 bit) and its clusters (32 bit) stand."""
SNAPSHOTS_AT: Final[int] = 60
"""Where the number of snapshots (32 bit) and the table's offset (64 bit) stand."""
SIZE_AT: Final[int] = 24
"""Where the size of the guest data stands (64 bit)."""
AUTOCLEAR_AT: Final[int] = 88
"""Where version 3 has the flags that a writer clears if it does not know them."""

CLUSTER_BITS: Final = range(9, 22)
"""The sizes of clusters that QEMU makes and takes: 512 bytes to 2 MiB."""
MAX_L1_SIZE: Final = 4 << 20
"""Entries of a L1 table: QEMU's figure, 32 MiB."""
MAX_REFCOUNT_TABLE: Final = 8 << 20
"""Bytes of the table of reference counts: QEMU's figure."""
MAX_SNAPSHOTS: Final = 65536
"""Snapshots of one image: QEMU's figure."""
MAX_BACKING_NAME: Final = 1023
"""Bytes of the name of a backing file: QEMU's figure."""
MAX_EXTENSIONS: Final = 64
"""Header extensions that are looked at: QEMU knows six kinds."""

AES: Final[int] = 1
"""The method of encryption that 0.13 has; 2 is LUKS."""

DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
"""Features that a reader must know."""

BITMAPS: Final[int] = 1
"""The feature that says that the header's word on bitmaps is still true."""

_BACKING_FORMAT: Final = 0xE2792ACA
_BITMAPS: Final = 0x23852875
_BITMAPS_FIELDS: Final = struct.Struct(">IIQQ")

MAX_BITMAPS: Final = 65535
"""Bitmaps of one image: QEMU's figure."""
MAX_DIRECTORY: Final = 64 << 20
"""Bytes of the directory of bitmaps: QEMU's figure, all names as long as can be."""


@dataclass(frozen=True, slots=True)
class BitmapDirectory:
    """Where the directory of bitmaps is.

    Attributes:
        count: How many bitmaps there are.
        size: Bytes of the directory.
        offset: Of the directory.
    """

    count: int
    size: int
    offset: int


@dataclass(slots=True)
class Header:
    """What the header says; offsets are those of the file, in bytes.

    Attributes:
        version: 2 or 3.
        cluster_bits: The logarithm of the size of a cluster.
        size: Of the guest data.
        crypt_method: 0, or how guest data are encrypted.
        l1_size: Entries of the L1 table.
        l1_offset: Of the L1 table.
        refcount_table_offset: Of the table of blocks of reference counts.
        refcount_table_clusters: Its size.
        snapshot_count: How many snapshots there are.
        snapshots_offset: Of the table of snapshots.
        features: Those that a reader must know.
        autoclear: Those that a writer clears if it does not know them.
        refcount_order: The logarithm of the bits of a reference count.
        backing_file: The name of the backing file, or ``None``.
        backing_format: Its format, or ``None``.
        bitmaps: Where its bitmaps are, or ``None``.
    """

    version: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshot_count: int
    snapshots_offset: int
    features: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    backing_file: str | None = None
    backing_format: str | None = None
    bitmaps: BitmapDirectory | None = None

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_coverage(self) -> int:
        """Bytes of guest data that one L2 table finds."""
        return self.cluster_size * (self.cluster_size // 8)


def read_header(storage: Storage) -> Header:
    """Read the header of an image.

    Raises:
        OSError: It cannot be read; `ImageError` if it cannot be true.
    """

    def refuse(what: str) -> ImageError:
        return ImageError(storage.filename, what)

    data = storage.read(0, _FIXED.size + _VERSION_3.size)
    if len(data) < _FIXED.size:
        raise refuse("shorter than a qcow2 header")
    magic, version, backing_at, backing_size, bits, size, crypt, l1, *rest = (
        _FIXED.unpack_from(data)
    )
    if magic != MAGIC or version not in (2, 3):
        raise refuse("not a qcow2 image of version 2 or 3")
    header = Header(version, bits, size, crypt, l1, *rest)
    length = _FIXED.size
    if version == 3:
        if len(data) < _FIXED.size + _VERSION_3.size:
            raise refuse("shorter than a qcow2 header")
        header.features, _, header.autoclear, header.refcount_order, length = (
            _VERSION_3.unpack_from(data, _FIXED.size)
        )
    if bits not in CLUSTER_BITS:
        raise refuse(f"clusters of 2^{bits} bytes")
    cluster = header.cluster_size
    if size > MAX_SIZE:
        raise refuse(f"impossible size of {size} bytes")
    if not _FIXED.size <= length <= cluster:
        raise refuse(f"a header of {length} bytes")
    if header.refcount_order > 6:
        raise refuse(f"reference counts of 2^{header.refcount_order} bits")
    if crypt > 2:
        raise refuse(f"unknown encryption method {crypt}")
    needed = 2 if header.features & EXTENDED_L2 else 1
    if not -(-size * needed // header.l2_coverage) <= l1 <= MAX_L1_SIZE:
        raise refuse(f"{l1} entries in the L1 table for {size} bytes")
    if header.refcount_table_clusters * cluster > MAX_REFCOUNT_TABLE:
        raise refuse("the table of reference counts is too large")
    if header.snapshot_count > MAX_SNAPSHOTS:
        raise refuse(f"{header.snapshot_count} snapshots")
    tables = (header.l1_offset, header.refcount_table_offset, header.snapshots_offset)
    if any(offset % cluster or offset > MAX_SIZE for offset in tables):
        raise refuse("a table does not begin at a cluster")
    needed_tables = (header.l1_size, True, header.snapshot_count)
    if any(n and not at for n, at in zip(needed_tables, tables, strict=True)):
        raise refuse("a table where the header is")
    known = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2
    if header.features & ~known:
        raise refuse(f"unknown features {header.features & ~known:#x}")
    for kind, place, amount in _extensions(storage, length, backing_at, cluster):
        if kind == _BACKING_FORMAT:
            name = storage.read(place, min(amount, 16))
            header.backing_format = name.decode(errors="replace")
        elif kind == _BITMAPS and header.autoclear & BITMAPS:
            header.bitmaps = _bitmap_directory(storage, place, amount, cluster)
    if backing_at:
        if not 0 < backing_size <= MAX_BACKING_NAME:
            raise refuse(f"a backing file name of {backing_size} bytes")
        if backing_at > MAX_SIZE:
            raise refuse("a backing file name behind the end of the image")
        name = storage.read(backing_at, backing_size)
        if len(name) < backing_size:
            raise refuse("a backing file name behind the end of the image")
        header.backing_file = name.decode(errors="surrogateescape")
    return header


def _extensions(
    storage: Storage, at: int, backing_at: int, cluster: int
) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each extension of the header, its place and its size."""
    end = backing_at if at < backing_at < cluster else cluster
    for _ in range(MAX_EXTENSIONS):
        data = storage.read(at, 8) if at + 8 <= end else b""
        if len(data) < 8:
            return
        kind, length = struct.unpack(">II", data)
        if not kind or at + 8 + length > end:
            return
        yield kind, at + 8, length
        at += 8 + (length + 7) // 8 * 8


def _bitmap_directory(
    storage: Storage, at: int, length: int, cluster: int
) -> BitmapDirectory:
    """Return what an extension says of bitmaps.

    Raises:
        ImageError: It cannot be true.
    """
    data = storage.read(at, _BITMAPS_FIELDS.size)
    if length != _BITMAPS_FIELDS.size or len(data) < length:
        message = "an extension on bitmaps of another size"
        raise ImageError(storage.filename, message)
    count, _, size, offset = _BITMAPS_FIELDS.unpack(data)
    if (
        not 0 < count <= MAX_BITMAPS
        or not 0 < size <= MAX_DIRECTORY
        or not 0 < offset <= MAX_SIZE
        or offset % cluster
    ):
        message = f"{count} bitmaps in {size} bytes at {offset:#x}"
        raise ImageError(storage.filename, message)
    return BitmapDirectory(count, size, offset)


def change_backing(
    storage: Storage, header: Header, name: str | None, format_: str | None
) -> None:
    """Write another name of a backing file into a header, or none.

    Raises:
        OSError: It does not fit, or cannot be written.
    """
    was = header.backing_file, header.backing_format
    header.backing_file, header.backing_format = (name or None), format_
    try:
        rewrite_header(storage, header)
    except OSError:
        header.backing_file, header.backing_format = was
        raise


def rewrite_header(storage: Storage, header: Header) -> None:
    """Write what a header says of the backing file and of bitmaps, and their flag.

    All else that is in it stays.

    Raises:
        OSError: It does not fit, or cannot be written.
    """
    cluster = header.cluster_size
    data = storage.read(0, cluster).ljust(cluster, b"\0")
    length = _FIXED.size
    if header.version == 3:
        length = _VERSION_3.unpack_from(data, _FIXED.size)[4]
    extensions, at = b"", length
    for _ in range(MAX_EXTENSIONS):
        kind, size = struct.unpack_from(">II", data, at)
        end = at + 8 + (size + 7) // 8 * 8
        if not kind or end > cluster - 8:
            break
        if kind not in (_BACKING_FORMAT, _BITMAPS):
            extensions += data[at:end]
        at = end
    raw = (header.backing_file or "").encode(errors="surrogateescape")
    if raw and header.backing_format:
        format_name = header.backing_format.encode()
        extensions += struct.pack(">II", _BACKING_FORMAT, len(format_name))
        extensions += format_name.ljust(-(-len(format_name) // 8) * 8, b"\0")
    if (found := header.bitmaps) is not None:
        fields = _BITMAPS_FIELDS.pack(found.count, 0, found.size, found.offset)
        extensions += struct.pack(">II", _BITMAPS, len(fields)) + fields
    extensions += bytes(8)
    if len(raw) > MAX_BACKING_NAME or length + len(extensions) + len(raw) > cluster:
        raise ImageError(storage.filename, "no room for the name", errno.EINVAL)
    place = struct.pack(">QI", length + len(extensions) if raw else 0, len(raw))
    middle = data[20:length]
    if header.version == 3:
        header.autoclear = 0 if found is None else BITMAPS
        flags = struct.pack(">Q", header.autoclear)
        middle = data[20:AUTOCLEAR_AT] + flags + data[AUTOCLEAR_AT + 8 : length]
    fresh = data[:8] + place + middle + extensions + raw
    storage.write(0, fresh.ljust(cluster, b"\0"))


def new_image(
    size: int,
    *,
    backing_file: str = "",
    backing_format: str = "",
    cluster_bits: int = 16,
    version: int = 2,
    encrypted: bool = False,
    refcount_bits: int = 16,
    is_lazy: bool = False,
    uses_zstd: bool = False,
) -> bytes:
    """Return a new image that has no data.

    Args:
        size: Of the guest data, in bytes.
        backing_file: The name of the backing file; empty if it has none.
        backing_format: Its format; empty if that is to be found out.
        cluster_bits: The logarithm of the size of a cluster.
        version: 2 or 3.
        encrypted: Whether guest data are to be encrypted with AES.
        refcount_bits: Bits of a reference count; of version 2 it is 16.
        is_lazy: Whether reference counts may be written late; version 3.
        uses_zstd: Whether data are to be compressed by zstd; version 3.

    Raises:
        ValueError: There is no such image.
    """
    name = backing_file.encode(errors="surrogateescape")
    cluster = 1 << cluster_bits
    l1_size = -(-size // (cluster * (cluster // 8)))
    if (
        cluster_bits not in CLUSTER_BITS
        or not 0 <= size <= MAX_SIZE
        or l1_size > MAX_L1_SIZE
        or len(name) > min(MAX_BACKING_NAME, cluster - 256)
        or len(backing_format) > 16
    ):
        message = f"no qcow2 image of {size} bytes has clusters of {cluster}"
        raise ValueError(message)
    l1_clusters = max(1, -(-l1_size * 8 // cluster))
    blocks, table = 1, 1  # of reference counts, which count themselves
    while (
        blocks < -(-(1 + table + blocks + l1_clusters) * refcount_bits // (cluster * 8))
        or table < -(-blocks * 8 // cluster)
    ):  # fmt: skip
        blocks, table = blocks + 1, max(1, -(-(blocks + 1) * 8 // cluster))
    used = 1 + table + blocks + l1_clusters
    length = _FIXED.size + (_VERSION_3.size + 8 if version == 3 else 0)
    extensions = b""
    if backing_format:
        format_name = backing_format.encode()
        extensions = struct.pack(">II", _BACKING_FORMAT, len(format_name))
        extensions += format_name.ljust(-(-len(format_name) // 8) * 8, b"\0")
    extensions += bytes(8)
    header = _FIXED.pack(
        *(MAGIC, version, length + len(extensions) if name else 0, len(name)),
        *(cluster_bits, size, AES if encrypted else 0, l1_size),
        *((1 + table + blocks) * cluster, cluster, table, 0, 0),
    )
    if version == 3:
        order = refcount_bits.bit_length() - 1
        header += _VERSION_3.pack(
            COMPRESSION if uses_zstd else 0, is_lazy, 0, order, length
        )
        header += bytes([uses_zstd]).ljust(8, b"\0")
    entries = struct.pack(
        f">{blocks}Q", *((1 + table + n) * cluster for n in range(blocks))
    )
    return b"".join(
        (
            (header + extensions + name).ljust(cluster, b"\0"),
            entries.ljust(table * cluster, b"\0"),
            _ones(used, refcount_bits).ljust(blocks * cluster, b"\0"),
            bytes(l1_size * 8),  # the file ends with it
        )
    )


def _ones(count: int, bits: int) -> bytes:
    """Return so many reference counts of 1."""
    if bits >= 8:
        return (1).to_bytes(bits // 8, "big") * count
    value = sum(1 << place * bits for place in range(count))
    return value.to_bytes(-(-count * bits // 8), "little")
