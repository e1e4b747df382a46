"""Jobs: told of, paused, ended, forgotten; and that which makes an image.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from qmpx.dialects.modern.jobs.events import JobStatus, JobType
from qmpx.machine import Machine
from qmpx.machine.block import job_verbs
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job

commands = CommandRegistry(reads_late=True)

JobInfo = TypedDict(
    "JobInfo",
    {
        "id": str,
        "type": JobType,
        "status": JobStatus,
        "current-progress": int,
        "total-progress": int,
        "error": NotRequired[str],
    },
)


@commands.command("query-jobs")
def query_jobs(machine: Machine) -> list[JobInfo]:
    """Tell of all jobs."""
    return [_job_info(job) for job in reversed(machine.blocks.jobs.values())]


def _job_info(job: "Job") -> JobInfo:
    info: JobInfo = {
        "id": job.id,
        "type": job.type,
        "status": job.status.value,
        "current-progress": job.offset,
        "total-progress": job.total,
    }
    if job.error is not None:
        info["error"] = job.error
    return info


@commands.command("job-pause")
def job_pause(machine: Machine, *, id_: str) -> None:
    """Let a job stand still."""
    job_verbs.pause(machine.blocks.jobs.find(id_))


@commands.command("job-resume")
def job_resume(machine: Machine, *, id_: str) -> None:
    """Let a job go on."""
    job_verbs.resume(machine.blocks.jobs.find(id_))


@commands.command("job-cancel")
def job_cancel(machine: Machine, *, id_: str) -> None:
    """Stop a job as it is."""
    job_verbs.cancel(machine.blocks.jobs.find(id_), force=True)


@commands.command("job-complete")
def job_complete(machine: Machine, *, id_: str) -> None:
    """End a job that is ready."""
    job_verbs.complete(machine.blocks.jobs.find(id_))


@commands.command("job-finalize")
def job_finalize(machine: Machine, *, id_: str) -> None:
    """Let a job do what comes last."""
    job_verbs.finalize(machine.blocks.jobs.find(id_))


@commands.command("job-dismiss")
def job_dismiss(machine: Machine, *, id_: str) -> None:
    """Forget a job that is over."""
    job_verbs.dismiss(machine.blocks.jobs.find(id_))


@commands.command("blockdev-create")
def blockdev_create(
    machine: Machine,
    *,
    job_id: str,
    options: Annotated[dict[str, Any], Described("BlockdevCreateOptions")],
) -> None:
    """Make an image, as a job."""
    from qmpx.machine.block.creation import CreateJob

    jobs = machine.blocks.jobs
    job = CreateJob(machine.blocks, job_id, options)
    jobs.new_id(job_id, None)
    jobs.begin(job)
