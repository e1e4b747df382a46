"""Commands over the block graph that may change at any time: ``x-...``.

Source: QEMU 7.2.22, observed.
"""

import hashlib
from typing import Annotated, Any, Final, NoReturn

from qmpx.dialects.modern.block.exports import is_thread
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.block import permissions
from qmpx.machine.block.nodes import Node
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Described
from qmpx.qapi.model import UNSTABLE

commands = CommandRegistry(reads_late=True)

_WORD: Final = 8  # bytes of the bitmaps' units, which are what is hashed


@commands.command("x-debug-query-block-graph", features=(UNSTABLE,))
def x_debug_query_block_graph(
    machine: Machine,
) -> Annotated[dict[str, Any], Described("XDbgBlockGraph")]:
    """Tell of all nodes and drives, and of what each needs of which."""
    graph = machine.blocks
    numbers: dict[int, int] = {}
    told: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    kept: list[object] = []  # so that no other thing is taken for one of them

    def number(thing: object) -> int:
        return numbers.setdefault(id(thing), len(numbers) + 1)

    def enter(thing: object, name: str, kind: str) -> None:
        told.append({"id": number(thing), "type": kind, "name": name})

    def join(parent: object, child: object, edge: permissions.Edge) -> None:
        edges.append(
            {
                "parent": number(parent),
                "child": number(child),
                "name": edge.name,
                "perm": permissions.in_order(edge.perm),
                "shared-perm": permissions.in_order(edge.shared),
            }
        )

    for drive in machine.drives.values():
        enter(drive, drive.device or drive.id, "block-backend")
        if (inside := graph.drives.node_in(drive)) is not None:
            join(drive, inside, permissions.of_drive(drive))
    for job in graph.jobs.values():
        for node, edge in job.back_ends() if job.children else ():
            back_end = (job, node)  # it has no name, and is nothing else
            kept.append(back_end)
            enter(back_end, "", "block-backend")
            join(back_end, node, edge)
    for export in graph.exports.all:
        enter(export, "", "block-backend")
        join(export, export.node, permissions.of_export(writable=export.writable))
    for job in reversed(graph.jobs.values()):
        if job.is_block_job:
            enter(job, job.id, "block-job")
        for role, node in reversed(job.children):
            join(job, node, job.edge(role))
    for node in graph.nodes.values():
        enter(node, node.name, "block-driver")
        for job in graph.jobs.values():
            if job.filter is node:
                for target, edge in job.targets():
                    join(node, target, edge)
        if node.backing is not None:
            join(node, node.backing, permissions.of_parent(node, "backing"))
        if node.file is not None:
            join(node, node.file, permissions.of_parent(node, "file"))
    return {"nodes": told[::-1], "edges": edges[::-1]}


