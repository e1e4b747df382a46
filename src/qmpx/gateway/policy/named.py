"""What arguments name that only somebody with eyes can judge. Pure.

A name that lies in a directory may lead out of it by a symbolic link, and an image may
name another file in its header. A policy reads neither; it says what to look at.
"""

from typing import Final

from msgspec import Struct, field

_MAGIC: Final = b"QFI\xfb"
_FEATURES: Final = slice(72, 80)
_EXTERNAL_DATA: Final = 1 << 2

HEADER_SIZE: Final = 80
"""Bytes of an image that are read: a qcow2 header up to its incompatible features
(QEMU, docs/interop/qcow2.txt)."""


class Named(Struct):
    """What is to be looked at before a command goes on.

    Attributes:
        files: Files that must really lie where their names say.
        images: Files whose headers will be read as qcow2.
        nodes: Block nodes of which the same holds.
    """

    files: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.files or self.images or self.nodes)


def has_data_file(header: bytes) -> bool:
    """Whether a qcow2 image keeps its data in a file that its header names.

    Args:
        header: The image's first `HEADER_SIZE` bytes; may be of something else.
    """
    if len(header) < HEADER_SIZE or not header.startswith(_MAGIC):
        return False
    version = int.from_bytes(header[4:8], "big")
    features = int.from_bytes(header[_FEATURES], "big")
    return version >= 3 and bool(features & _EXTERNAL_DATA)
