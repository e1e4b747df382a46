"""Block devices: what is in the drives, trays, media, sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from qmpx.errors import (
    DeviceLocked,
    DeviceNotFound,
    DeviceNotRemovable,
    GenericError,
    InvalidParameterValue,
)
from qmpx.machine import Drive, Machine, Medium
from qmpx.monitor import CommandRegistry
from qmpx.qapi import WireName

commands = CommandRegistry()

_SECTOR: Final = 512
"""Bytes that sizes of images are rounded up to."""


@commands.command("query-block")
def query_block(machine: Machine) -> list[Any]:
    """Tell of all block devices and what is in them."""
    return [_block_info(drive) for drive in machine.drives.values()]


def _block_info(drive: Drive) -> dict[str, Any]:
    info: dict[str, Any] = {
        "device": drive.device,
        "qdev": drive.id,
        "type": "unknown",
        "locked": drive.is_locked,
        "removable": drive.removable,
        "io-status": "ok",
    }
    if drive.has_tray:
        info["tray_open"] = drive.is_tray_open
    if drive.medium is not None:
        info["inserted"] = _inserted(drive.medium)
    return info


def _inserted(medium: Medium) -> dict[str, Any]:
    return {
        "file": medium.file,
        "node-name": medium.node_name,
        "ro": medium.read_only,
        "drv": medium.format,
        "backing_file_depth": 0,
        "encrypted": False,
        "detect_zeroes": "off",
        "bps": 0,
        "bps_rd": 0,
        "bps_wr": 0,
        "iops": 0,
        "iops_rd": 0,
        "iops_wr": 0,
        "write_threshold": 0,
        "image": {
            "filename": medium.file,
            "format": medium.format,
            "virtual-size": medium.size,
            "dirty-flag": False,
        },
        "cache": {"writeback": True, "direct": False, "no-flush": False},
    }


@contextmanager
def _drive(machine: Machine, device: str | None, id_: str | None) -> Iterator[Drive]:
    """Give the drive that a command names by its back end or by its device id.

    Errors of the block's name it in the same way.
    """
    if (device is None) is (id_ is None):
        message = "Need exactly one of 'device' and 'id'"
        raise GenericError(message)
    name = str(device if id_ is None else id_)
    for drive in machine.drives.values():
        if name == (drive.device if id_ is None else drive.id):
            break
    else:
        raise DeviceNotFound(device=name)
    try:
        yield drive
    except (DeviceLocked, DeviceNotRemovable) as error:
        raise type(error)(device=name) from error


@commands.command("eject")
def eject(
    machine: Machine,
    *,
    device: str | None = None,
    id_: str | None = None,
    force: bool = False,
) -> None:
    """Open the tray and take the medium out."""
    with _drive(machine, device, id_) as drive:
        drive.eject(force=force)


@commands.command("blockdev-open-tray")
def blockdev_open_tray(
    machine: Machine,
    *,
    device: str | None = None,
    id_: str | None = None,
    force: bool = False,
) -> None:
    """Open the tray and leave the medium in it."""
    with _drive(machine, device, id_) as drive:
        drive.open_tray(force=force)


@commands.command("blockdev-close-tray")
def blockdev_close_tray(
    machine: Machine, *, device: str | None = None, id_: str | None = None
) -> None:
    """Close the tray."""
    with _drive(machine, device, id_) as drive:
        drive.close_tray()


@commands.command("block_resize")
def block_resize(
    machine: Machine,
    *,
    device: str | None = None,
    node_name: Annotated[str | None, WireName("node-name")] = None,
    size: int,
) -> None:
    """Change the size of an image."""
    medium = _medium(machine, device or "", node_name or "")
    if size < 0:
        raise InvalidParameterValue(name="size", expected="a >0 size")
    if medium.read_only:
        message = "Cannot resize read-only node"
        raise GenericError(message)
    medium.size = -(-size // _SECTOR) * _SECTOR


def _medium(machine: Machine, device: str, node_name: str) -> Medium:
    """Return what is in the drive of that name, or else the node of that name."""
    if device in machine.drives:
        medium = machine.drives[device].medium
        if medium is None:
            message = f"Device '{device}' has no medium"
            raise GenericError(message)
        return medium
    for drive in machine.drives.values():
        medium = drive.medium
        if medium is not None and node_name and medium.node_name == node_name:
            return medium
    message = f"Cannot find device='{device}' nor node-name='{node_name}'"
    raise GenericError(message)
