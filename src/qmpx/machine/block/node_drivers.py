"""The drivers of block nodes: files, formats, filters, nothing."""

import errno
import os
from typing import Any, ClassVar, Final, Protocol

from qmpx.machine.block import locks, opening
from qmpx.machine.block.debug_config import CONFIG_RULES
from qmpx.machine.block.image import Image, ImageError
from qmpx.machine.block.nodes import Node, NodeStorage, NodeView, Status
from qmpx.machine.block.raw import SECTOR, round_up
from qmpx.machine.block.storage import Storage
from qmpx.machine.files import OF_THE_HOST, HostFiles

NULL_SIZE: Final = 1 << 30
"""Bytes of a null node, if nothing is said: QEMU's figure."""


Needs = tuple[frozenset[int], frozenset[int]]
"""What is done with a node, and what nobody else is to do with it meanwhile."""

_FIXED: Final = frozenset({locks.WRITE, locks.RESIZE})


def needs(node: Node) -> Needs:
    """Return what a node is used for, by all that stand on it."""
    does, against = set[int](), set[int]()
    for parent, role in node.parents:
        if role == "backing" or isinstance(parent, FormatNode):
            does.add(locks.READ)
            against |= _FIXED
            if role == "file" and not parent.read_only:
                does |= _FIXED
        else:
            more, less = needs(parent)
            does |= more
            against |= less
    for drive in node.drives:
        does.add(locks.READ)
        against.add(locks.WRITE)
        if not drive.is_read_only:
            does.add(locks.WRITE)
    if node.uses:
        does |= {locks.READ, locks.WRITE} if not node.read_only else {locks.READ}
    return frozenset(does), frozenset(against)


class FileNode(Node):
    """A file of the host.

    Args:
        name: Its name.
        options: What it was made with.
        read_only: Whether it can't be written.
        files: What opens files.

    Raises:
        OSError: It cannot be opened.
    """

    driver = "file"

    def __init__(
        self,
        name: str,
        options: dict[str, Any],
        *,
        read_only: bool = False,
        files: HostFiles = OF_THE_HOST,
    ) -> None:
        super().__init__(name, options, read_only=read_only)
        self._files = files
        self._storage = self._open()
        self._locked: Needs = (frozenset(), frozenset())

    def _open(self) -> Storage:
        filename = str(self.options["filename"])
        try:
            return Storage(filename, read_only=self.read_only, files=self._files)
        except OSError as error:
            may = self.options.get("auto-read-only") in (True, "on")
            is_refused = error.errno in (errno.EACCES, errno.EROFS, errno.EPERM)
            if self.read_only or not may or not is_refused:
                raise
        self.read_only = True
        return Storage(filename, read_only=True, files=self._files)

    @property
    def size(self) -> int:
        """Bytes of the file, in whole sectors."""
        return round_up(self._storage.size)

    @property
    def filename(self) -> str:
        """The file's name."""
        return str(self.options["filename"])

    @property
    def allocated_size(self) -> int:
        """Bytes that it takes on the host."""
        return self._storage.allocated

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell whether there are data or a hole, and for how many bytes."""
        return self._storage.hole(offset)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        self._storage.flush()

    def resize(self, size: int) -> None:
        """Make the file that long.

        Raises:
            OSError: The host cannot.
        """
        self._storage.truncate(size)

    def lock(self) -> None:
        """Lock the file for what others do with this node.

        Raises:
            OSError: Another program, or another node, does not let us.
        """
        wanted = needs(self)
        if wanted != self._locked:
            self._locked = (frozenset(), frozenset())
            try:
                self._storage.lock(*wanted)
            except OSError as error:  # what QEMU adds, where a person reads it
                error.add_note(f"Is another process using the image [{self.filename}]?")
                raise
            self._locked = wanted

    def unlock(self) -> None:
        """Give up all locks, as somebody else owns the file from now on.

        Raises:
            OSError: The host cannot.
        """
        self._locked = (frozenset(), frozenset())
        self._storage.lock(*self._locked)

    def set_read_only(self, *, read_only: bool) -> None:
        """Open it anew for reading only, or for writing.

        Raises:
            OSError: It cannot be opened.
        """
        if read_only == self.read_only:
            return
        storage = Storage(self.filename, read_only=read_only, files=self._files)
        self._storage.close()
        self._storage, self.read_only = storage, read_only
        self._locked = (frozenset(), frozenset())
        self.lock()

    def close(self) -> None:
        """Close the file."""
        self._storage.close()

    def _read(self, offset: int, size: int) -> bytes:
        return self._storage.read(offset, size).ljust(size, b"\0")

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        self._storage.write(offset, data)


class HostDeviceNode(FileNode):
    """A block device of the host."""

    driver = "host_device"


class NullNode(Node):
    """Nothing: reads zeros, forgets what is written."""

    driver = "null-co"

    @property
    def size(self) -> int:
        """Bytes, as its options say."""
        return int(self.options.get("size", NULL_SIZE))

    @property
    def filename(self) -> str:
        """``null-co://``, or its options."""
        told = self.own_options()
        return f"{self.driver}://" if len(told) == 1 else super().filename

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell that there are data, or zeros if it was told to read as such."""
        is_zero = self.options.get("read-zeroes") in (True, "on")
        return ("zero" if is_zero else "data"), max(1, self.size - offset)

    def flush(self) -> None:
        """Do nothing."""

    def _read(self, offset: int, size: int) -> bytes:  # noqa: ARG002 - all is zero
        return bytes(size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        """Forget it."""


class NullAsyncNode(NullNode):
    """The same under the name of QEMU's other interface."""

    driver = "null-aio"


