"""Block nodes changed while they are in use: ``blockdev-reopen``.

All that is asked for is checked first; only then anything is changed.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.node_options import check_all, check_part, reason
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import (
    RESIZE,
    SAME,
    WRITE,
    check_child,
    needed,
    require_quiet,
)
from qmpx.machine.qom.order import in_table_order

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph

_COMMON: Final = frozenset(
    {
        *("node-name", "read-only", "auto-read-only", "discard", "cache"),
        *("cache.direct", "cache.no-flush", "detect-zeroes"),
    }
)
"""Options that all nodes can be changed in."""

_OWN: Final[dict[str, frozenset[str]]] = {
    "raw": frozenset({"offset", "size"}),
    "throttle": frozenset({"throttle-group"}),
    "qcow2": frozenset(
        {
            *("lazy-refcounts", "pass-discard-request", "pass-discard-snapshot"),
            *("pass-discard-other", "overlap-check", "cache-size", "l2-cache-size"),
            *("l2-cache-entry-size", "refcount-cache-size", "cache-clean-interval"),
        }
    ),
    "file": frozenset({"x-check-cache-dropped"}),
    "host_device": frozenset({"x-check-cache-dropped"}),
}
"""Options that nodes of a driver can be changed in."""

_HAVE_BACKING: Final = frozenset({"qcow2", "qcow", "qed", "vmdk"})
_FIXED: Final = frozenset(
    {"copy-on-read", "mirror_top", "commit_top", "copy-before-write"}
)
"""Drivers whose nodes cannot be changed at all."""


def named(graph: "BlockGraph", options: dict[str, Any]) -> Node:
    """Return the node that options are meant for.

    Raises:
        GenericError: They name none, or one that is not there.
    """
    name = options.get("node-name")
    if name is None:
        message = "node-name not specified"
        raise GenericError(message)
    node = graph.nodes.get(name)
    if node is None:
        message = f"Failed to find node with node-name='{name}'"
        raise GenericError(message)
    return node


def reopen(graph: "BlockGraph", wanted: list[dict[str, Any]]) -> None:
    """Change what nodes can be changed in: read-only, their files, their backing.

    Args:
        graph: The graph.
        wanted: All options of each node, as in ``blockdev-add``.

    Raises:
        GenericError: One of them cannot be changed so; then none is.
    """
    for options in wanted:
        graph.jobs.drain_around(named(graph, options))
    planned: list[tuple[Node, dict[str, Any]]] = []
    for options in wanted:
        planned += _with_children(named(graph, options), options)
    for node, options in planned:
        _check(graph, node, options)
    for node, options in planned:
        try:
            _change(graph, node, options)
        except OSError as error:
            raise GenericError(reason(error, options)) from error


def _with_children(
    node: Node, options: dict[str, Any]
) -> Iterator[tuple[Node, dict[str, Any]]]:
    """Yield a node, and those that were made with it and are changed with it."""
    yield node, options
    for key, child in (("file", node.file), ("backing", node.backing)):
        below = options.get(key)
        if isinstance(below, dict) and child is not None and not child.is_owned:
            yield from _with_children(child, below)


def _check(graph: "BlockGraph", node: Node, options: dict[str, Any]) -> None:
    """Make sure that a node can be changed so.

    Raises:
        GenericError: It cannot.
    """
    check_all({key: value for key, value in options.items() if key != "force-share"})
    own = _OWN.get(node.driver, frozenset())
    for key in node.options:
        is_free = key in (*_COMMON, *own, "driver", "file", "backing", "image")
        if (not is_free or key == "throttle-group") and key not in options:
            message = f"Option '{key}' cannot be reset to its default value"
            raise GenericError(message)
    if node.driver in _FIXED:
        message = (
            f"Block format '{node.driver}' used by node '{node.name}' does not "
            "support reopening files"
        )
        raise GenericError(message)
    _check_own(graph, node, options)
    said = isinstance(node, FormatNode) and node.image.backing_file
    if (node.backing is not None or said) and "backing" not in options:
        message = f"backing is missing for '{node.name}'"
        raise GenericError(message)
    for key in ("backing", "file"):
        _check_child(graph, node, key, options.get(key))
    if (changed := _changed_option(node, options)) is not None:
        message = f"Cannot change the option '{changed}'"
        raise GenericError(message)
    if options.get("read-only") is True and needed(node)[0] & {WRITE, SAME, RESIZE}:
        message = f"Read-only block node '{node.name}' cannot support read-write users"
        raise GenericError(message)
    for key, child in (("backing", node.backing), ("file", node.file)):
        below = graph.nodes.get(str(options.get(key)))
        if below is not None and below is not child:
            check_child(node, "file" if key == "file" else "backing", below)


def _check_own(graph: "BlockGraph", node: Node, options: dict[str, Any]) -> None:
    """Check the options that only nodes of this driver have.

    Raises:
        GenericError: One of them is wrong.
    """
    group = options.get("throttle-group")
    if node.driver == "throttle" and group not in graph.machine.objects:
        message = f"Throttle group '{group}' does not exist"
        raise GenericError(message)
    if node.driver == "raw" and node.file is not None:
        check_part(options, node.file.size)


def _check_child(graph: "BlockGraph", node: Node, key: str, wanted: Any) -> None:
    """Check what is to be below or behind a node.

    Raises:
        GenericError: There is no such node, or it can't be there.
    """
    if not isinstance(wanted, str):
        return
    below = graph.nodes.get(wanted)
    if below is None:
        message = f"Cannot find device='' nor node-name='{wanted}'"
        raise GenericError(message)
    if key == "backing" and node.driver not in _HAVE_BACKING:
        message = (
            f"Driver '{node.driver}' of node '{node.name}' does not support "
            "backing files"
        )
        raise GenericError(message)
    if node in below.reached():
        message = (
            f"Making '{below.name}' a {key} child of '{node.name}' would create a cycle"
        )
        raise GenericError(message)
    if key == "backing" and below is not node.backing:
        require_quiet(node)


def _change(graph: "BlockGraph", node: Node, options: dict[str, Any]) -> None:
    wanted = options.get("file")
    if isinstance(wanted, str) and graph.nodes[wanted] is not node.file:
        _exchange_file(graph, node, graph.nodes[wanted])
    if "backing" in options and isinstance(node, FormatNode):
        wanted = options["backing"]
        behind = node.backing
        if not isinstance(wanted, dict):
            behind = None if wanted is None else graph.nodes[wanted]
        if behind is not node.backing:
            require_quiet(node)
            old = node.backing
            node.set_backing(behind)
            graph.release(old)
    changeable = _COMMON | _OWN.get(node.driver, frozenset())
    kept = {key: value for key, value in node.options.items() if key not in changeable}
    node.options = kept | {
        key: value for key, value in options.items() if key in changeable
    }
    node.detect_zeroes = str(options.get("detect-zeroes", "off"))
    read_only = bool(options.get("read-only", False))
    if read_only != node.read_only:
        node.flush()
        node.set_read_only(read_only=read_only)


def _exchange_file(graph: "BlockGraph", node: Node, below: Node) -> None:
    if isinstance(node, FormatNode):
        node.release_bitmaps()
        node.flush()
        behind, old = node.backing, node.file
        fresh = FormatNode(
            node.name, node.driver, node.options, below, read_only=node.read_only
        )
        fresh.set_file(None)
        node.image = fresh.image
        node.set_file(below)
        node.set_backing(behind)
        node.load_bitmaps()
    else:
        old = node.file
        node.set_file(below)
    graph.release(old)


def _changed_option(node: Node, options: dict[str, Any]) -> str | None:
    """Return the first option that a node would have to be made anew for."""
    changeable = _COMMON | _OWN.get(node.driver, frozenset())
    known = _flat({**node.options, "driver": node.driver})
    made_with = {"file": node.file, "backing": node.backing, "image": node.file}
    given: dict[str, Any] = {}
    for key, value in options.items():
        child = made_with.get(key)
        if key in changeable or (key in ("file", "backing") and value is None):
            continue
        if isinstance(value, str) and key in ("file", "backing"):
            continue
        if isinstance(value, str) and child is not None and child.name == value:
            continue
        if isinstance(value, dict) and child is not None and not child.is_owned:
            continue
        given |= _flat({key: value})
    for key in in_table_order(given):
        if known.get(key) != given[key]:
            return key
    return None


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with those inside others as ``outer.inner``."""
    told: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            told |= {f"{key}.{inner}": each for inner, each in _flat(value).items()}
        else:
            told[key] = value
    return told
