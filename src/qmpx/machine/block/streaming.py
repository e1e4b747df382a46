"""The job that copies what is behind an image into it: ``block-stream``.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Final

from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.job import Job
from qmpx.machine.block.job_errors import as_source_error
from qmpx.machine.block.nodes import PIECE, Node
from qmpx.machine.block.permissions import READ, SAME, WRITE, Edge, require_quiet

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


_BEARS: Final = frozenset({SAME, WRITE, READ})


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
    edges: ClassVar = {
        "active node": (frozenset(), _BEARS),
        "intermediate node": (frozenset(), frozenset({SAME, READ})),
    }

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
        self._was_read_only = False
        for node in graph.chain(top):
            if node is base:
                break
            require_quiet(node)
            role = "active node" if node is top else "intermediate node"
            self.children.append((role, node))
        self.covered = top

    def back_ends(self) -> list[tuple[Node, Edge]]:
        """Return what it reads: the node in front."""
        if self.filter is None:
            return []
        return [(self.filter, Edge("root", frozenset({READ}), _BEARS))]

    def prepare(self) -> None:
        """Begin at the beginning, and let the node be written.

        Raises:
            OSError: It cannot be.
        """
        if self.top.read_only:
            self.top.set_read_only(read_only=False)
            self._was_read_only = True
            if self.filter is not None:
                self.filter.read_only = False
        behind = self.top.backing
        self.total = 0 if behind is None or behind is self.base else self.top.size

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
            raise as_source_error(error) from None
        copied = 0
        if kind == "behind" and (behind := self.top.backing) is not None:
            seen, length = behind.status_above(at, self.base)
            run = min(run, length)
            if seen == "data":
                try:
                    data = behind.read(at, run)
                except OSError as error:
                    raise as_source_error(error) from None
                self.top.fill(at, data)
                copied = run
            elif seen == "zero" and behind.depth_at(at)[0]:
                self.top.fill(at, bytes(run))
                copied = run
        self.offset = at + run
        return copied

    def passed(self) -> list[tuple[Node, bool]]:
        """Return where it reads and writes."""
        return [(self.top, True)]

    @property
    def has_done_all(self) -> bool:
        """Whether it has come to the end."""
        return self.offset >= self.total

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

    def clean(self) -> None:
        """Let the node be read only again, if it was."""
        if self._was_read_only:
            self.top.flush()
            self.top.set_read_only(read_only=True)
