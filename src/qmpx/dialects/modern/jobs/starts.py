"""What all commands that begin block jobs look at first.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Literal

from qmpx.errors import GenericError
from qmpx.machine.happenings import JobMoved

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node


OnError = Literal["report", "ignore", "enospc", "stop", "auto"]
Sync = Literal["top", "full", "none", "incremental", "bitmap"]


def drive_name(graph: "BlockGraph", device: str) -> str | None:
    """Return the back end's name, which is the id of a job that was given none."""
    return device if device in graph.machine.drives else None


def root_node(graph: "BlockGraph", device: str) -> "Node":
    """Return the node that a command calls ``device``, in front of nothing else.

    Raises:
        GenericError: There is none, or it stands below or behind others.
    """
    node = graph.node(device)
    if not node.is_root:
        message = "Need a root block node"
        raise GenericError(message)
    return node


def tell_stillborn(graph: "BlockGraph", id_: str) -> None:
    """Tell of a job that was made, and then could not be begun."""
    graph.machine.tell(JobMoved(id_, "created"))
    graph.machine.tell(JobMoved(id_, "null"))


def check_speed(graph: "BlockGraph", id_: str, speed: int) -> None:
    """Make sure that a job may have a speed; it is told of even if it may not.

    Raises:
        GenericError: It may not.
    """
    if speed < 0:
        tell_stillborn(graph, id_)
        message = "Parameter 'speed' expects a non-negative value"
        raise GenericError(message)


def shown(node: "Node") -> "Node":
    """Return the node whose data a filter shows; a node that is none itself."""
    while node.is_filter and node.driver != "raw" and node.file is not None:
        node = node.file
    return node


def check_filter_name(graph: "BlockGraph", name: str) -> None:
    """Make sure that the node in front of another may have a name.

    Raises:
        GenericError: It may not.
    """
    try:
        graph.check_name(name)
    except GenericError as error:
        message = f"Could not create node: {error.desc}"
        raise GenericError(message) from error
