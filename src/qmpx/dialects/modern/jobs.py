"""Jobs: begun, told of, paused, ended; their events.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, TypedDict

from qmpx.dialects.modern.replies import BlockDeviceIoStatus
from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.happenings import (
    BlockJobFailed,
    BlockJobTold,
    ExportDeleted,
    Happening,
    JobMoved,
    WriteThresholdReached,
)
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described, Values
from qmpx.qapi.model import DEPRECATED, UNSTABLE, Feature

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.jobs import Job
    from qmpx.machine.block.nodes import Node

commands = CommandRegistry()

_MOST_WORKERS: Final = 2**31 - 1
_CLUSTER: Final = 65536
_RIVALS: Final = (("base", "base-node"), ("base", "bottom"), ("bottom", "base-node"))
_LEAST_UNIT: Final = 512
_LARGEST_UNIT: Final = 64 << 20

Perf = Annotated[dict[str, Any], Described("BackupPerf"), Feature(UNSTABLE)]

OnError = Literal["report", "ignore", "enospc", "stop", "auto"]
BitmapMode = Literal["on-success", "never", "always"]
Sync = Literal["top", "full", "none", "incremental", "bitmap"]

JobType = Annotated[
    str, Values("commit", "stream", "mirror", "backup", "create", "amend")
]
JobStatus = Annotated[
    str,
    Values(
        *("undefined", "created", "running", "paused", "ready", "standby"),
        *("waiting", "pending", "aborting", "concluded", "null"),
    ),
]


class JobStatusChange(TypedDict):
    """A job's new state."""

    id: str
    status: JobStatus


class BlockJobEvent(TypedDict):
    """A block job, as events tell of it."""

    type: JobType
    device: str
    len: int
    offset: int
    speed: int
    error: NotRequired[str]


class BlockJobPending(TypedDict):
    """A block job that waits to be finalized."""

    type: JobType
    id: str


class BlockJobErrorReport(TypedDict):
    """What a block job could not do."""

    device: str
    operation: Annotated[str, Values("read", "write")]
    action: Annotated[str, Values("ignore", "report", "stop")]


class BlockExportDeleted(TypedDict):
    """An export that is gone."""

    id: str


BlockWriteThreshold = TypedDict(
    "BlockWriteThreshold",
    {"node-name": str, "amount-exceeded": int, "write-threshold": int},
)
JobInfo = TypedDict(
    "JobInfo",
    {
        "id": str,
        "type": JobType,
        "status": JobStatus,
        "current-progress": int,
        "total-progress": int,
        "error": NotRequired[str],
    },
)
BlockJobInfo = TypedDict(
    "BlockJobInfo",
    {
        "type": JobType,
        "device": str,
        "len": int,
        "offset": int,
        "busy": bool,
        "paused": bool,
        "speed": int,
        "io-status": BlockDeviceIoStatus,
        "ready": bool,
        "status": JobStatus,
        "auto-finalize": bool,
        "auto-dismiss": bool,
        "error": NotRequired[str],
    },
)

EVENTS: Final[dict[str, Any]] = {
    "JOB_STATUS_CHANGE": JobStatusChange,
    "BLOCK_JOB_READY": BlockJobEvent,
    "BLOCK_JOB_COMPLETED": BlockJobEvent,
    "BLOCK_JOB_CANCELLED": BlockJobEvent,
    "BLOCK_JOB_PENDING": BlockJobPending,
    "BLOCK_JOB_ERROR": BlockJobErrorReport,
    "BLOCK_EXPORT_DELETED": BlockExportDeleted,
    "BLOCK_WRITE_THRESHOLD": BlockWriteThreshold,
}
"""The events of jobs, nodes and exports, with the types of their data."""


