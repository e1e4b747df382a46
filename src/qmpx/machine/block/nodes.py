"""Block nodes: drivers that stand on one another, each with a name.

A node gives bytes at offsets. It may have a *file* below it that it is stored in or
passes requests to, and a *backing* node that shows through where it has nothing.
"""

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from qmpx.machine.block.image import MAX_TRANSFER, Image, Snapshot
from qmpx.machine.block.storage import Statistics, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qmpx.machine.block.bitmaps import Bitmap
    from qmpx.machine.drive import Drive

Status = Literal["data", "zero", "behind"]
"""What is at a place: data, zeros, or what shows through from behind."""

Role = Literal["file", "backing"]

PIECE: Final = 1 << 20
"""Bytes that are copied at once between nodes."""


class Node:
    """A block node.

    Args:
        name: Its name, unique in the machine.
        options: What it was made with.
        read_only: Whether it can't be written.

    Attributes:
        driver: QEMU's name of the driver.
        is_filter: Whether it has no data of its own, but those of its file.
        is_owned: Whether the user made it by name, and is to delete it.
        file: The node below.
        backing: The node behind.
        parents: Nodes that have it as a child, and as what.
        drives: Devices that use it.
        uses: What else uses it, in words: jobs and exports.
        busy: Why the graph around it must not be changed: ``block job: mirror``.
        covers: The jobs that stand in front of it, as a filter does in QEMU.
        bitmaps: Dirty bitmaps by name.
        before_write: Told of offset and length before data are written.
        after_write: And after that.
        statistics: What went through.
        write_threshold: The offset at which a write is told of; 0 for none.
        on_threshold: Told how many bytes beyond the threshold a write went.
        detect_zeroes: As the user gave it.
    """

    driver: ClassVar[str] = ""
    is_filter: ClassVar[bool] = False

    def __init__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> None:
        self.name = name
        self.options = options
        self.read_only = read_only
        self.is_owned = False
        self.file: Node | None = None
        self.backing: Node | None = None
        self.parents: list[tuple[Node, Role]] = []
        self.drives: list[Drive] = []
        self.uses: list[str] = []
        self.busy: list[str] = []
        self.covers: list[str] = []
        self.bitmaps: dict[str, Bitmap] = {}
        self.before_write: list[Callable[[int, int], None]] = []
        self.after_write: list[Callable[[int, int], None]] = []
        self.statistics = Statistics()
        self.write_threshold = 0
        self.on_threshold: Callable[[Node, int], None] | None = None
        self.detect_zeroes = str(options.get("detect-zeroes", "off"))

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return 0 if self.file is None else self.file.size

    @property
    def filename(self) -> str:
        """What it is called in texts: a file name, or its options as ``json:{...}``."""
        return as_json_name(self.own_options())

    @property
    def allocated_size(self) -> int:
        """Bytes that it takes on the host."""
        return 0 if self.file is None else self.file.allocated_size

    @property
    def depth(self) -> int:
        """How many nodes are behind it, one behind the other."""
        return 0 if self.backing is None else self.backing.depth + 1

    def own_options(self) -> dict[str, Any]:
        """Return what is needed to open it again."""
        told = dict[str, Any]()
        if "throttle-group" in self.options:
            told["throttle-group"] = self.options["throttle-group"]
        if self.has_other_backing:
            behind = self.backing
            told["backing"] = None if behind is None else behind.own_options()
        told["driver"] = self.driver
        told |= {k: v for k, v in self.options.items() if k not in _NOT_OWN}
        if self.file is not None:
            told["file"] = self.file.own_options()
        return told

    @property
    def has_other_backing(self) -> bool:
        """Whether what is behind it is not what it would have by itself."""
        return self.backing is not None

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes; zeros behind its end.

        Raises:
            OSError: They cannot be had.
        """
        self.statistics.count_read(size)
        there = max(0, min(size, self.size - offset))
        data = self._read(offset, there) if there else b""
        return data + bytes(size - there)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes.

        Raises:
            OSError: It cannot be done.
        """
        if self.read_only:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), self.filename)
        length = len(data)
        for hook in tuple(self.before_write):
            hook(offset, length)
        self._write(offset, data)
        self.statistics.count_write(offset, length)
        for bitmap in self.bitmaps.values():
            bitmap.note(offset, length)
        for hook in tuple(self.after_write):
            hook(offset, length)
        if self.write_threshold and offset + length > self.write_threshold:
            exceeded = offset + length - self.write_threshold
            threshold, told = self.write_threshold, self.on_threshold
            if told is not None:
                told(self, exceeded)
            if self.write_threshold == threshold:
                self.write_threshold = 0

    def write_zeroes(self, offset: int, length: int) -> None:
        """Let these bytes read as zeros; nothing is written where they do.

        Raises:
            OSError: It cannot be done.
        """
        end = offset + length
        while offset < end:
            kind, run = self.status(offset)
            run = min(run, end - offset, PIECE)
            if kind == "data" or (kind == "behind" and self.backing is not None):
                self.write(offset, bytes(run))
            offset += run

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell what is at a place, and for how many bytes from there it is so.

        Raises:
            OSError: It cannot be found out.
        """
        if self.file is not None:
            return self.file.status(offset)
        return "data", max(1, self.size - offset)

    def status_above(self, offset: int, base: "Node | None") -> tuple[Status, int]:
        """The same for it and all nodes behind it that are before *base*.

        ``behind`` then is what comes from the base.
        """
        node: Node | None = self
        length = max(1, self.size - offset)
        while node is not None and node is not base:
            if offset >= node.size:
                return "zero", length
            kind, run = node.status(offset)
            length = min(length, run)
            if kind != "behind":
                return kind, length
            node = node.file if node.is_filter else node.backing
        return ("zero" if node is None else "behind"), length

    def depth_at(self, offset: int) -> tuple[int, int]:
        """Tell how far behind the data of a place are, and for how many bytes it is so.

        1 is here, 2 in what is behind it; 0 is nowhere.

        Raises:
            OSError: It cannot be found out.
        """
        node: Node | None = self
        length, depth = max(1, self.size - offset), 0
        while node is not None and offset < node.size:
            kind, run = node.status(offset)
            length = min(length, run)
            depth += not node.is_filter
            if kind != "behind" and not node.is_filter:
                return depth, length
            node = node.file if node.is_filter else node.backing
        return 0, length

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        if self.file is not None:
            self.file.flush()

    def resize(self, size: int) -> None:  # noqa: ARG002 - drivers that can do it
        """Change its size.

        Raises:
            OSError: It cannot be done.
        """
        message = "Image format driver does not support resize"
        raise OSError(errno.ENOTSUP, message)

    def set_read_only(self, *, read_only: bool) -> None:
        """Let it be read only, or not, with what it is stored in.

        Raises:
            OSError: It cannot be written.
        """
        if self.file is not None and not read_only:
            self.file.set_read_only(read_only=False)
        self.read_only = read_only

    def set_backing(self, node: "Node | None") -> None:
        """Put another node behind it."""
        if self.backing is not None:
            self.backing.parents.remove((self, "backing"))
        self.backing = node
        if node is not None:
            node.parents.append((self, "backing"))

    def set_file(self, node: "Node | None") -> None:
        """Put another node below it."""
        if self.file is not None:
            self.file.parents.remove((self, "file"))
        self.file = node
        if node is not None:
            node.parents.append((self, "file"))

    def close(self) -> None:
        """Let go of what it holds of the host; nothing is read or written any more."""

    def _read(self, offset: int, size: int) -> bytes:
        if self.file is None:
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))
        return self.file.read(offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        if self.file is None:
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))
        self.file.write(offset, data)


_NOT_OWN: Final = frozenset(
    {
        *("driver", "node-name", "read-only", "auto-read-only", "discard", "cache"),
        *("detect-zeroes", "file", "backing", "force-share"),
    }
)
"""Options that do not tell where the data of a node are."""


def as_json_name(options: dict[str, Any]) -> str:
    """Return options as a file name: ``json:{...}``."""
    import json  # few nodes are called so

    return "json:" + json.dumps(options)


class NodeStorage(Storage):
    """A node, as the storage of an image format.

    Args:
        node: What the format is stored in; who made it closes it.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        super().__init__(node.filename, read_only=False)

    def _open(self, filename: str) -> int:  # noqa: ARG002 - the node is open
        return -1

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.node.size

    @property
    def allocated(self) -> int:
        """Bytes that it takes on the host."""
        return self.node.allocated_size

    def event(self, name: str) -> None:
        """Pass on what the format is about to do, to rules that wait for it."""
        hear = getattr(self.node, "hear", None)
        if hear is not None:
            hear(name)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes; fewer at the end.

        Raises:
            OSError: They cannot be had.
        """
        self._check(offset)
        there = max(0, min(size, self.node.size - offset))
        return self.node.read(offset, there) if there else b""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes; behind the end it grows.

        Raises:
            OSError: They cannot be written.
        """
        self._check(offset)
        self.node.write(offset, data)

    def truncate(self, size: int) -> None:
        """Make it that long.

        Raises:
            OSError: It cannot be done.
        """
        self.node.resize(size)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        self.node.flush()

    def close(self) -> None:
        """Do nothing: who made the node closes it."""


