"""Drives, block nodes and jobs as ``info`` shows them.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, true_false
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_KIB: Final = 1024
_MOST_SHOWN: Final = 1000  # more is shown in the next unit
_STATISTICS: Final = (
    "rd_bytes",
    "wr_bytes",
    "rd_operations",
    "wr_operations",
    "flush_operations",
    "wr_total_time_ns",
    "rd_total_time_ns",
    "flush_total_time_ns",
    "rd_merged",
    "wr_merged",
    "idle_time_ns",
)
_LIMITS: Final = (
    *("bps", "bps_rd", "bps_wr", "bps_max", "bps_rd_max", "bps_wr_max"),
    *("iops", "iops_rd", "iops_wr", "iops_max", "iops_rd_max", "iops_wr_max"),
    *("iops_size", "group"),
)
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SHOWN_SPECIFICS: Final = {
    "compat": "compat",
    "data-file": "data file",
    "compression-type": "compression type",
    "lazy-refcounts": "lazy refcounts",
    "refcount-bits": "refcount bits",
    "corrupt": "corrupt",
    "extended-l2": "extended l2",
}


def size_text(size: int) -> str:
    """Return a size in the largest unit that it fills, with three figures."""
    step = 0
    while size / _KIB**step >= _MOST_SHOWN and step < len(_UNITS) - 1:
        step += 1
    return f"{size / _KIB**step:.3g} {_UNITS[step]}"


def _info_of_image(image: dict[str, Any]) -> list[str]:
    """Return the lines on an image, as qemu-img has them."""
    on_disk = image.get("actual-size")
    virtual = image["virtual-size"]
    lines = [
        f"image: {image['filename']}",
        f"file format: {image['format']}",
        f"virtual size: {size_text(virtual)} ({virtual} bytes)",
        f"disk size: {'unavailable' if on_disk is None else size_text(on_disk)}",
    ]
    if image.get("encrypted"):
        lines.append("encrypted: yes")
    if image.get("cluster-size"):
        lines.append(f"cluster_size: {image['cluster-size']}")
    if "backing-filename" in image:
        behind = f"backing file: {image['backing-filename']}"
        full = image.get("full-backing-filename")
        if full not in (None, image["backing-filename"]):
            behind += f" (actual path: {full})"
        lines.append(behind)
        if "backing-filename-format" in image:
            lines.append(f"backing file format: {image['backing-filename-format']}")
    specific = image.get("format-specific", {}).get("data")
    if specific:
        lines.append("Format specific information:")
        for name, shown in _SHOWN_SPECIFICS.items():
            if name in specific:
                value = specific[name]
                text = true_false(value) if isinstance(value, bool) else value
                lines.append(f"    {shown}: {text}")
    return lines


def _head(drive: dict[str, Any] | None, node: dict[str, Any] | None) -> str:
    name, node_name = (drive or {}).get("device", ""), (node or {}).get("node-name", "")
    text = str(name)
    if name and node_name:
        text += f" ({node_name})"
    elif not name:
        qdev = (drive or {}).get("qdev", "")
        text = node_name or qdev or "<anonymous>"
    if node is None:
        return f"{text}: [not inserted]"
    flags = f" ({node['drv']}"
    flags += ", read-only" if node.get("ro") else ""
    flags += ", encrypted" if node.get("encrypted") else ""
    return f"{text}: {node['file']}{flags})"


def _removable(drive: dict[str, Any]) -> str:
    locked = "" if drive["locked"] else "not "
    tray = "open" if drive.get("tray_open") else "closed"
    return f"    Removable device: {locked}locked, tray {tray}"


def _cache_mode(node: dict[str, Any]) -> str:
    cache = node.get("cache", {})
    text = "writeback" if cache.get("writeback") else "writethrough"
    text += ", direct" if cache.get("direct") else ""
    text += ", ignore flushes" if cache.get("no-flush") else ""
    return f"    Cache mode:       {text}"


def _block(
    drive: dict[str, Any] | None, node: dict[str, Any] | None, *, is_verbose: bool
) -> str:
    """Return the paragraph on a drive or a node."""
    lines = [_head(drive, node)]
    if drive is not None:
        if drive.get("qdev"):
            lines.append(f"    Attached to:      {drive['qdev']}")
        if drive["removable"]:
            lines.append(_removable(drive))
        status = drive.get("io-status", "ok")
        if status != "ok":
            lines.append(f"    I/O status:       {status}")
    if node is None:
        return "\n".join(lines) + "\n"
    lines.append(_cache_mode(node))
    if "backing_file" in node:
        depth = node.get("backing_file_depth", 0)
        lines.append(
            f"    Backing file:     {node['backing_file']} (chain depth: {depth})"
        )
    detect = node.get("detect_zeroes", "off")
    if detect != "off":
        lines.append(f"    Detect zeroes:    {detect}")
    if any(node.get(name) for name in _LIMITS[:-2]):
        shown = " ".join(f"{x}={node.get(x, 0)}" for x in _LIMITS)
        lines.append(f"    I/O throttling:   {shown}")
    text = "\n".join(lines) + "\n"
    image = node.get("image")
    if is_verbose and image is not None:
        text += "\nImages:\n"
        while image is not None:
            text += "\n".join(_info_of_image(image)) + "\n"
            image = image.get("backing-image")
    return text


@commands.shows("block")
async def info_block(
    session: SessionLike,
    *,
    nodes: bool = False,
    verbose: bool = False,
    device: str | None = None,
) -> str:
    """Return the drives, or one of them; or the nodes with names."""
    found: list[str] = []
    if not nodes:
        found = [
            _block(drive, drive.get("inserted"), is_verbose=verbose)
            for drive in await ask(session, "query-block")
            if device in (None, drive["device"])
        ]
        if device is None or found:
            return "\n".join(found)
    found = [
        _block(None, node, is_verbose=verbose)
        for node in await ask(session, "query-named-block-nodes")
        if device in (None, node["node-name"])
    ]
    text = "\n".join(found)
    return text if nodes or not found else f"\n{text}"


@commands.shows("blockstats")
async def info_blockstats(session: SessionLike) -> str:
    """Return what the drives have read and written."""
    lines: list[str] = []
    for drive in await ask(session, "query-blockstats"):
        if "device" not in drive:
            continue
        numbers = {"idle_time_ns": 0, **drive["stats"]}
        shown = " ".join(f"{name}={numbers[name]}" for name in _STATISTICS)
        lines.append(f"{drive['device']}: {shown}\n")
    return "".join(lines)


@commands.shows("block-jobs")
async def info_block_jobs(session: SessionLike) -> str:
    """Return how far the jobs are."""
    lines: list[str] = []
    for job in await ask(session, "query-block-jobs"):
        done, whole, speed = job["offset"], job["len"], job["speed"]
        if job["type"] == "stream":
            what = f"Streaming device {job['device']}"
        else:
            what = f"Type {job['type']}, device {job['device']}"
        lines.append(
            f"{what}: Completed {done} of {whole} bytes, speed limit {speed} bytes/s\n"
        )
    return "".join(lines) or "No active jobs\n"
