"""The job that copies a node as it was when the job began: ``blockdev-backup``.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from qmpx.machine.block.bitmaps import DEFAULT_GRANULARITY, Bitmap, NamelessBitmap
from qmpx.machine.block.copying import copy
from qmpx.machine.block.job import Job
from qmpx.machine.block.nodes import PIECE, Node
from qmpx.machine.block.permissions import READ, SAME, WRITE, Edge, require_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmpx.machine.block.graph import BlockGraph

Sync = Literal["full", "top", "none", "incremental", "bitmap"]


class BackupJob(Job):
    """Copies a node as it is when the job begins, whatever is written meanwhile.

    Args:
        graph: The graph.
        id_: Its id.
        source: The node.
        target: Where to.
        sync: What is copied; ``none``: only what is about to be overwritten.
        bitmap: Which parts, for ``incremental`` and ``bitmap``.
        bitmap_mode: What becomes of the bitmap: ``on-success``, ``never``, ``always``.
    """

    filter_driver = "copy-before-write"
    type = "backup"
    hides_its_filter = False

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        source: Node,
        target: Node,
        *,
        sync: Sync = "full",
        bitmap: Bitmap | None = None,
        bitmap_mode: str = "on-success",
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.source, self.target = source, target
        self._sync = sync
        self._bitmap, self._bitmap_mode = bitmap, bitmap_mode
        self._unit = max(DEFAULT_GRANULARITY, 1)
        self._wanted: set[int] = set()
        self._order: list[int] = []
        self._noted: Bitmap | None = None
        self._is_resting = False
        self._planned = self._note(lambda: sum(map(self._length, self._wanted)))
        self._done = self._note(lambda: 0)
        self._allowed = self._note(lambda: source.size)
        require_quiet(source)
        self.children, self.covered = [("target", target)], source

    def targets(self) -> list[tuple[Node, Edge]]:
        """Return the target, which the node in front writes to."""
        edge = Edge("target", frozenset({WRITE}), frozenset({SAME, WRITE, READ}))
        return [(self.target, edge)]

    def claim(self) -> None:
        """Let nobody else use its nodes and its bitmap."""
        super().claim()
        if self._bitmap is not None:
            self._bitmap.is_busy = True

    @property
    def has_done_all(self) -> bool:
        """Whether nothing is left to copy."""
        return not self._order and self._sync != "none"

    def start(self) -> None:
        """Take the moment: what is to be copied is what is there now."""
        size = self.source.size
        self._unit = max(DEFAULT_GRANULARITY, -(-size // (1 << 22)))
        if self.source.size != self.target.size:
            self.error = "Source and target image have different sizes"
        areas: Iterator[tuple[int, int]] = iter([(0, size)])
        if self._bitmap is not None:
            areas = iter(list(self._bitmap.areas()))  # before they are cleared
            self._noted = Bitmap("", self._bitmap.granularity, size)
            self._noted.dirty = self._bitmap.dirty.copy()
            if self._sync == "incremental" or self._bitmap_mode != "never":
                self._bitmap.dirty.clear()
        for at, length in areas:
            if length:
                first, last = at // self._unit, (at + length - 1) // self._unit
                self._wanted.update(range(first, last + 1))
        if self._sync == "top":
            base = self.source.backing
            self._wanted = {
                unit
                for unit in self._wanted
                if self.source.status_above(unit * self._unit, base)[0] != "behind"
            }
        self.total = sum(self._length(unit) for unit in self._wanted)
        self._order = sorted(self._wanted, reverse=True)
        self.source.before_write.append(self._save)
        self.source.nameless.append(self._planned)
        if self.filter is not None:
            self.filter.nameless += [self._done, self._allowed]
        super().start()

    @staticmethod
    def _note(count: Callable[[], int]) -> NamelessBitmap:
        return NamelessBitmap(DEFAULT_GRANULARITY, recording=False, count=count)

    def _length(self, unit: int) -> int:
        return min(self._unit, self.source.size - unit * self._unit)

    def step(self) -> int | None:
        """Copy the next parts that have not been copied."""
        if self._sync == "none":
            self._is_resting = True
            return 0
        done = 0
        while self._order and done < PIECE:
            unit = self._order[-1]
            if unit in self._wanted:
                self._copy(unit)
                done += self._length(unit)
            self._order.pop()
        return done or None

    def _later(self, delay: float) -> None:
        if self._is_resting and not (self.is_cancelled or self.error is not None):
            return  # only what is overwritten is copied, until somebody cancels it
        super()._later(delay)

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.source, False), (self.target, True)]

    def skip(self) -> None:
        """Leave a part out."""
        if self._order:
            self._wanted.discard(self._order.pop())

    def _copy(self, unit: int) -> None:
        at, length = unit * self._unit, self._length(unit)
        copy(self.source, self.target, at, length)
        self._wanted.discard(unit)
        self.offset += length

    def _save(self, offset: int, length: int) -> None:
        """Copy what is about to be overwritten, if it has not been copied."""
        first, last = offset // self._unit, (offset + length - 1) // self._unit
        for unit in range(first, last + 1):
            if unit in self._wanted:
                try:
                    self._copy(unit)
                except OSError as error:
                    self.error = error.strerror or str(error)
                    self.hasten()
                    return

    def finish(self) -> None:
        """Let the host write it down."""
        self.target.flush()

    def clean(self) -> None:
        """Let go of the source; give the bitmap back what was not copied."""
        if self._save in self.source.before_write:
            self.source.before_write.remove(self._save)
            self.source.nameless.remove(self._planned)
        if self._bitmap is not None:
            self._bitmap.is_busy = False
        if self._bitmap is not None and self._noted is not None:
            has_failed = self.error is not None
            if has_failed and self._bitmap_mode == "on-success":
                self._bitmap.dirty.update(self._noted.dirty)
            elif has_failed and self._bitmap_mode == "always":
                for unit in self._wanted:
                    self._bitmap.mark(unit * self._unit, self._length(unit))
