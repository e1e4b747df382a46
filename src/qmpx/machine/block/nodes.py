"""Block nodes: drivers that stand on one another, each with a name.

A node gives bytes at offsets. It may have a *file* below it that it is stored in or
passes requests to, and a *backing* node that shows through where it has nothing.
"""

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from qmpx.machine.block.storage import Statistics
from qmpx.machine.qom.order import in_table_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qmpx.machine.block.bitmaps import Bitmap, NamelessBitmap
    from qmpx.machine.block.permissions import Claim
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
        bitmaps: Dirty bitmaps by name.
        nameless: Those of jobs.
        claims: What jobs need of it.
        before_write: Told of offset and length before data are written.
        after_write: And after that.
        statistics: What went through.
        write_threshold: The offset at which a write is told of; 0 for none.
        on_threshold: Told how many bytes beyond the threshold a write went.
        detect_zeroes: As the user gave it.
    """

    driver: ClassVar[str] = ""
    is_filter: ClassVar[bool] = False
    is_for_commit = False
    """Whether it stands in front of what is committed while it is in use."""
    is_implicit = False
    """Whether who asks what is in a drive is shown what is below it instead."""

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
        self.nameless: list[NamelessBitmap] = []
        self.claims: list[Claim] = []
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
        """Bytes that it takes on the host; -1 if that is not known."""
        return 0 if self.file is None else self.file.allocated_size

    @property
    def depth(self) -> int:
        """How many nodes are behind it, one behind the other."""
        return 0 if self.backing is None else self.backing.depth + 1

    @property
    def child_name(self) -> str:
        """What the node below is called among its children."""
        return "file"

    @property
    def shows_read_only(self) -> bool:
        """Whether it is told that it can't be written."""
        return self.read_only

    @property
    def is_root(self) -> bool:
        """Whether no node and no job has it as a child."""
        return not (self.parents or self.busy)

    @property
    def follows(self) -> bool:
        """Whether it is opened anew as what stands on it is: nobody told it how."""
        return not (self.is_owned or "read-only" in self.options)

    def reached(self) -> "Iterator[Node]":
        """Yield it, and all that are below and behind it."""
        yield self
        for node in (self.file, self.backing):
            if node is not None:
                yield from node.reached()

    def own_options(self) -> dict[str, Any]:
        """Return what is needed to open it again, in QEMU's order."""
        kept = _STRONG.get(self.driver)
        told: dict[str, Any] = {
            key: value
            for key, value in self.options.items()
            if (key not in _NOT_OWN if kept is None else key in kept)
            and key != self.child_name
        }
        told = flat_options(told)
        told["driver"] = self.driver
        if self.has_other_backing:
            behind = self.backing
            told["backing"] = None if behind is None else behind.own_options()
        if self.file is not None:
            told[self.child_name] = self.file.own_options()
        return {key: told[key] for key in in_table_order(told)}

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

    def fill(self, offset: int, data: bytes | memoryview) -> None:
        """Store what it shows already: for all who look at it nothing changes.

        Raises:
            OSError: It cannot be done.
        """
        self._write(offset, data)

    def write_zeroes(self, offset: int, length: int) -> None:
        """Let these bytes read as zeros; nothing is written where they do.

        Raises:
            OSError: It cannot be done.
        """
        end = offset + length
        self.count_zeroes(end)
        for bitmap in self.bitmaps.values():
            bitmap.note(offset, length)
        while offset < end:
            kind, run = self.status(offset)
            run = min(run, end - offset, PIECE)
            if kind == "data" or (kind == "behind" and self.backing is not None):
                self.write(offset, bytes(run))
            offset += run

    def count_zeroes(self, end: int) -> None:
        """Count that zeros were written up to an offset."""
        seen = self.statistics
        seen.wr_highest_offset = max(seen.wr_highest_offset, end)
        if self.is_filter and self.file is not None:
            self.file.count_zeroes(end)

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

        1 is here, 2 in what is behind it; 0 is nowhere. Behind the end of a node that
        is shorter than the one before it are zeros of its own.

        Raises:
            OSError: It cannot be found out.
        """
        node: Node | None = self
        length, depth = max(1, self.size - offset), 0
        while node is not None:
            if offset >= node.size:
                return depth + 1, length
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
        below = self.file
        if below is not None and (not read_only or below.follows):
            below.set_read_only(read_only=read_only)
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


def flat_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return options without others in them: those have names with points."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, list):
            parts = dict(zip(map(str, range(len(value))), value, strict=True))
        elif isinstance(value, dict):
            parts = value
        else:
            flat[name] = value
            continue
        flat |= {f"{name}.{key}": each for key, each in flat_options(parts).items()}
    return flat


_NOT_OWN: Final = frozenset(
    {
        *("driver", "node-name", "read-only", "auto-read-only", "discard", "cache"),
        *("detect-zeroes", "file", "backing", "force-share"),
    }
)
"""Options that do not tell where the data of a node are."""

_STRONG: Final = {
    "file": ("filename",),
    "host_device": ("filename",),
    "null-co": ("size", "read-zeroes"),
    "null-aio": ("size", "read-zeroes"),
    "raw": ("offset", "size"),
    "throttle": ("throttle-group",),
    "copy-on-read": (),
    "qcow2": (),
}
"""Those that do, for drivers that have many that do not."""

_EXACT: Final = frozenset({"file", "host_device", "null-co", "null-aio", "nbd"})
"""Drivers whose name is that of a format that is stored there, too."""


def has_plain_name(node: Node) -> bool:
    """Whether a format that is stored in a node may be called as that is."""
    return node.driver in _EXACT and not node.filename.startswith("json:")


def as_json_name(options: dict[str, Any]) -> str:
    """Return options as a file name: ``json:{...}``."""
    import json  # few nodes are called so

    return "json:" + json.dumps(options)