class RawNode(Node):
    """The data as they are below; perhaps a part of them."""

    driver = "raw"

    @property
    def _offset(self) -> int:
        return int(self.options.get("offset", 0))

    @property
    def size(self) -> int:
        """Bytes of the part."""
        below = 0 if self.file is None else self.file.size
        return int(self.options.get("size", round_up(below) - self._offset))

    @property
    def filename(self) -> str:
        """The name of what is below, if it shows all of it."""
        if self.file is not None and not {"offset", "size"} & self.options.keys():
            return self.file.filename
        return super().filename

    def status(self, offset: int) -> tuple[Status, int]:
        """Tell what is below."""
        kind, run = super().status(offset + self._offset)
        return kind, run

    def resize(self, size: int) -> None:
        """Make what is below that long.

        Raises:
            OSError: It cannot be done.
        """
        if self.file is None or {"offset", "size"} & self.options.keys():
            message = "Image format driver does not support resize"
            raise OSError(errno.ENOTSUP, message)
        self.file.resize(size)

    def _read(self, offset: int, size: int) -> bytes:
        return super()._read(offset + self._offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        super()._write(offset + self._offset, data)


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
            raise ImageError(file.filename, f"Image is not in {driver} format")
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
        if self.file is None or self.has_other_backing:
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

    def _read(self, offset: int, size: int) -> bytes:
        return self.image.read(offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        self.image.write(offset, bytes(data))


class FilterNode(Node):
    """Passes everything on to the node below."""

    is_filter: ClassVar[bool] = True

    def resize(self, size: int) -> None:
        """Change the size of what is below.

        Raises:
            OSError: It cannot be done.
        """
        if self.file is not None:
            self.file.resize(size)


class ThrottleNode(FilterNode):
    """Counts what goes through with a group that holds it back."""

    driver = "throttle"


class CopyOnReadNode(FilterNode):
    """Writes into the node below what was read from behind it."""

    driver = "copy-on-read"

    def _read(self, offset: int, size: int) -> bytes:
        data = super()._read(offset, size)
        below = self.file
        if below is None or below.read_only:
            return data
        at, end = offset, offset + size
        while at < end:
            kind, run = below.status(at)
            run = min(run, end - at)
            if kind == "behind":
                below.write(at, data[at - offset : at - offset + run])
            at += run
        return data


class DebugNode(FilterNode):
    """Fails as its rules say."""

    driver = "blkdebug"

    def __init__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> None:
        told: dict[str, Any] = options.pop(CONFIG_RULES, {})
        super().__init__(name, options, read_only=read_only)
        self._rules = [dict(rule) for rule in options.get("inject-error", ())]
        self._moves = [
            dict(rule)
            for rule in (*options.get("set-state", ()), *told.get("set-state", ()))
        ]
        self._waiting = list(told.get("inject-error", ()))
        self._state = 1

    def hear(self, event: str) -> None:
        """Follow the rules that wait for this event."""
        state = self._state
        for rule in self._waiting:
            if rule["event"] == event and rule.get("state", 0) in (0, state):
                self._rules.append(rule)
        for rule in self._moves:
            if rule["event"] == event and rule.get("state", 0) in (0, state):
                self._state = int(rule["new_state"])

    def _fail(self, kind: str, offset: int, size: int) -> None:
        for rule in self._rules:
            if rule.get("state", 0) not in (0, self._state):
                continue
            if rule.get("iotype") not in (None, kind):
                continue
            at = rule.get("sector", -1)
            if at != -1 and not offset <= at * SECTOR < offset + size:
                continue
            if rule.get("once"):
                self._rules.remove(rule)
            code = int(rule.get("errno", errno.EIO))
            raise OSError(code, os.strerror(code))

    def _read(self, offset: int, size: int) -> bytes:
        self._fail("read", offset, size)
        return super()._read(offset, size)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        self._fail("write", offset, len(data))
        super()._write(offset, data)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not, or the rules say so.
        """
        self._fail("flush", 0, 0)
        super().flush()


class _Maker(Protocol):
    def __call__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> Node: ...


FILES: Final[dict[str, type[FileNode]]] = {
    "file": FileNode,
    "host_device": HostDeviceNode,
}
"""Drivers that open a file of the host."""

PROTOCOLS: Final[dict[str, _Maker]] = {
    **FILES,
    "null-co": NullNode,
    "null-aio": NullAsyncNode,
}
"""Drivers that stand on nothing."""

FILTERS: Final[dict[str, _Maker]] = {
    "raw": RawNode,
    "throttle": ThrottleNode,
    "copy-on-read": CopyOnReadNode,
    "blkdebug": DebugNode,
}
"""Drivers that show what is below them."""

WRITABLE: Final = frozenset({"qcow2"})
"""Formats whose images can be written."""

FORMATS: Final = frozenset(opening.FORMATS) - {"raw", "file", "host_device", "cow"}
"""Formats of images."""
