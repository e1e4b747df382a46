"""vmdk: VMware's format, in one file or in several that a descriptor names.

Read only. A sparse extent has a directory of tables of grains; grains may be compressed
one by one, as in images made to be downloaded.
"""

import errno
import re
import struct
from pathlib import PurePath
from typing import Final

from qmpx.machine.block.extents import Extents, block_size, fields, inflate
from qmpx.machine.block.image import MAX_SIZE, Image, ImageError
from qmpx.machine.block.raw import Raw
from qmpx.machine.block.storage import Storage

_SPARSE: Final = b"KDMV"
_ESX: Final = b"COWD"

MAX_DESCRIPTOR: Final = 65536
"""Bytes of a descriptor: a hundred extents."""

MAX_EXTENTS: Final = 256
"""Extents of an image: 512 GB in files of 2 GB; each takes a file descriptor."""

_SECTOR: Final = 512
_EXTENT: Final = re.compile(
    r'(RW|RDONLY|NOACCESS)\s+(\d{1,18})\s+(\w+)(?:\s+"([^"\n]*)"(?:\s+(\d{1,18}))?)?'
)
_PARENT: Final = re.compile(r'parentFileNameHint="([^"\n]*)"')

_GRAINS_COMPRESSED: Final = 1 << 16
_ZERO_GRAINS: Final = 1 << 2
_AT_END: Final = (1 << 64) - 1
"""A directory that stands in a footer, as the file was written in one go."""


def open_vmdk(storage: Storage, *, read_only: bool) -> Image:
    """Return the image that a file is, or that the descriptor in it tells of.

    Raises:
        OSError: It is neither, or it cannot be read.
    """
    is_sparse = storage.read(0, 4) in (_SPARSE, _ESX)
    kind = SparseExtent if is_sparse else Descriptor
    return kind(storage, read_only=read_only)


class SparseExtent(Extents):
    """A sparse extent, or an image that is one.

    Attributes:
        starts_at: Where it starts in the guest data of the whole image.
    """

    format = "vmdk"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        if storage.read(0, 4) == _ESX:
            size, grain, directory, count = fields(storage, "<4I", 12)
            flags, per_table, text_at, text_size = 0, 4096, 0, 0
        else:
            at = 0
            if fields(storage, "<Q", 56) == (_AT_END,):
                at = max(0, storage.size - 2 * _SECTOR)  # in a footer, see there
            (flags,) = fields(storage, "<I", at + 8)
            size, grain, text_at, text_size, per_table = fields(
                storage, "<4QI", at + 12
            )
            (directory,) = fields(storage, "<Q", at + 56)
            count = MAX_SIZE
        grain = block_size(storage, grain * _SECTOR)
        if not 0 < per_table <= 65536 or directory > MAX_SIZE // _SECTOR:
            raise ImageError(storage.filename, "an impossible table of grains")
        super().__init__(storage, size=size * _SECTOR, read_only=read_only)
        self._grain, self._per_table, self._directory = grain, per_table, directory
        self._flags, self._count = flags, count
        self.starts_at = 0
        if text_at and text_size:
            size = min(text_size * _SECTOR, MAX_DESCRIPTOR)
            text = storage.read(min(text_at * _SECTOR, MAX_SIZE), size)
            self.backing_file = parent_of(text)

    def _extent(self, offset: int) -> tuple[int | None, int]:
        index, within = divmod(offset, self._grain)
        table, place = divmod(index, self._per_table)
        entry = 0
        if table < self._count:
            at = self._number("<I", self._directory * _SECTOR + 4 * table)
            if at:
                entry = self._number("<I", at * _SECTOR + 4 * place)
        left = self._grain - within
        if not entry:
            return None, left
        if entry == 1 and self._flags & _ZERO_GRAINS:
            return -1, left
        return entry * _SECTOR + within, left

    def _read_behind(self, offset: int, size: int) -> bytes:
        return super()._read_behind(self.starts_at + offset, size)

    def _read_part(self, offset: int, size: int) -> bytes:
        if not self._flags & _GRAINS_COMPRESSED:
            return super()._read_part(offset, size)
        at, left = self._extent(offset)
        if at is None or at < 0:
            return super()._read_part(offset, size)
        within = offset % self._grain
        _, packed = struct.unpack(
            "<QI", self.storage.read(at - within, 12).ljust(12, b"\0")
        )
        if not 0 < packed <= 2 * self._grain:
            message = f"broken image: a grain of {packed} bytes"
            raise ImageError(self.filename, message, errno.EIO)
        data = self.storage.read(at - within + 12, packed)
        content = inflate(self, data, min(self._grain, self.size - offset + within))
        return content[within : within + min(size, left)]


class Descriptor(Image):
    """An image in several files."""

    format = "vmdk"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        data = storage.read(0, MAX_DESCRIPTOR + 1)
        if len(data) > MAX_DESCRIPTOR:
            raise ImageError(storage.filename, "the descriptor is too long")
        rows = _EXTENT.findall(data.decode(errors="replace"))
        if not 0 < len(rows) <= MAX_EXTENTS:
            raise ImageError(storage.filename, f"{len(rows)} extents")
        size = sum(int(sectors) * _SECTOR for _, sectors, *_ in rows)
        super().__init__(storage, size=size, read_only=read_only)
        self.backing_file = parent_of(data)
        self._parts = list[tuple[int, int, Image | None]]()  # size, offset in it, it
        try:
            for _, sectors, kind, name, start in rows:
                length = int(sectors) * _SECTOR
                part = self._open(kind, name)
                if isinstance(part, SparseExtent):
                    part.starts_at = sum(length for length, *_ in self._parts)
                self._parts.append((length, int(start or 0) * _SECTOR, part))
        except OSError:
            self._close_parts()
            raise

    def _open(self, kind: str, name: str) -> Image | None:
        if kind == "ZERO":
            return None
        if kind not in ("FLAT", "VMFS", "SPARSE", "VMFSSPARSE") or not name:
            raise ImageError(self.filename, f"not supported: a {kind} extent")
        path = PurePath(self.filename).parent / name
        storage = Storage(str(path), read_only=True)
        try:
            if kind in ("FLAT", "VMFS"):
                return Raw(storage, read_only=True)
            if storage.read(0, 4) not in (_SPARSE, _ESX):
                raise ImageError(str(path), "not a sparse extent")
            return SparseExtent(storage, read_only=True)
        except OSError:
            storage.close()
            raise

    def close(self) -> None:
        """Close it, its extents and its backing image."""
        super().close()
        self._close_parts()

    def _close_parts(self) -> None:
        for _, _, part in self._parts:
            if part is not None:
                part.backing = None  # which is ours to close
                part.close()

    def _read_part(self, offset: int, size: int) -> bytes:
        start = 0
        for length, within, part in self._parts:
            if offset < start + length:
                size = min(size, start + length - offset)
                if part is None:
                    return bytes(size)
                part.backing = self.backing
                at = within + offset - start
                there = max(0, min(size, part.size - at))
                return (part.read(at, there) if there else b"").ljust(size, b"\0")
            start += length
        message = f"no extent has byte {offset}"
        raise ImageError(self.filename, message, errno.EIO)


def parent_of(descriptor: bytes) -> str | None:
    """Return the name of the backing file that a descriptor tells of."""
    match = _PARENT.search(descriptor.decode(errors="surrogateescape"))
    return match[1] or None if match else None