def as_event(happening: Happening) -> tuple[str, Any] | None:
    """Return the event that tells of *happening*, if it is one of these."""
    match happening:
        case JobMoved(id_, status):
            return "JOB_STATUS_CHANGE", {"id": id_, "status": status}
        case BlockJobTold("pending", id_, type_):
            return "BLOCK_JOB_PENDING", {"type": type_, "id": id_}
        case BlockJobTold(what, id_, type_, length, offset, speed, error):
            data = {
                "type": type_,
                "device": id_,
                "len": length,
                "offset": offset,
                "speed": speed,
            }
            if error is not None:
                data["error"] = error
            return f"BLOCK_JOB_{what.upper()}", data
        case BlockJobFailed(id_, operation, action):
            told = {"device": id_, "operation": operation, "action": action}
            return "BLOCK_JOB_ERROR", told
        case ExportDeleted(id_):
            return "BLOCK_EXPORT_DELETED", {"id": id_}
        case WriteThresholdReached(node_name, exceeded, threshold):
            return "BLOCK_WRITE_THRESHOLD", {
                "node-name": node_name,
                "amount-exceeded": exceeded,
                "write-threshold": threshold,
            }
    return None


# telling


@commands.command("query-jobs")
def query_jobs(machine: Machine) -> list[JobInfo]:
    """Tell of all jobs."""
    return [_job_info(job) for job in reversed(machine.blocks.jobs.values())]


def _job_info(job: "Job") -> JobInfo:
    info: JobInfo = {
        "id": job.id,
        "type": job.type,
        "status": job.status.value,
        "current-progress": job.offset,
        "total-progress": job.total,
    }
    if job.error is not None:
        info["error"] = job.error
    return info


@commands.command("query-block-jobs")
def query_block_jobs(machine: Machine) -> list[BlockJobInfo]:
    """Tell of the jobs that work on block nodes."""
    jobs = reversed(machine.blocks.jobs.values())  # the latest first, as above
    return [_block_job_info(job) for job in jobs if job.is_block_job]


def _block_job_info(job: "Job") -> BlockJobInfo:
    info: BlockJobInfo = {
        "type": job.type,
        "device": job.id,
        "len": job.total,
        "offset": job.offset,
        "busy": False,
        "paused": job.is_user_paused,
        "speed": job.speed,
        "io-status": job.io_status,
        "ready": job.is_ready,
        "status": job.status.value,
        "auto-finalize": job.auto_finalize,
        "auto-dismiss": job.auto_dismiss,
    }
    if job.error is not None:
        info["error"] = job.error
    return info


# asking


@commands.command("job-pause")
def job_pause(machine: Machine, *, id_: str) -> None:
    """Let a job stand still."""
    machine.blocks.jobs.find(id_).user_pause()


@commands.command("job-resume")
def job_resume(machine: Machine, *, id_: str) -> None:
    """Let a job go on."""
    machine.blocks.jobs.find(id_).user_resume()


@commands.command("job-cancel")
def job_cancel(machine: Machine, *, id_: str) -> None:
    """Stop a job as it is."""
    machine.blocks.jobs.find(id_).cancel(force=True)


@commands.command("job-complete")
def job_complete(machine: Machine, *, id_: str) -> None:
    """End a job that is ready."""
    machine.blocks.jobs.find(id_).complete()


@commands.command("job-finalize")
def job_finalize(machine: Machine, *, id_: str) -> None:
    """Let a job do what comes last."""
    machine.blocks.jobs.find(id_).user_finalize()


@commands.command("job-dismiss")
def job_dismiss(machine: Machine, *, id_: str) -> None:
    """Forget a job that is over."""
    machine.blocks.jobs.find(id_).user_dismiss()


@commands.command("block-job-pause")
def block_job_pause(machine: Machine, *, device: str) -> None:
    """Let a block job stand still."""
    machine.blocks.jobs.find_block_job(device).user_pause()


@commands.command("block-job-resume")
def block_job_resume(machine: Machine, *, device: str) -> None:
    """Let a block job go on."""
    machine.blocks.jobs.find_block_job(device).user_resume()


@commands.command("block-job-cancel")
def block_job_cancel(machine: Machine, *, device: str, force: bool = False) -> None:
    """Stop a block job; one that is ready ends well, if it is not forced."""
    job = machine.blocks.jobs.find_block_job(device)
    if job.is_user_paused and not force:
        message = f"The block job for device '{device}' is currently paused"
        raise GenericError(message)
    job.cancel(force=force)


@commands.command("block-job-complete")
def block_job_complete(machine: Machine, *, device: str) -> None:
    """End a block job that is ready."""
    machine.blocks.jobs.find_block_job(device).complete()


