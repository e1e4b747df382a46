"""The job that writes images into one behind them, below the front: ``block-commit``.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from qmpx.machine.block.copying import copy
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.job import Job
from qmpx.machine.block.nodes import PIECE, Node
from qmpx.machine.block.permissions import ALL, READ, SAME, WRITE, Edge, require_quiet

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


class CommitJob(Job):
    """Writes images into one that is behind them, and takes them out of between.

    Args:
        graph: The graph.
        id_: Its id.
        top: The first image that goes.
        base: Where it goes to.
        overlay: The image that has *top* behind it.
        front: The first of the chain.
        backing_file: What the header of the overlay is to say.
    """

    filter_driver = "commit_top"
    type = "commit"
    stands_in_front = False
    edges: ClassVar = {"intermediate node": (frozenset(), frozenset({SAME, WRITE}))}

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        top: Node,
        base: Node,
        overlay: Node,
        front: Node,
        *,
        backing_file: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(graph, id_, **rest)
        self.top, self.base, self.overlay = top, base, overlay
        self._backing_file = backing_file
        self.children = [("main node", front)]
        self._made_writable: list[Node] = []
        for node in graph.chain(top):
            require_quiet(node)
            role = "base" if node is base else "intermediate node"
            self.children.append((role, node))
            if node is base:
                break
        self.covered = top

    def back_ends(self) -> list[tuple[Node, Edge]]:
        """Return the base, which is written, and what is read."""
        base = Edge("root", frozenset({WRITE, READ}), frozenset({SAME, READ}))
        return [
            (self.base, base),
            (self.top, Edge("root", frozenset(), frozenset(ALL))),
        ]

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
                copy(self.top, self.base, self.offset, run, self.base)
                copied += run
            self.offset += run
        return copied

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.top, False), (self.base, True)]

    @property
    def has_done_all(self) -> bool:
        """Whether it has come to the end."""
        return self.offset >= self.total

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
