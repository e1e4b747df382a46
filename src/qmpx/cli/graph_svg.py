"""The graph of block nodes as SVG: who uses above, what is used below."""

import itertools
from typing import Final
from xml.sax.saxutils import escape

from qmpx.cli.output import printable
from qmpx.cli.trees import Graph

_BOX_HEIGHT: Final = 44
_GAP: Final = 28
_ROW: Final = 110
_CHARACTER: Final = 8.2
"""Measures, in pixels: a box, between two, from row to row, and of a letter."""

_ARROW: Final = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
)
_COLOURS: Final = {"backend": "#cfe8ff", "job": "#ffe3c2"}
_NODE: Final = "#e3f4dc"


def graph_svg(graph: Graph) -> str:
    """Return the picture.

    Args:
        graph: The graph; a ring in it, which QEMU does not have, is cut.
    """
    rows = _rows(graph)
    places: dict[str, tuple[float, float, float]] = {}
    width = 0.0
    names = {id_: (name, kind) for id_, name, kind in graph.nodes}
    for number, row in enumerate(rows):
        x = float(_GAP)
        for id_ in row:
            name, kind = names[id_]
            box = max(len(name), len(kind) + 2) * _CHARACTER + 20
            places[id_] = (x, _GAP + number * _ROW, box)
            x += box + _GAP
        width = max(width, x)
    height = _GAP * 2 + _BOX_HEIGHT + (len(rows) - 1) * _ROW if rows else _GAP
    # The ground is its own: what shows the picture may be dark.
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="monospace" font-size="13" role="img" '
        f'aria-label="block nodes: {len(graph.nodes)}" style="background:#fff">'
    )
    parts = [begin, _ARROW]
    for parent, child, role in graph.edges:
        if parent in places and child in places:
            parts.append(_edge(places[parent], places[child], role))
    for id_, (x, y, box) in places.items():
        name, kind = names[id_]
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{box:.1f}" height="{_BOX_HEIGHT}" '
            f'rx="6" fill="{_COLOURS.get(kind, _NODE)}" stroke="#444"/>'
            f'<text x="{x + box / 2:.1f}" y="{y + 19:.1f}" text-anchor="middle">'
            f"{_text(name)}</text>"
            f'<text x="{x + box / 2:.1f}" y="{y + 36:.1f}" text-anchor="middle" '
            f'fill="#555">{_text(kind)}</text>'
        )
    return "\n".join([*parts, "</svg>"])


def _rows(graph: Graph) -> list[list[str]]:
    """Return the nodes in rows: each below all that use it."""
    depth = {id_: 0 for id_, _, _ in graph.nodes}
    for _ in depth:  # as many rounds as the longest way may have steps
        changed = False
        for parent, child, _role in graph.edges:
            if parent in depth and child in depth:
                wanted = depth[parent] + 1
                if depth[child] < wanted < len(depth):
                    depth[child] = wanted
                    changed = True
        if not changed:
            break
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for id_, row in depth.items():
        rows[row].append(id_)
    rows = [each for each in rows if each]
    for above, below in itertools.pairwise(rows):
        # What is used stands below who uses it, so that fewer lines cross.
        below.sort(key=lambda id_: _middle(id_, above, graph))
    return rows


def _middle(id_: str, above: list[str], graph: Graph) -> float:
    """Return where the users of a node stand in the row above, on average."""
    users = [parent for parent, child, _role in graph.edges if child == id_]
    places = [above.index(parent) for parent in users if parent in above]
    return sum(places) / len(places) if places else float(len(above))


def _edge(
    parent: tuple[float, float, float], child: tuple[float, float, float], role: str
) -> str:
    x1, y1 = parent[0] + parent[2] / 2, parent[1] + _BOX_HEIGHT
    x2, y2 = child[0] + child[2] / 2, child[1]
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#444" fill="none" '
        'marker-end="url(#arrow)"/>'
        f'<text x="{(x1 + x2) / 2 + 6:.1f}" y="{(y1 + y2) / 2:.1f}" fill="#444">'
        f"{_text(role)}</text>"
    )


def _text(text: str) -> str:
    return escape(printable(text.replace("\n", " ")))