@commands.command("block-job-finalize")
def block_job_finalize(machine: Machine, *, id_: str) -> None:
    """Let a block job do what comes last."""
    machine.blocks.jobs.find_block_job(id_).user_finalize()


@commands.command("block-job-dismiss")
def block_job_dismiss(machine: Machine, *, id_: str) -> None:
    """Forget a block job that is over."""
    machine.blocks.jobs.find_block_job(id_).user_dismiss()


@commands.command("block-job-set-speed")
def block_job_set_speed(machine: Machine, *, device: str, speed: int) -> None:
    """Let a block job do so many bytes a second."""
    machine.blocks.jobs.find_block_job(device).set_speed(speed)


# beginning


def _drive_name(graph: "BlockGraph", device: str) -> str | None:
    """Return the back end's name, which is the id of a job that was given none."""
    return device if device in graph.machine.drives else None


def _root(graph: "BlockGraph", device: str) -> "Node":
    """Return the node that a command calls ``device``, in front of nothing else.

    Raises:
        GenericError: There is none, or it stands below or behind others.
    """
    node = graph.node(device)
    if node.parents or node.covers:
        message = "Need a root block node"
        raise GenericError(message)
    return node


def _check_speed(speed: int) -> None:
    if speed < 0:
        message = "Parameter 'speed' expects a non-negative value"
        raise GenericError(message)


@commands.command("blockdev-create")
def blockdev_create(
    machine: Machine,
    *,
    job_id: str,
    options: Annotated[dict[str, Any], Described("BlockdevCreateOptions")],
) -> None:
    """Make an image, as a job."""
    from qmpx.machine.block.creation import CreateJob

    jobs = machine.blocks.jobs
    job = CreateJob(machine.blocks, job_id, options)
    jobs.new_id(job_id, None)
    jobs.begin(job)


@commands.command("block-stream")
def block_stream(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    base: str | None = None,
    base_node: str | None = None,
    backing_file: str | None = None,
    bottom: str | None = None,
    speed: int = 0,
    on_error: OnError = "report",
    filter_node_name: str | None = None,
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
) -> None:
    """Copy what is behind an image into it."""
    from qmpx.machine.block.copying import StreamJob
    from qmpx.machine.block.graph import require_quiet

    graph = machine.blocks
    given = {"base": base, "base-node": base_node, "bottom": bottom}
    for one, other in _RIVALS:
        if given[one] is not None and given[other] is not None:
            message = f"'{one}' and '{other}' cannot be specified at the same time"
            raise GenericError(message)
    top = graph.node(device)
    below: Node | None = None
    chain = list(graph.chain(top))
    if base is not None:
        named = [node for node in chain if node.filename == base]
        if not named:
            message = f"Can't find '{base}' in the backing chain"
            raise GenericError(message)
        below = named[0]
    elif base_node is not None:
        below = graph.nodes.get(base_node)
        if below is None:
            message = f"Cannot find device='' nor node-name='{base_node}'"
            raise GenericError(message)
        if below is top or below not in chain:
            message = f"Node '{base_node}' is not a backing image of '{device}'"
            raise GenericError(message)
    elif bottom is not None:
        last = graph.nodes.get(bottom)
        if last is None:
            message = f"Cannot find device='' nor node-name='{bottom}'"
            raise GenericError(message)
        if last.is_filter and last.driver != "raw":
            message = f"Node '{bottom}' is a filter, use a non-filter node as 'bottom'"
            raise GenericError(message)
        if last not in chain:
            message = f"Node '{bottom}' is not in a chain starting from '{device}'"
            raise GenericError(message)
        below = last.backing
    if below is None and backing_file is not None:
        message = "backing file specified, but streaming the entire chain"
        raise GenericError(message)
    for node in chain[: chain.index(below) if below is not None else None]:
        require_quiet(node)
    if filter_node_name is not None:
        _check_filter_name(graph, filter_node_name)
    id_ = graph.jobs.new_id(job_id, _drive_name(graph, device))
    _check_speed(speed)
    job = StreamJob(
        graph,
        id_,
        top,
        below,
        backing_file=backing_file,
        speed=speed,
        auto_finalize=auto_finalize,
        auto_dismiss=auto_dismiss,
    )
    job.on_source_error = job.on_target_error = on_error
    job.filter_name = filter_node_name
    graph.jobs.begin(job)


