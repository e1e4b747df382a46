"""The jobs of a machine, by their ids.

Source: QEMU 7.2.22, observed.
"""

import re
from typing import TYPE_CHECKING, Final

from qmpx.errors import DeviceNotActive, GenericError
from qmpx.machine.block.job import Job
from qmpx.machine.block.job_filters import put_in_front
from qmpx.machine.block.job_states import JobStatus
from qmpx.machine.happenings import JobMoved

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

MAX_JOBS: Final = 1024
"""Jobs of one machine, those included that nobody has dismissed yet."""

_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


def _targets(job: Job) -> "list[Node]":
    return [node for node, _ in job.targets()]


class Jobs(dict[str, Job]):
    """The jobs of a machine, by id.

    Args:
        graph: What they work on.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        super().__init__()
        self.graph = graph

    def new_id(self, id_: str | None, default: str | None) -> str:
        """Return the id of a new job.

        Args:
            id_: What was given.
            default: What it is called if nothing was.

        Raises:
            GenericError: It is none, or taken.
        """
        chosen = id_ if id_ is not None else (default or "")
        if not _ID.fullmatch(chosen):
            message = f"Invalid job ID '{chosen}'"
            raise GenericError(message)
        if chosen in self:
            message = f"Job ID '{chosen}' already in use"
            raise GenericError(message)
        if len(self) >= MAX_JOBS:
            message = f"more than {MAX_JOBS} jobs"
            raise GenericError(message)
        return chosen

    def begin(self, job: Job, *, is_started: bool = True) -> None:
        """Enter a job with the node that it puts in front of another; start it."""
        put_in_front(job)
        self[job.id] = job
        self.graph.machine.tell(JobMoved(job.id, JobStatus.CREATED.value))
        job.claim()
        if is_started:
            job.start()

    def forget(self, job: Job) -> None:
        """Strike it off."""
        self.pop(job.id, None)

    def find(self, id_: str) -> Job:
        """Return a job by its id.

        Raises:
            GenericError: There is none.
        """
        if id_ not in self:
            message = "Job not found"
            raise GenericError(message)
        return self[id_]

    def find_block_job(self, id_: str) -> Job:
        """Return a job that works on block nodes by its id.

        Raises:
            DeviceNotActive: There is none.
        """
        job = self.get(id_)
        if job is None or not job.is_block_job:
            error = DeviceNotActive(device=id_)
            error.desc = f"Block job '{id_}' not found"
            raise error
        return job

    def above(self, node: "Node") -> list[Job]:
        """Return the jobs of a node, and of what stands on it, newest first."""
        reached, left = [node], [node]
        while left:
            each = left.pop()
            writers = [x.filter for x in self.values() if each in _targets(x)]
            for parent in (*(above for above, _ in each.parents), *writers):
                if parent is not None and parent not in reached:
                    reached.append(parent)
                    left.append(parent)
        return [
            job
            for job in reversed(self.values())
            if any(each in reached for _, each in job.children)
        ]

    def drain_around(self, node: "Node") -> None:
        """The same for a node and all that are below and behind it."""
        jobs: list[Job] = []
        left: list[Node | None] = [node]
        while left:
            if (each := left.pop()) is not None:
                jobs += [job for job in self.above(each) if job not in jobs]
                left += [each.file, each.backing]
        for job in jobs:
            job.hold()
        for job in jobs:
            job.let_run()

    def drain_above(self, node: "Node", times: int = 1) -> None:
        """Let the requests of a node come to an end: its jobs pause for a moment."""
        for _ in range(times):
            jobs = self.above(node)
            for job in jobs:
                job.hold()
            for job in jobs:
                job.let_run()

    def drain(self) -> None:
        """Let all requests come to an end, which shows as short pauses."""
        jobs = [job for job in self.values() if job.is_block_job]
        for job in jobs:
            job.hold()
        for job in jobs:
            job.let_run()
        for job in jobs:
            job.after_drain()
