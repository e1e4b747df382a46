"""Dirty bitmaps made, changed and forgotten, so that it can be taken back.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any

from qmpx.errors import GenericError
from qmpx.machine.block.bitmaps import (
    GRANULARITIES,
    MAX_BITMAPS,
    MAX_NAME,
    Bitmap,
)
from qmpx.machine.block.changes import Change
from qmpx.machine.block.format_nodes import FormatNode, default_granularity
from qmpx.machine.block.nodes import Node
from qmpx.machine.pages import PageSet

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


def _bitmap(node: Node, name: str) -> Bitmap:
    if name not in node.bitmaps:
        message = f"Dirty bitmap '{name}' not found"
        raise GenericError(message)
    return node.bitmaps[name]


def _quiet_bitmap(node: Node, name: str) -> Bitmap:
    bitmap = _bitmap(node, name)
    bitmap.require_usable()
    return bitmap


def find(graph: "BlockGraph", node: str, name: str) -> Bitmap:
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


def add(
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
        message = f"Bitmap name too long: {name}"
        raise GenericError(message)
    if len(found.bitmaps) >= MAX_BITMAPS:
        message = f"more than {MAX_BITMAPS} bitmaps of one node"
        raise GenericError(message)
    if granularity is None:
        granularity = default_granularity(found)
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


def remove(graph: "BlockGraph", *, node: str, name: str) -> Change:
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


def clear(graph: "BlockGraph", *, node: str, name: str) -> Change:
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


def enable(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Note writes from now on.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    return _record(graph, node, name, recording=True)


def disable(graph: "BlockGraph", *, node: str, name: str) -> Change:
    """Note writes no more.

    Raises:
        GenericError: There is no such bitmap, or it is in use.
    """
    return _record(graph, node, name, recording=False)


def merge(
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
            others.append(find(graph, each["node"], each["name"]))
        others[-1].require_consistent()
    before = into.dirty.copy()
    into.merge(others)

    def undo() -> None:
        into.dirty = before

    return Change(undo=undo)