@commands.command("block-commit")
def block_commit(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    base_node: str | None = None,
    base: Annotated[str | None, Feature(DEPRECATED)] = None,
    top_node: str | None = None,
    top: Annotated[str | None, Feature(DEPRECATED)] = None,
    backing_file: str | None = None,
    speed: int = 0,
    on_error: OnError = "report",
    filter_node_name: str | None = None,
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
) -> None:
    """Write images into one that is behind them."""
    from qmpx.machine.block.copying import CommitJob, MirrorJob
    from qmpx.machine.block.graph import require_quiet

    graph = machine.blocks
    if graph.find(device) is None:
        raise DeviceNotFound(device=device)
    first = _root(graph, device)
    require_quiet(first)
    if top is not None and top_node is not None:
        message = "'top-node' and 'top' are mutually exclusive"
        raise GenericError(message)
    chain = list(graph.chain(first))
    no_top = f"Top image file {top} not found"
    last = _in_chain(graph, chain, top_node, top, first, no_top)
    if base is not None and base_node is not None:
        message = "'base-node' and 'base' are mutually exclusive"
        raise GenericError(message)
    rest = chain[chain.index(last) :]
    no_base = f"Can't find '{base}' in the backing chain"
    bottom = _in_chain(graph, rest, base_node, base, chain[-1], no_base)
    for node in rest[: rest.index(bottom) + 1]:
        require_quiet(node)
    if last is bottom:
        message = "cannot commit an image into itself"
        raise GenericError(message)
    if last is first and backing_file is not None:
        message = "'backing-file' specified, but 'top' is the active layer"
        raise GenericError(message)
    if last is first and _data(first) is _data(bottom):
        message = "Can't mirror node into itself"
        raise GenericError(message)
    if filter_node_name is not None:
        graph.check_name(filter_node_name)
    id_ = graph.jobs.new_id(job_id, _drive_name(graph, device))
    _check_speed(speed)
    shared: dict[str, Any] = {
        "speed": speed,
        "auto_finalize": auto_finalize,
        "auto_dismiss": auto_dismiss,
    }
    job: Job
    if last is first:
        job = MirrorJob(graph, id_, first, bottom, is_commit=True, **shared)
    else:
        overlay = chain[chain.index(last) - 1]
        job = CommitJob(
            graph, id_, last, bottom, overlay, backing_file=backing_file, **shared
        )
    job.on_source_error = job.on_target_error = on_error
    job.filter_name = filter_node_name
    graph.jobs.begin(job)


def _in_chain(
    graph: "BlockGraph",
    chain: list["Node"],
    node_name: str | None,
    filename: str | None,
    default: "Node",
    missing: str,
) -> "Node":
    """Return the image of a chain that is named one way or the other."""
    if node_name is not None:
        node = graph.nodes.get(node_name)
        if node is None:
            message = f"Cannot find device='' nor node-name='{node_name}'"
            raise GenericError(message)
        if node not in chain:
            message = f"'{node_name}' is not in this backing file chain"
            raise GenericError(message)
        return node
    if filename is not None:
        for node in chain:
            if node.filename == filename:
                return node
        raise GenericError(missing)
    return default


@commands.command("blockdev-mirror")
def blockdev_mirror(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    target: str,
    replaces: str | None = None,
    sync: Sync,
    speed: int = 0,
    granularity: Annotated[int, Described("uint32")] | None = None,
    buf_size: int | None = None,
    on_source_error: OnError = "report",
    on_target_error: OnError = "report",
    filter_node_name: str | None = None,
    copy_mode: Literal["background", "write-blocking"] = "background",  # noqa: ARG001
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
) -> None:
    """Copy a node to another, and follow what is written."""
    graph = machine.blocks
    source = _root(graph, device)
    goal = graph.node(target)
    job = _mirror(
        machine,
        source,
        goal,
        job_id=job_id,
        default=_drive_name(graph, device),
        sync=sync,
        replaces=replaces,
        granularity=granularity,
        buf_size=buf_size,
        filter_name=filter_node_name,
        speed=speed,
        auto_finalize=auto_finalize,
        auto_dismiss=auto_dismiss,
    )
    job.on_source_error, job.on_target_error = on_source_error, on_target_error
    graph.jobs.begin(job)


