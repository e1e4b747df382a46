"""The nodes that jobs put in front of others while they are at work.

Source: QEMU 7.2.22, observed: their drivers, and who sees them.
"""

from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.block.filter_nodes import FilterNode
from qmpx.machine.block.nodes import Node
from qmpx.machine.qom.order import in_table_order

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job

_BACKING: Final = frozenset({"mirror_top", "commit_top"})
"""Drivers that call what is below them their backing node."""


class JobFilter(FilterNode):
    """A node in front of another, for a job.

    Args:
        name: Its name.
        driver: What it is: ``mirror_top``, ``copy-before-write``, ...
        below: What it stands in front of; `qmpx.machine.block.graph.BlockGraph` puts
            it there.
        is_implicit: Whether nobody has chosen its name: then who asks what is in a
            drive does not see it.

    Attributes:
        target: What it writes to beside, as it is shown.
    """

    def __init__(
        self, name: str, driver: str, below: Node, *, is_implicit: bool
    ) -> None:
        cache = below.options.get("cache")
        super().__init__(name, {"cache": cache}, read_only=below.read_only)
        self.driver = driver  # type: ignore[misc] # one class for all jobs
        self.is_implicit = is_implicit
        self.target: Node | None = None

    @property
    def child_name(self) -> str:
        """What the node below is to it."""
        return "backing" if self.driver in _BACKING else "file"

    @property
    def shows_read_only(self) -> bool:
        """Whether it is told that it can't be written, whatever is below it."""
        return self.driver == "commit_top"

    @property
    def filename(self) -> str:
        """The name of what is below, but for the driver that users know, too."""
        is_shown = self.driver == "copy-on-read" and not self.is_implicit
        if self.file is None or is_shown:
            return super().filename
        return self.file.filename

    def own_options(self) -> dict[str, Any]:
        """Return what is needed to make it again, or what it stands for."""
        if self.is_implicit and self.file is not None:
            return self.file.own_options()
        told = super().own_options()
        if self.target is not None:
            told["target"] = self.target.own_options()
        return {key: told[key] for key in in_table_order(told)}


def put_in_front(job: "Job") -> None:
    """Put a job's node in front of the one that the job covers, if it does."""
    covered, graph = job.covered, job.graph
    if covered is None:
        return
    front = JobFilter(
        graph.name_for(job.filter_name),
        job.filter_driver,
        covered,
        is_implicit=job.filter_name is None and job.hides_its_filter,
    )
    front.is_for_commit = job.type == "commit"
    job.filter = front
    if job.stands_in_front:
        job.children.insert(0, ("main node", front))
    targets = [node for node, _ in job.targets()]
    front.target = next(iter(targets), None)
    graph.enter(front)
    below = [node for target in targets for node in target.reached()]
    graph.replace(covered, front, keep=below)
    front.set_file(covered)


def take_away(job: "Job") -> None:
    """Take a job's node away again, if there is one: what is below takes its place."""
    front, graph = job.filter, job.graph
    if front is not None and front.file is not None:
        graph.jobs.drain_above(front.file)
        graph.replace(front, front.file)
        graph.forget(front)
    job.filter = None
