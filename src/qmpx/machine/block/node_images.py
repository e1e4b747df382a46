"""A node as the storage of an image format, and as an image in a drive."""

from typing import TYPE_CHECKING

from qmpx.machine.block.image import Image, Snapshot
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable


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
