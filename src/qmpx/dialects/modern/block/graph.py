"""The block graph: nodes made, told of, changed, joined to drives and deleted."""

import errno
import os
from typing import Annotated, Any, Final, Literal

from qmpx.dialects.modern.block.info import node_info, node_stats, stats_info
from qmpx.dialects.modern.replies import BlockDeviceInfo
from qmpx.errors import (
    CommandError,
    DeviceLocked,
    DeviceNotFound,
    DeviceNotRemovable,
    GenericError,
)
from qmpx.machine import Machine
from qmpx.machine.block.creation import OTHERS
from qmpx.machine.block.debug_config import read_configs
from qmpx.machine.block.making import open_file
from qmpx.machine.block.node_drivers import DRIVERS
from qmpx.machine.block.reopening import reopen
from qmpx.machine.drive import Drive
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Described, Size, WireName
from qmpx.qapi.model import DEPRECATED, Feature

commands = CommandRegistry(reads_late=True)

_SECTOR: Final = 512
"""Bytes that sizes of images are rounded up to."""


@commands.command("blockdev-add", holds_monitor=True)
async def blockdev_add(
    machine: Machine,
    *,
    options: Annotated[dict[str, Any], Boxed(), Described("BlockdevOptions", DRIVERS)],
) -> None:
    """Make a block node; that can wait for a pipe with rules for ``blkdebug``."""
    machine.blocks.check(options)
    await read_configs(options)
    machine.blocks.add(options)


@commands.command("blockdev-del")
def blockdev_del(machine: Machine, *, node_name: str) -> None:
    """Delete a block node."""
    machine.blocks.delete(node_name)


@commands.command("blockdev-reopen")
def blockdev_reopen(
    machine: Machine,
    *,
    options: list[Annotated[dict[str, Any], Described("BlockdevOptions", DRIVERS)]],
) -> None:
    """Change what nodes can be changed in."""
    reopen(machine.blocks, options)


@commands.command("query-named-block-nodes")
def query_named_block_nodes(
    machine: Machine, *, flat: bool = False
) -> list[BlockDeviceInfo]:
    """Tell of all nodes, newest first."""
    graph = machine.blocks
    return [node_info(node, flat=flat) for node in reversed(graph.nodes.values())]


@commands.command("query-blockstats")
def query_blockstats(
    machine: Machine, *, query_nodes: bool = False
) -> list[Annotated[dict[str, Any], Described("BlockStats")]]:
    """Tell what was read and written, by drive or by node."""
    graph = machine.blocks
    if query_nodes:
        return [node_stats(node, deep=False) for node in graph.nodes.values()]
    told = []
    for drive in machine.drives.values():
        node = graph.drives.node_in(drive)
        if node is None:
            highest = drive.statistics.wr_highest_offset
            stats = stats_info(drive.statistics, is_device=True, highest=highest)
            info: dict[str, Any] = {"stats": stats}
            if drive.medium is not None and drive.medium.node_name:
                info["node-name"] = drive.medium.node_name
        else:
            info = node_stats(node, drive)
        qdev = {"qdev": drive.id} if drive.id else {}
        told.append({"device": drive.device, **qdev, **info})
    return told


@commands.command("block-set-write-threshold")
def block_set_write_threshold(
    machine: Machine, *, node_name: str, write_threshold: Size
) -> None:
    """Tell when a node is written beyond some place."""
    node = machine.blocks.find(node_name)
    if node is None:
        message = f"Device '{node_name}' not found"
        raise GenericError(message)
    node.write_threshold = write_threshold


