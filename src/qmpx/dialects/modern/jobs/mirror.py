"""Jobs that copy a node and follow what is written: ``*-mirror``.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from qmpx.dialects.modern.jobs.starts import (
    OnError,
    Sync,
    check_speed,
    drive_name,
    root_node,
    shown,
    tell_stillborn,
)
from qmpx.dialects.modern.jobs.targets import new_target
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job
    from qmpx.machine.block.nodes import Node

commands = CommandRegistry()

_LEAST_UNIT: Final = 512
_LARGEST_UNIT: Final = 64 << 20


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
    source = root_node(graph, device)
    goal = graph.node(target)
    job = _mirror(
        machine,
        source,
        goal,
        job_id=job_id,
        default=drive_name(graph, device),
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
    from qmpx.machine.block.mirroring import MirrorJob
    from qmpx.machine.block.permissions import (
        READ,
        RESIZE,
        SAME,
        WRITE,
        Claim,
        Edge,
        check_target,
        require_front,
        require_quiet,
    )

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
        require_quiet(replaced)
        require_front(replaced)
        if replaced not in graph.chain(source):
            message = (
                f"Cannot replace '{replaces}' by a node mirrored from '{source.name}', "
                "because it cannot be guaranteed that doing so would not lead to an "
                "abrupt change of visible data"
            )
            raise GenericError(message)
    if sync == "incremental" or sync == "bitmap":  # so that its type is known
        message = f"Sync mode '{sync}' not supported"
        raise GenericError(message)
    if buf_size is not None and buf_size < 0:
        message = "Invalid parameter 'buf-size'"
        raise GenericError(message)
    if shown(source) is shown(goal):
        message = "Can't mirror node into itself"
        raise GenericError(message)
    if filter_name is not None:
        graph.check_name(filter_name)
    id_ = graph.jobs.new_id(job_id, default)
    check_speed(graph, id_, rest.get("speed", 0))
    is_behind = goal in graph.chain(source)
    shared = {SAME, READ, WRITE, RESIZE} if is_behind else {SAME}
    try:
        check_target(goal, frozenset(shared))
        if goal.read_only:
            message = "Block node is read-only"
            raise GenericError(message)
        edge = Edge("root", frozenset({WRITE}), frozenset(shared))
        graph.try_lock(goal, Claim("", edge))
    except GenericError:
        tell_stillborn(graph, id_)
        raise
    job = MirrorJob(
        graph,
        id_,
        source,
        goal,
        sync=sync,
        replaces=replaced,
        granularity=granularity or 0,
        **rest,
    )
    job.filter_name = filter_name
    return job


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
    source = root_node(graph, device)
    if replaces is not None and node_name is None:
        message = (
            "a node-name must be provided when replacing a named node of the graph"
        )
        raise GenericError(message)
    behind = {"none": source, "top": source.backing}.get(sync)
    goal = new_target(
        graph, source, target, format_, node_name, mode=mode, behind=behind
    )
    try:
        job = _mirror(
            machine,
            source,
            goal,
            job_id=job_id,
            default=drive_name(graph, device),
            sync=sync,
            replaces=replaces,
            granularity=granularity,
            buf_size=buf_size,
            is_zero=mode != "existing",
            speed=speed,
            auto_finalize=auto_finalize,
            auto_dismiss=auto_dismiss,
        )
    except GenericError:
        graph.release(goal)
        raise
    job.on_source_error, job.on_target_error = on_source_error, on_target_error
    graph.jobs.begin(job)
