"""What goes through the stream of a migration: memory and disks, over and over."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qmpx.machine.migration.disks import Disk, DiskWalk
from qmpx.machine.migration.ram import PAGE_COST, RamWalk
from qmpx.machine.migration.records import Kind
from qmpx.machine.pages import PageSet

if TYPE_CHECKING:
    from qmpx.machine.memory import Memory
    from qmpx.machine.migration.progress import Statistics


class Cargo:
    """Memory, and the disks if they go too.

    Args:
        memory: The machine's.
        in_use: The pages that the guest uses, as far as that is known; see `RamWalk`.
        write: Puts a record into the stream.
        disks: The disks whose contents are to go too, by name; ``None`` if they stay.
        is_incremental: Whether only what is in the disks' own images is to go.

    Attributes:
        ram: The way of RAM.
        disks: The way of the disks; ``None`` if they stay.
        passes: How many times RAM was begun.
    """

    def __init__(
        self,
        memory: "Memory",
        in_use: PageSet,
        write: Callable[[Kind, bytes], None],
        *,
        disks: Mapping[str, Disk] | None,
        is_incremental: bool,
    ) -> None:
        self._memory = memory
        self.passes = 1
        self.ram = RamWalk(memory, in_use, lambda payload: write(Kind.RAM, payload))
        self.disks: DiskWalk | None = None
        if disks is not None:
            self.disks = DiskWalk(
                disks,
                lambda payload: write(Kind.DISK, payload),
                is_incremental=is_incremental,
            )

    @property
    def is_under_way(self) -> bool:
        """Whether something of this pass has not gone yet."""
        has_bulk = self.disks is not None and self.disks.has_bulk
        return has_bulk or bool(self.ram.remaining)

    @property
    def has_more(self) -> bool:
        """Whether something was written since it went."""
        return bool(self._memory.dirty) or (
            self.disks is not None and self.disks.remaining > 0
        )

    @property
    def left(self) -> int:
        """About how many bytes the next pass has."""
        left = len(self._memory.dirty) * PAGE_COST
        return left if self.disks is None else left + self.disks.remaining

    def step(self, limit: int) -> int:
        """Send some of this pass; return how many bytes, about *limit* at most."""
        if self.disks is not None and self.disks.has_bulk:
            return self.disks.step(limit)
        return self.ram.step(limit)

    def step_disks(self, limit: int) -> int:
        """Send some of what was written to disks; return as `step`."""
        return 0 if self.disks is None else self.disks.step(limit)

    def begin_pass(self) -> None:
        """Go over RAM once more."""
        self.ram.begin_pass()
        self.passes += 1

    def finish_disks(self) -> None:
        """Send all that is left of the disks."""
        if self.disks is not None:
            while self.disks.remaining:
                self.disks.step(self.disks.total)

    def finish_ram(self) -> None:
        """Send all that is left of this pass over RAM."""
        self.ram.step(self.ram.total * 2)
        self.ram.flush()

    def note(self, statistics: "Statistics") -> None:
        """Bring figures up to date."""
        statistics.passes = self.passes
        statistics.total = self.ram.total
        statistics.remaining = self.ram.remaining_bytes
        statistics.transferred = self.ram.transferred
        statistics.used_pages = self.ram.used_pages
        statistics.unused_pages = self.ram.unused_pages

    def close(self) -> None:
        """Let go of the disks."""
        if self.disks is not None:
            self.disks.close()
