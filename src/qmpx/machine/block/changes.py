"""Changes that can be taken back: what transactions are made of.

Each function makes a change at once, and returns how it is taken back, and what is to
be done when it is to last.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qmpx.errors import GenericError
from qmpx.machine.block.bitmaps import (
    DEFAULT_GRANULARITY,
    GRANULARITIES,
    MAX_BITMAPS,
    MAX_NAME,
    Bitmap,
)
from qmpx.machine.block.graph import require_front, require_quiet
from qmpx.machine.block.image import Snapshot
from qmpx.machine.block.jobs import Job, JobGroup
from qmpx.machine.block.node_drivers import FormatNode
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import READ, needed
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.pages import PageSet

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made.

    Attributes:
        undo: Take it back.
        commit: Let it last.
        job: The job that begins when it lasts, if it is one.
    """

    undo: Callable[[], None] = _nothing
    commit: Callable[[], None] = _nothing
    job: Job | None = None


def make(changes: Iterable[Callable[[], Change]]) -> None:
    """Make changes, all or none.

    Raises:
        CommandError: The first that cannot be made says why; the others are undone.
    """
    made = list[Change]()
    try:
        for change in changes:
            made.append(change())
    except Exception:
        for each in reversed(made):
            each.undo()
        raise
    for each in made:
        each.commit()


def group(jobs: Iterable[Job]) -> None:
    """Let jobs end together."""
    shared = JobGroup()
    for job in jobs:
        shared.jobs.append(job)
        job.group = shared


# dirty bitmaps


def _bitmap(node: Node, name: str) -> Bitmap:
    if name not in node.bitmaps:
        message = f"Dirty bitmap '{name}' not found"
        raise GenericError(message)
    return node.bitmaps[name]


def _quiet_bitmap(node: Node, name: str) -> Bitmap:
    bitmap = _bitmap(node, name)
    bitmap.require_usable()
    return bitmap


def find_bitmap(graph: "BlockGraph", node: str, name: str) -> Bitmap:
    """Return a bitmap.

    Raises:
        GenericError: There is no such node, or it has no such bitmap.
    """
    return _bitmap(_with_bitmaps(graph, node), name)


def _with_bitmaps(graph: "BlockGraph", node: str) -> Node:
    found = graph.find(node)
    if found is None:
        message = f"Node '{node}' not found"
        raise GenericError(message)
    return found


def add_bitmap(
    graph: "BlockGraph",
    *,
    node: str,
    name: str,
    granularity: int | None = None,
    persistent: bool = False,
    disabled: bool = False,
) -> Change:
    """Begin to note what is written to a node.

    Raises:
        GenericError: There is no such node, or it can't have such a bitmap.
    """
    if not name:
        message = "Bitmap name cannot be empty"
        raise GenericError(message)
    found = graph.node(node)
    if granularity is not None and (
        granularity < 1 << GRANULARITIES[0] or granularity & (granularity - 1)
    ):
        message = "Granularity must be power of 2 and at least 512"
        raise GenericError(message)
    if granularity is not None and granularity > 1 << GRANULARITIES[-1]:
        message = "Granularity exceeds maximum (2147483648 bytes)"
        raise GenericError(message)
    if name in found.bitmaps:
        message = f"Bitmap already exists: {name}"
        raise GenericError(message)
    if len(name.encode()) > MAX_NAME:
        message = "Bitmap name too long"
        raise GenericError(message)
    if len(found.bitmaps) >= MAX_BITMAPS:
        message = f"more than {MAX_BITMAPS} bitmaps of one node"
        raise GenericError(message)
    if granularity is None:
        granularity = DEFAULT_GRANULARITY
        if isinstance(found, FormatNode) and found.image.cluster_size:
            granularity = min(max(found.image.cluster_size, 4096), granularity)
    if persistent:
        _check_can_persist(found, node, name)
    bitmap = Bitmap(
        name, granularity, found.size, persistent=persistent, recording=not disabled
    )
    found.bitmaps[name] = bitmap
    return Change(undo=lambda: _drop_bitmap(found, name))


def _check_can_persist(found: Node, node: str, name: str) -> None:
    if not isinstance(found, FormatNode) or found.driver != "qcow2":
        message = f"Can't store persistent bitmaps to {node}: Operation not supported"
        raise GenericError(message)
    if why := found.image.why_no_bitmaps:
        message = f"Can't make bitmap '{name}' persistent in '{node}': {why}"
        raise GenericError(message)


