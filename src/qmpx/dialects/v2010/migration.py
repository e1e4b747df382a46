"""Moving the machine, and its snapshots.

Source: QEMU 0.13.0, sections 2.1, 2.2 and 5.4 of the notes.
"""

import time
from typing import Any

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.migration import Progress
from qmpx.machine.snapshots import SavedMachine
from qmpx.monitor.human import CommandTable, HumanSession
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

_KIB = 1024
_LARGEST_PLAIN = 999  # bytes that are shown without a unit


async def _migrate_for_people(
    machine: Machine,
    session: HumanSession,
    *,
    detach: bool = False,
    blk: bool = False,
    inc: bool = False,
    uri: str,
) -> None:
    """Migrate, and show the prompt when that is over, unless told to detach."""
    _start(machine, session, blk=blk, inc=inc, uri=uri)
    if detach:
        return
    if session.has_terminal:
        await machine.migration.wait()
    else:
        session.print(
            "terminal does not allow synchronous migration, continuing detached\n"
        )


@commands.command(
    "migrate",
    "detach:-d,blk:-b,inc:-i,uri:s",
    "[-d] [-b] [-i] uri",
    help="move the machine; -d: do not wait, -b: with its disks, -i: with what is "
    "in their own images",
    human=_migrate_for_people,
    asynchronous=True,
)
async def migrate(
    machine: Machine,
    session: SessionLike,
    *,
    detach: bool = False,  # noqa: ARG001 - it means something to people only
    blk: bool = False,
    inc: bool = False,
    uri: str,
) -> None:
    """Begin to move the machine; by ``execute_async`` the reply comes at the end.

    Raises:
        GenericError: It cannot be begun or, by ``execute_async``, it came to nothing.
    """
    _start(machine, session, blk=blk, inc=inc, uri=uri)
    if session.answers_later:
        migration = machine.migration
        await migration.wait()
        if migration.status != "completed":
            message = f"migration {migration.status}"
            if migration.failure:
                message += f": {migration.failure}"
            raise GenericError(message)


def _start(
    machine: Machine, session: SessionLike, *, blk: bool, inc: bool, uri: str
) -> None:
    machine.migration.start(
        uri,
        block=blk,
        incremental=inc,
        take_descriptor=session.frontend.named.take,
    )


@commands.command("migrate_cancel", help="call the migration off")
def migrate_cancel(machine: Machine) -> None:
    """Call the migration off; nothing happens if there is none."""
    machine.migration.cancel()


@commands.command(
    "migrate_set_speed",
    "value:f",
    "value",
    help="limit the bytes a second of migrations",
)
def migrate_set_speed(machine: Machine, *, value: float) -> None:
    """Limit the bytes a second of migrations."""
    machine.migration.limits.set_speed(value)


@commands.command(
    "migrate_set_downtime",
    "value:T",
    "value",
    help="limit the seconds that the machine may stand still when it is moved",
)
def migrate_set_downtime(machine: Machine, *, value: float) -> None:
    """Limit the time that the machine may stand still when it is moved."""
    machine.migration.limits.set_downtime(value)


def _show_migrate(answer: dict[str, Any]) -> str:
    if "status" not in answer:
        return ""
    text = f"Migration status: {answer['status']}\n"
    for kind in ("ram", "disk"):
        for figure, value in answer.get(kind, {}).items():
            text += f"{figure} {kind}: {value // _KIB} kbytes\n"
    return text


@commands.query("migrate", help="how far the migration is", show=_show_migrate)
def query_migrate(machine: Machine) -> dict[str, Any]:
    """Tell how far the migration is, or how the last one went."""
    migration = machine.migration
    if migration.status is None:
        return {}
    answer: dict[str, Any] = {"status": migration.status}
    if (ram := migration.ram_progress) is not None:
        answer["ram"] = _figures(ram)
    if (disk := migration.disk_progress) is not None:
        answer["disk"] = _figures(disk)
    return answer


def _figures(progress: Progress) -> dict[str, int]:
    return {
        "transferred": progress.transferred,
        "remaining": progress.remaining,
        "total": progress.total,
    }


# Snapshots are for people only: QMP of 0.13 has none of these commands.


@commands.human(
    "savevm", "name:s?", "[tag|id]", help="save the machine into its disk images"
)
async def savevm(machine: Machine, *, name: str | None = None) -> None:
    """Save the machine; the prompt comes when that is done."""
    await machine.snapshots.save(name or "")


@commands.human("loadvm", "name:s", "tag|id", help="let the machine be what was saved")
async def loadvm(machine: Machine, *, name: str) -> None:
    """Restore the machine; the prompt comes when that is done."""
    await machine.snapshots.load(name)


@commands.human("delvm", "name:s", "tag|id", help="forget what was saved")
def delvm(machine: Machine, *, name: str) -> None:
    """Forget a snapshot."""
    machine.snapshots.delete(name)


@commands.info("snapshots", help="what was saved of the machine")
def info_snapshots(machine: Machine) -> str:
    """Return the list of snapshots as text."""
    saved = machine.snapshots.saved()
    devices = machine.snapshots.devices()
    lines = [
        f"Snapshot devices: {' '.join(devices)}",
        f"Snapshot list (from {devices[0]}):",
        f"{'ID':<10}{'TAG':<20}{'VM SIZE':>7}{'DATE':>20}{'VM CLOCK':>15}",
        *(_line(each) for each in saved),
    ]
    return "".join(f"{line}\n" for line in lines)


def _line(saved: SavedMachine) -> str:
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(saved.saved_at))
    seconds, milliseconds = divmod(saved.ran // 1_000_000, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
    size = human_size(saved.state_size)
    return f"{saved.id:<10}{saved.tag:<20}{size:>7}{date:>20}{clock:>15}"


def human_size(size: int) -> str:
    """Return a number of bytes as QEMU's lists have it: ``999``, ``1.2K``, ``34M``."""
    if size <= _LARGEST_PLAIN:
        return str(size)
    unit = _KIB
    for suffix in "KMGT":
        if size < 10 * unit:
            return f"{size / unit:.1f}{suffix}"
        if size < 1000 * unit or suffix == "T":
            break
        unit *= _KIB
    return f"{(size + unit // 2) // unit}{suffix}"
