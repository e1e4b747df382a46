"""What users may ask of a job, and when.

Source: QEMU 7.2.22, observed: texts, and which verb is refused in which state.
"""

from qmpx.errors import GenericError
from qmpx.machine.block.job import Job
from qmpx.machine.block.job_states import VERBS


def require(job: Job, verb: str) -> None:
    """Make sure that a job takes a verb now.

    Raises:
        GenericError: It does not.
    """
    if job.status not in VERBS[verb]:
        message = (
            f"Job '{job.id}' in state '{job.status}' cannot accept command verb "
            f"'{verb}'"
        )
        raise GenericError(message)


def set_speed(job: Job, speed: int) -> None:
    """Let a job do so many bytes a second; 0 for any.

    Raises:
        GenericError: It can't now, or the speed is none.
    """
    require(job, "set-speed")
    if speed < 0:
        message = "Parameter 'speed' expects a non-negative value"
        raise GenericError(message)
    job.speed = speed
    job.hasten()


def pause(job: Job) -> None:
    """Let a job stand still, until somebody says `resume`.

    Raises:
        GenericError: It can't now, or does.
    """
    require(job, "pause")
    if job.is_user_paused:
        message = "Job is already paused"
        raise GenericError(message)
    job.is_user_paused = True
    job.pause()


def resume(job: Job) -> None:
    """Let a job go on that was asked to pause.

    Raises:
        GenericError: It can't now, or was not asked to.
    """
    if not job.is_user_paused:
        message = "Can't resume a job that was not paused"
        raise GenericError(message)
    require(job, "resume")
    job.is_user_paused = False
    job.resume()


def complete(job: Job) -> None:
    """End a job that is ready.

    Raises:
        GenericError: It is not.
    """
    require(job, "complete")
    job.should_complete = True
    job.hasten()


def cancel(job: Job, *, force: bool) -> None:
    """Stop a job; see `Job.cancel`.

    Raises:
        GenericError: It can't now.
    """
    require(job, "cancel")
    job.cancel(force=force)


def finalize(job: Job) -> None:
    """Let a job, and those that end with it, do what comes last.

    Raises:
        GenericError: Its work is not done.
    """
    require(job, "finalize")
    job.group.finalize()


def dismiss(job: Job) -> None:
    """Forget a job that is over.

    Raises:
        GenericError: It is not.
    """
    require(job, "dismiss")
    job.dismiss()