class NodeView(Image):
    """A node, as an image: what is behind another image, or in a drive.

    Args:
        node: Whose data they are.
    """

    format = "node"

    def __init__(self, node: Node) -> None:
        self._node = node
        super().__init__(NodeStorage(node), size=node.size, read_only=node.read_only)

    @property
    def size(self) -> int:
        """Bytes of the node."""
        return self._node.size

    @size.setter
    def size(self, size: int) -> None:
        """Take no notice: the node knows."""

    @property
    def node(self) -> Node:
        """Whose data they are."""
        return self._node

    @property
    def inner(self) -> Image | None:
        """The image in the node, or in what it shows; ``None`` if there is none."""
        node: Node | None = self._node
        while node is not None and node.is_filter:
            node = node.file
        found = getattr(node, "image", None)
        return found if isinstance(found, Image) else None

    @property
    def can_save(self) -> bool:
        """Whether snapshots can be made, loaded and deleted now."""
        return self.inner is not None and self.inner.can_save

    @can_save.setter
    def can_save(self, can: bool) -> None:
        """Take no notice: the image knows."""

    def allocated(self, offset: int) -> tuple[bool, int]:
        """Tell whether guest data are the node's own, not those behind it.

        Raises:
            OSError: It cannot be found out.
        """
        kind, run = self._node.status(offset)
        return kind != "behind", run

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots of the image, oldest first."""
        return [] if self.inner is None else self.inner.snapshots()

    def save(
        self,
        name: str,
        state: "Iterable[bytes]" = (),
        *,
        seconds: int,
        nanoseconds: int = 0,
        clock: int = 0,
    ) -> Snapshot:
        """Make a snapshot of the guest data; see `Image.save`.

        Raises:
            OSError: It cannot be made.
        """
        return self._saving().save(
            name, state, seconds=seconds, nanoseconds=nanoseconds, clock=clock
        )

    def read_state(self, snapshot: Snapshot, offset: int, size: int) -> bytes:
        """Return a piece of a snapshot's machine state; less, or nothing, at its end.

        Raises:
            OSError: It cannot be read.
        """
        return self._saving().read_state(snapshot, offset, size)

    def load(self, snapshot: Snapshot) -> None:
        """Give the guest data back the content that it had.

        Raises:
            OSError: It cannot be done.
        """
        self._saving().load(snapshot)

    def delete(self, snapshot: Snapshot) -> None:
        """Forget a snapshot.

        Raises:
            OSError: It cannot be done.
        """
        self._saving().delete(snapshot)

    def _saving(self) -> Image:
        if self.inner is None:
            raise self._no_snapshots()
        return self.inner

    def read(self, offset: int, size: int) -> bytes:
        """Return *size* bytes of the node.

        Raises:
            OSError: They cannot be had.
        """
        self._check(offset, size)
        return self._node.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Write to the node.

        Raises:
            OSError: It cannot be written.
        """
        self._check(offset, len(data))
        self._node.write(offset, data)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        self._node.flush()

    def resize(self, size: int) -> None:
        """Change the size of the node.

        Raises:
            OSError: It cannot be done.
        """
        self._node.resize(size)

    def close(self) -> None:
        """Do nothing: who made the node closes it."""


def copy(
    source: Node,
    target: Node,
    offset: int,
    length: int,
    base: Node | None = None,
    *,
    through: bool = True,
) -> None:
    """Copy data from one node to another, zeros as zeros.

    Args:
        source: From where.
        target: Where to.
        offset: The first byte.
        length: How many.
        base: Where what comes from behind begins.
        through: Whether what comes from the base is copied, too.

    Raises:
        OSError: It cannot be read or written.
    """
    end = min(offset + length, source.size)
    while offset < end:
        kind, run = source.status_above(offset, base)
        run = min(run, end - offset, PIECE, MAX_TRANSFER)
        if kind == "data" or (kind == "behind" and through):
            data = source.read(offset, run)
            target.write(offset, data)
        elif kind == "zero":
            target.write_zeroes(offset, run)
        offset += run
