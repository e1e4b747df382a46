"""Nodes that are images of some format, stored in the node below."""

import struct
from typing import Any, Final

from qmpx.machine.block import opening
from qmpx.machine.block.bitmaps import DEFAULT_GRANULARITY
from qmpx.machine.block.image import Image, ImageError
from qmpx.machine.block.node_images import NodeStorage, NodeView
from qmpx.machine.block.nodes import Node, Status, has_plain_name

_MAGIC: Final = 512  # bytes in which formats say what they are


def default_granularity(node: Node) -> int:
    """Return how many bytes a bit of a bitmap stands for, if nothing else is said."""
    if isinstance(node, FormatNode) and node.image.cluster_size:
        return min(max(node.image.cluster_size, 4096), DEFAULT_GRANULARITY)
    return DEFAULT_GRANULARITY


def _why_not(driver: str, head: bytes) -> str:
    """Return why what begins so is no image of a format, in QEMU's words."""
    match driver:
        case "vmdk" if not head.strip(b"\0"):
            return "File is too small, not a valid image"
        case "vmdk":
            return "invalid VMDK image descriptor"
        case "qed" | "parallels" | "bochs" | "qcow":
            names = {"qed": "QED", "parallels": "Parallels", "bochs": "Bochs"}
            return f"Image not in {names.get(driver, driver)} format"
        case "vdi":
            (signature,) = struct.unpack("<I", head[64:68].ljust(4, b"\0"))
            return f"Image not in VDI format (bad signature {signature:08x})"
    return f"Image is not in {driver} format"


class FormatNode(Node):
    """An image of some format, stored in the node below.

    Attributes:
        image: The format.
        expected_backing: What the node behind it is called if nobody has chosen it.
        has_bitmaps: Whether the dirty bitmaps of the image are here, to be stored when
            somebody else may want them.
    """

    driver = ""

    def __init__(
        self,
        name: str,
        driver: str,
        options: dict[str, Any],
        file: Node,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(name, options, read_only=read_only)
        self.driver = driver  # type: ignore[misc] # one class for many formats
        storage = NodeStorage(file)
        found = opening.probe(storage)
        if found != driver and driver not in ("vpc", "dmg", "cloop"):
            raise ImageError(file.filename, _why_not(driver, storage.read(0, _MAGIC)))
        self.image: Image = opening.FORMATS[driver](storage, read_only=read_only)
        opening.forget_statistics(storage)
        self.expected_backing = self.image.backing_file or ""
        self.has_bitmaps = False
        self.set_file(file)

    def load_bitmaps(self) -> None:
        """Take over the dirty bitmaps that the image holds.

        Raises:
            OSError: They cannot be read.
        """
        for bitmap in self.image.load_bitmaps():
            self.bitmaps[bitmap.name] = bitmap
        self.has_bitmaps = True

    def store_bitmaps(self) -> None:
        """Let the image hold what was noted in its dirty bitmaps, if it can be written.

        Raises:
            OSError: They cannot be written.
        """
        if self.has_bitmaps and not self.read_only:
            all_here = self.bitmaps.values()
            kept = [each for each in all_here if each.persistent and not each.is_moved]
            self.image.store_bitmaps(kept)

    def release_bitmaps(self) -> None:
        """Leave the dirty bitmaps to the image: somebody else may have it now.

        Raises:
            OSError: They cannot be written.
        """
        self.store_bitmaps()
        self.has_bitmaps = False
        for name, bitmap in list(self.bitmaps.items()):
            if bitmap.persistent:
                del self.bitmaps[name]

    def reload(self) -> None:
        """Read the image's tables anew, as somebody else may have written them.

        Raises:
            OSError: It is no such image any more.
        """
        if self.file is not None:
            storage = NodeStorage(self.file)
            self.image = opening.FORMATS[self.driver](storage, read_only=self.read_only)
            self.image.backing = (
                None if self.backing is None else NodeView(self.backing)
            )

    @property
    def size(self) -> int:
        """Bytes of guest data."""
        return self.image.size

    @property
    def filename(self) -> str:
        """The name of what it is stored in, if its header tells what is behind it."""
        if self.file is None or self.has_other_backing or not has_plain_name(self.file):
            return super().filename
        return self.file.filename

    @property
    def has_other_backing(self) -> bool:
        """Whether what is behind it is not what its header tells."""
        actual = "" if self.backing is None else self.backing.filename
        return self.expected_backing != actual

    def write_backing_file(self, name: str | None, format_: str | None) -> None:
        """Let the header say what is behind it.

        Raises:
            OSError: It cannot be written.
        """
        self.image.set_backing_file(name, format_)
        self.expected_backing = name or ""

    @property
    def full_backing_file(self) -> str:
        """The name of the backing file in the header, seen from here; empty if none."""
        if self.image.backing_file is None or self.file is None:
            return ""
        return opening.behind(self.file.filename, self.image.backing_file)

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell whether the image has something of its own at a place."""
        is_own, run = self.image.allocated(offset)
        return ("data" if is_own else "behind"), max(1, run)

    def resize(self, size: int) -> None:
        """Change the size of the guest data.

        Raises:
            OSError: It cannot be done.
        """
        self.image.resize(size)

    def set_read_only(self, *, read_only: bool) -> None:
        """Let it be read only, or not.

        Raises:
            OSError: It cannot be written.
        """
        if read_only:
            self.store_bitmaps()
        super().set_read_only(read_only=read_only)
        self.image.read_only = read_only
        if self.has_bitmaps and not read_only:
            self.image.use_bitmaps()

    def set_file(self, node: Node | None) -> None:
        """Put another node below it, which holds the same image."""
        super().set_file(node)
        storage = self.image.storage
        if node is not None and isinstance(storage, NodeStorage):
            storage.node = node

    def set_backing(self, node: Node | None) -> None:
        """Put another node behind it; its header is left as it is."""
        super().set_backing(node)
        self.image.backing = None if node is None else NodeView(node)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        if not self.read_only:
            self.image.flush()

    def fill(self, offset: int, data: bytes | memoryview) -> None:
        """Store what it shows already, zeros as such if the format has them.

        Raises:
            OSError: It cannot be done.
        """
        content = bytes(data)
        if content.count(0) == len(content):
            self.image.fill_zeroes(offset, len(content))
        else:
            self.image.write(offset, content)

    def _read(self, offset: int, size: int) -> bytes:
        return self.image.read(offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        self.image.write(offset, bytes(data))
