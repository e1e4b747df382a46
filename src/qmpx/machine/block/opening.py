"""Opening images: protocol, format, backing files, temporary overlays, committing."""

import errno
import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from qmpx.machine.block import blkdebug
from qmpx.machine.block.image import Image, ImageError
from qmpx.machine.block.raw import SECTOR, File, HostDevice, Raw
from qmpx.machine.block.storage import Storage
from qmpx.machine.files import OF_THE_HOST, HostFiles

MAX_DEPTH: Final = 64
"""Images behind one another: a file descriptor each; a chain that leads back into
itself ends here."""

CHUNK: Final = 1 << 20
"""Bytes that are copied at once when an image is committed."""

_PROBE_SIZE: Final = 2048
"""Bytes from the beginning of a file that tell its format."""


def _later(module: str, name: str) -> Callable[..., Image]:
    """Return what opens a format whose module is imported with the first such image."""

    def open_format(storage: Storage, *, read_only: bool) -> Image:
        found = getattr(import_module(f"qmpx.machine.block.{module}"), name)
        image: Image = found(storage, read_only=read_only)
        return image

    return open_format


FORMATS: Final[dict[str, Callable[..., Image]]] = {
    "raw": Raw,
    "bochs": _later("headers", "Bochs"),
    "cloop": _later("extents", "Cloop"),
    "cow": _later("headers", "Cow"),
    "dmg": _later("headers", "Dmg"),
    "file": File,
    "host_device": HostDevice,
    "parallels": _later("extents", "Parallels"),
    "qcow": _later("extents", "Qcow"),
    "qcow2": _later("qcow2", "Qcow2"),
    "qed": _later("extents", "Qed"),
    "vdi": _later("extents", "Vdi"),
    "vmdk": _later("vmdk", "open_vmdk"),
    "vpc": _later("extents", "Vpc"),
}
"""What opens each format, by QEMU's name of it."""


_WITHOUT_MAGIC: Final = ("raw", "file", "host_device", "vpc", "dmg", "cloop")
"""Formats that an image may have whose first bytes do not tell."""


