"""The block graph of a machine: nodes by name, made, joined, exchanged and deleted.

Source: QEMU 7.2.22, observed.
"""

import contextlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block.drive_nodes import DriveNodes
from qmpx.machine.block.file_nodes import FileNode
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.making import Making
from qmpx.machine.block.node_options import reason, require
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import (
    Claim,
    is_writable,
    require_front,
    require_quiet,
)
from qmpx.machine.happenings import WriteThresholdReached
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
    def drives(self) -> DriveNodes:
        """What is in drives."""
        return DriveNodes(self)

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
            if self.drives.node_in(drive) is not None:
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
            return self.drives.node_in(drive)
        return self.nodes.get(name)

    def back_end(self, name: str) -> Node | None:
        """Return what is in the drive with a back end of that name; ``None``: none."""
        drive = self.machine.drives.get(name)
        if drive is None or drive.device != name:
            return None
        return self.drives.node_in(drive)

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
        require(options)
        if "node-name" not in options:
            message = "'node-name' must be specified for the root node"
            raise GenericError(message)

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
        require(options)
        making = Making(self)
        try:
            node = making.make(options, read_only=read_only, depth=depth)
            self.lock()
            self._load_bitmaps(making.made)
        except OSError as error:
            is_behind = making.is_behind(error.filename2)
            making.undo()
            prefix = "Could not open backing file: " if is_behind else ""
            raise GenericError(prefix + reason(error, options)) from error
        except GenericError:
            making.undo()
            raise
        return node

    def _load_bitmaps(self, nodes: Iterable[Node]) -> None:
        if self.machine.state is RunState.INMIGRATE:
            return  # who sends the machine still has them
        for node in nodes:
            if isinstance(node, FormatNode):
                node.load_bitmaps()

    def name_for(self, name: str | None) -> str:
        """Return what a new node is called: as its user wants it, or anything.

        Raises:
            GenericError: It cannot be called so, or there are too many.
        """
        if name is None:
            for number in self._numbers:
                name = f"#block{number:03d}"
                if name not in self.nodes:
                    break
        else:
            self.check_name(name)
        if len(self.nodes) >= MAX_NODES:
            message = f"more than {MAX_NODES} block nodes"
            raise GenericError(message)
        return str(name)

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
        if name in self.nodes:
            message = f"Duplicate nodes with node-name='{name}'"
            raise GenericError(message)
        if len(name) > MAX_NAME:
            message = "Node name too long"
            raise GenericError(message)

    def enter(self, node: Node) -> None:
        """Take in a node that was made."""
        self.nodes[node.name] = node
        node.on_threshold = self._tell_threshold

    def _tell_threshold(self, node: Node, exceeded: int) -> None:
        told = WriteThresholdReached(node.name, exceeded, node.write_threshold)
        self.machine.tell(told)

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
        self.forget(node)

    def relax(self) -> None:
        """Give up locks that are not needed any more."""
        with contextlib.suppress(OSError):  # less is needed: nobody can object
            self.lock()

    def release(self, node: Node | None) -> None:
        """Let go of a node: one that nobody named or uses disappears."""
        if node is None or node.is_owned or node.name not in self.nodes:
            return
        if not (node.parents or node.drives or node.uses or node.busy):
            self.forget(node)

    def forget(self, node: Node) -> None:
        """Take a node away, and those below and behind it that nobody wants then."""
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
        self.relax()
        self.release(below)
        self.release(behind)

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
                try:
                    node.lock()
                except OSError as error:
                    error.filename2 = node.name  # whose lock it is
                    raise

    def try_lock(self, node: Node, claim: Claim) -> None:
        """Make sure that a node's file can be locked for what is to be done with it.

        Raises:
            GenericError: Another program, or another node, does not let us.
        """
        node.claims.append(claim)
        try:
            self.lock()
        except OSError as error:
            raise GenericError(error.strerror or str(error)) from error
        finally:
            node.claims.remove(claim)

    def activate(self) -> None:
        """Own the images, which somebody else has written until now."""
        for node in self.nodes.values():
            if isinstance(node, FormatNode):
                with contextlib.suppress(OSError):  # whoever reads it is told
                    node.reload()
                    node.load_bitmaps()
        self.relax()

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

    def replace(self, old: Node, new: Node, keep: Collection[Node] = ()) -> None:
        """Let all that has *old* as a child, in a drive or exported, have *new*.

        Jobs that have it stay with it, and so do the nodes to *keep*.
        """
        for parent, role in list(old.parents):
            if parent is new or parent in keep:
                continue
            if role == "backing":
                parent.set_backing(new)
            else:
                parent.set_file(new)
        for drive in list(old.drives):
            old.drives.remove(drive)
            self.drives.put(new, drive)
        if "exports" in self.__dict__:
            self.exports.move(old, new)
        self.relax()

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
