"""The nodes in drives: put in, taken out, plugged in with their drives.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING

from qmpx.errors import GenericError
from qmpx.machine.block.making import open_file
from qmpx.machine.block.node_drivers import FORMATS, WRITABLE
from qmpx.machine.block.node_images import NodeView
from qmpx.machine.block.permissions import check_drive, is_writable
from qmpx.machine.drive import Drive
from qmpx.machine.medium import Medium

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node


class DriveNodes:
    """The nodes in a machine's drives.

    Args:
        graph: The nodes.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        self._graph = graph

    def node_in(self, drive: Drive) -> "Node | None":
        """Return the node that is in a drive."""
        for node in self._graph.nodes.values():
            if drive in node.drives:
                return node
        return None

    def insert(self, drive: Drive, name: str) -> None:
        """Put a node into a drive.

        Raises:
            GenericError: There is no such node, or another drive needs it for itself.
        """
        node = self._graph.nodes.get(name)
        if node is None:
            message = f"Failed to find node with node-name='{name}'"
            raise GenericError(message)
        check_drive(node, drive)
        if not (drive.is_read_only or node.read_only or is_writable(node)):
            message = "Block node is read-only"
            raise GenericError(message)
        node.drives.append(drive)
        try:
            self._graph.lock()
        except OSError as error:
            raise GenericError(error.strerror or str(error)) from error
        finally:
            node.drives.remove(drive)
        self.put(node, drive)

    def put(self, node: "Node", drive: Drive) -> None:
        """Put a node into a drive, without asking whether it may be there."""
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
            self._graph.release(node)
            self._graph.relax()

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
        machine = self._graph.machine
        drive = Drive(
            device, id=id_, removable=removable, has_tray=has_tray, tell=machine.tell
        )
        drive.is_read_only = has_tray
        drive.shares_writes = shares_writes
        if (node := self._graph.nodes.get(node_name or "")) is not None:
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
        node = open_file(
            self._graph, medium.file, known, read_only=read_only, node_name=name
        )
        self.insert(drive, node.name)

    def unplug(self, drive: Drive) -> None:
        """Take a drive out of the machine; nodes that users made stay."""
        self.remove(drive)
        for name, other in list(self._graph.machine.drives.items()):
            if other is drive:
                del self._graph.machine.drives[name]

    def find(self, name: str) -> Drive:
        """Return a drive by its id.

        Raises:
            DeviceNotFound: There is no such device.
            GenericError: It has no drive; what is in it may have one.
        """
        for drive in self._graph.machine.drives.values():
            if name == drive.id:
                return drive
            if drive.id.startswith(f"/machine/peripheral/{name}/"):
                message = "Device does not have a block device backend"
                raise GenericError(message)
        self._graph.machine.qom.devices.find(name)
        message = "Device does not have a block device backend"
        raise GenericError(message)
