"""A schema that is read piece by piece, each definition when somebody asks for it.

A command refers to a few types out of a thousand. Who holds a few commands against a
large schema, and has just been started, need not wait for all of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct

from qmpx.errors import SchemaError
from qmpx.qapi.introspection.reading import read_definition
from qmpx.qapi.model import Definition, Schema

_CALLS: Final = ("command", "event")


class _Head(Struct):
    """What tells one definition from others."""

    name: str
    kind: str = msgspec.field(name="meta-type")


def schema_in_pieces(text: bytes) -> Schema:
    """Return the schema that a reply to ``query-qmp-schema`` tells of.

    It is the same as what `from_introspection` returns, but for its time: what is wrong
    with a definition shows when that is asked for.

    Args:
        text: What was returned, as JSON.

    Raises:
        SchemaError: It is no introspection, or a name is there twice; later, that a
            definition is none.
    """
    try:
        heads = msgspec.json.decode(text, type=list[_Head])
        pieces = msgspec.json.decode(text, type=list[Raw])
    except msgspec.DecodeError as error:
        message = f"not what query-qmp-schema returns: {error}"
        raise SchemaError(message) from None
    everything = _Pieces(
        {head.name: piece for head, piece in zip(heads, pieces, strict=True)}
    )
    if len(everything) < len(heads):
        message = "introspection has a name twice"
        raise SchemaError(message)

    def of(is_wanted: Callable[[str], bool]) -> "_Some":
        names = [head.name for head in heads if is_wanted(head.kind)]
        return _Some(dict.fromkeys(names), everything)

    return Schema(
        # In all that a schema is asked for, this is a tuple.
        cast("tuple[Definition, ...]", _InOrder(everything)),
        of(lambda kind: kind == "command"),
        of(lambda kind: kind == "event"),
        of(lambda kind: kind not in _CALLS),
    )


class _Pieces(Mapping[str, Any]):
    """All definitions, by name; those that were asked for are read."""

    def __init__(self, unread: dict[str, Raw]) -> None:
        self._unread = unread
        self._read: dict[str, Definition] = {}

    def __getitem__(self, name: str) -> Any:
        found = self._read.get(name)
        if found is None:
            piece = self._unread[name]
            found = self._read[name] = read_definition(piece)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._unread)

    def __len__(self) -> int:
        return len(self._unread)


class _Some(Mapping[str, Any]):
    """The definitions of one kind."""

    def __init__(self, names: Mapping[str, Any], all_: _Pieces) -> None:
        self._names = names
        self._all = all_

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _InOrder(Sequence[Definition]):
    """All definitions; they are read when the first of them is wanted."""

    def __init__(self, all_: _Pieces) -> None:
        self._all = all_

    def __getitem__(self, index: Any) -> Any:
        return tuple(self._all.values())[index]

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == other

    def __hash__(self) -> int:
        return hash(tuple(self))
