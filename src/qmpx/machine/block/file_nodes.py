"""Nodes that are files of the host, and what they are locked for."""

import errno
import os
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block import locks
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.nodes import Node, Status
from qmpx.machine.block.permissions import RESIZE, WRITE, of_drive
from qmpx.machine.block.raw import round_up
from qmpx.machine.block.storage import Storage
from qmpx.machine.files import OF_THE_HOST, SETS, HostFiles, NotLent

Needs = tuple[frozenset[int], frozenset[int]]
"""What is done with a node, and what nobody else is to do with it meanwhile."""

_LOCKS: Final = {WRITE: locks.WRITE, RESIZE: locks.RESIZE}
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
        if not drive.id:
            continue  # no device has it yet, so nobody uses it
        does.add(locks.READ)
        if not drive.shares_writes:
            against.add(locks.WRITE)
        if WRITE in of_drive(drive).perm:
            does.add(locks.WRITE)
    for claim in node.claims:
        does |= {_LOCKS[each] for each in claim.edge.perm & _LOCKS.keys()}
        against |= {_LOCKS[each] for each in _LOCKS.keys() - claim.edge.shared}
    if node.options.get("force-share") is True:
        against.clear()
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
        may = self.options.get("auto-read-only") in (True, "on")
        try:
            if may and filename.startswith(SETS):
                # QEMU opens it for reading until somebody writes, so a set needs both.
                Storage(filename, read_only=True, files=self._files).close()
            return Storage(filename, read_only=self.read_only, files=self._files)
        except NotLent as error:
            if (self.options.get("cache") or {}).get("direct"):
                error.access |= os.O_DIRECT
            raise
        except OSError as error:
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
        try:
            self._storage.truncate(size)
        except OSError as error:
            message = f"Could not resize file: {error.strerror}"
            raise OSError(error.errno, message) from error

    def lock(self) -> None:
        """Lock the file for what others do with this node.

        Raises:
            OSError: Another program, or another node, does not let us.
        """
        if self.options.get("locking") == "off":
            return
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
    """A block device of the host.

    Raises:
        GenericError: It is something else.
        OSError: It cannot be opened.
    """

    driver = "host_device"

    def _open(self) -> Storage:
        storage = super()._open()
        if storage.is_device:
            return storage
        storage.close()
        message = (
            f"'{self.driver}' driver requires '{self.filename}' to be either a "
            "character or block device"
        )
        raise GenericError(message)
