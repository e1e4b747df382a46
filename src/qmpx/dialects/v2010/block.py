"""Drives: what is in them, changing media, keys, counters.

Source: QEMU 0.13.0.
"""

import contextlib
from typing import Any, Final

from qmpx.dialects.v2010.display import change_vnc
from qmpx.errors import (
    CommandError,
    DeviceEncrypted,
    DeviceNotFound,
    InvalidBlockFormat,
)
from qmpx.machine import Drive, Machine
from qmpx.machine.block.opening import FORMATS
from qmpx.machine.block.storage import Statistics, Storage
from qmpx.machine.drive import SECTOR
from qmpx.monitor.human import CommandTable, HumanSession
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

_PASSWORDS: Final = ("password", "passwd")
_ESCAPES: Final = str.maketrans(
    {
        **{character: f"\\{character}" for character in ' "\\'},
        "\t": "\\t",
        "\r": "\\r",
        "\n": "\\n",
    }
)


def _drive(machine: Machine, device: str) -> Drive:
    drive = machine.drives.get(device)
    if drive is None:
        raise DeviceNotFound(device=device)
    return drive


def _complete_drive(session: SessionLike, _: str) -> list[str]:
    return list(session.monitor.target.drives)


commands.completions["B"] = _complete_drive


# Keys, as people give them.


async def ask_for_keys(machine: Machine, session: HumanSession) -> bool:
    """Ask for the keys that the machine needs to run; tell whether it has them all."""
    for drive in list(machine.drives.values()):
        if drive.key.is_lacking and not await _ask_for_key(session, drive):
            return False
    return True


async def _ask_for_key(session: HumanSession, drive: Drive) -> bool:
    session.print(f"{drive.device} ({drive.key.file}) is encrypted.\n")
    password = await session.read_password("Password: ")
    try:
        drive.key.give(drive.image, password)
    except CommandError:
        session.print("invalid password\n")
        return False
    return True


@commands.command(
    "block_passwd",
    "device:B,password:s",
    "block_passwd device password",
    help="give the key of an encrypted drive",
)
def block_passwd(machine: Machine, *, device: str, password: str) -> None:
    """Give the key of an encrypted drive; any key will do, nothing can check it."""
    drive = _drive(machine, device)
    drive.key.give(drive.image, password)


# Media.


@commands.command(
    "eject",
    "force:-f,device:B",
    "[-f] device",
    help="take the medium out of a drive; -f also out of one that is locked or fixed",
)
def eject(machine: Machine, *, force: bool = False, device: str) -> None:
    """Take the medium out of a drive; with *force* out of any drive."""
    _drive(machine, device).eject_2010(force=force)


async def _change_for_human(
    machine: Machine,
    session: HumanSession,
    *,
    device: str,
    target: str,
    arg: str | None = None,
) -> None:
    """Do what `change` does, and ask for the password that is missing."""
    if device == "vnc" and target in _PASSWORDS and arg is None:
        arg = await session.read_password("Password: ")
    try:
        change(machine, device=device, target=target, arg=arg)
    except DeviceEncrypted:
        await _ask_for_key(session, _drive(machine, device))


@commands.command(
    "change",
    "device:B,target:F,arg:s?",
    "device filename [format]",
    help="put another medium into a drive, or change the VNC server",
    human=_change_for_human,
)
def change(
    machine: Machine, *, device: str, target: str, arg: str | None = None
) -> None:
    """Put another medium into a drive, or change the VNC server."""
    if device == "vnc":
        change_vnc(machine, target, arg)
        return
    drive = _drive(machine, device)
    if arg is not None and arg not in FORMATS:
        raise InvalidBlockFormat(name=arg)
    drive.change(target, arg)
    if drive.key.is_lacking:
        raise DeviceEncrypted(device=device)


@commands.human(
    "commit",
    "device:B",
    "device|all",
    help="write what a drive has of its own into the image behind it",
)
def commit(machine: Machine, *, device: str) -> None:
    """Write what overlays have into the images behind them; failures are not told."""
    drives = [_drive(machine, device)] if device != "all" else machine.drives.values()
    for drive in drives:
        with contextlib.suppress(OSError):
            drive.commit()


# What there is to know.


def show_block(drives: list[dict[str, Any]]) -> str:
    """Return what ``info block`` prints."""
    return "".join(f"{_shown_drive(drive)}\n" for drive in drives)


def _shown_drive(drive: dict[str, Any]) -> str:
    words = [f"{drive['device']}: type={drive['type']}"]
    words.append(f"removable={drive['removable']:d}")
    if drive["removable"]:
        words.append(f"locked={drive['locked']:d}")
    inserted = drive.get("inserted")
    if inserted is None:
        return " ".join((*words, "[not inserted]"))
    words.append(f"file={inserted['file'].translate(_ESCAPES)}")
    if "backing_file" in inserted:
        words.append(f"backing_file={inserted['backing_file'].translate(_ESCAPES)}")
    words.append(f"ro={inserted['ro']:d} drv={inserted['drv']}")
    words.append(f"encrypted={inserted['encrypted']:d}")
    return " ".join(words)


@commands.query("block", help="the drives, and what is in them", show=show_block)
def query_block(machine: Machine) -> list[dict[str, Any]]:
    """Tell of all drives and what is in them."""
    return [_block_info(drive) for drive in machine.drives.values()]


def _block_info(drive: Drive) -> dict[str, Any]:
    info: dict[str, Any] = {
        "device": drive.device,
        "locked": drive.is_locked,
        "removable": drive.removable,
    }
    if (medium := drive.medium) is not None:
        inserted = info["inserted"] = {"ro": medium.read_only, "drv": medium.format}
        if medium.backing_file is not None:
            inserted["backing_file"] = medium.backing_file
        inserted["encrypted"] = medium.is_encrypted
        inserted["file"] = medium.file
    info["type"] = drive.kind.value
    return info


def show_blockstats(drives: list[dict[str, Any]]) -> str:
    """Return what ``info blockstats`` prints."""
    names = ("rd_bytes", "wr_bytes", "rd_operations", "wr_operations")
    return "".join(
        f"{drive['device']}: "
        + " ".join(f"{name}={drive['stats'][name]}" for name in names)
        + "\n"
        for drive in drives
    )


@commands.query(
    "blockstats", help="what the drives have read and written", show=show_blockstats
)
def query_blockstats(machine: Machine) -> list[dict[str, Any]]:
    """Tell what all drives have read and written."""
    answers = list[dict[str, Any]]()
    for drive in machine.drives.values():
        info: dict[str, Any] = {"device": drive.device}
        if drive.image is not None:
            info["parent"] = _storage_stats(drive.image.storage)
        info["stats"] = _stats(drive.statistics)
        answers.append(info)
    return answers


def _storage_stats(storage: Storage) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if storage.below is not None:
        info["parent"] = _storage_stats(storage.below)
    info["stats"] = _stats(storage.statistics)
    return info


def _stats(statistics: Statistics) -> dict[str, int]:
    last = max(0, statistics.wr_highest_offset - 1)
    return {
        "wr_highest_offset": last // SECTOR * SECTOR,  # where the last sector begins
        "wr_bytes": statistics.wr_bytes,
        "wr_operations": statistics.wr_operations,
        "rd_bytes": statistics.rd_bytes,
        "rd_operations": statistics.rd_operations,
    }
