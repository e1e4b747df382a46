"""Jobs that end together: all well, or none.

Source: QEMU 7.2.22, observed: states, order of events.
"""

from typing import TYPE_CHECKING

from qmpx.errors import GenericError
from qmpx.machine.block.job_states import JobStatus

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job


class JobGroup:
    """Jobs that end together: all well, or none.

    Attributes:
        jobs: The jobs; the latest is the first to end.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def end(self) -> None:
        """Let all end, as one has done its work, if the others have, too."""
        if any(job.status is not JobStatus.WAITING for job in self.jobs):
            return
        for job in reversed(self.jobs):
            job.move(JobStatus.PENDING)
            if not job.auto_finalize:
                job.tell("pending")
        if all(job.auto_finalize for job in self.jobs):
            self.finalize()

    def finalize(self) -> None:
        """Let jobs do what comes last, all of them or none."""
        for job in reversed(self.jobs):
            try:
                job.finish()
            except OSError as error:
                job.error = error.strerror or str(error)
            except GenericError as error:
                job.error = error.desc
            if job.error is not None:
                self.abort(job)
                return
        for job in reversed(self.jobs):
            job.conclude()

    def abort(self, failed: "Job") -> None:
        """End all, as one went wrong, or was cancelled."""
        for job in self.jobs:
            job.rest()
            if job is not failed:
                job.is_cancelled = True
        if failed.status not in (JobStatus.WAITING, JobStatus.PENDING):
            failed.give_up()
        for job in reversed(self.jobs):
            if job.status is not JobStatus.ABORTING:
                job.give_up()
            job.conclude()
