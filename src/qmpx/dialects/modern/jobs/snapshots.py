"""Saving the machine inside its images, as jobs.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING

from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry

if TYPE_CHECKING:
    from qmpx.machine.snapshot_jobs import SnapshotJob

commands = CommandRegistry(reads_late=True)


async def _carry_out(machine: Machine, job: "SnapshotJob") -> None:
    """Do what a job is for; as in QEMU, nothing else is answered meanwhile."""
    jobs = machine.blocks.jobs
    jobs.new_id(job.id, None)
    jobs.begin(job)
    await job.work()


@commands.command("snapshot-save")
async def snapshot_save(
    machine: Machine, *, job_id: str, tag: str, vmstate: str, devices: list[str]
) -> None:
    """Save the machine and the data of nodes, as a job."""
    from qmpx.machine.snapshot_jobs import SaveJob

    await _carry_out(machine, SaveJob(machine, job_id, tag, devices, vmstate))


@commands.command("snapshot-load")
async def snapshot_load(
    machine: Machine, *, job_id: str, tag: str, vmstate: str, devices: list[str]
) -> None:
    """Let the machine and the data of nodes be what was saved, as a job."""
    from qmpx.machine.snapshot_jobs import LoadJob

    await _carry_out(machine, LoadJob(machine, job_id, tag, devices, vmstate))


@commands.command("snapshot-delete")
async def snapshot_delete(
    machine: Machine, *, job_id: str, tag: str, devices: list[str]
) -> None:
    """Forget what was saved, as a job."""
    from qmpx.machine.snapshot_jobs import DeleteJob

    await _carry_out(machine, DeleteJob(machine, job_id, tag, devices))