@commands.command("x-debug-block-dirty-bitmap-sha256", features=(UNSTABLE,))
def x_debug_block_dirty_bitmap_sha256(
    machine: Machine, *, node: str, name: str
) -> Annotated[dict[str, Any], Described("BlockDirtyBitmapSha256")]:
    """Return a digest of a bitmap, bit by bit."""
    from qmpx.machine.block import bitmap_changes

    bitmap = bitmap_changes.find(machine.blocks, node, name)
    bits = -(-bitmap.size // bitmap.granularity)
    words = max(1, -(-bits // (8 * _WORD)))
    content = bytearray(words * _WORD)
    for first, count in bitmap.dirty.runs():
        for bit in range(first, min(first + count, bits)):
            content[bit // 8] |= 1 << bit % 8
    return {"sha256": hashlib.sha256(content).hexdigest()}


@commands.command("x-blockdev-change", features=(UNSTABLE,))
def x_blockdev_change(
    machine: Machine, *, parent: str, child: str | None = None, node: str | None = None
) -> NoReturn:
    """Add a child to a node, or take one away: no node here has a number of them.

    Raises:
        GenericError: Always.
    """
    graph = machine.blocks
    above = graph.node(parent)
    if (child is None) is (node is None):
        message = (
            "Either child or node must be specified"
            if child is None
            else "The parameters child and node are in conflict"
        )
        raise GenericError(message)
    if child is not None:
        if getattr(above, child, None) is None or child not in ("file", "backing"):
            message = f"Node '{parent}' does not have child '{child}'"
            raise GenericError(message)
        message = f"The node {parent} does not support removing a child"
        raise GenericError(message)
    if node not in graph.nodes:
        message = f"Node '{node}' not found"
        raise GenericError(message)
    message = f"The node {parent} does not support adding a child"
    raise GenericError(message)


@commands.command("x-blockdev-set-iothread", features=(UNSTABLE,))
def x_blockdev_set_iothread(
    machine: Machine,
    *,
    node_name: str,
    iothread: Annotated[Any, Described("StrOrNull")],
    force: bool = False,
) -> None:
    """Let another thread work on a node: here there is one thread for all.

    Raises:
        GenericError: There is no such node or thread, or a device uses the node.
    """
    node = machine.blocks.nodes.get(node_name)
    if node is None:
        message = f"Failed to find node with node-name='{node_name}'"
        raise GenericError(message)
    if node.drives and not force:
        message = (
            f"Node {node_name} is associated with a BlockBackend and could be in use "
            "(use force=true to override this check)"
        )
        raise GenericError(message)
    if iothread is not None and not is_thread(machine, iothread):
        message = f"Cannot find iothread {iothread}"
        raise GenericError(message)
    if iothread is not None and _is_held(node):
        message = "Cannot change iothread of active block backend"
        raise GenericError(message)


def _is_held(node: Node) -> bool:
    """Whether a drive keeps a node, or what is in front of it, in its thread."""
    return bool(node.drives) or any(_is_held(parent) for parent, _ in node.parents)


_AMENDABLE: Final = frozenset({"qcow2", "luks"})


@commands.command("x-blockdev-amend", features=(UNSTABLE,))
def x_blockdev_amend(
    machine: Machine,
    *,
    job_id: str,
    node_name: str,
    options: Annotated[dict[str, Any], Described("BlockdevAmendOptions")],
    force: bool = False,  # noqa: ARG001
) -> None:
    """Change the options of an image, as a job: there are none to change here.

    Raises:
        GenericError: There is no such node, or it is of another format.
    """
    from qmpx.machine.block.creation import AmendJob

    graph = machine.blocks
    node = graph.nodes.get(node_name)
    if node is None:
        message = f"Cannot find device='' nor node-name='{node_name}'"
        raise GenericError(message)
    if node.driver != options["driver"]:
        message = "x-blockdev-amend doesn't support changing the block driver"
        raise GenericError(message)
    if node.driver not in _AMENDABLE:
        message = "Driver does not support x-blockdev-amend"
        raise GenericError(message)
    id_ = graph.jobs.new_id(job_id, None)
    graph.jobs.begin(AmendJob(graph, id_, auto_dismiss=False))


_HISTOGRAMS: Final = ("read", "write", "flush")


@commands.command("block-latency-histogram-set")
def block_latency_histogram_set(
    machine: Machine,
    *,
    id_: str,
    boundaries: list[Annotated[int, Described("uint64")]] | None = None,
    boundaries_read: list[Annotated[int, Described("uint64")]] | None = None,
    boundaries_write: list[Annotated[int, Described("uint64")]] | None = None,
    boundaries_flush: list[Annotated[int, Described("uint64")]] | None = None,
) -> None:
    """Count the requests of a drive by how long they took, or do so no more.

    Raises:
        DeviceNotFound: There is no such device.
        GenericError: Boundaries do not increase.
    """
    drive = machine.blocks.drives.find(id_)
    wanted = (boundaries_read, boundaries_write, boundaries_flush)
    if boundaries is None and all(each is None for each in wanted):
        drive.histograms.clear()
        return
    for kind, own in zip(_HISTOGRAMS, wanted, strict=True):
        chosen = boundaries if own is None else own
        if chosen is None:
            continue
        if not _increases(chosen):
            message = f"Device '{id_}' set {kind} boundaries fail"
            raise GenericError(message)
        drive.histograms[kind] = chosen


def _increases(boundaries: list[int]) -> bool:
    before = 0
    for each in boundaries:
        if each <= before:
            return False
        before = each
    return True
