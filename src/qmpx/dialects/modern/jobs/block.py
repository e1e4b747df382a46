"""Block jobs: told of, paused, ended and forgotten by the older names.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, NotRequired, TypedDict

from qmpx.dialects.modern.jobs.events import JobStatus, JobType
from qmpx.dialects.modern.replies import BlockDeviceIoStatus
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.block import job_verbs
from qmpx.machine.block.job_states import JobStatus as JobState
from qmpx.monitor import CommandRegistry

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job

commands = CommandRegistry(reads_late=True)

BlockJobInfo = TypedDict(
    "BlockJobInfo",
    {
        "type": JobType,
        "device": str,
        "len": int,
        "offset": int,
        "busy": bool,
        "paused": bool,
        "speed": int,
        "io-status": BlockDeviceIoStatus,
        "ready": bool,
        "status": JobStatus,
        "auto-finalize": bool,
        "auto-dismiss": bool,
        "error": NotRequired[str],
    },
)


@commands.command("query-block-jobs")
def query_block_jobs(machine: Machine) -> list[BlockJobInfo]:
    """Tell of the jobs that work on block nodes."""
    jobs = reversed(machine.blocks.jobs.values())  # the latest first, as above
    return [_block_job_info(job) for job in jobs if job.is_block_job]


def _block_job_info(job: "Job") -> BlockJobInfo:
    has_ended = job.status in (JobState.WAITING, JobState.PENDING)
    info: BlockJobInfo = {
        "type": job.type,
        "device": job.id,
        "len": job.total,
        "offset": job.offset,
        "busy": False,
        "paused": job.is_user_paused or (job.follows and has_ended),
        "speed": job.speed,
        "io-status": job.io_status,
        "ready": job.status in (JobState.READY, JobState.STANDBY),
        "status": job.status.value,
        "auto-finalize": job.auto_finalize,
        "auto-dismiss": job.auto_dismiss,
    }
    if job.error is not None:
        info["error"] = job.error
    return info


@commands.command("block-job-pause")
def block_job_pause(machine: Machine, *, device: str) -> None:
    """Let a block job stand still."""
    job_verbs.pause(machine.blocks.jobs.find_block_job(device))


@commands.command("block-job-resume")
def block_job_resume(machine: Machine, *, device: str) -> None:
    """Let a block job go on."""
    job_verbs.resume(machine.blocks.jobs.find_block_job(device))


@commands.command("block-job-cancel")
def block_job_cancel(machine: Machine, *, device: str, force: bool = False) -> None:
    """Stop a block job; one that is ready ends well, if it is not forced."""
    job = machine.blocks.jobs.find_block_job(device)
    if job.is_user_paused and not force:
        message = f"The block job for device '{device}' is currently paused"
        raise GenericError(message)
    job_verbs.cancel(job, force=force)


@commands.command("block-job-complete")
def block_job_complete(machine: Machine, *, device: str) -> None:
    """End a block job that is ready."""
    job_verbs.complete(machine.blocks.jobs.find_block_job(device))


@commands.command("block-job-finalize")
def block_job_finalize(machine: Machine, *, id_: str) -> None:
    """Let a block job do what comes last."""
    job_verbs.finalize(machine.blocks.jobs.find_block_job(id_))


@commands.command("block-job-dismiss")
def block_job_dismiss(machine: Machine, *, id_: str) -> None:
    """Forget a block job that is over."""
    job_verbs.dismiss(machine.blocks.jobs.find_block_job(id_))


@commands.command("block-job-set-speed")
def block_job_set_speed(machine: Machine, *, device: str, speed: int) -> None:
    """Let a block job do so many bytes a second."""
    job_verbs.set_speed(machine.blocks.jobs.find_block_job(device), speed)
