"""Trees and graphs of a machine's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from qmpx.cli.graph_svg import graph_svg
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
from qmpx.errors import RemoteProtocolError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def picture(graph: Graph) -> Element:
    """Draw a graph, and read it back."""
    return ET.fromstring(graph_svg(graph))  # noqa: S314 - our own


QTREE = """\
bus: main-system-bus
  type System
  dev: i440FX-pcihost, id ""
    pci-hole64-size = 2147483648 (2 GiB)
    bus: pci.0
      type PCI
      dev: virtio-blk-pci, id "vblk"
        addr = 03.0
      dev: i440FX, id ""
"""


def test_the_devices_on_their_buses() -> None:
    assert list(drawn(qdev_tree(QTREE))) == [
        "buses",
        "└── main-system-bus  (bus)",
        "    └── i440FX-pcihost",
        "        └── pci.0  (bus)",
        "            ├── vblk  (virtio-blk-pci)",
        "            └── i440FX",
    ]


def test_the_objects_in_their_natural_order() -> None:
    objects = {
        "/machine": [("device[10]", "child<b>"), ("device[9]", "child<a>")],
        "/machine/device[9]": [("x", "child<c\x1b[2J>"), ("type", "string")],
    }

    def ask(name: str, arguments: dict[str, Any]) -> Any:
        assert name == "qom-list"
        listed = objects.get(arguments["path"], [])
        return [{"name": n, "type": t} for n, t in listed]

    assert list(drawn(qom_tree(ask, "/machine", None))) == [
        "/machine",
        "├── device[9]  (a)",
        "│   └── x  (c\\x1b[2J)",
        "└── device[10]  (b)",
    ]
    assert len(list(drawn(qom_tree(ask, "/machine", 1)))) == 3


GRAPH = {
    "nodes": [
        {"id": 1, "type": "block-backend", "name": "hd<0>"},
        {"id": 2, "type": "block-driver", "name": "disk0"},
        {"id": 3, "type": "block-driver", "name": ""},
    ],
    "edges": [
        {"parent": 2, "child": 3, "name": "file", "perm": [], "shared-perm": []},
        {"parent": 1, "child": 2, "name": "root", "perm": [], "shared-perm": []},
    ],
}


def test_the_block_graph_as_a_tree() -> None:
    assert list(drawn(graph_tree(block_graph(GRAPH)))) == [
        "block nodes",
        "└── hd<0>  (backend)",
        "    └── disk0  (driver, as root)",
        "        └── #3  (driver, as file)",
    ]


@pytest.mark.parametrize("told", [None, {}, {"nodes": [{}], "edges": []}, [1]])
def test_what_is_no_graph(told: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="the block graph cannot be read"):
        block_graph(told)


def test_a_ring_is_cut() -> None:
    graph = Graph(
        [("a", "a", "driver"), ("b", "b", "driver"), ("c", "c", "driver")],
        [("a", "b", "x"), ("b", "c", "y"), ("c", "b", "z")],
    )
    assert len(list(drawn(graph_tree(graph)))) == 4
    assert picture(graph).tag.endswith("svg")


def test_without_the_graph_drives_and_nodes_tell_some_of_it() -> None:
    graph = block_nodes(
        [
            {"device": "hd", "inserted": {"node-name": "n1"}},
            {"device": "", "qdev": "/machine/x"},
        ],
        [
            {"node-name": "n1", "children": [{"child": "file", "node-name": "n0"}]},
            {"node-name": "n0"},
        ],
    )
    assert graph_tree(graph).parts == [
        Part(
            "hd",
            "backend",
            [Part("n1", "driver, as root", [Part("n0", "driver, as file")])],
        ),
        Part("/machine/x", "backend"),
    ]


def test_the_picture_is_xml_with_a_box_for_each_node_in_its_row() -> None:
    root = picture(block_graph(GRAPH))
    space = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f"{space}rect")
    rows = [float(box.attrib["y"]) for box in boxes]
    assert root.attrib["style"] == "background:#fff"  # what shows it may be dark
    assert root.attrib["aria-label"] == "block nodes: 3"
    assert len(rows) == 3
    assert rows == sorted(set(rows))
    texts = [each.text for each in root.findall(f"{space}text")]
    assert {"hd<0>", "disk0", "#3", "root", "file"} <= set(texts)


def test_an_empty_graph_is_an_empty_picture() -> None:
    assert picture(Graph([], [])).findall("*")


def test_a_node_is_called_by_its_format() -> None:
    graph = Graph(
        [("1", "hd0", "backend"), ("2", "disk0", "driver"), ("3", "gone", "driver")],
        [("1", "2", "root")],
    )
    told = [{"node-name": "disk0", "drv": "qcow2"}, {"node-name": "hd0", "drv": "raw"}]
    assert with_formats(graph, told).nodes == [
        ("1", "hd0", "backend"),
        ("2", "disk0", "qcow2"),
        ("3", "gone", "driver"),
    ]


def test_what_is_used_stands_below_who_uses_it() -> None:
    graph = Graph(
        [(name, name, "raw") for name in ("a", "b", "of-b", "of-a")],
        [("a", "of-a", "file"), ("b", "of-b", "file")],
    )
    texts = [
        (float(each.get("x", "")), each.text)
        for each in picture(graph).iter("{http://www.w3.org/2000/svg}text")
        if each.text in ("of-a", "of-b")
    ]
    assert [text for _, text in sorted(texts)] == ["of-a", "of-b"]


def test_a_tree_in_ascii() -> None:
    part = Part("a", "", [Part("b", "x", [Part("c")]), Part("d", "", [Part("e")])])
    assert list(drawn(part, in_ascii=True)) == [
        "a",
        "|-- b  (x)",
        "|   `-- c",
        "`-- d",
        "    `-- e",
    ]
