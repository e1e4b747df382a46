"""Trees of a machine's parts, and how they are drawn with lines of text."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from qmpx.cli.output import printable
from qmpx.errors import RemoteProtocolError

MAX_NODES: Final = 20_000
"""Parts that are asked for: a big machine has some thousand objects."""

Ask = Callable[[str, dict[str, Any]], Any]
"""Runs a command and returns what it returned."""


class Part(Struct):
    """A part of a machine.

    Attributes:
        name: Its name.
        about: What it is.
        parts: What is in it.
    """

    name: str
    about: str = ""
    parts: list["Part"] = []


def qom_tree(ask: Ask, path: str, depth: int | None) -> Part:
    """Return the tree of objects below one of them.

    Args:
        ask: Runs a command.
        path: Where to begin.
        depth: How many levels; ``None`` for all.
    """
    left = MAX_NODES

    def look(at: str, name: str, about: str, levels: int | None) -> Part:
        nonlocal left
        part = Part(name, about, [])
        if levels == 0 or left <= 0:
            return part
        left -= 1
        below = None if levels is None else levels - 1
        for child, kind in _children(ask("qom-list", {"path": at})):
            inner = f"{at.rstrip('/')}/{child}"
            part.parts.append(look(inner, child, kind, below))
        part.parts.sort(key=_natural)
        if left <= 0:
            part.about += f" (cut: {MAX_NODES} objects were looked at)"
        return part

    return look(path, path, "", depth)


def _children(told: Any) -> Iterator[tuple[str, str]]:
    """Yield the children in what ``qom-list`` returned, and their types."""
    for each in told if isinstance(told, list) else ():
        match each:
            case {"name": str(name), "type": str(kind)} if kind.startswith("child<"):
                yield name, kind[6:-1]
            case _:
                pass  # a property, or a link


def _natural(part: Part) -> list[Any]:
    """Let device[10] come behind device[9]."""
    return [
        (1, int(piece), "") if piece.isdigit() else (0, 0, piece)
        for piece in re.split(r"(\d+)", part.name)
    ]


_QDEV: Final = re.compile(r'( *)(bus|dev): ([^,\n]*)(?:, id "([^"]*)")?')


def qdev_tree(text: str) -> Part:
    """Return the tree of devices that ``info qtree`` prints.

    Args:
        text: What it prints: buses and devices, each as far in as it is deep.
    """
    root = Part("buses", "", [])
    above: list[tuple[int, Part]] = [(-1, root)]
    for line in text.splitlines():
        match = _QDEV.match(line)
        if match is None:
            continue
        depth = len(match[1])
        while above[-1][0] >= depth:
            above.pop()
        name, kind, id_ = match[3], match[2], match[4]
        part = Part(id_ or name, name if id_ else "", [])
        if kind == "bus":
            part.about = "bus"
        above[-1][1].parts.append(part)
        above.append((depth, part))
    return root


class Graph(Struct):
    """The graph of block nodes.

    Attributes:
        nodes: What is in it: an id, a name, and what it is: ``backend``, ``job``, or a
            node's format, such as ``qcow2``.
        edges: Who uses whom: two ids, and as what.
    """

    nodes: list[tuple[str, str, str]]
    edges: list[tuple[str, str, str]]


def block_graph(told: Any) -> Graph:
    """Return the graph that ``x-debug-query-block-graph`` returned.

    Raises:
        RemoteProtocolError: It returned something else.
    """
    try:
        nodes = [
            (
                str(each["id"]),
                str(each["name"]) or f"#{each['id']}",
                str(each["type"]).removeprefix("block-"),
            )
            for each in told["nodes"]
        ]
        edges = [
            (str(each["parent"]), str(each["child"]), str(each["name"]))
            for each in told["edges"]
        ]
    except (TypeError, KeyError) as error:
        message = f"the block graph cannot be read: {error!r}"
        raise RemoteProtocolError(message) from error
    return Graph(nodes, edges)


def with_formats(graph: Graph, told: Any) -> Graph:
    """Return the graph with each node's format in the place of ``driver``.

    Args:
        graph: The graph.
        told: What ``query-named-block-nodes`` returned.
    """
    formats = {
        str(each.get("node-name")): str(each.get("drv", "driver"))
        for each in (told if isinstance(told, list) else ())
        if isinstance(each, dict)
    }
    nodes = [
        (id_, name, formats.get(name, kind) if kind == "driver" else kind)
        for id_, name, kind in graph.nodes
    ]
    return Graph(nodes, graph.edges)


def block_nodes(drives: Sequence[dict[str, Any]], nodes: Sequence[Any]) -> Graph:
    """Return the graph as far as ``query-block`` and the list of nodes tell it.

    Monitors without ``x-debug-query-block-graph`` say which drive uses which node, and
    which file a node has behind it.
    """
    named = [each for each in nodes if isinstance(each.get("node-name"), str)]
    known = [(each["node-name"], each["node-name"], "driver") for each in named]
    edges = []
    for drive in drives:
        name = str(drive.get("device") or drive.get("qdev") or "?")
        inserted = drive.get("inserted")
        known.append((f"drive {name}", name, "backend"))
        if isinstance(inserted, dict) and inserted.get("node-name"):
            edges.append((f"drive {name}", str(inserted["node-name"]), "root"))
    for each in named:
        for child in each.get("children", ()):
            to = str(child.get("node-name", ""))
            edges.append((str(each["node-name"]), to, str(child.get("child", ""))))
    return Graph(known, edges)


def graph_tree(graph: Graph) -> Part:
    """Return a graph as a tree: from who uses to what is used.

    A node that is used twice is there twice.
    """
    by_id = {id_: (name, kind) for id_, name, kind in graph.nodes}
    below: dict[str, list[tuple[str, str]]] = {}
    for parent, child, role in graph.edges:
        below.setdefault(parent, []).append((child, role))
    used = {child for _, child, _ in graph.edges}

    def look(id_: str, role: str, seen: tuple[str, ...]) -> Part:
        name, kind = by_id.get(id_, (id_, "?"))
        about = f"{kind}, as {role}" if role else kind
        parts = [
            look(child, as_, (*seen, id_))
            for child, as_ in below.get(id_, ())
            if child not in seen
        ]
        return Part(name, about, parts)

    roots = [look(id_, "", ()) for id_, _, _ in graph.nodes if id_ not in used]
    return Part("block nodes", "", roots)


_LINES: Final = ("├── ", "│   ", "└── ", "    ")
_ASCII_LINES: Final = ("|-- ", "|   ", "`-- ", "    ")
"""What leads to a part and past it; to the last one and past it."""


def drawn(part: Part, *, in_ascii: bool = False) -> Iterator[str]:
    """Yield the lines of a tree, fit for a terminal.

    Args:
        part: The tree.
        in_ascii: Whether the lines are drawn with characters of ASCII only.
    """
    yield _label(part)
    yield from _branches(part, "", _ASCII_LINES if in_ascii else _LINES)


def _branches(part: Part, lead: str, lines: tuple[str, ...]) -> Iterator[str]:
    for number, each in enumerate(part.parts, 1):
        to, past = lines[2:] if number == len(part.parts) else lines[:2]
        yield f"{lead}{to}{_label(each)}"
        yield from _branches(each, lead + past, lines)


def _label(part: Part) -> str:
    text = f"{part.name}  ({part.about})" if part.about else part.name
    return printable(text.replace("\n", " "))