@commands.command("block_set_io_throttle")
def block_set_io_throttle(
    machine: Machine,
    *,
    device: Annotated[str | None, Feature(DEPRECATED)] = None,
    id_: str | None = None,
    bps: int,
    bps_rd: Annotated[int, WireName("bps_rd")],
    bps_wr: Annotated[int, WireName("bps_wr")],
    iops: int,
    iops_rd: Annotated[int, WireName("iops_rd")],
    iops_wr: Annotated[int, WireName("iops_wr")],
    bps_max: Annotated[int, WireName("bps_max")] = 0,
    bps_rd_max: Annotated[int, WireName("bps_rd_max")] = 0,
    bps_wr_max: Annotated[int, WireName("bps_wr_max")] = 0,
    iops_max: Annotated[int, WireName("iops_max")] = 0,
    iops_rd_max: Annotated[int, WireName("iops_rd_max")] = 0,
    iops_wr_max: Annotated[int, WireName("iops_wr_max")] = 0,
    bps_max_length: Annotated[int, WireName("bps_max_length")] = 1,
    bps_rd_max_length: Annotated[int, WireName("bps_rd_max_length")] = 1,
    bps_wr_max_length: Annotated[int, WireName("bps_wr_max_length")] = 1,
    iops_max_length: Annotated[int, WireName("iops_max_length")] = 1,
    iops_rd_max_length: Annotated[int, WireName("iops_rd_max_length")] = 1,
    iops_wr_max_length: Annotated[int, WireName("iops_wr_max_length")] = 1,
    iops_size: Annotated[int, WireName("iops_size")] = 0,
    group: str | None = None,
) -> None:
    """Limit what a drive may do in a second."""
    from qmpx.machine.block.throttling import Limits

    drive = find_drive(machine, device, id_)
    if drive.medium is None:
        message = f"Device '{device}' has no medium" if device else ""
        message = message or "Device has no medium"
        raise GenericError(message)
    key = drive.device or drive.id
    limits = Limits(
        group or key,
        {
            "bps": bps,
            "bps_rd": bps_rd,
            "bps_wr": bps_wr,
            "iops": iops,
            "iops_rd": iops_rd,
            "iops_wr": iops_wr,
        },
        {
            "bps": bps_max,
            "bps_rd": bps_rd_max,
            "bps_wr": bps_wr_max,
            "iops": iops_max,
            "iops_rd": iops_rd_max,
            "iops_wr": iops_wr_max,
        },
        {
            "bps": bps_max_length,
            "bps_rd": bps_rd_max_length,
            "bps_wr": bps_wr_max_length,
            "iops": iops_max_length,
            "iops_rd": iops_rd_max_length,
            "iops_wr": iops_wr_max_length,
        },
        iops_size,
    )
    limits.check()
    machine.blocks.limits[key] = limits


def find_drive(machine: Machine, device: str | None, id_: str | None) -> Drive:
    """Return the drive that a command names by its back end or its device.

    Raises:
        GenericError: It is named twice, or not at all.
        DeviceNotFound: There is none.
    """
    if (device is None) is (id_ is None):
        message = "Need exactly one of 'device' and 'id'"
        raise GenericError(message)
    if device is not None:
        if device not in machine.drives or machine.drives[device].device != device:
            raise DeviceNotFound(device=device)
        return machine.drives[device]
    return machine.blocks.drives.find(str(id_))


@commands.command("blockdev-insert-medium")
def blockdev_insert_medium(machine: Machine, *, id_: str, node_name: str) -> None:
    """Put a node into an empty drive whose tray is open."""
    graph = machine.blocks
    drive = graph.drives.find(id_)
    node = graph.nodes.get(node_name)
    if node is None:
        message = f"Node '{node_name}' not found"
        raise GenericError(message)
    if node.drives:
        message = f"Node '{node_name}' is already in use"
        raise GenericError(message)
    if not drive.removable:
        message = "Device is not removable"
        raise GenericError(message)
    if drive.has_tray and not drive.is_tray_open:
        message = "Tray of the device is not open"
        raise GenericError(message)
    if drive.medium is not None:
        message = "There already is a medium in the device"
        raise GenericError(message)
    graph.drives.insert(drive, node_name)
    if not drive.has_tray:
        drive.is_tray_open = False


