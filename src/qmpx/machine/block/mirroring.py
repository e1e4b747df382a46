"""The job that copies a node to another and follows writes: mirror, active commit.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from qmpx.machine.block.bitmaps import NamelessBitmap
from qmpx.machine.block.copying import copy
from qmpx.machine.block.format_nodes import FormatNode, default_granularity
from qmpx.machine.block.job import Job
from qmpx.machine.block.job_states import JobStatus
from qmpx.machine.block.nodes import PIECE, Node
from qmpx.machine.block.permissions import READ, SAME, WRITE, Edge, require_quiet

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph

MIRROR_BUFFER: Final = 10 << 20
"""Bytes that a mirror job copies before it looks at its speed: QEMU's figure."""

_DISCARDING: Final = frozenset({"file", "qcow2"})
"""Drivers of nodes that can forget data."""


class MirrorJob(Job):
    """Copies a node to another, and follows what is written, until told to end.

    Args:
        graph: The graph.
        id_: Its id.
        source: The node.
        target: Where to.
        sync: What is copied: all, what the node has itself, or only what is written.
        is_commit: Whether the target is behind the source, which is then committed.
        is_zero: Whether a target of all zeros may be left as it is where the source
            has nothing.
        replaces: The node that the target replaces; ``None`` for the source.
        granularity: Bytes that are noted as one; 0 for the target's clusters.
    """

    filter_driver = "mirror_top"
    type = "mirror"
    edges: ClassVar = {
        "main node": (frozenset({READ}), frozenset({SAME, WRITE, READ})),
        "source": (frozenset(), frozenset({SAME, WRITE, READ})),
        "intermediate node": (frozenset(), frozenset({SAME, WRITE})),
    }
    cancels_at_once = False
    follows = True

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        source: Node,
        target: Node,
        *,
        sync: Literal["full", "top", "none"] = "full",
        is_commit: bool = False,
        is_zero: bool = False,
        replaces: Node | None = None,
        granularity: int = 0,
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.kind = self.type = "commit" if is_commit else "mirror"
        self.source, self.target = source, target
        self._sync = sync
        self._is_zero = is_zero
        self._replaces = replaces or source
        self._keeps = False
        self._was_read_only = False
        self._left: list[tuple[int, int]] = []
        self._noted = NamelessBitmap(
            granularity or default_granularity(target),
            recording=True,
            count=lambda: sum(length for _, length in self._left),
        )
        if is_commit:
            for node in graph.chain(source):
                if node is target:
                    break
                role = "source" if node is source else "intermediate node"
                self.children.append((role, node))
            self.children.insert(1, ("target", target))
        else:
            self.children = [("source", source), ("target", target)]
        for _, node in self.children:
            require_quiet(node)
        self.covered = source
        self._base: Node | None = target if is_commit else None
        if sync == "top" and not is_commit:
            self._base = source.backing

    def back_ends(self) -> list[tuple[Node, Edge]]:
        """Return the target."""
        shared = {SAME, WRITE, READ} if self.type == "commit" else {SAME}
        return [(self.target, Edge("root", frozenset({WRITE}), frozenset(shared)))]

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
        if self._sync == "full" and not (self._is_zero or self.kind == "commit"):
            self._is_zero = _clear(self.target)
        self._left = list(self._areas())
        self._left.reverse()
        self.total = sum(length for _, length in self._left)
        self.source.after_write.append(self._follow)
        self.source.nameless.append(self._noted)

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
            elif self._is_zero:
                depth, run = self.source.depth_at(at)
                kind, run = ("data" if depth else "behind"), min(run, size - at)
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
            copy(self.source, self.target, at, length, base)
            self._left.pop()
            self.offset += length
            copied += length
        return copied

    def after_drain(self) -> None:
        """Go on: the job need not wait for its speed any more."""
        if self.status is JobStatus.RUNNING and self.total and not self._left:
            self.rest()
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
        if self.kind == "mirror" and isinstance(self.target, FormatNode):
            behind = self.source.backing if self._sync != "full" else None
            if self.target.backing is None and behind is not None:
                self.target.set_backing(behind)
        self.graph.replace(was, self.target)

    def clean(self) -> None:
        """Follow writes no more."""
        if self._follow in self.source.after_write:
            self.source.after_write.remove(self._follow)
            self.source.nameless.remove(self._noted)
        if self._was_read_only and not self.target.drives:
            self.target.set_read_only(read_only=True)


def _clear(target: Node) -> bool:
    """Let a node be all zeros, if that costs nothing; return whether it is.

    Raises:
        OSError: It cannot be written.
    """
    below: Node | None = target
    while below is not None and (below.is_filter or below.driver == "raw"):
        below = below.file
    can_discard = target.options.get("discard") in ("unmap", "on")
    if below is None or below.driver not in _DISCARDING or not can_discard:
        return False
    target.write_zeroes(0, target.size)
    return True
