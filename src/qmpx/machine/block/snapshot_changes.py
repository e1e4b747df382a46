"""Snapshots: overlays put in front of nodes, and data kept inside images.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, Literal

from qmpx.errors import GenericError
from qmpx.machine.block.changes import Change, held
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.image import Snapshot
from qmpx.machine.block.new_files import make_file
from qmpx.machine.block.node_drivers import DRIVERS
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import (
    READ,
    WRITE,
    needed,
    require_front,
    require_quiet,
)
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.block.qcow2_snapshots import MAX_NAME

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


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
    if overlay.read_only and WRITE in needed(node)[0]:
        message = "Block node is read-only"
        raise GenericError(message)
    if overlay in node.reached():
        message = (
            f"Making '{node.name}' a backing child of '{overlay.name}' would create a "
            "cycle"
        )
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
        node.set_read_only(read_only=was_read_only)
        graph.replace(overlay, node)

    return Change(undo=undo)


def put_node(graph: "BlockGraph", *, node: str, overlay: str) -> Change:
    """Let writes go to an overlay that is there already.

    Raises:
        GenericError: One of both is not there, or not free.
    """
    below = graph.node(node)

    def put() -> Change:
        above = graph.nodes.get(overlay)
        require_quiet(below)
        require_front(below)
        if above is None:
            message = f"Cannot find device='{overlay}' nor node-name='{overlay}'"
            raise GenericError(message)
        return _overlay(graph, below, above)

    return held(graph, below, put)


def put_file(
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
    return held(
        graph,
        below,
        lambda: _put_file(
            graph,
            below,
            file=snapshot_file,
            needs_name=node_name is not None,
            name=snapshot_node_name,
            format_=format_,
            mode=mode,
        ),
    )


def _put_file(
    graph: "BlockGraph",
    below: Node,
    *,
    file: str,
    needs_name: bool,
    name: str | None,
    format_: str,
    mode: str,
) -> Change:
    require_quiet(below)
    require_front(below)
    if needs_name and name is None:
        message = "New overlay node-name missing"
        raise GenericError(message)
    if name is not None and name in graph.nodes:
        message = "New overlay node-name already in use"
        raise GenericError(message)
    if mode != "existing":
        if format_ not in DRIVERS:
            message = f"Unknown file format '{format_}'"
            raise GenericError(message)
        if format_ != "qcow2":
            message = f"Backing file not supported for file format '{format_}'"
            raise GenericError(message)
        content = new_image(
            below.size,
            backing_file=below.filename,
            backing_format=below.driver,
            version=3,
        )
        try:
            make_file(file, content)
        except OSError as error:
            message = f"Could not create '{file}': {error.strerror}"
            raise GenericError(message) from error
    options: dict[str, Any] = {
        "driver": format_,
        "file": {"driver": "file", "filename": file},
        "backing": None,
    }
    if name is not None:
        options["node-name"] = name
    overlay = graph.open(options, read_only=below.read_only)
    try:
        change = _overlay(graph, below, overlay)
    except GenericError:
        graph.release(overlay)
        raise

    def undo() -> None:
        change.undo()
        graph.release(overlay)

    return Change(undo=undo, commit=lambda: graph.release(overlay))  # if nobody has it


def _image_node(graph: "BlockGraph", device: str) -> Node:
    node = graph.node(device)
    if not node.is_root:
        message = "Need a root block node"
        raise GenericError(message)
    return node


def save_inside(graph: "BlockGraph", *, device: str, name: str) -> Change:
    """Keep the data of an image in the image itself.

    Raises:
        GenericError: The image can't have snapshots, or has one of that name.
    """
    node = _image_node(graph, device)
    return held(graph, node, lambda: _save_inside(graph, node, device, name))


def _holder(node: Node) -> Node:
    """Return the node whose image a node shows as it is."""
    while node.file is not None and (node.is_filter or node.driver == "raw"):
        node = node.file
    return node


def _save_inside(graph: "BlockGraph", node: Node, device: str, name: str) -> Change:
    require_quiet(node)
    if node.read_only:
        message = f"Device '{node.name}' is read only"
        raise GenericError(message)
    shown = node.driver
    node = _holder(node)
    if not isinstance(node, FormatNode) or not node.image.can_save:
        message = (
            f"Block format '{shown}' used by device '{device}' does not support "
            "internal snapshots"
        )
        raise GenericError(message)
    if not name:
        message = "Name is empty"
        raise GenericError(message)
    if any(each.name == name for each in node.image.snapshots()):
        message = f"Snapshot with name '{name}' already exists on device '{device}'"
        raise GenericError(message)
    name = name.encode()[:MAX_NAME].decode(errors="ignore")  # as QEMU does
    now = graph.machine.clock.microseconds()
    try:
        made = node.image.save(
            name, seconds=now // 10**6, nanoseconds=now % 10**6 * 1000
        )
    except OSError as error:
        message = f"Failed to create snapshot '{name}' on device '{device}'"
        raise GenericError(f"{message}: {error.strerror}") from error
    return Change(undo=lambda: node.image.delete(made))


def delete_inside(
    graph: "BlockGraph", *, device: str, id_: str | None = None, name: str | None = None
) -> Snapshot:
    """Forget a snapshot in an image, and return it.

    Raises:
        GenericError: There is none.
    """
    node = _holder(_image_node(graph, device))
    if id_ is None and name is None:
        message = "Name or id must be provided"
        raise GenericError(message)
    if not isinstance(node, FormatNode):
        message = "Failed to get a snapshot list: Operation not supported"
        raise GenericError(message)
    for shot in node.image.snapshots():
        if id_ in (None, shot.id) and name in (None, shot.name):
            break
    else:
        message = (
            f"Snapshot with id '{id_ or 'null'}' and name '{name or 'null'}' does not "
            f"exist on device '{device}'"
        )
        raise GenericError(message)
    try:
        node.image.delete(shot)
    except OSError as error:
        raise GenericError(error.strerror or str(error)) from error
    return shot
