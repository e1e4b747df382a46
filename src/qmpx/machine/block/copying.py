"""The jobs that move data between nodes: stream, commit, mirror, backup.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from qmpx.machine.block.bitmaps import DEFAULT_GRANULARITY, Bitmap
from qmpx.machine.block.graph import require_quiet
from qmpx.machine.block.job_states import JobStatus
from qmpx.machine.block.jobs import Job
from qmpx.machine.block.node_drivers import FormatNode
from qmpx.machine.block.nodes import PIECE, Node, copy

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph

Sync = Literal["full", "top", "none", "incremental", "bitmap"]


MIRROR_BUFFER: Final = 10 << 20
"""Bytes that a mirror job copies before it looks at its speed: QEMU's figure."""


def _source(error: OSError) -> OSError:
    error.is_source = True  # type: ignore[attr-defined]
    return error


def move(
    source: Node,
    target: Node,
    offset: int,
    length: int,
    base: Node | None = None,
    *,
    through: bool = True,
) -> None:
    """Copy, and mark errors of the source as such.

    Raises:
        OSError: It cannot be read or written.
    """
    end = min(offset + length, source.size)
    while offset < end:
        try:
            kind, run = source.status_above(offset, base)
            run = min(run, end - offset, PIECE)
            wanted = kind == "data" or (kind == "behind" and through)
            data = source.read(offset, run) if wanted else b""
        except OSError as error:
            raise _source(error) from None
        if data:
            target.write(offset, data)
        elif kind == "zero":
            target.write_zeroes(offset, run)
        offset += run


