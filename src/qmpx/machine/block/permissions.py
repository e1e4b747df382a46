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


class Claim(NamedTuple):
    """What something that is neither a drive nor a node needs of a node.

    Attributes:
        user: What it is called in texts.
        edge: What it needs.
    """

    user: str
    edge: Edge


UNNAMED: Final = "an unnamed block device"
"""What a back end without a name is called in texts."""


def of_drive(drive: "Drive") -> Edge:
    """Return what a drive needs of the node in it: little, until a device has it."""
    if not drive.id:
        return Edge("root", frozenset({READ}), frozenset(ALL))
    more = {WRITE} if drive.shares_writes else set()
    if drive.is_read_only or drive.kind == "cdrom":
        if not drive.removable:
            more |= {RESIZE}
        return Edge("root", frozenset({READ}), frozenset({SAME, READ, *more}))
    return Edge(
        "root", frozenset({READ, WRITE}), frozenset({RESIZE, SAME, READ, *more})
    )


def of_export(*, writable: bool) -> Edge:
    """Return what an export needs of its node."""
    more = {WRITE} if writable else set()
    return Edge("root", frozenset({READ, *more}), frozenset({SAME, WRITE, READ}))


def of_parent(parent: "Node", role: "Role") -> Edge:
    """Return what a node needs of one that is below or behind it."""
    edge = _of_parent(parent, role)
    child = parent.file if role == "file" else parent.backing
    if child is not None and child.options.get("force-share") is True:
        return edge._replace(shared=frozenset(ALL))
    return edge


def _of_parent(parent: "Node", role: "Role") -> Edge:
    perm, shared = needed(parent)
    if role == "backing":
        bears_writes = frozenset({WRITE, RESIZE} if WRITE in shared else ())
        return Edge(role, perm & {READ}, bears_writes | {READ, SAME})
    name = parent.child_name
    match parent.driver:
        case "commit_top":
            return Edge(name, frozenset(), frozenset(ALL))
        case "mirror_top" if parent.is_for_commit:
            return Edge(name, perm - {READ}, frozenset({SAME, WRITE, READ}))
        case "copy-before-write":
            more = {READ} if WRITE in perm else set()
            return Edge(name, perm | more, shared & {SAME, READ})
        case "copy-on-read" if not parent.read_only:
            return Edge(name, perm | {SAME}, shared)
        case "raw" if parent.options.get("offset") or "size" in parent.options:
            return Edge(name, perm, shared - {RESIZE})
    if parent.is_filter or parent.driver == "raw":
        return Edge(name, perm, shared)
    more = {READ} if parent.read_only else {READ, WRITE, RESIZE}
    return Edge(role, perm | more, (shared & {READ}) | {SAME})


def edges(node: "Node") -> Iterator[Edge]:
    """Yield what all parents of a node need of it."""
    for drive in node.drives:
        yield of_drive(drive)
    for parent, role in node.parents:
        yield of_parent(parent, role)
    for claim in node.claims:
        yield claim.edge


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


def check_target(
    node: "Node",
    shared: frozenset[str],
    user: str | None = None,
    *,
    perm: frozenset[str] = frozenset({WRITE}),
) -> None:
    """Make sure that a job, or an export, may use a node.

    Args:
        node: The node.
        shared: What it lets others do meanwhile.
        user: The node that does it for the job, which has it as its target.
        perm: What it does.

    Raises:
        GenericError: Something else that uses the node does not let it, or would be
            disturbed.
    """
    us = f"{UNNAMED} (uses node '{node.name}' as 'root' child)"
    if user is not None:
        us = f"node '{user}' (uses node '{node.name}' as 'target' child)"
    _check_down(node, Edge("", perm, shared), us)


def check_drive(node: "Node", drive: "Drive") -> None:
    """Make sure that a drive may have a node, and what the node shows.

    Raises:
        GenericError: Something else that uses one of them minds.
    """
    edge = of_drive(drive)
    name = drive.device or drive.id
    us = f"block device '{name}' (uses node '{node.name}' as 'root' child)"
    _check_down(node, edge, us)


