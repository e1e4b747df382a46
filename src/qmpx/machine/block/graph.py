"""The block graph of a machine: nodes by name, made, joined, exchanged and deleted.

Source: QEMU 7.2.22, observed.
"""

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block import opening
from qmpx.machine.block.image import ImageError
from qmpx.machine.block.node_drivers import (
    FILES,
    FILTERS,
    FORMATS,
    PROTOCOLS,
    WRITABLE,
    FileNode,
    FormatNode,
)
from qmpx.machine.block.nodes import Node, NodeView
from qmpx.machine.block.permissions import check_drive
from qmpx.machine.drive import Drive, Medium
from qmpx.machine.files import NotLent
from qmpx.machine.happenings import WriteThresholdReached
from qmpx.machine.qom.order import in_table_order
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine import Machine
    from qmpx.machine.block.exports import Exports
    from qmpx.machine.block.jobs import Jobs
    from qmpx.machine.block.pacing import Pacing
    from qmpx.machine.block.throttling import Limits

MAX_NODES: Final = 4096
"""Nodes of one machine: each may hold a file; libvirt needs two for each image."""

MAX_NAME: Final = 31
"""Bytes of a node's name: QEMU's figure."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_CHANGEABLE: Final = frozenset(
    {
        *("node-name", "read-only", "auto-read-only", "discard", "cache", "file"),
        *("detect-zeroes", "force-share", "backing"),
    }
)
_HAVE_BACKING: Final = frozenset({"qcow2", "qcow", "qed", "vmdk"})
_READ_ONLY: Final = frozenset({"bochs", "cloop", "dmg"})
_FIXED: Final = {
    "file": ("filename",),
    "host_device": ("filename",),
    "null-co": ("size", "latency-ns", "read-zeroes"),
    "null-aio": ("size", "latency-ns", "read-zeroes"),
}
_CHILDREN: Final = frozenset({"file", "image", "raw", "test", "target", "log"})


class BlockGraph:
    """The block nodes of a machine.

    Args:
        machine: The machine, whose drives use nodes.

    Attributes:
        machine: That machine.
        nodes: All nodes by name, oldest first.
        limits: What drives are held to, by the drive's ``device`` or ``id``.
    """

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.nodes: dict[str, Node] = {}
        self.limits: dict[str, Limits] = {}
        self._numbers = itertools.count(1)

    @cached_property
    def jobs(self) -> "Jobs":
        """The jobs."""
        from qmpx.machine.block.jobs import Jobs

        return Jobs(self)

    @cached_property
    def pacing(self) -> "Pacing":
        """What throttle groups hold back."""
        from qmpx.machine.block.pacing import Pacing

        return Pacing(self)

    @cached_property
    def exports(self) -> "Exports":
        """What is exported, and the NBD server."""
        from qmpx.machine.block.exports import Exports

        return Exports(self)

    def close(self) -> None:
        """Close all nodes, and what serves them."""
        if "exports" in self.__dict__:
            self.exports.close()
        for drive in self.machine.drives.values():
            if self.node_in(drive) is not None:
                drive.take(None)
        for node in self.nodes.values():
            if isinstance(node, FormatNode):
                with contextlib.suppress(OSError):  # nobody is left to be told
                    node.store_bitmaps()
        for node in self.nodes.values():
            node.close()
        self.nodes.clear()

    # finding

    def node(self, name: str) -> Node:
        """Return a node by its name, or that of the drive it is in.

        Raises:
            GenericError: There is none.
        """
        found = self.find(name)
        if found is None:
            message = f"Cannot find device='{name}' nor node-name='{name}'"
            raise GenericError(message)
        return found

    def find(self, name: str) -> Node | None:
        """Return a node by the drive it is in, or its own name; ``None``: none."""
        drive = self.machine.drives.get(name)
        if drive is not None and drive.device == name:
            return self.node_in(drive)
        return self.nodes.get(name)

    def back_end(self, name: str) -> Node | None:
        """Return what is in the drive with a back end of that name; ``None``: none."""
        drive = self.machine.drives.get(name)
        if drive is None or drive.device != name:
            return None
        return self.node_in(drive)

    def node_in(self, drive: Drive) -> Node | None:
        """Return the node that is in a drive."""
        for node in self.nodes.values():
            if drive in node.drives:
                return node
        return None

    def chain(self, node: Node | None) -> Iterator[Node]:
        """Yield a node and those behind it, filters among them."""
        while node is not None:
            yield node
            node = node.file if node.is_filter else node.backing

    # making

    def add(self, options: dict[str, Any]) -> Node:
        """Make a node as its user wants it.

        Args:
            options: As in ``blockdev-add``.

        Raises:
            GenericError: It cannot be made; QEMU's text.
        """
        self.check(options)
        node = self.open(options)
        node.is_owned = True
        return node

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        """Make sure that what a user wants has a driver and a name.

        Raises:
            GenericError: It has not.
        """
        _require(options)
        if "node-name" not in options:
            message = "'node-name' must be specified for the root node"
            raise GenericError(message)

    @staticmethod
    def drivers() -> frozenset[str]:
        """Return the names of all drivers."""
        return frozenset({*PROTOCOLS, *FILTERS, *FORMATS, "nbd"})

    def open(
        self, options: dict[str, Any], *, read_only: bool = False, depth: int = 0
    ) -> Node:
        """Make a node with all that it needs.

        Args:
            options: As in ``blockdev-add``.
            read_only: Whether it is, if the options do not tell.
            depth: How many images are in front of it.

        Raises:
            GenericError: It cannot be made.
        """
        _require(options)
        name = options.get("node-name")
        made = list[Node]()
        try:
            node = self._open(name, dict(options), read_only, made, depth)
            self.lock()
            self._load_bitmaps(made)
        except OSError as error:
            self._undo(made)
            raise GenericError(_words(error, options)) from error
        except GenericError:
            self._undo(made)
            raise
        return node

    def open_file(
        self,
        filename: str,
        format_: str | None = None,
        *,
        read_only: bool = False,
        node_name: str | None = None,
        has_backing: bool = True,
    ) -> Node:
        """Make the nodes for an image file.

        Args:
            filename: The file.
            format_: Its format; ``None`` to find it out.
            read_only: Whether it can't be written.
            node_name: What the node is called; ``None``: anything.
            has_backing: Whether what its header names is put behind it.

        Raises:
            GenericError: It cannot be opened.
        """
        file: dict[str, Any] = {"driver": "file", "filename": filename}
        if format_ is None:
            try:
                storage = opening.open_storage(
                    filename, read_only=True, files=self.machine.files
                )
                try:
                    format_ = opening.probe(storage)
                finally:
                    storage.close()
            except OSError as error:
                raise GenericError(_words(error, file)) from error
        options = {"driver": format_, "file": file, "read-only": read_only}
        if node_name is not None:
            options["node-name"] = node_name
        if not has_backing and format_ in FORMATS:
            options["backing"] = None
        return self.open(options)

    def _load_bitmaps(self, nodes: Iterable[Node]) -> None:
        if self.machine.state is RunState.INMIGRATE:
            return  # who sends the machine still has them
        for node in nodes:
            if isinstance(node, FormatNode):
                node.load_bitmaps()

    def _undo(self, made: list[Node]) -> None:
        for node in reversed(made):
            self._forget(node)

    def _name(self, name: str | None) -> str:
        if name is None:
            for number in self._numbers:
                name = f"#block{number:03d}"
                if name not in self.nodes and name not in self.jobs.filter_names:
                    break
        else:
            self.check_name(name)
        if len(self.nodes) >= MAX_NODES:
            message = f"more than {MAX_NODES} block nodes"
            raise GenericError(message)
        return str(name)

    def new_name(self) -> str:
        """Return a name for a node that nobody has named."""
        return self._name(None)

    def check_name(self, name: str) -> None:
        """Make sure that a new node may have a name.

        Raises:
            GenericError: It may not.
        """
        if not _NAME.fullmatch(name):
            message = f"Invalid node-name: '{name}'"
            raise GenericError(message)
        if name in self.machine.drives and self.machine.drives[name].device == name:
            message = f"node-name={name} is conflicting with a device id"
            raise GenericError(message)
        if name in self.nodes or name in self.jobs.filter_names:
            message = f"Duplicate nodes with node-name='{name}'"
            raise GenericError(message)
        if len(name) > MAX_NAME:
            message = "Node name too long"
            raise GenericError(message)

    def _open(
        self,
        given: str | None,
        options: dict[str, Any],
        read_only: bool,  # noqa: FBT001 - internal
        made: list[Node],
        depth: int,
    ) -> Node:
        if depth > opening.MAX_DEPTH:
            message = f"more than {opening.MAX_DEPTH} images behind one another"
            raise GenericError(message)
        driver = options["driver"]
        if driver not in self.drivers():
            raise self._without_driver(options)
        if driver not in (*FORMATS, *FILTERS) or driver == "blkdebug":
            _check_common(options)
            name = self._name(given)
        read_only = bool(options.get("read-only", read_only))
        if driver == "nbd":
            from qmpx.machine.block.nbd_client import NbdNode

            return self._take(NbdNode(name, options, read_only=read_only), made)
        if (kind := FILES.get(driver)) is not None:
            files = self.machine.files
            file = kind(name, options, read_only=read_only, files=files)
            return self._take(file, made)
        if driver in PROTOCOLS:
            node = PROTOCOLS[driver](name, options, read_only=read_only)
            return self._take(node, made)
        wants_write = driver in FORMATS and driver not in WRITABLE and not read_only
        read_only = read_only or wants_write
        key = "image" if driver == "blkdebug" else "file"
        below = self._child(options[key], made, read_only=read_only, depth=depth)
        if key == "file":
            _check_common(options)
            name = self._name(given)
        if wants_write and options.get("auto-read-only") not in (True, "on"):
            message = f"Format '{driver}' is read-only here; open it so"
            if driver in _READ_ONLY:
                message = "Image is read-only"
            raise GenericError(message)
        group = options.get("throttle-group")
        if driver == "throttle" and group not in self.machine.objects:
            message = f"Throttle group '{group}' does not exist"
            raise GenericError(message)
        if not read_only and below.read_only and driver in FORMATS:
            if options.get("auto-read-only") not in (True, "on"):
                message = "Block node is read-only"
                raise GenericError(message)
            read_only = True
        if driver in FILTERS:
            node = FILTERS[driver](name, options, read_only=read_only)
            node.set_file(below)
            return self._take(node, made)
        image = FormatNode(name, driver, options, below, read_only=read_only)
        self._take(image, made)
        self._open_backing(image, options, made, depth)
        return image

    def _without_driver(self, options: dict[str, Any]) -> GenericError:
        """Return why there is no node of a driver that QEMU has, and that is not here.

        That is the first node that it refers to and that is not there, if there is one.
        """
        for name in ("image", "raw", "test", "target", "log", *options):
            below = options.get(name)
            if name in _CHILDREN and isinstance(below, str) and not self.find(below):
                message = f"Cannot find device='{below}' nor node-name='{below}'"
                return GenericError(message)
        try:
            _check_common(options)
            if (called := options.get("node-name")) is not None:
                self.check_name(called)
        except GenericError as error:
            return error
        if options["driver"] == "quorum":
            count, votes = len(options["children"]), options["vote-threshold"]
            if not count:
                return GenericError("Number of provided children must be 1 or more")
            if votes < 1:
                return GenericError("Parameter 'vote-threshold' expects a value >= 1")
            if votes > count:
                return GenericError("threshold may not exceed children count")
        message = f"the block driver {options['driver']} is not carried out here"
        return GenericError(message)

    def _child(
        self,
        reference: Any,
        made: list[Node],
        *,
        read_only: bool,
        depth: int,
    ) -> Node:
        if isinstance(reference, str):
            if (node := self.find(reference)) is None:
                message = (
                    f"Cannot find device='{reference}' nor node-name='{reference}'"
                )
                raise GenericError(message)
            return node
        _require(reference)
        given = reference.get("node-name")
        return self._open(given, dict(reference), read_only, made, depth)

    def _open_backing(
        self, image: FormatNode, options: dict[str, Any], made: list[Node], depth: int
    ) -> None:
        wanted = options.get("backing", "")
        if wanted is None:
            return
        if wanted:
            node = self._child(wanted, made, read_only=True, depth=depth + 1)
        elif said := image.full_backing_file:
            driver = image.image.backing_format
            if driver not in (*FORMATS, "raw"):
                below = opening.open_storage(said, read_only=True)
                try:
                    driver = opening.probe(below)
                finally:
                    below.close()
            file = {"driver": "file", "filename": said}
            behind = {"driver": driver, "file": file}
            try:
                node = self._child(behind, made, read_only=True, depth=depth + 1)
            except OSError as error:
                reason = error.strerror
                message = f"Could not open backing file: Could not open '{said}': "
                raise GenericError(message + str(reason)) from error
            image.expected_backing = node.filename
        else:
            return
        image.set_backing(node)

    def _take(self, node: Node, made: list[Node]) -> Node:
        self.nodes[node.name] = node
        node.on_threshold = self._tell_threshold
        made.append(node)
        return node

    def _tell_threshold(self, node: Node, exceeded: int) -> None:
        told = WriteThresholdReached(node.name, exceeded, node.write_threshold)
        self.machine.tell(told)

    def named(self, options: dict[str, Any]) -> Node:
        """Return the node that options are meant for.

        Raises:
            GenericError: They name none, or one that is not there.
        """
        name = options.get("node-name")
        if name is None:
            message = "node-name not specified"
            raise GenericError(message)
        node = self.nodes.get(name)
        if node is None:
            message = f"Failed to find node with node-name='{name}'"
            raise GenericError(message)
        return node

    def reopen(self, options: dict[str, Any]) -> None:
        """Change what a node can be changed in: read-only, its file, its backing.

        Raises:
            GenericError: It cannot be changed so.
        """
        node = self.named(options)
        for key in ("backing", "file"):
            below = options.get(key)
            if isinstance(below, str) and below not in self.nodes:
                message = f"Cannot find device='' nor node-name='{below}'"
                raise GenericError(message)
        below = self.nodes.get(str(options.get("file")))
        if below is not None and node in _reached(below):
            message = (
                f"Making '{below.name}' a file child of '{node.name}' would create a "
                "cycle"
            )
            raise GenericError(message)
        if options.get("backing") is not None and node.driver not in _HAVE_BACKING:
            message = (
                f"Driver '{node.driver}' of node '{node.name}' does not support "
                "backing files"
            )
            raise GenericError(message)
        if node.backing is not None and "backing" not in options:
            message = f"backing is missing for '{node.name}'"
            raise GenericError(message)
        if (lost := _lost_option(node, options)) is not None:
            message = f"Option '{lost}' cannot be reset to its default value"
            raise GenericError(message)
        if (changed := _changed_option(node, options)) is not None:
            message = f"Cannot change the option '{changed}'"
            raise GenericError(message)
        read_only = bool(options.get("read-only", False))
        try:
            if "file" in options and isinstance(options["file"], str):
                below = self.node(options["file"])
                if below is not node.file:
                    self._exchange_file(node, below)
            elif node.driver in PROTOCOLS:
                same = options.get("filename") == node.options.get("filename")
                if not same:
                    message = "Cannot change the option 'filename'"
                    raise GenericError(message)
            if "backing" in options and isinstance(node, FormatNode):
                wanted = options["backing"]
                behind = None if wanted is None else self.node(wanted)
                if behind is not node.backing:
                    require_quiet(node)
                    old = node.backing
                    node.set_backing(behind)
                    self._drop_unused(old)
            if read_only != node.read_only:
                if read_only and any(not d.is_read_only for d in node.drives):
                    message = "Block node is read-only"
                    raise GenericError(message)
                node.flush()
                node.set_read_only(read_only=read_only)
        except OSError as error:
            raise GenericError(_words(error, options)) from error

    def _exchange_file(self, node: Node, below: Node) -> None:
        if isinstance(node, FormatNode):
            node.release_bitmaps()
            node.flush()
            behind, old = node.backing, node.file
            fresh = FormatNode(
                node.name, node.driver, node.options, below, read_only=node.read_only
            )
            fresh.set_file(None)
            node.image = fresh.image
            node.set_file(below)
            node.set_backing(behind)
            node.load_bitmaps()
        else:
            old = node.file
            node.set_file(below)
        self._drop_unused(old)

    # taking away

    def delete(self, name: str) -> None:
        """Delete a node that its user has made.

        Raises:
            GenericError: There is none, or something needs it.
        """
        node = self.nodes.get(name)
        if node is None:
            message = f"Failed to find node with node-name='{name}'"
            raise GenericError(message)
        if node.drives or node.uses:
            message = f"Node {name} is in use"
            raise GenericError(message)
        require_quiet(node)
        require_front(node)
        if not node.is_owned:
            message = f"Node {name} is not owned by the monitor"
            raise GenericError(message)
        if node.parents:
            message = f"Block device {name} is in use"
            raise GenericError(message)
        self._forget(node)

    def _relax(self) -> None:
        """Give up locks that are not needed any more."""
        with contextlib.suppress(OSError):  # less is needed: nobody can object
            self.lock()

    def release(self, node: Node) -> None:
        """Let go of a node: one that nobody named or uses disappears."""
        self._drop_unused(node)

    def _drop_unused(self, node: Node | None) -> None:
        if node is None or node.is_owned or node.name not in self.nodes:
            return
        if not (node.parents or node.drives or node.uses or node.busy):
            self._forget(node)

    def _forget(self, node: Node) -> None:
        if self.nodes.pop(node.name, None) is None:
            return  # it went with another
        with contextlib.suppress(OSError):  # what counts was flushed
            if isinstance(node, FormatNode):
                node.store_bitmaps()
            node.flush()
        below, behind = node.file, node.backing
        node.set_file(None)
        node.set_backing(None)
        node.close()
        self._relax()
        self._drop_unused(below)
        self._drop_unused(behind)

    # joining

    def lock(self) -> None:
        """Lock all files for what is done with them now.

        Raises:
            OSError: Another program, or another node, does not let us.
        """
        if self.machine.state is RunState.INMIGRATE:
            return  # who sends the machine still has them
        for node in self.nodes.values():
            if isinstance(node, FileNode):
                node.lock()

    def activate(self) -> None:
        """Own the images, which somebody else has written until now."""
        for node in self.nodes.values():
            if isinstance(node, FormatNode):
                with contextlib.suppress(OSError):  # whoever reads it is told
                    node.reload()
                    node.load_bitmaps()
        self._relax()

    def inactivate(self) -> None:
        """Write everything down, and let somebody else own the images."""
        for node in self.nodes.values():
            with contextlib.suppress(OSError):  # the guest was told when it flushed
                if isinstance(node, FormatNode):
                    node.release_bitmaps()
                node.flush()
        self.unlock()

    def unlock(self) -> None:
        """Give up all locks: who has received the machine takes them."""
        for node in self.nodes.values():
            if isinstance(node, FileNode):
                node.unlock()

    def replace(self, old: Node, new: Node) -> None:
        """Let all that has *old* as a child, or in a drive, have *new* instead."""
        for parent, role in list(old.parents):
            if parent is new:
                continue
            if role == "backing":
                parent.set_backing(new)
            else:
                parent.set_file(new)
        for drive in list(old.drives):
            old.drives.remove(drive)
            self._put(new, drive)
        self._relax()

    def insert(self, drive: Drive, name: str) -> None:
        """Put a node into a drive.

        Raises:
            GenericError: There is no such node, or another drive needs it for itself.
        """
        node = self.nodes.get(name)
        if node is None:
            message = f"Failed to find node with node-name='{name}'"
            raise GenericError(message)
        self.check_shared(node, drive)
        if not (drive.is_read_only or node.read_only or is_writable(node)):
            message = "Block node is read-only"
            raise GenericError(message)
        node.drives.append(drive)
        try:
            self.lock()
        except OSError as error:
            raise GenericError(error.strerror or str(error)) from error
        finally:
            node.drives.remove(drive)
        self._put(node, drive)

    def check_shared(self, node: Node, drive: Drive) -> None:
        """Make sure that nothing that uses a node minds that a drive does, too.

        Raises:
            GenericError: Something does.
        """
        check_drive(node, drive)

    def _put(self, node: Node, drive: Drive) -> None:
        node.drives.append(drive)
        medium = Medium(
            node.filename,
            node.driver,
            node.size,
            node.read_only,
            node.name,
            NodeView(node),
        )
        drive.take(medium)

    def remove(self, drive: Drive) -> None:
        """Take the node out of a drive; it stays, if its user has made it."""
        node = self.node_in(drive)
        drive.take(None)
        if node is not None:
            node.drives.remove(drive)
            self._drop_unused(node)
            self._relax()

    def plug(
        self,
        node_name: str | None,
        id_: str,
        *,
        device: str = "",
        removable: bool = False,
        has_tray: bool = False,
        shares_writes: bool = False,
    ) -> Drive:
        """Plug in a drive that shows a node.

        Args:
            node_name: The node; ``None`` for an empty drive.
            id_: What ``query-block`` tells as its ``qdev``.
            device: The name of its back end; empty if it has none of its own.
            removable: Whether the medium can be taken out.
            has_tray: Whether there is a tray.
            shares_writes: Whether others may write to the node.

        Raises:
            GenericError: There is no such node, or it can't be used twice.
        """
        machine = self.machine
        drive = Drive(
            device, id=id_, removable=removable, has_tray=has_tray, tell=machine.tell
        )
        drive.is_read_only = has_tray
        drive.shares_writes = shares_writes
        if (node := self.nodes.get(node_name or "")) is not None:
            drive.is_read_only = has_tray or node.read_only
        if node_name is not None:
            self.insert(drive, node_name)
        machine.drives[device or id_] = drive
        return drive

    def adopt(self, drive: Drive, name: str | None = None) -> None:
        """Make nodes for an image file that a drive has opened by itself.

        Args:
            drive: The drive.
            name: What the node of its format is to be called.

        Raises:
            GenericError: It cannot be opened so.
        """
        medium = drive.medium
        if medium is None or medium.image is None or self.node_in(drive) is not None:
            return
        drive.take(None)
        known = medium.format if medium.format in (*FORMATS, "raw") else None
        read_only = medium.read_only or known not in (None, "raw", *WRITABLE)
        node = self.open_file(medium.file, known, read_only=read_only, node_name=name)
        self.insert(drive, node.name)

    def unplug(self, drive: Drive) -> None:
        """Take a drive out of the machine; nodes that users made stay."""
        self.remove(drive)
        for name, other in list(self.machine.drives.items()):
            if other is drive:
                del self.machine.drives[name]

    def resize(self, node: Node, size: int) -> None:
        """Change the size of a node, and tell drives.

        Raises:
            GenericError: It cannot have that size.
        """
        if node.read_only:
            message = "Block node is read-only"
            raise GenericError(message)
        if not is_writable(node):
            message = "Image is read-only"
            raise GenericError(message)
        try:
            node.resize(size)
        except OSError as error:
            raise GenericError(error.strerror or str(error)) from error
        for other in self.nodes.values():
            for bitmap in other.bitmaps.values():
                bitmap.resize(other.size)
            for drive in other.drives:
                if drive.medium is not None:
                    drive.medium.size = other.size

    def drive(self, name: str) -> Drive:
        """Return a drive by its id.

        Raises:
            DeviceNotFound: There is no such device.
            GenericError: It has no drive; what is in it may have one.
        """
        for drive in self.machine.drives.values():
            if name == drive.id:
                return drive
            if drive.id.startswith(f"/machine/peripheral/{name}/"):
                message = "Device does not have a block device backend"
                raise GenericError(message)
        self.machine.qom.devices.find(name)
        message = "Device does not have a block device backend"
        raise GenericError(message)


def is_writable(node: Node) -> bool:
    """Whether a node can be written, and so can what it passes writes on to."""
    if node.read_only:
        return False
    return node.file is None or is_writable(node.file)


def require_quiet(node: Node) -> None:
    """Make sure that no job needs a node to stay where it is.

    Raises:
        GenericError: One does.
    """
    if node.busy:
        message = (
            f"Node '{node.name}' is busy: block device is in use by {node.busy[0]}"
        )
        raise GenericError(message)


def require_front(node: Node) -> None:
    """Make sure that a node is not behind another.

    Raises:
        GenericError: It is.
    """
    for parent, role in node.parents:
        if role == "backing":
            name = next((d.device for d in parent.drives if d.device), parent.name)
            message = (
                f"Node '{node.name}' is busy: node is used as backing hd of '{name}'"
            )
            raise GenericError(message)


def _changed_option(node: Node, options: dict[str, Any]) -> str | None:
    """Return the first option that a node would have to be made anew for."""
    if options.get("driver") == node.driver:
        return None
    known = {**node.options, "driver": node.driver}
    for key in in_table_order(options):
        value = options[key]
        is_plain = key not in _CHANGEABLE and isinstance(value, str | int)
        if is_plain and str(known.get(key)) != str(value):
            return key
    return "driver"


def _check_common(options: dict[str, Any]) -> None:
    """Check options that all drivers have.

    Raises:
        GenericError: They contradict one another.
    """
    if options.get("force-share") is True and options.get("read-only") is not True:
        message = "force-share=on can only be used with read-only images"
        raise GenericError(message)
    if options.get("detect-zeroes") == "unmap" and options.get("discard") != "unmap":
        message = (
            "setting detect-zeroes to unmap is not allowed without setting discard "
            "operation to unmap"
        )
        raise GenericError(message)


def _reached(node: Node | None) -> Iterator[Node]:
    """Yield a node, and all that are below and behind it."""
    if node is not None:
        yield node
        yield from _reached(node.file)
        yield from _reached(node.backing)


def _lost_option(node: Node, options: dict[str, Any]) -> str | None:
    """Return an option that a node was given, and that cannot be left out again."""
    for key in _FIXED.get(node.driver, ()):
        if key in node.options and key not in options:
            return key
    return None


def _require(options: dict[str, Any]) -> None:
    if "driver" not in options:
        message = "Parameter 'driver' is missing"
        raise GenericError(message)
    driver = options["driver"]
    needed = ["file"] if driver in (*FORMATS, *FILTERS) else []
    if driver == "blkdebug":
        needed = ["image"]
    elif driver in ("file", "host_device"):
        needed = ["filename"]
    elif driver == "nbd":
        needed = ["server"]
    elif driver == "throttle":
        needed = ["throttle-group", "file"]
    for key in needed:
        if key not in options:
            message = f"Parameter '{key}' is missing"
            raise GenericError(message)


def _words(error: OSError, options: dict[str, Any]) -> str:
    """Return what QEMU says of a file that cannot be opened, or an image."""
    if isinstance(error, ImageError):
        return str(error.strerror)
    if isinstance(error.filename, str) and error.errno:
        name = error.filename
        reason = os.strerror(error.errno)
        if error.errno == errno.EISDIR:
            reason = "Is a directory"
        if isinstance(error, NotLent):
            return f"Could not dup FD for {name} flags {error.access:x}: {reason}"
        return f"Could not open '{name}': {reason}"
    return error.strerror or str(error) or str(options.get("driver"))
