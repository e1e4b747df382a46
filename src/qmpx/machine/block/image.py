"""An image: guest data of a fixed size behind the format that it is stored in.

`Image` is what all formats share: bounds, the backing image, the key. A format that
only tells its size and its backing file leaves `_read_part` alone, and is refused when
somebody wants its data; one that cannot be written leaves `_write_part` alone.

Every failure is an `OSError`; what is wrong with an image itself is an `ImageError`.
"""

# ruff: noqa: ARG002 -- what a format does not offer is refused, whatever the arguments

import errno
import os
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from qmpx.machine.block.storage import Storage
from qmpx.machine.values import Value

if TYPE_CHECKING:
    from qmpx.machine.block.bitmaps import Bitmap

MAX_TRANSFER: Final = 32 << 20
"""Bytes of one request: far above what hardware asks for (a megabyte), and little
enough that one request neither fills the memory nor stops the machine for long."""

MAX_SIZE: Final = 1 << 62
"""Bytes of guest data that an image may claim: what offsets can name without overflow,
metadata included. Nothing is allocated because of the claim."""


class ImageError(OSError):
    """An image is not what it should be, or cannot do what is asked of it.

    Args:
        filename: The image.
        what: What is wrong, in words.
        code: Of the C library; ``EINVAL`` for a broken image.
    """

    def __init__(self, filename: str, what: str, code: int = errno.EINVAL) -> None:
        super().__init__(code, what, filename)


class Snapshot(Value, frozen=True):
    """A snapshot inside an image.

    Attributes:
        id: A number in decimal, given by the image.
        name: Given by the user; may be empty.
        state_size: Bytes of machine state that were saved with it; 0 if none.
        seconds: When it was made, since 1970.
        nanoseconds: And the fraction.
        clock: Time that the guest had run, in nanoseconds.
    """

    id: str
    name: str
    state_size: int
    seconds: int
    nanoseconds: int
    clock: int


