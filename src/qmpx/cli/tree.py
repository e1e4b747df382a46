"""``qmpx tree``: the objects, the devices and the block nodes of a machine."""

import argparse
import sys
from typing import Any

from msgspec import to_builtins

from qmpx.cli.graph_svg import graph_svg
from qmpx.cli.output import can_show, print_json
from qmpx.cli.trees import (
    Graph,
    Part,
    block_graph,
    block_nodes,
    drawn,
    graph_tree,
    qdev_tree,
    qom_tree,
    with_formats,
)
from qmpx.client import Client, connect
from qmpx.errors import CommandNotFound, LocalProtocolError

_KINDS = ("qom", "qdev", "block")


def run(arguments: argparse.Namespace) -> None:
    """Show the trees.

    Raises:
        QmpxError: The machine cannot tell, or there is no conversation; `main` tells.
    """
    kinds = (arguments.kind,) if arguments.kind else _KINDS
    if arguments.svg and kinds != ("block",):
        message = "--svg draws the block graph: say 'block'"
        raise LocalProtocolError(message)
    with connect(
        arguments.address,
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
        capabilities=(),
    ) as client:
        if arguments.svg:
            sys.stdout.write(graph_svg(_graph(client)) + "\n")
            return
        found = {kind: _tree(client, kind, arguments) for kind in kinds}
        graph = _graph(client) if arguments.json and "block" in kinds else None
    if arguments.json:
        shown: dict[str, Any] = {
            kind: to_builtins(each) for kind, each in found.items()
        }
        if graph is not None:
            shown["block"] = to_builtins(graph)
        print_json(shown[kinds[0]] if len(kinds) == 1 else shown)
        return
    in_ascii = not can_show("├│└")
    blocks = ["\n".join(drawn(each, in_ascii=in_ascii)) for each in found.values()]
    sys.stdout.write("\n\n".join(blocks) + "\n")


def _tree(client: Client, kind: str, arguments: argparse.Namespace) -> Part:
    match kind:
        case "qom":
            return qom_tree(client.execute, arguments.path, arguments.depth)
        case "qdev":
            return qdev_tree(client.hmp("info qtree"))
        case _:
            return graph_tree(_graph(client))


def _graph(client: Client) -> Graph:
    try:
        graph = block_graph(client.execute("x-debug-query-block-graph"))
    except CommandNotFound:
        nodes = client.execute("query-named-block-nodes", flat=True)
        return block_nodes(client.execute("query-block"), nodes)
    nodes = client.execute("query-named-block-nodes", flat=True)
    return with_formats(graph, nodes)
