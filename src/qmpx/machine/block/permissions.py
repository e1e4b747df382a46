"""Who may do what with a node: what its parents need of it, and what they bear.

A parent needs permissions of a child, and shares some with the child's other parents.
Filters pass on what is needed of themselves; formats have needs of their own.

Source: QEMU 7.2.22, observed: ``x-debug-query-block-graph`` and its errors.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.block.nodes import Node, Role
    from qmpx.machine.drive import Drive

READ: Final = "consistent-read"
WRITE: Final = "write"
SAME: Final = "write-unchanged"
RESIZE: Final = "resize"
ALL: Final = (RESIZE, SAME, WRITE, READ)
"""All permissions, in QEMU's order."""


class Edge(NamedTuple):
    """What one parent needs of a node.

    Attributes:
        name: Which child of the parent the node is.
        perm: What the parent does.
        shared: What it lets others do.
    """

    name: str
    perm: frozenset[str]
    shared: frozenset[str]


def of_drive(drive: "Drive") -> Edge:
    """Return what a drive needs of the node in it."""
    more = {WRITE} if drive.shares_writes else set()
    if drive.is_read_only:
        return Edge("root", frozenset({READ}), frozenset({SAME, READ, *more}))
    return Edge(
        "root", frozenset({READ, WRITE}), frozenset({RESIZE, SAME, READ, *more})
    )


def of_parent(parent: "Node", role: "Role") -> Edge:
    """Return what a node needs of one that is below or behind it."""
    perm, shared = needed(parent)
    if role == "backing":
        bears_writes = frozenset({WRITE, RESIZE} if WRITE in shared else ())
        return Edge(role, perm & {READ}, bears_writes | {READ, SAME})
    if parent.is_filter or parent.driver == "raw":
        return Edge(role, perm, shared)
    more = {READ} if parent.read_only else {READ, WRITE, RESIZE}
    return Edge(role, perm | more, (shared & {SAME}) | {READ, SAME})


def edges(node: "Node") -> Iterator[Edge]:
    """Yield what all parents of a node need of it."""
    for drive in node.drives:
        yield of_drive(drive)
    for parent, role in node.parents:
        yield of_parent(parent, role)


def needed(node: "Node") -> tuple[frozenset[str], frozenset[str]]:
    """Return what is done with a node, and what all that do it bear."""
    perm: frozenset[str] = frozenset()
    shared = frozenset(ALL)
    for edge in edges(node):
        perm, shared = perm | edge.perm, shared & edge.shared
    return perm, shared


def in_order(permissions: frozenset[str]) -> list[str]:
    """Return permissions in QEMU's order."""
    return [each for each in ALL if each in permissions]


def check_target(node: "Node", shared: frozenset[str], user: str | None = None) -> None:
    """Make sure that a job may write to a node.

    Args:
        node: The node.
        shared: What the job lets others do meanwhile.
        user: The node that does it for the job, which has it as its target.

    Raises:
        GenericError: Something else that uses the node does not let it, or would be
            disturbed.
    """
    us = f"an unnamed block device (uses node '{node.name}' as 'root' child)"
    if user is not None:
        us = f"node '{user}' (uses node '{node.name}' as 'target' child)"
    for edge, other in _users(node):
        wanted = in_order(edge.perm - shared)
        if wanted:
            raise _conflict(node, wanted, other, us)
        kept = in_order(frozenset({WRITE}) - edge.shared)
        if kept:
            raise _conflict(node, kept, us, other)


def check_drive(node: "Node", drive: "Drive") -> None:
    """Make sure that a drive may have a node, and what the node shows.

    Raises:
        GenericError: Something else that uses one of them minds.
    """
    edge = of_drive(drive)
    name = drive.device or drive.id
    us = f"block device '{name}' (uses node '{node.name}' as 'root' child)"
    for other, user in _users(node):
        if other.perm - edge.shared and user != us:
            raise _conflict(node, in_order(other.perm - edge.shared), user, us)
        if edge.perm - other.shared and user != us:
            raise _conflict(node, in_order(edge.perm - other.shared), us, user)
    while node.file is not None and (node.is_filter or node.driver == "raw"):
        above, node = node, node.file
        us = f"node '{above.name}' (uses node '{node.name}' as 'file' child)"
        for other, user in _users(node):
            if edge.perm - other.shared and user != us:
                raise _conflict(node, in_order(edge.perm - other.shared), us, user)
            if other.perm - edge.shared and user != us:
                raise _conflict(node, in_order(other.perm - edge.shared), user, us)


def check_resize(node: "Node") -> None:
    """Make sure that nothing that uses a node minds another size.

    Raises:
        GenericError: Something does.
    """
    us = f"an unnamed block device (uses node '{node.name}' as 'root' child)"
    for edge, user in _users(node):
        if RESIZE not in edge.shared:
            raise _conflict(node, [RESIZE], us, user)


def _users(node: "Node") -> Iterator[tuple[Edge, str]]:
    """Yield what uses a node, the newest first, and what it is called in texts."""
    for drive in reversed(node.drives):
        name = drive.device or drive.id
        user = f"block device '{name}' (uses node '{node.name}' as 'root' child)"
        yield of_drive(drive), user
    for parent, role in reversed(node.parents):
        user = f"node '{parent.name}' (uses node '{node.name}' as '{role}' child)"
        yield of_parent(parent, role), user


def _conflict(
    node: "Node", permissions: list[str], by: str, against: str
) -> GenericError:
    names = ", ".join(each.replace("-", " ") for each in reversed(permissions))
    return GenericError(
        f"Permission conflict on node '{node.name}': permissions '{names}' are both "
        f"required by {by} and unshared by {against}."
    )
