"""Commands over the block graph that may change at any time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dialects.conftest import Box

MIB = 1 << 20
NO_NODE = "Cannot find device='nope' nor node-name='nope'"


@pytest.fixture
def box() -> Iterator[Box]:
    """Serve a machine with a drive on a filter on a node, and a thread."""
    machine = Machine()
    with boxed(machine) as served:
        run = served.run
        run("blockdev-add", driver="null-co", node_name="null", size=MIB)
        run("blockdev-add", driver="raw", node_name="raw", file="null")
        run("object-add", qom_type="iothread", id="io0")
        served.do(lambda: machine.blocks.drives.plug("raw", "disk"))
        yield served
        served.do(machine.close)


def test_the_graph_is_told_with_what_each_needs(box: Box) -> None:
    told = box.run("x-debug-query-block-graph")
    names = {node["id"]: (node["type"], node["name"]) for node in told["nodes"]}
    assert sorted(names.values()) == [
        ("block-backend", "disk"),
        ("block-driver", "null"),
        ("block-driver", "raw"),
    ]
    edges = [
        (names[edge["parent"]][1], edge["name"], names[edge["child"]][1], edge["perm"])
        for edge in told["edges"]
    ]
    needs = ["write", "consistent-read"]
    assert sorted(edges) == [
        ("disk", "root", "raw", needs),
        ("raw", "file", "null", needs),
    ]


def test_a_bitmap_has_a_digest_of_its_bits(box: Box) -> None:
    box.run("block-dirty-bitmap-add", node="raw", name="b", granularity=65536)
    box.do(lambda: box.machine.blocks.nodes["raw"].write(65536, b"\1"))
    told = box.run("x-debug-block-dirty-bitmap-sha256", node="raw", name="b")
    bits = (1 << 1).to_bytes(8, "little")
    assert told == {"sha256": hashlib.sha256(bits).hexdigest()}


@pytest.mark.parametrize(
    ("command", "arguments", "desc"),
    [
        (
            "x-debug-block-dirty-bitmap-sha256",
            {"node": "nope", "name": "b"},
            "Node 'nope' not found",
        ),
        (
            "x-debug-block-dirty-bitmap-sha256",
            {"node": "raw", "name": "b"},
            "Dirty bitmap 'b' not found",
        ),
        ("x-blockdev-change", {"parent": "nope"}, NO_NODE),
        (
            "x-blockdev-change",
            {"parent": "raw"},
            "Either child or node must be specified",
        ),
        (
            "x-blockdev-change",
            {"parent": "raw", "child": "file", "node": "null"},
            "The parameters child and node are in conflict",
        ),
        (
            "x-blockdev-change",
            {"parent": "raw", "child": "other"},
            "Node 'raw' does not have child 'other'",
        ),
        (
            "x-blockdev-change",
            {"parent": "raw", "child": "file"},
            "The node raw does not support removing a child",
        ),
        (
            "x-blockdev-change",
            {"parent": "raw", "node": "nope"},
            "Node 'nope' not found",
        ),
        (
            "x-blockdev-change",
            {"parent": "raw", "node": "null"},
            "The node raw does not support adding a child",
        ),
        (
            "x-blockdev-set-iothread",
            {"node_name": "nope", "iothread": "io0"},
            "Failed to find node with node-name='nope'",
        ),
        (
            "x-blockdev-set-iothread",
            {"node_name": "raw", "iothread": None},
            (
                "Node raw is associated with a BlockBackend and could be in use (use "
                "force=true to override this check)"
            ),
        ),
        (
            "x-blockdev-set-iothread",
            {"node_name": "null", "iothread": "nope"},
            "Cannot find iothread nope",
        ),
        (
            "x-blockdev-set-iothread",
            {"node_name": "null", "iothread": "io0"},
            "Cannot change iothread of active block backend",
        ),
        (
            "x-blockdev-amend",
            {"job_id": "j", "node_name": "raw", "options": {"driver": "qcow2"}},
            "x-blockdev-amend doesn't support changing the block driver",
        ),
        (
            "block-latency-histogram-set",
            {"id": "disk", "boundaries": [2, 1]},
            "Device 'disk' set read boundaries fail",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_as_in_qemu(
    box: Box, command: str, arguments: dict[str, Any], desc: str
) -> None:
    assert box.refusal(command, **arguments) == ("GenericError", desc)


def test_a_free_node_may_change_its_thread(box: Box) -> None:
    box.run("blockdev-add", driver="null-co", node_name="free")
    for thread in ("io0", None):
        assert (
            box.run("x-blockdev-set-iothread", node_name="free", iothread=thread) == {}
        )


def test_histograms_are_shown_until_they_are_taken_away(box: Box) -> None:
    box.run("block-latency-histogram-set", id="disk", boundaries_read=[10, 100])
    (told,) = box.run("query-blockstats")
    histogram = {"boundaries": [10, 100], "bins": [0, 0, 0]}
    assert told["stats"]["rd_latency_histogram"] == histogram
    box.run("block-latency-histogram-set", id="disk")
    (told,) = box.run("query-blockstats")
    assert "rd_latency_histogram" not in told["stats"]
