"""Drives that come and go, and what is kept of the machine in their images.

Source: QEMU 7.2.22, observed.
"""

from datetime import datetime
from typing import Any, Final

from qmpx.dialects.modern.block.file_names import expand
from qmpx.dialects.modern.human.block_info import size_text
from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly
from qmpx.errors import CommandError, GenericError, OpenFileFailed
from qmpx.machine import Machine
from qmpx.machine.block.described import node_options, plug_described
from qmpx.machine.block.drives import OPTIONS
from qmpx.machine.runstate import RunState
from qmpx.monitor.human.options import parse_options
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_TYPES: Final = {
    name: number
    for number, name in enumerate(
        ("none", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio", "xen")
    )
}  # and the numbers that QEMU has for them
_GUESSED: Final = (
    "WARNING: Image format was not specified for '{}' and probing guessed raw.\n"
    "         Automatically detecting the format is dangerous for raw images, "
    "write operations on block 0 will be restricted.\n"
    "         Specify the 'raw' format explicitly to remove the restrictions.\n"
)
_NOT_ABLE: Final = "no block device can store vmstate for snapshot"
_COLUMNS: Final = (
    f"{'ID':<10}{'TAG':<15}{'VM SIZE':>10}{'DATE':>20}{'VM CLOCK':>13}{'ICOUNT':>11}\n"
)


@commands.does("drive_add")
async def drive_add(
    session: SessionLike, *, node: bool = False, pci_addr: str, opts: str
) -> str:
    """Add a drive with no device yet, or a block node; the address has no meaning."""
    options = parse_options(opts, "file")
    if node:
        return await _add_node(session, opts)
    machine: Machine = session.monitor.target
    interface = options.get("if", "ide")
    if interface not in _TYPES:
        return f"unsupported bus type '{interface}'\n"
    name = options.get("id", "")
    if name and name in machine.drives:
        return f"Duplicate ID '{name}' for drive\n"
    path = options.get("file", "")
    try:
        options = expand(options)
        nodes = node_options(options)
        plugged = (
            machine.drives.plug(_known(options))
            if nodes is None
            else plug_described(machine, options, nodes)
        )
    except ValueError as error:
        return f"{error}\n"
    except OpenFileFailed:
        return f"Could not open '{path}': No such file or directory\n"
    except CommandError as error:
        return f"{error.desc}\n"
    said = ""
    drive = plugged
    if drive is not None:
        drive.id, drive.removable = "", True  # until a device has it
    if drive is not None and drive.medium is not None:
        if drive.medium.format == "raw" and not options.keys() & {"format", "driver"}:
            said = _GUESSED.format(path)
        if options.get("snapshot") != "on":
            machine.blocks.drives.adopt(drive)
    if interface == "none":
        return f"{said}OK\n"
    if drive is not None:
        machine.drives.unplug(drive.device)
    if not pci_addr.strip():
        return f"{said}Invalid pci address\n"
    return f"{said}Can't hot-add drive to type {_TYPES[interface]}\n"


def _known(options: dict[str, str]) -> dict[str, str]:
    """Return options as the machine has them; it has its own names for some."""
    renamed = {
        "readonly" if name == "read-only" else name: value
        for name, value in options.items()
    }
    if "driver" in renamed:
        renamed.setdefault("format", renamed.pop("driver"))
    return {name: value for name, value in renamed.items() if name in OPTIONS}


async def _add_node(session: SessionLike, opts: str) -> str:
    values: dict[str, Any] = {}
    for name, text in parse_options(opts, "driver").items():
        at = values
        *above, last = name.split(".")
        for part in above:
            at = at.setdefault(part, {})
        at[last] = _value(text)
    if "node-name" not in values:
        return "'node-name' needs to be specified\n"
    await ask_exactly(session, "blockdev-add", values)
    return ""


def _value(text: str) -> Any:
    """Return a value of a node: a truth value or a number where it reads as one."""
    if text in ("on", "off"):
        return text == "on"
    return int(text) if text.isdigit() else text


@commands.does("drive_del")
async def drive_del(session: SessionLike, *, id: str) -> str | None:  # noqa: A002
    """Remove a drive that was added, or a block node."""
    machine: Machine = session.monitor.target
    if id in machine.drives:
        drive = machine.drives[id]
        machine.blocks.drives.remove(drive)
        after = dict(machine.drives)
        machine.drives.unplug(id)
        if drive.id:  # its device stays, and has nothing behind it any more
            drive.device, drive.io_status = "", ""
            after = {drive.id if x is drive else name: x for name, x in after.items()}
            machine.drives.clear()
            machine.drives.update(after)
        return None
    if machine.blocks.find(id) is None:
        return f"Device '{id}' not found\n"
    try:
        await ask(session, "blockdev-del", node_name=id)
    except CommandError as error:
        return f"{error.desc}\n"
    return None


# What is kept of the machine.


def _require_willing(machine: Machine) -> None:
    if (name := machine.snapshots.stubborn()) is not None:
        message = f"Device '{name}' is writable but does not support snapshots"
        raise GenericError(message)


def _require_able(machine: Machine) -> None:
    _require_willing(machine)
    if not machine.snapshots.devices():
        raise GenericError(_NOT_ABLE)


@commands.does("savevm")
async def savevm(machine: Machine, *, name: str | None = None) -> None:
    """Save the machine; the prompt comes when that is done."""
    _require_able(machine)
    await machine.snapshots.save(name or _now(machine))


def _now(machine: Machine) -> str:
    """Return a name for what nobody gave one: the time."""
    seconds = machine.clock.microseconds() / 1e6
    return datetime.fromtimestamp(seconds).strftime("vm-%Y%m%d%H%M%S")


def _is_saved(machine: Machine, name: str) -> bool:
    if not machine.snapshots.devices():
        return False
    return any(name == kept.tag for kept in machine.snapshots.saved())


@commands.does("loadvm")
async def loadvm(machine: Machine, *, name: str) -> None:
    """Let the machine be what was saved; it runs on if it ran.

    If nothing was, it stands still all the same.
    """
    if machine.state.is_running and not _is_saved(machine, name):
        machine.transfer(RunState.RESTORE_VM)
    _require_able(machine)
    if not _is_saved(machine, name):
        message = f"Snapshot '{name}' does not exist in one or more devices"
        raise GenericError(message)
    await machine.snapshots.load(name, goes_on=True)


@commands.does("delvm")
def delvm(machine: Machine, *, name: str) -> None:
    """Forget what was saved; nothing happens if there is nothing of that name."""
    _require_willing(machine)
    if _is_saved(machine, name):
        machine.snapshots.delete(name)


@commands.shows("snapshots")
def info_snapshots(machine: Machine) -> str:
    """Return what was saved."""
    if not machine.snapshots.devices():
        return f"{_NOT_ABLE}\n"
    kept = machine.snapshots.saved()
    if not kept:
        return "There is no snapshot available.\n"
    lines = ["List of snapshots present on all disks:\n", _COLUMNS]
    for saved in kept:
        date = datetime.fromtimestamp(saved.saved_at).strftime("%Y-%m-%d %H:%M:%S")
        milliseconds = saved.ran // 1_000_000
        minutes, rest = divmod(milliseconds, 60_000)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
        lines.append(
            f"{'--':<10}{saved.tag:<15}{size_text(saved.state_size):>10}"
            f"{date:>20}{clock:>13}{'':>11}\n"
        )
    return "".join(lines)
