"""Saving a machine into images, and restoring it, as jobs.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from qmpx.errors import GenericError
from qmpx.machine.block.job import Job
from qmpx.machine.block.job_states import JobStatus
from qmpx.machine.block.node_images import NodeView
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.block.image import Image
    from qmpx.machine.machine import Machine


class SnapshotJob(Job):
    """Saves, restores or forgets a machine; it cannot be paused or called off.

    Args:
        machine: The machine.
        id_: Its id.
        tag: What the snapshot is called.
        devices: The nodes whose data belong to it.
    """

    is_block_job: ClassVar[bool] = False

    def __init__(
        self, machine: "Machine", id_: str, tag: str, devices: Sequence[str]
    ) -> None:
        super().__init__(machine.blocks, id_, auto_dismiss=False)
        self._tag = tag
        self._devices = devices

    def start(self) -> None:
        """Begin; `work` does it."""
        self.total = 1
        self.move(JobStatus.RUNNING)

    async def work(self) -> None:
        """Do it; how that ends is told a little later."""
        try:
            await self._carry_out(self.graph.machine)
        except GenericError as error:
            self.error = error.desc
        self.offset = 1
        end = self.end if self.error is None else self.abort
        self.graph.machine.clock.call_later(0, end)

    async def _carry_out(self, machine: "Machine") -> None:
        raise NotImplementedError

    def _images(self) -> "list[tuple[str, Image]]":
        """Return the images of the nodes.

        Raises:
            GenericError: There is no node, or one of them cannot hold snapshots.
        """
        if not self._devices:
            message = "At least one device is required for snapshot"
            raise GenericError(message)
        images: list[tuple[str, Image]] = []
        for name in self._devices:
            node = self.graph.nodes.get(name)
            if node is None:
                message = f"No block device node '{name}'"
                raise GenericError(message)
            image = NodeView(node)
            if not image.read_only:
                if not image.can_save:
                    message = (
                        f"Device '{name}' is writable but does not support snapshots"
                    )
                    raise GenericError(message)
                images.append((name, image))
        return images

    def _first(
        self, images: "list[tuple[str, Image]]", holder: str
    ) -> "list[tuple[str, Image]]":
        """Return the images so that the one that holds the state comes first.

        Raises:
            GenericError: It is none of them.
        """
        if holder not in dict(images):
            message = f"vmstate block device '{holder}' does not exist"
            raise GenericError(message)
        return sorted(images, key=lambda each: each[0] != holder)


class SaveJob(SnapshotJob):
    """Saves the machine.

    Args:
        machine: The machine.
        id_: Its id.
        tag: What the snapshot is called.
        devices: The nodes whose data belong to it.
        holder: The node that holds the machine's state.
    """

    type = "snapshot-save"

    def __init__(
        self,
        machine: "Machine",
        id_: str,
        tag: str,
        devices: Sequence[str],
        holder: str,
    ) -> None:
        super().__init__(machine, id_, tag, devices)
        self._holder = holder

    async def _carry_out(self, machine: "Machine") -> None:
        images = self._images()
        if any(image.find_snapshot(self._tag) is not None for _, image in images):
            message = f"Snapshot '{self._tag}' already exists in one or more devices"
            raise GenericError(message)
        await machine.snapshots.save_in(self._tag, self._first(images, self._holder))


class LoadJob(SaveJob):
    """Restores the machine; if it cannot, that stands still all the same."""

    type = "snapshot-load"

    async def _carry_out(self, machine: "Machine") -> None:
        try:
            images = self._images()
            if any(image.find_snapshot(self._tag) is None for _, image in images):
                message = (
                    f"Snapshot '{self._tag}' does not exist in one or more devices"
                )
                raise GenericError(message)
            images = self._first(images, self._holder)
        except GenericError:
            if machine.state.is_running:
                machine.transfer(RunState.RESTORE_VM)
            raise
        await machine.snapshots.load_from(self._tag, images, goes_on=True)


class DeleteJob(SnapshotJob):
    """Forgets a snapshot, where there is one of that name."""

    type = "snapshot-delete"

    async def _carry_out(self, machine: "Machine") -> None:
        machine.snapshots.delete_from(self._tag, self._images())
