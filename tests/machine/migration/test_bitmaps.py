"""Dirty bitmaps on their way: as they were, where the mapping says, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.block.bitmaps import Bitmap
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.migration.bitmaps import (
    BitmapAlias,
    NodeAlias,
    check_mapping,
    load_bitmap,
    write_bitmaps,
)
from qmpx.machine.migration.values import StreamError

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph

SIZE = 64 << 20


def graph(path: Path, node: str, size: int = SIZE) -> BlockGraph:
    """Return a graph with one node."""
    path.write_bytes(new_image(size, version=3))
    machine = Machine()
    file = {"driver": "file", "filename": str(path)}
    machine.blocks.add({"driver": "qcow2", "node-name": node, "file": file})
    return machine.blocks


def payloads(source: BlockGraph, mapping: tuple[NodeAlias, ...] | None) -> list[bytes]:
    """Return what is sent of its bitmaps."""
    sent = list[bytes]()
    write_bitmaps(source, mapping, sent.append)
    return sent


@pytest.fixture
def source(tmp_path: Path) -> BlockGraph:
    """Return a graph whose node has a bitmap."""
    made = graph(tmp_path / "source.qcow2", "n")
    bitmap = Bitmap("b", 512, SIZE, persistent=True)
    bitmap.mark(0, 1)
    bitmap.mark(SIZE - 1, 1)
    made.nodes["n"].bitmaps["b"] = bitmap
    return made


def test_they_arrive_as_they_were(source: BlockGraph, tmp_path: Path) -> None:
    goal = graph(tmp_path / "goal.qcow2", "n")
    for payload in payloads(source, None):
        load_bitmap(goal, None, payload)
    came, went = goal.nodes["n"].bitmaps["b"], source.nodes["n"].bitmaps["b"]
    assert list(came.areas()) == list(went.areas()) == [(0, 512), (SIZE - 512, 512)]
    assert (came.persistent, came.recording, came.granularity) == (True, True, 512)
    assert (came.is_moved, went.is_moved) == (False, True)


def test_they_go_by_their_aliases(source: BlockGraph, tmp_path: Path) -> None:
    goal = graph(tmp_path / "goal.qcow2", "there")
    outward = (NodeAlias("n", "node", (BitmapAlias("b", "bits"),)),)
    inward = (
        NodeAlias("there", "node", (BitmapAlias("c", "bits", is_persistent=False),)),
    )
    for payload in payloads(source, outward):
        load_bitmap(goal, inward, payload)
    assert goal.nodes["there"].bitmaps["c"].persistent is False


@pytest.mark.parametrize(
    ("node", "size", "mapping"),
    [
        ("other", SIZE, None),
        ("n", SIZE // 2, None),
        ("n", SIZE, ()),
        ("n", SIZE, (NodeAlias("gone", "n", (BitmapAlias("b", "b"),)),)),
    ],
    ids=["no node", "another size", "nobody knows it", "mapped to no node"],
)
def test_what_has_no_place_is_refused(
    source: BlockGraph,
    tmp_path: Path,
    node: str,
    size: int,
    mapping: tuple[NodeAlias, ...] | None,
) -> None:
    goal = graph(tmp_path / "goal.qcow2", node, size)
    (payload, *_) = payloads(source, None)
    with pytest.raises(StreamError):
        load_bitmap(goal, mapping, payload)


def test_one_that_is_there_already_is_refused(source: BlockGraph) -> None:
    (payload, *_) = payloads(source, None)
    with pytest.raises(StreamError, match="already"):
        load_bitmap(source, None, payload)


def test_one_in_use_cannot_go(source: BlockGraph) -> None:
    source.nodes["n"].bitmaps["b"].is_busy = True
    with pytest.raises(GenericError, match="currently in use by another operation"):
        payloads(source, None)


TWO = (BitmapAlias("b", "x"), BitmapAlias("c", "x"))
SAME = (BitmapAlias("b", "x"), BitmapAlias("b", "y"))


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ((NodeAlias("n", "", ()),), "The node alias '' is not well-formed"),
        (
            (NodeAlias("n", "x" * 256, ()),),
            f"The node alias '{'x' * 256}' is longer than 255 bytes",
        ),
        (
            (NodeAlias("n", "x", ()), NodeAlias("m", "x", ())),
            "The node alias 'x' is used twice",
        ),
        (
            (NodeAlias("n", "x", ()), NodeAlias("n", "y", ())),
            "The node name 'n' is mapped twice",
        ),
        ((NodeAlias("n", "a", TWO),), "The bitmap alias 'a'/'x' is used twice"),
        ((NodeAlias("n", "a", SAME),), "The bitmap 'n'/'b' is mapped twice"),
    ],
)
def test_a_mapping_leads_from_one_to_one(
    mapping: tuple[NodeAlias, ...], why: str
) -> None:
    with pytest.raises(GenericError) as caught:
        check_mapping(mapping)
    expected = f"Invalid mapping given for block-bitmap-mapping: {why}"
    assert caught.value.desc == expected