def _mirror(
    machine: Machine,
    source: "Node",
    goal: "Node",
    *,
    job_id: str | None,
    default: str | None,
    sync: Sync,
    replaces: str | None,
    granularity: int | None,
    buf_size: int | None,
    filter_name: str | None = None,
    **rest: Any,
) -> "Job":
    from qmpx.machine.block.copying import MirrorJob
    from qmpx.machine.block.graph import require_front, require_quiet
    from qmpx.machine.block.permissions import READ, RESIZE, SAME, WRITE, check_target

    graph = machine.blocks
    if granularity and not _LEAST_UNIT <= granularity <= _LARGEST_UNIT:
        message = "Parameter 'granularity' expects a value in range [512B, 64MB]"
        raise GenericError(message)
    if granularity and granularity & (granularity - 1):
        message = "Parameter 'granularity' expects a power of 2"
        raise GenericError(message)
    for node in (source, goal):
        require_quiet(node)
        require_front(node)
    if sync == "top" and source.backing is None:
        sync = "full"
    replaced = None
    if replaces is not None:
        replaced = graph.nodes.get(replaces)
        if replaced is None:
            message = f"Failed to find node with node-name='{replaces}'"
            raise GenericError(message)
        if replaced not in graph.chain(source):
            message = (
                f"Cannot replace '{replaces}' by a node mirrored from '{source.name}', "
                "because it cannot be guaranteed that doing so would not lead to an "
                "abrupt change of visible data"
            )
            raise GenericError(message)
    if sync in ("incremental", "bitmap"):
        message = f"Sync mode '{sync}' not supported"
        raise GenericError(message)
    if buf_size is not None and buf_size < 0:
        message = "Invalid parameter 'buf-size'"
        raise GenericError(message)
    if _data(source) is _data(goal):
        message = "Can't mirror node into itself"
        raise GenericError(message)
    if filter_name is not None:
        graph.check_name(filter_name)
    id_ = graph.jobs.new_id(job_id, default)
    _check_speed(rest.get("speed", 0))
    if goal.read_only:
        message = "Block node is read-only"
        raise GenericError(message)
    is_behind = goal in graph.chain(source)
    shared = {SAME, READ, WRITE, RESIZE} if is_behind else {SAME}
    check_target(goal, frozenset(shared))
    if goal.uses:
        message = f"Node '{goal.name}' is in use"
        raise GenericError(message)
    job = MirrorJob(graph, id_, source, goal, sync=sync, replaces=replaced, **rest)
    job.filter_name = filter_name
    return job


def _data(node: "Node") -> "Node":
    """Return the node whose data a filter shows; a node that is none itself."""
    while node.is_filter and node.driver != "raw" and node.file is not None:
        node = node.file
    return node


@commands.command("drive-mirror")
def drive_mirror(
    machine: Machine,
    *,
    job_id: str | None = None,
    device: str,
    target: str,
    format_: str | None = None,
    node_name: str | None = None,
    replaces: str | None = None,
    sync: Sync,
    mode: Literal["existing", "absolute-paths"] = "absolute-paths",
    speed: int = 0,
    granularity: Annotated[int, Described("uint32")] | None = None,
    buf_size: int | None = None,
    on_source_error: OnError = "report",
    on_target_error: OnError = "report",
    unmap: bool = True,  # noqa: ARG001 - zeros are not written where they are
    copy_mode: Literal["background", "write-blocking"] = "background",  # noqa: ARG001
    auto_finalize: bool = True,
    auto_dismiss: bool = True,
) -> None:
    """Copy a node to an image file, and follow what is written."""
    graph = machine.blocks
    source = _root(graph, device)
    goal = new_target(
        graph, source, target, format_, node_name, mode=mode, is_top=sync == "top"
    )
    try:
        job = _mirror(
            machine,
            source,
            goal,
            job_id=job_id,
            default=_drive_name(graph, device),
            sync=sync,
            replaces=replaces,
            granularity=granularity,
            buf_size=buf_size,
            speed=speed,
            auto_finalize=auto_finalize,
            auto_dismiss=auto_dismiss,
        )
    except GenericError:
        graph.release(goal)
        raise
    job.on_source_error, job.on_target_error = on_source_error, on_target_error
    graph.jobs.begin(job)


