"""Jobs that copy a node as it is now: ``*-backup``.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from qmpx.dialects.modern.jobs.starts import (
    OnError,
    Sync,
    check_filter_name,
    check_speed,
    drive_name,
)
from qmpx.dialects.modern.jobs.targets import new_target
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described
from qmpx.qapi.model import DEPRECATED, UNSTABLE, Feature

if TYPE_CHECKING:
    from qmpx.machine.block.changes import Change
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

commands = CommandRegistry(reads_late=True)

_MOST_WORKERS: Final = 2**31 - 1
_CLUSTER: Final = 65536
_COMPRESSING: Final = frozenset({"qcow2", "qcow", "vmdk", "copy-on-read", "throttle"})
"""Drivers whose nodes can be told to compress; data are written as they are."""

Perf = Annotated[dict[str, Any], Described("BackupPerf"), Feature(UNSTABLE)]
BitmapMode = Literal["on-success", "never", "always"]


@commands.command("blockdev-backup")
def blockdev_backup(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    sync: Sync,
    speed: int = 0,
    bitmap: str | None = None,
    bitmap_mode: BitmapMode | None = None,
    compress: bool = False,
    on_source_error: OnError = "report",
    on_target_error: OnError = "report",
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
    filter_node_name: str | None = None,
    x_perf: Perf | None = None,
    target: str,
) -> None:
    """Copy a node as it is now."""
    from qmpx.machine.block import changes

    options = {
        "job-id": job_id,
        "device": device,
        "target": target,
        "sync": sync,
        "speed": speed,
        "compress": compress,
        "bitmap": bitmap,
        "bitmap-mode": bitmap_mode,
        "on-source-error": on_source_error,
        "on-target-error": on_target_error,
        "auto-finalize": auto_finalize,
        "auto-dismiss": auto_dismiss,
        "filter-node-name": filter_node_name,
        "x-perf": x_perf,
    }
    machine.blocks.jobs.drain()
    changes.make([lambda: start_backup(machine, options)])


@commands.command("drive-backup", features=(DEPRECATED,))
def drive_backup(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    sync: Sync,
    speed: int = 0,
    bitmap: str | None = None,
    bitmap_mode: BitmapMode | None = None,
    compress: bool = False,
    on_source_error: OnError = "report",
    on_target_error: OnError = "report",
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
    filter_node_name: str | None = None,
    x_perf: Perf | None = None,
    target: str,
    format_: str | None = None,
    mode: Literal["existing", "absolute-paths"] = "absolute-paths",
) -> None:
    """Copy a node as it is now to an image file."""
    from qmpx.machine.block import changes

    options = {
        "job-id": job_id,
        "device": device,
        "target": target,
        "format": format_,
        "mode": mode,
        "sync": sync,
        "speed": speed,
        "compress": compress,
        "bitmap": bitmap,
        "bitmap-mode": bitmap_mode,
        "on-source-error": on_source_error,
        "on-target-error": on_target_error,
        "auto-finalize": auto_finalize,
        "auto-dismiss": auto_dismiss,
        "filter-node-name": filter_node_name,
        "x-perf": x_perf,
    }
    machine.blocks.jobs.drain()
    changes.make([lambda: start_backup(machine, options, to_file=True)])


def start_backup(
    machine: Machine, options: dict[str, Any], *, to_file: bool = False
) -> "Change":
    """Enter a backup job, and return the change.

    Raises:
        GenericError: It can't be begun.
    """
    from qmpx.machine.block import changes

    graph = machine.blocks
    device = options["device"]
    source = graph.find(device)
    if source is None:
        message = f"Cannot find device='{device}' nor node-name='{device}'"
        raise GenericError(message)
    if not to_file:
        graph.node(options["target"])  # it is looked for before anything stands still
    return changes.held(
        graph, source, lambda: _start_backup(graph, source, options, to_file=to_file)
    )


def _start_backup(
    graph: "BlockGraph", source: "Node", options: dict[str, Any], *, to_file: bool
) -> "Change":
    from qmpx.machine.block import changes
    from qmpx.machine.block.backups import BackupJob
    from qmpx.machine.block.format_nodes import FormatNode
    from qmpx.machine.block.permissions import require_quiet

    device, sync = options["device"], options["sync"]
    if to_file:
        goal = new_target(
            graph,
            source,
            options["target"],
            options.get("format"),
            None,
            mode=options.get("mode", "absolute-paths"),
            behind={"none": source, "top": source.backing}.get(sync),
            has_backing=sync != "none",
            finds_zeros=True,
        )
    else:
        goal = graph.node(options["target"])
    try:
        if to_file and sync == "none" and not isinstance(goal, FormatNode):
            message = (
                f"Driver '{goal.driver}' of node '{goal.name}' does not support "
                "backing files"
            )
            raise GenericError(message)
        bitmap, mode = _backup_bitmap(source, options)
        if source is goal:
            message = "Source and target cannot be the same"
            raise GenericError(message)
        if options.get("compress") and goal.driver not in _COMPRESSING:
            name = next((drive.device for drive in goal.drives), "")
            message = f"Compression is not supported for this drive {name}"
            raise GenericError(message)
        require_quiet(source)
        require_quiet(goal)
        _check_perf(options.get("x-perf") or {})
        if source.size != goal.size:
            message = "Source and target image have different sizes"
            raise GenericError(message)
        filter_name = options.get("filter-node-name")
        if filter_name is not None:
            check_filter_name(graph, filter_name)
        _check_backup_target(graph, goal, filter_name or graph.name_for(None))
        speed = options.get("speed", 0)
        id_ = graph.jobs.new_id(options.get("job-id"), drive_name(graph, device))
        check_speed(graph, id_, speed)
        job = BackupJob(
            graph,
            id_,
            source,
            goal,
            sync=sync,
            bitmap=bitmap,
            bitmap_mode=mode,
            speed=speed,
            auto_finalize=options.get("auto-finalize", True),
            auto_dismiss=options.get("auto-dismiss", True),
        )
    except GenericError:
        graph.release(goal)
        raise
    job.filter_name = options.get("filter-node-name")
    job.on_source_error = options.get("on-source-error", "report")
    job.on_target_error = options.get("on-target-error", "report")
    change = changes.begin(graph, job)
    if to_file and sync == "none":
        goal.set_backing(source)  # what is not copied shows through
    return change


def _check_backup_target(graph: "BlockGraph", goal: "Node", name: str) -> None:
    """Make sure that a backup may write to a node.

    Raises:
        GenericError: It may not.
    """
    from qmpx.machine.block.permissions import (
        ALL,
        READ,
        SAME,
        WRITE,
        Claim,
        Edge,
        check_target,
    )

    claim = Claim(f"node '{name}'", Edge("target", frozenset({WRITE}), frozenset(ALL)))
    try:
        check_target(goal, frozenset({READ, WRITE, SAME}), name)
        if goal.read_only:
            message = "Block node is read-only"
            raise GenericError(message)
        graph.try_lock(goal, claim)
    except GenericError as error:
        message = f"Could not create node: {error.desc}"
        raise GenericError(message) from error


def _check_perf(perf: dict[str, Any]) -> None:
    """Check what a backup was told of how to copy.

    Raises:
        GenericError: A figure is out of its range.
    """
    if not 1 <= perf.get("max-workers", 1) <= _MOST_WORKERS:
        message = f"max-workers must be between 1 and {_MOST_WORKERS}"
        raise GenericError(message)
    chunk = perf.get("max-chunk", 0)
    if chunk < 0:
        message = "max-chunk must be zero (which means no limit) or positive"
        raise GenericError(message)
    if chunk and chunk < _CLUSTER:
        message = (
            f"Required max-chunk ({chunk}) is less than backup cluster size "
            f"({_CLUSTER})"
        )
        raise GenericError(message)


def _backup_bitmap(source: "Node", options: dict[str, Any]) -> tuple[Any, str]:
    sync, name = options["sync"], options.get("bitmap")
    mode = options.get("bitmap-mode")
    if sync in ("incremental", "bitmap") and name is None:
        message = f"must provide a valid bitmap name for '{sync}' sync mode"
        raise GenericError(message)
    if name is None:
        if mode is not None:
            message = "Cannot specify bitmap sync mode without a bitmap"
            raise GenericError(message)
        return None, "on-success"
    if sync == "incremental":
        if mode not in (None, "on-success"):
            message = (
                "Bitmap sync mode must be 'on-success' when using sync mode "
                "'incremental'"
            )
            raise GenericError(message)
        mode = "on-success"
    if name not in source.bitmaps:
        message = f"Bitmap '{name}' could not be found"
        raise GenericError(message)
    if mode is None:
        message = "Bitmap sync mode must be given when providing a bitmap"
        raise GenericError(message)
    if sync == "none":
        message = "sync mode 'none' does not produce meaningful bitmap outputs"
        raise GenericError(message)
    bitmap = source.bitmaps[name]
    bitmap.require_usable()
    return bitmap, mode
