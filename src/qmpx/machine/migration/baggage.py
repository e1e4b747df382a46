"""What goes with the memory of a machine: disks, their bitmaps, their images."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qmpx.machine.migration.disks import Disk, disks_of

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


class Baggage:
    """The disks of a machine that is moved, and what belongs to them.

    Args:
        machine: The machine.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine

    def disks(self) -> dict[str, Disk]:
        """Return the disks whose contents can go, by the names of their drives."""
        return disks_of(self._machine)

    def disk_sizes(self) -> dict[str, int]:
        """Return their sizes, in bytes."""
        return {name: disk.size for name, disk in self.disks().items()}

    def flush_disks(self) -> None:
        """Let the host write down what was written to them."""
        for disk in self.disks().values():
            disk.flush()

    def write_bitmaps(self, write: Callable[[bytes], None]) -> None:
        """Write the dirty bitmaps that are to go, if any are.

        Raises:
            GenericError: One cannot go.
        """
        if self.moves_bitmaps:
            from qmpx.machine.migration.bitmaps import write_bitmaps

            mapping = self._machine.migration.parameters.block_bitmap_mapping
            write_bitmaps(self._machine.blocks, mapping, write)

    def load_bitmap(self, payload: bytes) -> None:
        """Take a piece of a dirty bitmap that comes.

        Raises:
            StreamError: It has no place here.
        """
        from qmpx.machine.migration.bitmaps import load_bitmap

        mapping = self._machine.migration.parameters.block_bitmap_mapping
        load_bitmap(self._machine.blocks, mapping, payload)

    @property
    def moves_bitmaps(self) -> bool:
        """Whether dirty bitmaps go through the stream."""
        return (
            "dirty-bitmaps" in self._machine.migration.capabilities
            and "blocks" in self._machine.__dict__
        )

    def let_images_go(self) -> None:
        """Write down all that is to be in images: the destination opens them next."""
        if "blocks" in self._machine.__dict__:
            self._machine.blocks.inactivate()

    def take_images_back(self) -> None:
        """Own the images again, as the destination does not want them."""
        if "blocks" in self._machine.__dict__:
            self._machine.blocks.activate()
