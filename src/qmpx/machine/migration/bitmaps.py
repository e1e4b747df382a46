"""Dirty bitmaps on their way: what must not be lost when a machine leaves its images.

The payload of a record of a bitmap is a dictionary: ``node`` and ``name``, as both ends
have agreed to call them; ``granularity``; ``size`` of the node; whether it is
``persistent`` and ``recording``; and a piece of the bits, ``bits``, that stands ``at``
a byte of all of them. The pieces of a bitmap come in order.

Source: QEMU 7.2's documentation of ``block-bitmap-mapping``; the stream is our own.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.block.bitmaps import Bitmap
from qmpx.machine.migration.values import StreamError, dump_value, load_value
from qmpx.machine.values import Value

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

MAX_BITS: Final = 2**20
"""Bytes of bits in one record: 512 GiB of a disk with the usual granularity."""


class BitmapAlias(Value, frozen=True):
    """What a bitmap is called on the way.

    Attributes:
        name: Its name here.
        alias: What both ends call it.
        is_persistent: Whether it is to be stored in the image at the destination;
            ``None`` if that is as it was.
    """

    name: str
    alias: str
    is_persistent: bool | None = None


class NodeAlias(Value, frozen=True):
    """What a node is called on the way, and its bitmaps.

    Attributes:
        node_name: Its name here.
        alias: What both ends call it.
        bitmaps: Those that go, or may come.
    """

    node_name: str
    alias: str
    bitmaps: Sequence[BitmapAlias]


Mapping = Sequence[NodeAlias]
"""What goes where."""


MAX_ALIAS: Final = 255
"""Bytes of an alias: QEMU's figure."""

_WELL_FORMED: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


def check_mapping(mapping: Mapping) -> None:
    """Make sure that a mapping leads from one to one.

    Raises:
        GenericError: It does not, or an alias is none.
    """
    why = _why_not(mapping)
    if why:
        message = f"Invalid mapping given for block-bitmap-mapping: {why}"
        raise GenericError(message)


def _why_not(mapping: Mapping) -> str:
    nodes, aliases = set[str](), set[str]()
    for node in mapping:
        if not _WELL_FORMED.fullmatch(node.alias):
            return f"The node alias '{node.alias}' is not well-formed"
        if len(node.alias.encode()) > MAX_ALIAS:
            return f"The node alias '{node.alias}' is longer than {MAX_ALIAS} bytes"
        if node.alias in aliases:
            return f"The node alias '{node.alias}' is used twice"
        if node.node_name in nodes:
            return f"The node name '{node.node_name}' is mapped twice"
        nodes.add(node.node_name)
        aliases.add(node.alias)
        if why := _why_not_bitmaps(node):
            return why
    return ""


def _why_not_bitmaps(node: NodeAlias) -> str:
    names, aliases = set[str](), set[str]()
    for each in node.bitmaps:
        if len(each.alias.encode()) > MAX_ALIAS:
            return f"The bitmap alias '{each.alias}' is longer than {MAX_ALIAS} bytes"
        if each.alias in aliases:
            return f"The bitmap alias '{node.alias}'/'{each.alias}' is used twice"
        if each.name in names:
            return f"The bitmap '{node.node_name}'/'{each.name}' is mapped twice"
        names.add(each.name)
        aliases.add(each.alias)
    return ""


def moving(
    graph: "BlockGraph", mapping: Mapping | None
) -> Iterator[tuple[Bitmap, str, str]]:
    """Yield the bitmaps that go, and what their nodes and they are called on the way.

    Args:
        graph: The nodes.
        mapping: What goes; ``None`` for all, under their own names.

    Raises:
        GenericError: One is in use, or not to be trusted, or is not there.
    """
    if mapping is None:
        for node in graph.nodes.values():
            for bitmap in node.bitmaps.values():
                bitmap.require_usable()
                yield bitmap, node.name, bitmap.name
        return
    for each in mapping:
        node = graph.node(each.node_name)
        for wanted in each.bitmaps:
            found = node.bitmaps.get(wanted.name)
            if found is not None:
                found.require_usable()
                yield found, each.alias, wanted.alias


def write_bitmaps(
    graph: "BlockGraph", mapping: Mapping | None, write: Callable[[bytes], None]
) -> None:
    """Write all bitmaps that go; the machine stands still.

    Args:
        graph: The nodes.
        mapping: As of `moving`.
        write: Takes payloads of bitmap records.

    Raises:
        GenericError: As of `moving`.
    """
    for bitmap, node, name in moving(graph, mapping):
        bits = -(-bitmap.size // bitmap.granularity)
        told = {
            "node": node,
            "name": name,
            "granularity": bitmap.granularity,
            "size": bitmap.size,
            "persistent": bitmap.persistent,
            "recording": bitmap.recording,
        }
        for at in range(0, max(1, -(-bits // 8)), MAX_BITS):
            piece = bitmap.dirty.bits(at, min(MAX_BITS, -(-bits // 8) - at))
            write(dump_value({**told, "at": at, "bits": piece}))
        bitmap.is_moved = True


def load_bitmap(graph: "BlockGraph", mapping: Mapping | None, payload: bytes) -> None:
    """Take a piece of a bitmap.

    Args:
        graph: The nodes.
        mapping: As of `moving`, seen from this end.
        payload: Of a bitmap record.

    Raises:
        StreamError: It is none; there is no such node, or it has such a bitmap.
    """
    match load_value(payload):
        case {
            "node": str(alias),
            "name": str(bitmap_alias),
            "granularity": int(granularity),
            "size": int(size),
            "persistent": bool(persistent),
            "recording": bool(recording),
            "at": int(at),
            "bits": bytes(bits),
        }:
            pass
        case _:
            message = "what came as a dirty bitmap is none"
            raise StreamError(message)
    node, name, stays = _place(graph, mapping, alias, bitmap_alias)
    if at == 0:
        if name in node.bitmaps:
            message = f"there is a bitmap '{name}' on node '{node.name}' already"
            raise StreamError(message)
        if size != node.size or granularity < 1 or granularity & (granularity - 1):
            message = f"bitmap '{name}' is of a disk of {size} bytes"
            raise StreamError(message)
        node.bitmaps[name] = Bitmap(
            name,
            granularity,
            size,
            persistent=persistent if stays is None else stays,
            recording=recording,
        )
    bitmap = node.bitmaps.get(name)
    if bitmap is None or (at + len(bits) - 1) * 8 * bitmap.granularity > bitmap.size:
        message = f"a piece of bitmap '{name}' that does not belong there"
        raise StreamError(message)
    bitmap.dirty.put_bits(at, bits)


def _place(
    graph: "BlockGraph", mapping: Mapping | None, alias: str, bitmap_alias: str
) -> tuple["Node", str, bool | None]:
    """Return the node of a bitmap that comes, its name, and whether it is to last."""
    if mapping is None:
        return _node(graph, alias), bitmap_alias, None
    for each in mapping:
        if each.alias != alias:
            continue
        for wanted in each.bitmaps:
            if wanted.alias == bitmap_alias:
                node = _node(graph, each.node_name)
                return node, wanted.name, wanted.is_persistent
    message = f"nobody told what bitmap '{bitmap_alias}' of node '{alias}' is here"
    raise StreamError(message)


def _node(graph: "BlockGraph", name: str) -> "Node":
    try:
        return graph.node(name)
    except GenericError as error:
        raise StreamError(error.desc) from error