@commands.command("blockdev-remove-medium")
def blockdev_remove_medium(machine: Machine, *, id_: str) -> None:
    """Take the medium out of a drive whose tray is open."""
    graph = machine.blocks
    drive = graph.drives.find(id_)
    if not drive.removable:
        message = f"Device '{id_}' is not removable"
        raise GenericError(message)
    if drive.has_tray and not drive.is_tray_open:
        message = f"Tray of device '{id_}' is not open"
        raise GenericError(message)
    graph.drives.remove(drive)


@commands.command("blockdev-change-medium")
def blockdev_change_medium(
    machine: Machine,
    *,
    device: Annotated[str | None, Feature(DEPRECATED)] = None,
    id_: str | None = None,
    filename: str,
    format_: str | None = None,
    force: bool = False,
    read_only_mode: Literal["retain", "read-only", "read-write"] = "retain",
) -> None:
    """Exchange the medium of a drive for an image file."""
    graph = machine.blocks
    drive = find_drive(machine, device, id_)
    if format_ is not None and format_ not in (*DRIVERS, *OTHERS):
        message = f"Unknown driver '{format_}'"
        raise GenericError(message)
    if not filename:
        message = "The 'file' block driver requires a file name"
        raise GenericError(message)
    read_only = drive.is_read_only
    if read_only_mode != "retain":
        read_only = read_only_mode == "read-only"
    node = open_file(graph, filename, format_, read_only=read_only)
    try:
        drive.open_tray(force=force)
    except (DeviceLocked, DeviceNotRemovable) as error:
        graph.release(node)
        raise type(error)(device=str(device or id_)) from error
    except CommandError:
        graph.release(node)
        raise
    graph.drives.remove(drive)
    try:
        graph.drives.insert(drive, node.name)
    except GenericError:
        graph.release(node)
        raise
    drive.close_tray()


@commands.command("change-backing-file")
def change_backing_file(
    machine: Machine, *, device: str, image_node_name: str, backing_file: str
) -> None:
    """Let an image say that something else is behind it."""
    from qmpx.machine.block.format_nodes import FormatNode

    graph = machine.blocks
    top = graph.node(device)
    if not top.is_root:
        message = "Need a root block node"
        raise GenericError(message)
    node = graph.nodes.get(image_node_name)
    if node is None:
        message = f"Cannot find device='' nor node-name='{image_node_name}'"
        raise GenericError(message)
    if node.backing is None and not node.is_filter:
        message = "not allowing backing file change on an image without a backing file"
        raise GenericError(message)
    if node not in graph.chain(top):
        message = f"'{device}' and image file are not in the same chain"
        raise GenericError(message)
    if not isinstance(node, FormatNode) or node.backing is None:
        why = os.strerror(errno.ENOTSUP)
        message = f"Could not change backing file to '{backing_file}': {why}"
        raise GenericError(message)
    try:
        was_read_only = node.read_only
        if was_read_only:
            node.set_read_only(read_only=False)
        node.write_backing_file(backing_file, node.backing.driver)
        if was_read_only:
            node.flush()
            node.read_only = node.image.read_only = True
    except OSError as error:
        why = os.strerror(error.errno or errno.EINVAL)
        message = f"Could not change backing file to '{backing_file}': {why}"
        raise GenericError(message) from error


@commands.command("block_resize")
def block_resize(
    machine: Machine,
    *,
    device: str | None = None,
    node_name: str | None = None,
    size: int,
) -> None:
    """Change the size of an image."""
    from qmpx.dialects.modern.block import block

    graph = machine.blocks
    node = graph.back_end(device) if device is not None else None
    if node is None and node_name is not None:
        node = graph.nodes.get(node_name)
    if node is None:
        block.resize_medium(machine, device, node_name, size)
        return
    if size < 0:
        message = "Parameter 'size' expects a >0 size"
        raise GenericError(message)
    from qmpx.machine.block.permissions import (
        check_resize,
        require_front,
        require_quiet,
    )

    try:
        require_quiet(node)
        require_front(node)
    except GenericError as error:
        message = f"Device '{device or '(null)'}' is in use"
        raise GenericError(message) from error
    check_resize(node)
    graph.resize(node, -(-size // _SECTOR) * _SECTOR)
