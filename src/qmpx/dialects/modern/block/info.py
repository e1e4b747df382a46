"""What is told of block nodes and of the images in them.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, Final, cast

from qmpx.dialects.modern.replies import BlockDeviceInfo, SnapshotInfo
from qmpx.machine.block.bitmaps import Bitmap, NamelessBitmap

if TYPE_CHECKING:
    from qmpx.machine import Drive, Machine
    from qmpx.machine.block import Snapshot, Statistics
    from qmpx.machine.block.nodes import Node
    from qmpx.machine.block.throttling import Limits

_WITHOUT_DIRTY_FLAG: Final = frozenset({"null-co", "null-aio", "nbd"})
"""Drivers that do not tell whether an image was closed well."""


def snapshot_info(shot: "Snapshot") -> SnapshotInfo:
    """Return a snapshot inside an image as ``SnapshotInfo``."""
    seconds, nanoseconds = divmod(shot.clock, 10**9)
    return {
        "id": shot.id,
        "name": shot.name,
        "vm-state-size": shot.state_size,
        "date-sec": shot.seconds,
        "date-nsec": shot.nanoseconds,
        "vm-clock-sec": seconds,
        "vm-clock-nsec": nanoseconds,
    }


def image_info(node: "Node") -> dict[str, Any]:
    """Return what is in a node as ``ImageInfo``, without what is behind it."""
    from qmpx.machine.block.format_nodes import FormatNode

    info: dict[str, Any] = {
        "filename": node.filename,
        "format": node.driver,
        "virtual-size": node.size,
    }
    if (allocated := node.allocated_size) >= 0:
        info["actual-size"] = allocated
    if _lowest(node).driver not in _WITHOUT_DIRTY_FLAG:
        info["dirty-flag"] = False
    below = _lowest(node)
    if isinstance(below, FormatNode):
        info["dirty-flag"] = below.image.is_dirty
        if below.image.cluster_size:
            info["cluster-size"] = below.image.cluster_size
    if isinstance(below, FormatNode) and (shots := below.image.snapshots()):
        info["snapshots"] = [snapshot_info(shot) for shot in shots]
    if isinstance(node, FormatNode):
        image = node.image
        if image.is_encrypted:
            info["encrypted"] = True
        if facts := image.facts:
            info["format-specific"] = {"type": node.driver, "data": facts}
        if image.backing_file is not None:
            info["backing-filename"] = image.backing_file
            info["full-backing-filename"] = node.full_backing_file
            if image.backing_format is not None:
                info["backing-filename-format"] = image.backing_format
    return info


def _next(node: "Node") -> "Node | None":
    """Return what shows through a node."""
    return node.file if node.is_filter else node.backing


def skip_implicit(node: "Node") -> "Node":
    """Return a node, or what is below those in front that jobs have put there."""
    while node.is_implicit and node.file is not None:
        node = node.file
    return node


def _chain(node: "Node", *, in_drive: bool) -> "list[Node]":
    """Return the nodes behind a node, one behind the other."""
    chain = []
    behind = _next(node)
    while behind is not None:
        if in_drive:
            behind = skip_implicit(behind)
        chain.append(behind)
        behind = _next(behind)
    return chain


def bitmap_info(bitmap: "Bitmap | NamelessBitmap") -> dict[str, Any]:
    """Return a bitmap as ``BlockDirtyInfo``."""
    info: dict[str, Any] = {
        "recording": bitmap.recording,
        "persistent": False,
        "busy": False,
        "granularity": bitmap.granularity,
    }
    if isinstance(bitmap, NamelessBitmap):
        return {**info, "count": bitmap.count()}
    info |= {
        "name": bitmap.name,
        "persistent": bitmap.persistent,
        "busy": bitmap.is_busy,
        "count": bitmap.count,
    }
    return {**info, "inconsistent": True} if bitmap.is_inconsistent else info


def _lowest(node: "Node") -> "Node":
    """Return the node that filters, and raw images, show."""
    while node.file is not None and (node.is_filter or node.driver == "raw"):
        node = node.file
    return node


def node_info(
    node: "Node",
    *,
    flat: bool = False,
    drive: "Drive | None" = None,
    limits: "Limits | None" = None,
) -> BlockDeviceInfo:
    """Return a node as ``BlockDeviceInfo``.

    Args:
        node: The node.
        flat: Whether those behind it are left out.
        drive: The drive that is asked for: then what jobs have put in front of others
            is left out, if nobody has chosen its name.
        limits: Those of that drive.
    """
    in_drive = drive is not None
    if in_drive:
        node = skip_implicit(node)
    chain = [] if flat else _chain(node, in_drive=in_drive)
    image = image_info(node)
    last = image
    for behind in chain:
        last["backing-image"] = image_info(behind)
        last = last["backing-image"]
    info: dict[str, Any] = {
        "file": node.filename,
        "node-name": node.name,
        "ro": node.shows_read_only,
        "drv": node.driver,
        "backing_file_depth": len(chain),
        "encrypted": False,
        "detect_zeroes": node.detect_zeroes,
        **limits_info(limits),
        "write_threshold": node.write_threshold,
        "image": image,
        "cache": _cache(node),
    }
    if drive is not None and drive.writes_through is not None:
        info["cache"]["writeback"] = not drive.writes_through
    if node.backing is not None:
        info["backing_file"] = node.backing.filename
    bitmaps: list[Bitmap | NamelessBitmap] = [*node.bitmaps.values(), *node.nameless]
    if bitmaps:
        bitmaps.sort(key=lambda each: each.number, reverse=True)
        info["dirty-bitmaps"] = [bitmap_info(bitmap) for bitmap in bitmaps]
    return cast("BlockDeviceInfo", info)


def _cache(node: "Node") -> dict[str, bool]:
    given = node.options.get("cache") or {}
    return {
        "writeback": bool(given.get("writeback", True)),
        "direct": bool(given.get("direct", False)),
        "no-flush": bool(given.get("no-flush", False)),
    }


def limits_info(limits: "Limits | None") -> dict[str, Any]:
    """Return the limits of a drive as members of ``BlockDeviceInfo``."""
    from qmpx.machine.block.throttling import KINDS

    if limits is None or not limits.is_on:
        return dict.fromkeys(KINDS, 0)
    told: dict[str, Any] = {kind: limits.average.get(kind, 0) for kind in KINDS}
    told["group"] = limits.group
    for kind in KINDS:
        if most := limits.most.get(kind, 0):
            told[f"{kind}_max"] = most
            told[f"{kind}_max_length"] = limits.length.get(kind, 1)
    if limits.iops_size:
        told["iops_size"] = limits.iops_size
    return told


def stats_info(
    statistics: "Statistics", *, is_device: bool = False, highest: int = 0
) -> dict[str, Any]:
    """Return counters as ``BlockDeviceStats``."""
    told: dict[str, Any] = dict.fromkeys(_ZEROS, 0)
    told |= {
        "rd_bytes": statistics.rd_bytes if is_device else 0,
        "wr_bytes": statistics.wr_bytes if is_device else 0,
        "rd_operations": statistics.rd_operations if is_device else 0,
        "wr_operations": statistics.wr_operations if is_device else 0,
        "wr_highest_offset": highest,
        "timed_stats": [],
        "account_invalid": is_device,
        "account_failed": is_device,
    }
    return told


_ZEROS: Final = (
    *(f"{kind}_operations" for kind in ("rd", "wr", "flush", "unmap")),
    *(f"{kind}_total_time_ns" for kind in ("rd", "wr", "flush", "unmap")),
    *(f"failed_{kind}_operations" for kind in ("rd", "wr", "flush", "unmap")),
    *(f"invalid_{kind}_operations" for kind in ("rd", "wr", "flush", "unmap")),
    *("unmap_bytes", "rd_merged", "wr_merged", "unmap_merged"),
)
"""Counters of what does not happen here."""


def node_stats(
    node: "Node", drive: "Drive | None" = None, *, deep: bool = True
) -> dict[str, Any]:
    """Return the counters of a node, and of those below and behind it."""
    told: dict[str, Any] = {}
    if deep:
        node = skip_implicit(node)
    told["node-name"] = node.name
    highest = node.statistics.wr_highest_offset
    told["stats"] = (
        stats_info(node.statistics, highest=highest)
        if drive is None
        else {
            **stats_info(drive.statistics, is_device=True, highest=highest),
            **_histograms(drive),
        }
    )
    if node.driver in ("file", "host_device"):
        told["driver-specific"] = {
            "driver": node.driver,
            "discard-nb-ok": 0,
            "discard-nb-failed": 0,
            "discard-bytes-ok": 0,
        }
    if node.file is not None:
        told["parent"] = node_stats(node.file, deep=deep)
    if deep and (behind := _next(node)) is not None:
        told["backing"] = node_stats(behind)
    return told


_SHORT: Final = {"read": "rd", "write": "wr", "flush": "flush"}


def _histograms(drive: "Drive") -> dict[str, Any]:
    """Return how many requests took how long, where that is counted: they take none."""
    return {
        f"{_SHORT[kind]}_latency_histogram": {
            "boundaries": boundaries,
            "bins": [0] * (len(boundaries) + 1),
        }
        for kind, boundaries in drive.histograms.items()
    }


def drive_limits(machine: "Machine", drive: "Drive") -> "Limits | None":
    """Return the limits of a drive, if anybody has set some."""
    return machine.blocks.limits.get(drive.device or drive.id)
