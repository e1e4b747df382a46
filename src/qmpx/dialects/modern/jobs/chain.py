"""Jobs that shorten a chain of images: ``block-stream`` and ``block-commit``.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final

from qmpx.dialects.modern.jobs.starts import (
    OnError,
    check_filter_name,
    check_speed,
    drive_name,
    root_node,
    shown,
)
from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi.model import DEPRECATED, Feature

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.job import Job
    from qmpx.machine.block.nodes import Node

commands = CommandRegistry(reads_late=True)

_RIVALS: Final = (("base", "base-node"), ("base", "bottom"), ("bottom", "base-node"))


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
    from qmpx.machine.block.permissions import require_quiet
    from qmpx.machine.block.streaming import StreamJob

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
        named = [node for node in chain[1:] if node.filename == base]
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
        check_filter_name(graph, filter_node_name)
    id_ = graph.jobs.new_id(job_id, drive_name(graph, device))
    check_speed(graph, id_, speed)
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
    from qmpx.machine.block.committing import CommitJob
    from qmpx.machine.block.mirroring import MirrorJob
    from qmpx.machine.block.permissions import require_quiet

    graph = machine.blocks
    if graph.find(device) is None:
        raise DeviceNotFound(device=device)
    first = root_node(graph, device)
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
    if last is first and shown(first) is shown(bottom):
        message = "Can't mirror node into itself"
        raise GenericError(message)
    if filter_node_name is not None:
        graph.check_name(filter_node_name)
    id_ = graph.jobs.new_id(job_id, drive_name(graph, device))
    check_speed(graph, id_, speed)
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
            graph,
            id_,
            last,
            bottom,
            overlay,
            first,
            backing_file=backing_file,
            **shared,
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