class StreamJob(Job):
    """Copies what is behind a node into it, and takes it away from behind.

    Args:
        graph: The graph.
        id_: Its id.
        top: The node.
        base: What stays behind it; ``None`` for nothing.
        backing_file: What the header is to say; ``None`` for the base's own name.
    """

    filter_driver = "copy-on-read"
    type = "stream"

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        top: Node,
        base: Node | None,
        *,
        backing_file: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.top, self.base = top, base
        self._backing_file = backing_file
        chain = []
        for node in graph.chain(top):
            if node is base:
                break
            chain.append(node)
        for node in chain:
            require_quiet(node)
        self.busy_nodes, self.covered = chain, top

    def prepare(self) -> None:
        """Begin at the beginning."""
        self.total = self.top.size if self.top.backing is not None else 0

    def step(self) -> int | None:
        """Copy a piece of what the node does not have itself."""
        if self.offset >= self.total:
            return None
        end = min(self.total, self.offset + PIECE // 2)
        copied = 0
        while self.offset < end:
            copied += self._copy(self.offset, end)
        return copied

    def _copy(self, at: int, end: int) -> int:
        try:
            kind, run = self.top.status(at)
            run = min(run, end - at)
        except OSError as error:
            raise _source(error) from None
        copied = 0
        if kind == "behind" and (behind := self.top.backing) is not None:
            seen, length = behind.status_above(at, self.base)
            run = min(run, length)
            if seen == "data":
                try:
                    data = behind.read(at, run)
                except OSError as error:
                    raise _source(error) from None
                self.top.write(at, data)
                copied = run
            elif seen == "zero" and self.base is not None:
                self.top.write(at, bytes(run))
        self.offset = at + run
        return copied

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.top, True)]

    def skip(self) -> None:
        """Leave a piece out."""
        self.offset = min(self.total, self.offset + PIECE // 2)

    def finish(self) -> None:
        """Take away what was behind, up to the base."""
        top, graph = self.top, self.graph
        if not isinstance(top, FormatNode) or top.backing is None:
            return
        old = top.backing
        name, format_ = self._backing_file, None
        if self.base is not None:
            name = name or self.base.filename
            format_ = self.base.driver
        else:
            name = self._backing_file
        top.set_backing(self.base)
        top.write_backing_file(name, format_)
        top.flush()
        graph.release(old)


class CommitJob(Job):
    """Writes images into one that is behind them, and takes them out of between.

    Args:
        graph: The graph.
        id_: Its id.
        top: The first image that goes.
        base: Where it goes to.
        overlay: The image that has *top* behind it.
        backing_file: What the header of the overlay is to say.
    """

    filter_driver = "commit_top"
    type = "commit"

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        top: Node,
        base: Node,
        overlay: Node,
        *,
        backing_file: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.top, self.base, self.overlay = top, base, overlay
        self._backing_file = backing_file
        self._made_writable: list[Node] = []
        chain = []
        for node in graph.chain(top):
            chain.append(node)
            if node is base:
                break
        for node in chain:
            require_quiet(node)
        self.busy_nodes, self.covered = chain, top

    def prepare(self) -> None:
        """Let the base be written, and be large enough.

        Raises:
            OSError: It cannot be.
        """
        if self.base.read_only:
            self.base.set_read_only(read_only=False)
            self._made_writable.append(self.base)
        self.total = self.top.size
        if self.base.size < self.top.size:
            self.base.resize(self.top.size)

    def step(self) -> int | None:
        """Copy a piece of what is not the base's."""
        if self.offset >= self.total:
            return None
        end = min(self.total, self.offset + PIECE // 2)
        copied = 0
        while self.offset < end:
            kind, run = self.top.status_above(self.offset, self.base)
            run = min(run, end - self.offset)
            if kind != "behind":
                move(self.top, self.base, self.offset, run, self.base)
                copied += run
            self.offset += run
        return copied

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.top, False), (self.base, True)]

    def skip(self) -> None:
        """Leave a piece out."""
        self.offset = min(self.total, self.offset + PIECE // 2)

    def finish(self) -> None:
        """Put the base directly behind the overlay."""
        self.base.flush()
        name = self._backing_file or self.base.filename
        overlay = self.overlay
        was_read_only = overlay.read_only
        if was_read_only:
            overlay.set_read_only(read_only=False)
        try:
            overlay.set_backing(self.base)
            if isinstance(overlay, FormatNode):
                overlay.write_backing_file(name, self.base.driver)
                overlay.flush()
        finally:
            if was_read_only:
                overlay.set_read_only(read_only=True)

    def clean(self) -> None:
        """Let the base be read only again, if it was."""
        for node in self._made_writable:
            node.flush()
            node.set_read_only(read_only=True)


class MirrorJob(Job):
    """Copies a node to another, and follows what is written, until told to end.

    Args:
        graph: The graph.
        id_: Its id.
        source: The node.
        target: Where to.
        sync: What is copied: all, what the node has itself, or only what is written.
        is_commit: Whether the target is behind the source, which is then committed.
        replaces: The node that the target replaces; ``None`` for the source.
    """

    filter_driver = "mirror_top"
    type = "mirror"
    cancels_at_once = False
    follows = True

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        source: Node,
        target: Node,
        *,
        sync: Sync = "full",
        is_commit: bool = False,
        replaces: Node | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.kind = self.type = "commit" if is_commit else "mirror"
        self.source, self.target = source, target
        self._sync = sync
        self._replaces = replaces or source
        self._keeps = False
        self._was_read_only = False
        self._pieces: Iterator[tuple[int, int]] = iter(())
        self._left: list[tuple[int, int]] = []
        if is_commit:
            chain = []
            for node in graph.chain(source):
                chain.append(node)
                if node is target:
                    break
            self.busy_nodes = chain
        else:
            self.busy_nodes = [source]
        for node in self.busy_nodes:
            require_quiet(node)
        self.covered = source
        self._base: Node | None = target if is_commit else None
        if sync == "top" and not is_commit:
            self._base = source.backing

    def prepare(self) -> None:
        """Find out what is to be copied, and follow writes from now on.

        Raises:
            OSError: The target has another size, or cannot be written.
        """
        if self.target.read_only and self.kind == "commit":
            self.target.set_read_only(read_only=False)
            self._was_read_only = True
        if self.kind == "commit":
            if self.target.size < self.source.size:
                self.target.resize(self.source.size)
        elif self.source.size != self.target.size:
            message = "Source and target image have different sizes"
            raise OSError(22, message)
        self._note_use()
        self._left = list(self._areas())
        self._left.reverse()
        self.total = sum(length for _, length in self._left)
        self.source.after_write.append(self._follow)

    def _note_use(self) -> None:
        self.target.uses.append(self.id)

    def _areas(self) -> Iterator[tuple[int, int]]:
        size = self.source.size
        if self._sync == "none":
            return
        at = 0
        while at < size:
            kind, run = "data", size - at
            if self._sync == "top" or self.kind == "commit":
                kind, run = self.source.status_above(at, self._base)
                run = min(run, size - at)
            if kind != "behind":
                for offset in range(at, at + run, PIECE):
                    yield offset, min(PIECE, at + run - offset)
            at += run

    def step(self) -> int | None:
        """Copy as much as QEMU's buffer holds."""
        if not self._left:
            return None
        base = self._base if self.kind == "commit" else None
        copied = 0
        while self._left and copied < MIRROR_BUFFER:
            at, length = self._left[-1]
            move(self.source, self.target, at, length, base)
            self._left.pop()
            self.offset += length
            copied += length
        return copied

    def drain(self) -> None:
        """Let requests come to an end; the job then need not wait for its speed."""
        super().drain()
        if self.status is JobStatus.RUNNING and self.total and not self._left:
            self._stop_timer()
            self._go_on()

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.source, False), (self.target, True)]

    def skip(self) -> None:
        """Leave a piece out."""
        if self._left:
            self.offset += self._left.pop()[1]

    def _follow(self, offset: int, length: int) -> None:
        if self.is_cancelled or self.error is not None:
            return
        try:
            copy(self.source, self.target, offset, length)
        except OSError as error:
            self.error = error.strerror or str(error)
            self.hasten()
            return
        self.total += length
        self.offset += length

    def keeps_graph(self) -> None:
        """Leave the source where it is in the end."""
        self._keeps = True

    def finish(self) -> None:
        """Put the target where the source was."""
        self.target.flush()
        if self._keeps:
            return
        was = self._replaces
        self.target.uses.remove(self.id)
        if self.kind == "mirror" and isinstance(self.target, FormatNode):
            behind = self.source.backing if self._sync != "full" else None
            if self.target.backing is None and behind is not None:
                self.target.set_backing(behind)
        self.graph.replace(was, self.target)

    def clean(self) -> None:
        """Follow writes no more."""
        if self._follow in self.source.after_write:
            self.source.after_write.remove(self._follow)
        if self.id in self.target.uses:
            self.target.uses.remove(self.id)
        if self._was_read_only and not self.target.drives:
            self.target.set_read_only(read_only=True)
        if self.target not in self.busy_nodes:
            self.graph.release(self.target)


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
    drains_at_start: ClassVar[bool] = True

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
        require_quiet(source)
        self.busy_nodes, self.covered = [source], source

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
            self._bitmap.is_busy = True
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
        self.target.uses.append(self.id)
        super().start()

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
        move(self.source, self.target, at, length)
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
        if self.id in self.target.uses:
            self.target.uses.remove(self.id)
        if self._bitmap is not None and self._noted is not None:
            self._bitmap.is_busy = False
            has_failed = self.error is not None
            if has_failed and self._bitmap_mode == "on-success":
                self._bitmap.dirty.update(self._noted.dirty)
            elif has_failed and self._bitmap_mode == "always":
                for unit in self._wanted:
                    self._bitmap.mark(unit * self._unit, self._length(unit))
        self.graph.release(self.target)