class Image:
    """Guest data in some format.

    Args:
        storage: Where the format is stored; the image closes it.
        size: Of the guest data, in bytes.
        read_only: Whether guest data cannot be written.

    Attributes:
        format: QEMU's name of the format.
        backing_file: The name of the backing file as the image has it, or ``None``.
        backing_format: The format that the image says it has, or ``None``.
        backing: That image, opened read-only, or ``None``.
        is_encrypted: Whether data cannot be had without a key.
        has_key: Whether a key was given.
        on_write: Told of offset and size of all guest data that are written, before
            they are.
        is_dirty: Whether it was not closed well.
        cluster_size: Bytes that are stored together; 0 if there is no such unit.
        can_save: Whether it holds snapshots that can be made, loaded and deleted now.
    """

    format: ClassVar[str]

    def __init__(self, storage: Storage, *, size: int, read_only: bool) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise ImageError(storage.filename, f"impossible size of {size} bytes")
        self.storage = storage
        self.size = size
        self.read_only = read_only
        self.backing_file: str | None = None
        self.backing_format: str | None = None
        self.backing: Image | None = None
        self.is_encrypted = False
        self.has_key = False
        self.is_dirty = False
        self.cluster_size = 0
        self.can_save = False
        self.on_write: Callable[[int, int], None] | None = None

    @property
    def filename(self) -> str:
        """The name that the image was opened by, protocols included."""
        return self.storage.filename

    @property
    def depth(self) -> int:
        """How many images are behind it."""
        return 0 if self.backing is None else self.backing.depth + 1

    @property
    def lacks_key(self) -> bool:
        """Whether it, or an image behind it, still needs its key."""
        behind = self.backing is not None and self.backing.lacks_key
        return behind or (self.is_encrypted and not self.has_key)

    def read(self, offset: int, size: int) -> bytes:
        """Return *size* bytes of guest data.

        Raises:
            OSError: They cannot be had.
        """
        self._check(offset, size)
        parts = list[bytes]()
        while size:
            part = self._read_part(offset, size)
            if not part:
                raise ImageError(self.filename, "no data where some should be")
            offset, size = offset + len(part), size - len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write guest data.

        Raises:
            OSError: It cannot be written: ``EROFS``, ``ENOSPC``, ``EIO``.
        """
        self._check(offset, len(data))
        if self.read_only:
            raise ImageError(self.filename, "read-only", errno.EROFS)
        if self.on_write is not None:
            self.on_write(offset, len(data))
        view = memoryview(data)
        while view:
            written = self._write_part(offset, view)
            offset, view = offset + written, view[written:]

    def fill_zeroes(self, offset: int, size: int) -> None:
        """Have zeros of its own where it shows zeros already.

        Raises:
            OSError: As for `write`.
        """
        self.write(offset, bytes(size))

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        self.storage.flush()

    def close(self) -> None:
        """Close it, and its backing image; nothing happens if it is closed."""
        self.storage.close()
        if self.backing is not None:
            self.backing.close()

    def set_key(self, password: str) -> None:
        """Take a key; any will do, as there is nothing to check it by.

        Raises:
            ImageError: The image is not encrypted, or not in a way that takes one.
        """
        raise ImageError(self.filename, f"a {self.format} image takes no key")

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell whether guest data are the image's own, not those behind it.

        Returns:
            That, and for how many bytes from *offset* on it is so, at least.

        Raises:
            OSError: It cannot be found out.
        """
        return True, self.size - offset

    def resize(self, size: int) -> None:
        """Change the size of the guest data.

        Args:
            size: In bytes.

        Raises:
            OSError: The format cannot do that, or the host.
        """
        message = f"the size of a {self.format} image cannot be changed"
        raise ImageError(self.filename, message, errno.ENOTSUP)

    def set_backing_file(self, name: str | None, format_: str | None) -> None:
        """Let the image say what is behind it; what is open stays.

        Args:
            name: The name of the backing file; ``None`` if there is none.
            format_: Its format; ``None`` if that is to be found out.

        Raises:
            OSError: The format cannot do that, or the host.
        """
        message = os.strerror(errno.ENOTSUP)
        raise ImageError(self.filename, message, errno.ENOTSUP)

    @property
    def facts(self) -> dict[str, object]:
        """What only this format has to tell of the image; see ``format-specific``."""
        return {}

    def snapshots(self) -> list[Snapshot]:
        """Return its snapshots, oldest first; a format that has none has none."""
        return []

    def find_snapshot(self, name: str) -> Snapshot | None:
        """Return the first snapshot that has this id or this name."""
        found = (each for each in self.snapshots() if name in (each.id, each.name))
        return next(found, None)

    def save(
        self,
        name: str,
        state: Iterable[bytes] = (),
        *,
        seconds: int,
        nanoseconds: int = 0,
        clock: int = 0,
    ) -> Snapshot:
        """Make a snapshot of the guest data.

        Args:
            name: Its name; several may have the same.
            state: The machine's state, in pieces.
            seconds: The time, since 1970.
            nanoseconds: And the fraction.
            clock: Time that the guest has run, in nanoseconds.

        Raises:
            OSError: It cannot be made; guest data and snapshots are as they were.
        """
        raise self._no_snapshots()

    def read_state(self, snapshot: Snapshot, offset: int, size: int) -> bytes:
        """Return a piece of a snapshot's machine state; less, or nothing, at its end.

        Raises:
            OSError: It cannot be read, or there is no such snapshot.
        """
        raise self._no_snapshots()

    def load(self, snapshot: Snapshot) -> None:
        """Give the guest data back the content that it had.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        raise self._no_snapshots()

    def delete(self, snapshot: Snapshot) -> None:
        """Forget a snapshot.

        Raises:
            OSError: It cannot be done, or there is no such snapshot.
        """
        raise self._no_snapshots()

    @property
    def why_no_bitmaps(self) -> str:
        """Why it cannot hold dirty bitmaps, in words; empty if it can."""
        return os.strerror(errno.ENOTSUP)

    def load_bitmaps(self) -> "list[Bitmap]":
        """Return the dirty bitmaps that it holds; they are in use from now on.

        Raises:
            OSError: They cannot be read.
        """
        return []

    def store_bitmaps(self, bitmaps: "Collection[Bitmap]") -> None:
        """Hold these dirty bitmaps, and no others; they are not in use any more.

        Raises:
            OSError: They cannot be written.
        """
        if bitmaps:
            raise ImageError(self.filename, self.why_no_bitmaps, errno.ENOTSUP)

    def use_bitmaps(self) -> None:
        """Say in the image that its dirty bitmaps are in use from now on.

        Raises:
            OSError: It cannot be written.
        """

    def forget_bitmap(self, name: str) -> None:
        """Hold a dirty bitmap no more; nothing happens if it holds none so.

        Raises:
            OSError: It cannot be written.
        """

    def _no_snapshots(self) -> ImageError:
        message = f"a {self.format} image has no snapshots"
        return ImageError(self.filename, message, errno.ENOTSUP)

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= size <= MAX_TRANSFER:
            message = f"a request of {size} bytes"
            raise ImageError(self.filename, message)
        if not 0 <= offset <= offset + size <= self.size:
            message = f"bytes {offset} to {offset + size} of {self.size}"
            raise ImageError(self.filename, message, errno.EIO)

    def _read_part(self, offset: int, size: int) -> bytes:
        """Return at least one and at most *size* bytes of guest data."""
        message = f"data of {self.format} images cannot be read"
        raise ImageError(self.filename, message, errno.ENOTSUP)

    def _write_part(self, offset: int, data: memoryview) -> int:
        """Write the beginning of *data*; return how many bytes, at least one."""
        message = f"data of {self.format} images cannot be written"
        raise ImageError(self.filename, message, errno.ENOTSUP)

    def _read_behind(self, offset: int, size: int) -> bytes:
        """Return what shows where the image itself has nothing: the backing, or 0."""
        if self.backing is None or offset >= self.backing.size:
            return bytes(size)
        there = min(size, self.backing.size - offset)
        return self.backing.read(offset, there) + bytes(size - there)
