"""Serve a monitor of your own: commands, errors, events, a command that takes time.

The program that is served here makes backups and knows nothing of QMP. Annotated
functions make commands of its methods: what a handler takes is checked before it runs,
what it returns is the reply, what it raises is the error.
"""

import asyncio
import tempfile
from typing import Any, Literal

import qmpx
from qmpx.errors import CommandError, DeviceNotFound
from qmpx.monitor import CommandRegistry


class BackupRunning(CommandError, template="A backup of '{disk}' is running already"):
    """One disk, one backup at a time."""

    disk: str


class Backups:
    """The program itself: disks, and backups of them."""

    def __init__(self, *disks: str) -> None:
        self.done = dict.fromkeys(disks, 0)
        self.running: dict[str, asyncio.Event] = {}

    async def make(self, disk: str, seconds: float) -> bool:
        """Make a backup; tell whether it was finished, and not cancelled."""
        cancelled = self.running[disk] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):  # where the work would be
                await cancelled.wait()
        except TimeoutError:
            self.done[disk] += 1
        finally:
            del self.running[disk]
        return not cancelled.is_set()


commands = CommandRegistry()


@commands.command("query-backups")
def query_backups(backups: Backups) -> list[dict[str, Any]]:
    """Tell how many backups there are of each disk."""
    return [{"disk": disk, "count": count} for disk, count in backups.done.items()]


@commands.command("backup")
async def backup(
    backups: Backups,
    session: qmpx.Session,
    *,
    disk: str,
    level: Literal["quick", "full"] = "quick",
) -> dict[str, bool]:
    """Make a backup. The reply comes when it is finished."""
    if disk not in backups.done:
        raise DeviceNotFound(device=disk)
    if disk in backups.running:
        raise BackupRunning(disk=disk)
    finished = await backups.make(disk, 0.05 if level == "quick" else 60.0)
    session.monitor.emit("BACKUP_DONE", {"disk": disk, "finished": finished})
    return {"finished": finished}


@commands.command("backup-cancel", allow_oob=True)
def backup_cancel(backups: Backups, *, disk: str) -> None:
    """Give a backup up. Out of band: the queue waits for that very backup."""
    if disk not in backups.running:
        raise DeviceNotFound(device=disk)
    backups.running[disk].set()


async def converse(vm: qmpx.AsyncClient) -> None:
    """Use the monitor as any client of QMP would."""
    with_events = vm.events("BACKUP_*")
    print("backup:", await vm.execute("backup", disk="sda"))
    print("event:", (await with_events.get(timeout=5.0)).data)

    for arguments in ({"disk": "sdz"}, {"disk": 7}, {"disk": "sda", "level": "half"}):
        try:
            await vm.execute("backup", arguments)
        except qmpx.CommandError as error:
            print("refused:", error)

    full = asyncio.create_task(vm.execute("backup", disk="sdb", level="full"))
    await asyncio.sleep(0)  # let it be sent
    await vm.exec_oob("backup-cancel", disk="sdb")
    print("cancelled:", await full)
    print("in the end:", await vm.execute("query-backups"))


async def main() -> None:
    """Serve the program, and talk with it."""
    monitor = qmpx.Monitor(Backups("sda", "sdb"), commands=commands)
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/qmp.sock"
        async with monitor.serve(address), qmpx.connect_async(address) as vm:
            await converse(vm)


if __name__ == "__main__":
    asyncio.run(main())