def probe(storage: Storage) -> str:
    """Return the format that a file says it has; raw if it says nothing.

    Raises:
        OSError: It cannot be read.
    """
    data = storage.read(0, _PROBE_SIZE).ljust(_PROBE_SIZE, b"\0")
    match data[:4], int.from_bytes(data[4:8], "big"):
        case b"QFI\xfb", 1:
            return "qcow"
        case b"QFI\xfb", version if version > 1:
            return "qcow2"  # later versions are refused, not taken for raw
        case ((b"KDMV" | b"COWD"), _):
            return "vmdk"
        case b"QED\0", _:
            return "qed"
        case b"OOOM", 2:
            return "cow"
    if data.startswith(b"# Disk DescriptorFile"):
        return "vmdk"
    if data[64:68] == b"\x7f\x10\xda\xbe":
        return "vdi"
    if data.startswith(b"conectix"):
        return "vpc"
    if data.startswith((b"WithoutFreeSpace", b"WithouFreSpacExt")):
        return "parallels"
    if data.startswith(b"Bochs Virtual HD Image\0"):
        return "bochs"
    if data.startswith(b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"):
        return "cloop"
    end = max(0, storage.size - SECTOR)
    is_dmg = storage.filename.lower().endswith(".dmg") and (
        storage.read(end, 4) == b"koly"
    )
    return "dmg" if is_dmg else "raw"


def open_storage(
    filename: str, *, read_only: bool, files: HostFiles = OF_THE_HOST
) -> Storage:
    """Open what a name means: a file, or one behind the rules of blkdebug.

    Args:
        filename: The name.
        read_only: Whether it is opened for reading only.
        files: What opens files.

    Raises:
        OSError: It cannot be opened.
    """
    if not filename.startswith(blkdebug.PREFIX):
        return Storage(filename, read_only=read_only, files=files)
    _, image = blkdebug.split_name(filename)
    if image.startswith(blkdebug.PREFIX):
        raise ImageError(filename, "rules behind rules")
    below = Storage(image, read_only=read_only)
    try:
        return blkdebug.DebugStorage(filename, below)
    except OSError:
        below.close()
        raise


def open_image(
    filename: str,
    *,
    format: str | None = None,  # noqa: A002 - QEMU's name for it
    read_only: bool = False,
    depth: int = 0,
) -> Image:
    """Open an image, and the images behind it.

    Args:
        filename: A file or block device, or ``blkdebug:RULES:FILE``.
        format: One of `FORMATS`; ``None`` to find it out by the header.
        read_only: Whether guest data are only to be read.
        depth: How many images are in front of it.

    Raises:
        OSError: It cannot be opened; `ImageError` if it is not what it should be.
    """
    if depth > MAX_DEPTH:
        raise ImageError(filename, f"more than {MAX_DEPTH} images behind one another")
    if format is not None and format not in FORMATS:
        raise ImageError(filename, f"unknown format {format!r}", errno.ENOTSUP)
    storage = open_storage(filename, read_only=read_only)
    try:
        found = probe(storage)
        if format not in (None, found, *_WITHOUT_MAGIC):
            raise ImageError(filename, f"not a {format} image")
        image = FORMATS[format or found](storage, read_only=read_only)
    except OSError:
        storage.close()
        raise
    try:
        if image.backing_file is not None:
            known = image.backing_format if image.backing_format in FORMATS else None
            image.backing = open_image(
                behind(filename, image.backing_file),
                format=known,
                read_only=True,
                depth=depth + 1,
            )
    except OSError:
        image.close()
        raise
    forget_statistics(storage)
    return image


def forget_statistics(storage: Storage | None) -> None:
    """Do not count what opening an image has read."""
    while storage is not None:
        storage.statistics = type(storage.statistics)()
        storage = storage.below


def behind(filename: str, backing_file: str) -> str:
    """Return the name of a backing file, seen from where we are.

    Args:
        filename: The image in front.
        backing_file: What it calls the other; relative to its own directory.
    """
    if backing_file.startswith(blkdebug.PREFIX):
        return backing_file
    if filename.startswith(blkdebug.PREFIX):
        filename = blkdebug.split_name(filename)[1]
    return str(Path(filename).parent / backing_file)


def open_overlay(
    filename: str,
    *,
    format: str | None = None,  # noqa: A002 - QEMU's name for it
) -> Image:
    """Open an image so that writes go to a temporary file in front of it.

    The file has no name any more when this returns; its place in ``/tmp``, or wherever
    temporary files are, comes back when the image is closed.

    Raises:
        OSError: The image cannot be opened, or the temporary file not be made.
    """
    from qmpx.machine.block.qcow2_header import new_image

    base = open_image(filename, format=format, read_only=True)
    size, base_format = base.size, base.format
    base.close()
    name = filename
    if not filename.startswith(blkdebug.PREFIX):
        name = os.path.realpath(filename)
    fd, path = tempfile.mkstemp(prefix="vl.")
    try:
        with os.fdopen(fd, "wb") as file:
            content = new_image(size, backing_file=name, backing_format=base_format)
            file.write(content)
        return open_image(path, format="qcow2")
    except ValueError as error:
        raise ImageError(filename, f"no overlay: {error}") from error
    finally:
        Path(path).unlink()


def commit(image: Image) -> None:
    """Write what an image has of its own into the image behind it.

    Raises:
        OSError: There is none, or one of both cannot do it.
    """
    if image.backing is None:
        raise ImageError(image.filename, "no image behind it", errno.ENOTSUP)
    base = open_image(image.backing.filename, format=image.backing.format)
    try:
        if base.size < image.size:
            base.resize(image.size)
            image.backing.size = base.size
        offset = 0
        while offset < image.size:
            is_own, length = image.allocated(offset)
            length = min(length, CHUNK, image.size - offset) if is_own else length
            if is_own:
                base.write(offset, image.read(offset, length))
            offset += length
        base.flush()
    finally:
        base.close()
