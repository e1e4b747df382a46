"""Changes that can be taken back: what transactions are made of.

A function that makes a change does so at once, and returns how it is taken back, and
what is to be done when it is to last.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qmpx.machine.block.job import Job
from qmpx.machine.block.job_groups import JobGroup
from qmpx.machine.block.nodes import Node

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made.

    Attributes:
        undo: Take it back.
        commit: Let it last.
        clean: What is done in the end, whether it lasts or not.
        job: The job that begins when it lasts, if it is one.
    """

    undo: Callable[[], None] = _nothing
    commit: Callable[[], None] = _nothing
    clean: Callable[[], None] = _nothing
    job: Job | None = None


def make(changes: Iterable[Callable[[], Change]]) -> None:
    """Make changes, all or none.

    Raises:
        CommandError: The first that cannot be made says why; the others are undone.
    """
    made = list[Change]()
    try:
        for change in changes:
            made.append(change())
    except Exception:
        for each in reversed(made):
            each.undo()
        for each in made:
            each.clean()
        raise
    for each in made:
        each.commit()
    for each in made:
        each.clean()


def held(graph: "BlockGraph", node: Node, change: Callable[[], Change]) -> Change:
    """Make a change of a node whose jobs stand still until all changes are made.

    Args:
        graph: The graph.
        node: The node.
        change: Makes the change.

    Raises:
        CommandError: The change cannot be made.
    """
    jobs = graph.jobs.above(node)

    def let_run() -> None:
        for job in jobs:
            job.let_run()

    for job in jobs:
        job.hold()
    try:
        made = change()
    except Exception:
        let_run()
        raise

    def clean() -> None:
        made.clean()
        let_run()

    return replace(made, clean=clean)


def group(jobs: Iterable[Job]) -> None:
    """Let jobs end together."""
    shared = JobGroup()
    for job in jobs:
        shared.jobs.append(job)
        job.group = shared


def begin(graph: "BlockGraph", job: Job) -> Change:
    """Enter a job that starts when all else was done."""
    graph.jobs.begin(job, is_started=False)

    job.hold()
    return Change(undo=job.call_off, commit=job.start, clean=job.let_run, job=job)
