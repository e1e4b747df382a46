"""Formats of which only the header is read: size, backing file.

Their guest data are refused, with the name of the format.
"""

from typing import Final

from qmpx.machine.block.extents import SECTOR, fields
from qmpx.machine.block.image import Image, ImageError
from qmpx.machine.block.storage import Storage

_COW_NAME: Final = 1024
"""Bytes that a cow image has for the name of its backing file."""


class Cow(Image):
    """User-mode Linux's copy on write."""

    format = "cow"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        (version,) = fields(storage, ">I", 4)
        _, size = fields(storage, ">iQ", 8 + _COW_NAME)
        if version != 2:
            raise ImageError(storage.filename, f"cow version {version}")
        super().__init__(storage, size=size, read_only=read_only)
        name = storage.read(8, _COW_NAME).partition(b"\0")[0]
        self.backing_file = name.decode(errors="surrogateescape") or None


class Bochs(Image):
    """The growing image of Bochs."""

    format = "bochs"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        kind = storage.read(32, 32)
        if not kind.startswith(b"Redolog\0") or kind[16:24] != b"Growing\0":
            raise ImageError(storage.filename, "not a growing bochs image")
        version, _, _, _, _ = fields(storage, "<5I", 64)
        # Version 1 has the size where version 2 has a time, of 32 bits, before it.
        places = {0x00010000: 84, 0x00020000: 88}
        if version not in places:
            raise ImageError(storage.filename, f"bochs version {version:#x}")
        (size,) = fields(storage, "<Q", places[version])
        super().__init__(storage, size=size, read_only=read_only)


class Dmg(Image):
    """Apple's disk image: what it is stands at its end."""

    format = "dmg"

    def __init__(self, storage: Storage, *, read_only: bool) -> None:
        at = max(0, storage.size - SECTOR)
        if storage.read(at, 4) != b"koly":
            raise ImageError(storage.filename, "not a dmg image")
        (sectors,) = fields(storage, ">Q", at + 492)
        super().__init__(storage, size=sectors * SECTOR, read_only=read_only)