def check_child(parent: "Node", role: "Role", child: "Node") -> None:
    """Make sure that a node may be below or behind another from now on.

    Args:
        parent: The other one, as it is used now.
        role: What the node will be to it.
        child: The node.

    Raises:
        GenericError: Something else that uses the node minds, or would be disturbed.
    """
    edge = of_parent(parent, role)
    us = f"node '{parent.name}' (uses node '{child.name}' as '{role}' child)"
    _check_down(child, edge, us)


def _check_down(node: "Node", edge: Edge, us: str) -> None:
    """Compare with all that use a node, and what the node shows."""
    for other, user in _users(node):
        if user != us or us.startswith(UNNAMED):  # of those there are many
            _compare(node, edge, us, other, user)
    if node.file is not None and (node.is_filter or node.driver == "raw"):
        passed = of_parent(node, "file")
        further = Edge("", passed.perm | edge.perm, passed.shared & edge.shared)
        us = f"node '{node.name}' (uses node '{node.file.name}' as "
        _check_down(node.file, further, f"{us}'{node.child_name}' child)")


def check_stored(node: "Node", name: str, *, read_only: bool) -> None:
    """Make sure that a new node of some format may be stored in another.

    Args:
        node: The other one.
        name: What the new one is called.
        read_only: Whether it only reads.

    Raises:
        GenericError: Something else that uses the node minds, or would be disturbed.
    """
    edge = stored_edge(read_only=read_only)
    us = f"node '{name}' (uses node '{node.name}' as 'file' child)"
    for other, user in _users(node):
        _compare(node, edge, us, other, user)


def stored_edge(*, read_only: bool) -> Edge:
    """Return what a new node of some format needs of what it is stored in."""
    more = frozenset() if read_only else frozenset({WRITE, RESIZE})
    return Edge("file", more | {READ}, frozenset({READ, SAME}))


def _compare(node: "Node", edge: Edge, us: str, other: Edge, user: str) -> None:
    if wanted := in_order(other.perm - edge.shared):
        raise _conflict(node, wanted, user, us)
    if wanted := in_order(edge.perm - other.shared):
        raise _conflict(node, wanted, us, user)


def check_resize(node: "Node") -> None:
    """Make sure that nothing that uses a node minds another size.

    Raises:
        GenericError: Something does.
    """
    us = f"an unnamed block device (uses node '{node.name}' as 'root' child)"
    for edge, user in _users(node):
        if RESIZE not in edge.shared:
            raise _conflict(node, [RESIZE], us, user)


def is_writable(node: "Node") -> bool:
    """Whether a node can be written, and so can what it passes writes on to."""
    if node.read_only:
        return False
    return node.file is None or is_writable(node.file)


def require_quiet(node: "Node") -> None:
    """Make sure that no job needs a node to stay where it is.

    Raises:
        GenericError: One does.
    """
    if node.busy:
        message = (
            f"Node '{node.name}' is busy: block device is in use by {node.busy[0]}"
        )
        raise GenericError(message)


def require_front(node: "Node") -> None:
    """Make sure that a node is not behind another.

    Raises:
        GenericError: It is.
    """
    for parent, role in node.parents:
        if role == "backing":
            name = next((d.device for d in parent.drives if d.device), parent.name)
            message = (
                f"Node '{node.name}' is busy: node is used as backing hd of '{name}'"
            )
            raise GenericError(message)


def _users(node: "Node") -> Iterator[tuple[Edge, str]]:
    """Yield what uses a node, the newest first, and what it is called in texts."""
    for drive in reversed(node.drives):
        name = drive.device or drive.id
        user = f"block device '{name}' (uses node '{node.name}' as 'root' child)"
        yield of_drive(drive), user
    for parent, role in reversed(node.parents):
        name = parent.child_name if role == "file" else role
        user = f"node '{parent.name}' (uses node '{node.name}' as '{name}' child)"
        yield of_parent(parent, role), user
    for claim in reversed(node.claims):
        child = f"(uses node '{node.name}' as '{claim.edge.name}' child)"
        yield claim.edge, f"{claim.user} {child}"


def _conflict(
    node: "Node", permissions: list[str], by: str, against: str
) -> GenericError:
    names = ", ".join(each.replace("-", " ") for each in reversed(permissions))
    return GenericError(
        f"Permission conflict on node '{node.name}': permissions '{names}' are both "
        f"required by {by} and unshared by {against}."
    )
