"""Block devices: what is in the drives, trays, media, sizes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from qmpx.dialects.modern.block.graph import find_drive
from qmpx.dialects.modern.block.info import (
    drive_limits,
    limits_info,
    node_info,
    snapshot_info,
)
from qmpx.dialects.modern.replies import (
    BlockDeviceInfo,
    BlockInfo,
    ImageInfo,
)
from qmpx.errors import (
    DeviceLocked,
    DeviceNotRemovable,
    GenericError,
    InvalidParameterValue,
)
from qmpx.machine import Drive, Machine, Medium
from qmpx.monitor import CommandRegistry
from qmpx.qapi.model import DEPRECATED, Feature

if TYPE_CHECKING:
    from qmpx.machine.block import Image
    from qmpx.machine.block.throttling import Limits

commands = CommandRegistry(reads_late=True)

_FLASH: Final = "/machine/system.flash"
_SECTOR: Final = 512
"""Bytes that sizes of images are rounded up to."""


@commands.command("query-block")
def query_block(machine: Machine) -> list[BlockInfo]:
    """Tell of all block devices and what is in them."""
    return [_block_info(machine, drive) for drive in machine.drives.values()]


def _block_info(machine: Machine, drive: Drive) -> BlockInfo:
    info: BlockInfo = {
        "device": drive.device,
        "type": "unknown",
        "locked": drive.is_locked,
        "removable": drive.removable,
    }
    if drive.id:
        info["qdev"] = drive.id
    is_floppy = drive.removable and not drive.has_tray
    keeps_status = not (is_floppy or drive.id.startswith(_FLASH))
    if drive.id and keeps_status and drive.io_status:
        info["io-status"] = drive.io_status
    if drive.has_tray:
        info["tray_open"] = drive.is_tray_open
    node = machine.blocks.drives.node_in(drive)
    limits = drive_limits(machine, drive)
    if node is not None:
        info["inserted"] = node_info(node, drive=drive, limits=limits)
    elif drive.medium is not None:
        info["inserted"] = _inserted(drive.medium, limits)
    return info


def _inserted(medium: Medium, limits: "Limits | None") -> BlockDeviceInfo:
    info: dict[str, Any] = {
        "file": medium.file,
        "node-name": medium.node_name,
        "ro": medium.read_only,
        "drv": medium.format,
        "backing_file_depth": 0 if medium.image is None else medium.image.depth,
        "encrypted": medium.is_encrypted,
        "detect_zeroes": "off",
        **limits_info(limits),
        "write_threshold": 0,
        "image": _image_info(medium),
        "cache": {"writeback": True, "direct": False, "no-flush": False},
    }
    if medium.backing_file is not None:
        info["backing_file"] = medium.backing_file
    return cast("BlockDeviceInfo", info)


def _image_info(medium: Medium) -> ImageInfo:
    if medium.image is not None:
        return _told_by(medium.image)
    return {
        "filename": medium.file,
        "format": medium.format,
        "virtual-size": medium.size,
        "dirty-flag": False,
    }


def _told_by(image: "Image") -> ImageInfo:
    """Return what a real image tells of itself, and of those behind it."""
    info: ImageInfo = {
        "filename": image.filename,
        "format": image.format,
        "virtual-size": image.size,
        "actual-size": image.storage.allocated,
        "dirty-flag": image.is_dirty,
    }
    if image.cluster_size:
        info["cluster-size"] = image.cluster_size
    if image.is_encrypted:
        info["encrypted"] = True
    if shots := image.snapshots():
        info["snapshots"] = [snapshot_info(shot) for shot in shots]
    if image.backing is not None and image.backing_file is not None:
        info["backing-filename"] = image.backing_file
        info["full-backing-filename"] = image.backing.filename
        if image.backing_format is not None:
            info["backing-filename-format"] = image.backing_format
        info["backing-image"] = _told_by(image.backing)
    return info


@contextmanager
def _drive(machine: Machine, device: str | None, id_: str | None) -> Iterator[Drive]:
    """Give the drive that a command names by its back end or by its device id.

    Errors of the block's name it in the same way.
    """
    name = str(device if id_ is None else id_)
    drive = find_drive(machine, device, id_)
    try:
        yield drive
    except (DeviceLocked, DeviceNotRemovable) as error:
        raise type(error)(device=name) from error


@commands.command("eject")
def eject(
    machine: Machine,
    *,
    device: Annotated[str | None, Feature(DEPRECATED)] = None,
    id_: str | None = None,
    force: bool = False,
) -> None:
    """Open the tray and take the medium out."""
    with _drive(machine, device, id_) as drive:
        drive.open_tray(force=force)
        machine.blocks.drives.remove(drive)


@commands.command("blockdev-open-tray")
def blockdev_open_tray(
    machine: Machine,
    *,
    device: Annotated[str | None, Feature(DEPRECATED)] = None,
    id_: str | None = None,
    force: bool = False,
) -> None:
    """Open the tray and leave the medium in it."""
    with _drive(machine, device, id_) as drive:
        drive.open_tray(force=force)


@commands.command("blockdev-close-tray")
def blockdev_close_tray(
    machine: Machine,
    *,
    device: Annotated[str | None, Feature(DEPRECATED)] = None,
    id_: str | None = None,
) -> None:
    """Close the tray."""
    with _drive(machine, device, id_) as drive:
        drive.close_tray()


def resize_medium(
    machine: Machine, device: str | None, node_name: str | None, size: int
) -> None:
    """Change the size of an image that is in a drive without a node of its own.

    Raises:
        GenericError: There is none, or it can't have that size.
        InvalidParameterValue: There is no such size.
    """
    drive, medium = _medium(machine, device or "", node_name or "")
    if size < 0:
        raise InvalidParameterValue(name="size", expected="a >0 size")
    if medium.read_only:
        message = "Cannot resize read-only node"
        raise GenericError(message)
    drive.resize(-(-size // _SECTOR) * _SECTOR)


def _medium(machine: Machine, device: str, node_name: str) -> tuple[Drive, Medium]:
    """Return the drive of that name, or else that with the node, and its medium."""
    if device in machine.drives:
        drive = machine.drives[device]
        if drive.medium is None:
            message = f"Device '{device}' has no medium"
            raise GenericError(message)
        return drive, drive.medium
    for drive in machine.drives.values():
        medium = drive.medium
        if medium is not None and node_name and medium.node_name == node_name:
            return drive, medium
    message = f"Cannot find device='{device}' nor node-name='{node_name}'"
    raise GenericError(message)
