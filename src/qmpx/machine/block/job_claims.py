"""What a job needs of its nodes, told to them, so that nobody gets in its way.

Source: QEMU 7.2.22, observed: ``x-debug-query-block-graph``, and errors.
"""

from typing import TYPE_CHECKING

from qmpx.machine.block.permissions import UNNAMED, Claim

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job
    from qmpx.machine.block.nodes import Node


class JobClaims:
    """What one job has claimed.

    Args:
        job: The job.
    """

    def __init__(self, job: "Job") -> None:
        self._job = job
        self._made: list[tuple[Node, Claim]] = []
        self._busy: list[Node] = []

    @property
    def _reason(self) -> str:
        return f"block job: {self._job.type}"

    def make(self) -> None:
        """Let the job's nodes know what it needs of them."""
        job = self._job
        for role, node in job.children:
            node.busy.append(self._reason)
            self._busy.append(node)
            claim = Claim(f"{job.type} job '{job.id}'", job.edge(role))
            self._made.append((node, claim))
        if job.filter is not None:
            user = f"node '{job.filter.name}'"
            self._made += [(node, Claim(user, edge)) for node, edge in job.targets()]
        self._made += [(node, Claim(UNNAMED, edge)) for node, edge in job.back_ends()]
        for node, claim in self._made:
            node.claims.append(claim)
            if claim.user == UNNAMED:
                node.uses.append(job.id)

    def drop(self) -> None:
        """Let others have the nodes again."""
        for node in self._busy:
            node.busy.remove(self._reason)
        self._busy.clear()
        for node, claim in self._made:
            node.claims.remove(claim)
            if claim.user == UNNAMED:
                node.uses.remove(self._job.id)
        self._made.clear()