def new_target(
    graph: "BlockGraph",
    source: "Node",
    filename: str,
    format_: str | None,
    node_name: str | None,
    *,
    mode: str,
    is_top: bool,
    needs_backing: bool = False,
) -> "Node":
    """Return a node for an image file that is made for a copy, or there already.

    Raises:
        GenericError: It cannot be made or opened.
    """
    from pathlib import Path

    from qmpx.machine.block.creation import OTHERS
    from qmpx.machine.block.qcow2_header import new_image

    driver = format_ or (source.driver if mode != "existing" else None)
    if mode != "existing":
        known = driver in graph.drivers() or driver in OTHERS
        if driver not in ("qcow2", "qed") and needs_backing and known:
            message = f"Backing file not supported for file format '{driver}'"
            raise GenericError(message)
        try:
            if driver == "qcow2":
                behind = source.backing if is_top else None
                content = new_image(
                    source.size,
                    backing_file="" if behind is None else behind.filename,
                    backing_format="" if behind is None else behind.driver,
                    version=3,
                )
                Path(filename).write_bytes(content)
            elif driver == "raw":
                with open(filename, "wb") as file:
                    file.truncate(source.size)
            elif known:
                message = f"Format driver '{driver}' does not support image creation"
                raise GenericError(message)
            else:
                message = f"Unknown file format '{driver}'"
                raise GenericError(message)
        except OSError as error:
            message = f"Could not create '{filename}': {error.strerror}"
            raise GenericError(message) from error
    return graph.open_file(
        filename, driver, read_only=False, node_name=node_name, has_backing=False
    )


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
    compress: bool = False,  # noqa: ARG001 - images are written as they are
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
    compress: bool = False,  # noqa: ARG001 - images are written as they are
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
) -> Any:
    """Enter a backup job, and return the change.

    Raises:
        GenericError: It can't be begun.
    """
    from qmpx.machine.block import changes
    from qmpx.machine.block.copying import BackupJob

    graph = machine.blocks
    device, sync = options["device"], options["sync"]
    source = graph.find(device)
    if source is None:
        message = f"Cannot find device='{device}' nor node-name='{device}'"
        raise GenericError(message)
    if to_file:
        goal = new_target(
            graph,
            source,
            options["target"],
            options.get("format"),
            None,
            mode=options.get("mode", "absolute-paths"),
            is_top=sync == "top",
            needs_backing=sync == "none" or (sync == "top" and bool(source.backing)),
        )
    else:
        goal = graph.node(options["target"])
    try:
        bitmap, mode = _backup_bitmap(source, options)
        if source is goal:
            message = "Source and target cannot be the same"
            raise GenericError(message)
        _check_perf(options.get("x-perf") or {})
        if source.size != goal.size:
            message = "Source and target image have different sizes"
            raise GenericError(message)
        name = options.get("filter-node-name")
        if name is not None:
            _check_filter_name(graph, name)
        _check_backup_target(goal, name or graph.new_name())
        speed = options.get("speed", 0)
        _check_speed(speed)
        id_ = graph.jobs.new_id(options.get("job-id"), _drive_name(graph, device))
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
    return changes.begin(graph, job)


def _check_filter_name(graph: "BlockGraph", name: str) -> None:
    """Make sure that the node in front of another may have a name.

    Raises:
        GenericError: It may not.
    """
    try:
        graph.check_name(name)
    except GenericError as error:
        message = f"Could not create node: {error.desc}"
        raise GenericError(message) from error


def _check_backup_target(goal: "Node", name: str) -> None:
    """Make sure that a backup may write to a node.

    Raises:
        GenericError: It may not.
    """
    from qmpx.machine.block.permissions import READ, SAME, WRITE, check_target

    if goal.read_only:
        message = "Could not create node: Block node is read-only"
        raise GenericError(message)
    try:
        check_target(goal, frozenset({READ, WRITE, SAME}), name)
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