def _drop_bitmap(node: Node, name: str) -> None:
    node.bitmaps.pop(name, None)


def remove_bitmap(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Forget a bitmap.

    Raises:
        GenericError: There is none, or it is in use.
    """
    found = _with_bitmaps(graph, node)
    bitmap = _bitmap(found, name)
    bitmap.require_idle()
    del found.bitmaps[name]

    def forget() -> None:
        if bitmap.persistent and isinstance(found, FormatNode):
            try:
                found.image.forget_bitmap(name)
            except OSError as error:
                message = f"Failed to remove bitmap '{name}': {error.strerror}"
                raise GenericError(message) from error

    return Change(undo=lambda: found.bitmaps.update({name: bitmap}), commit=forget)


def clear_bitmap(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Let nothing be dirty.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    bitmap = _quiet_bitmap(_with_bitmaps(graph, node), name)
    before, bitmap.dirty = bitmap.dirty, PageSet()
    return Change(undo=lambda: bitmap.dirty.update(before))


def _record(graph: "BlockGraph", node: str, name: str, *, recording: bool) -> Change:
    bitmap = _quiet_bitmap(_with_bitmaps(graph, node), name)
    before = bitmap.recording
    bitmap.recording = recording

    def undo() -> None:
        bitmap.recording = before

    return Change(undo=undo)


def enable_bitmap(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Note writes from now on.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    return _record(graph, node, name, recording=True)


def disable_bitmap(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Note writes no more.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    return _record(graph, node, name, recording=False)


def merge_bitmaps(
    graph: "BlockGraph",
    *,
    node: str,
    target: str,
    bitmaps: list[Any],
) -> Change:
    """Let a bitmap have what others have, too.

    Args:
        graph: The graph.
        node: The node of the target.
        target: The bitmap that is changed.
        bitmaps: Names, or objects with ``node`` and ``name``.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    found = _with_bitmaps(graph, node)
    into = _quiet_bitmap(found, target)
    others = []
    for each in bitmaps:
        if isinstance(each, str):
            others.append(_bitmap(found, each))
        else:
            others.append(find_bitmap(graph, each["node"], each["name"]))
        others[-1].require_consistent()
    before = into.dirty.copy()
    into.merge(others)

    def undo() -> None:
        into.dirty = before

    return Change(undo=undo)


# snapshots


def _overlay(graph: "BlockGraph", node: Node, overlay: Node) -> Change:
    """Put an overlay in front of a node, for all that use the node."""
    if overlay.uses or READ in needed(overlay)[0]:
        message = "The overlay is already in use"
        raise GenericError(message)
    if overlay.is_filter and overlay.driver != "raw":
        message = "Filters cannot be used as overlays"
        raise GenericError(message)
    if overlay.backing is not None:
        message = "The overlay already has a backing image"
        raise GenericError(message)
    if not isinstance(overlay, FormatNode) or overlay.driver not in ("qcow2", "qed"):
        message = "The overlay does not support backing images"
        raise GenericError(message)
    was_read_only = node.read_only
    try:
        node.flush()
        node.set_read_only(read_only=True)
    except OSError as error:
        raise GenericError(error.strerror or str(error)) from error
    graph.replace(node, overlay)
    overlay.set_backing(node)

    def undo() -> None:
        overlay.set_backing(None)
        graph.replace(overlay, node)
        node.set_read_only(read_only=was_read_only)

    return Change(undo=undo)


def snapshot(graph: "BlockGraph", *, node: str, overlay: str) -> Change:
    """Let writes go to an overlay that is there already.

    Raises:
        GenericError: One of both is not there, or not free.
    """
    below = graph.node(node)
    above = graph.nodes.get(overlay)
    require_quiet(below)
    require_front(below)
    if above is None:
        message = f"Cannot find device='{overlay}' nor node-name='{overlay}'"
        raise GenericError(message)
    return _overlay(graph, below, above)


def snapshot_file(
    graph: "BlockGraph",
    *,
    snapshot_file: str,
    device: str | None = None,
    node_name: str | None = None,
    snapshot_node_name: str | None = None,
    format_: str = "qcow2",
    mode: Literal["existing", "absolute-paths"] = "absolute-paths",
) -> Change:
    """Let writes go to an image file that is made, or there already.

    Raises:
        GenericError: It cannot be done.
    """
    below = graph.back_end(device) if device is not None else None
    if below is None and node_name is not None:
        below = graph.nodes.get(node_name)
    if below is None:
        message = (
            f"Cannot find device='{device or ''}' nor node-name='{node_name or ''}'"
        )
        raise GenericError(message)
    require_quiet(below)
    require_front(below)
    if node_name is not None and snapshot_node_name is None:
        message = "New overlay node-name missing"
        raise GenericError(message)
    if snapshot_node_name is not None and snapshot_node_name in graph.nodes:
        message = "New overlay node-name already in use"
        raise GenericError(message)
    if mode != "existing":
        if format_ not in graph.drivers():
            message = f"Unknown file format '{format_}'"
            raise GenericError(message)
        if format_ != "qcow2":
            message = f"Invalid snapshot format '{format_}'"
            raise GenericError(message)
        content = new_image(
            below.size,
            backing_file=below.filename,
            backing_format=below.driver,
            version=3,
        )
        try:
            Path(snapshot_file).write_bytes(content)
        except OSError as error:
            message = f"Could not create '{snapshot_file}': {error.strerror}"
            raise GenericError(message) from error
    options: dict[str, Any] = {
        "driver": format_,
        "file": {"driver": "file", "filename": snapshot_file},
        "backing": None,
    }
    if snapshot_node_name is not None:
        options["node-name"] = snapshot_node_name
    overlay = graph.open(options)
    try:
        change = _overlay(graph, below, overlay)
    except GenericError:
        graph.release(overlay)
        raise

    def undo() -> None:
        change.undo()
        graph.release(overlay)

    return Change(undo=undo)


def _image_node(graph: "BlockGraph", device: str) -> Node:
    node = graph.node(device)
    if node.parents or node.covers:
        message = "Need a root block node"
        raise GenericError(message)
    return node


def internal_snapshot(graph: "BlockGraph", *, device: str, name: str) -> Change:
    """Keep the data of an image in the image itself.

    Raises:
        GenericError: The image can't have snapshots, or has one of that name.
    """
    node = _image_node(graph, device)
    require_quiet(node)
    if node.read_only:
        message = f"Device '{node.name}' is read only"
        raise GenericError(message)
    if not isinstance(node, FormatNode) or not node.image.can_save:
        message = (
            f"Block format '{node.driver}' used by device '{device}' does not support "
            "internal snapshots"
        )
        raise GenericError(message)
    if not name:
        message = "Name is empty"
        raise GenericError(message)
    if any(each.name == name for each in node.image.snapshots()):
        message = f"Snapshot with name '{name}' already exists on device '{device}'"
        raise GenericError(message)
    now = graph.machine.clock.microseconds()
    try:
        made = node.image.save(
            name, seconds=now // 10**6, nanoseconds=now % 10**6 * 1000
        )
    except OSError as error:
        message = f"Failed to create snapshot '{name}' on device '{device}'"
        raise GenericError(f"{message}: {error.strerror}") from error
    return Change(undo=lambda: node.image.delete(made))


def delete_snapshot(
    graph: "BlockGraph", *, device: str, id_: str | None = None, name: str | None = None
) -> Snapshot:
    """Forget a snapshot in an image, and return it.

    Raises:
        GenericError: There is none.
    """
    node = _image_node(graph, device)
    if id_ is None and name is None:
        message = "Name or id must be provided"
        raise GenericError(message)
    shots = node.image.snapshots() if isinstance(node, FormatNode) else []
    for shot in shots:
        if id_ in (None, shot.id) and name in (None, shot.name):
            break
    else:
        message = (
            f"Snapshot with id '{id_ or 'null'}' and name '{name or 'null'}' does not "
            f"exist on device '{device}'"
        )
        raise GenericError(message)
    try:
        node.image.delete(shot)  # type: ignore[attr-defined]
    except OSError as error:
        raise GenericError(error.strerror or str(error)) from error
    return shot


def begin(graph: "BlockGraph", job: Job) -> Change:
    """Enter a job that starts when all else was done."""
    graph.jobs.begin(job, is_started=False)

    def undo() -> None:
        job.clean()
        job.let_go()
        job.dismiss()

    return Change(undo=undo, commit=job.start, job=job)
