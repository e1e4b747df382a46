"""Reading what a peer says into the types of generated bindings, whatever its version.

A compiled decoder reads what is just as declared. What it refuses is read again along
the declared type, which finds room for what is new: see `qmpx.qapi.typed`. Only a value
of another JSON kind than declared is an error, for there is nothing to make of it.
"""

import types
from collections.abc import Callable
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import fields

from qmpx.errors import RemoteProtocolError
from qmpx.qapi.typed import Enum, widened

_Read = Callable[[Any], Any]

MAX_DECODERS: Final = 1024
"""Types whose decoders are kept: each release of QEMU has some 200 for its commands."""


def read_json_as(annotation: Any, text: bytes | msgspec.Raw, what: str) -> Any:
    """Return JSON as a value of a type of the bindings.

    Args:
        annotation: The type.
        text: What the peer said.
        what: What it is, for the message of the error.

    Raises:
        RemoteProtocolError: That is no JSON, or of another kind than declared.
    """
    try:
        return _decoder(annotation)(text)
    except (ValueError, RecursionError):  # msgspec's own are a ValueError
        pass
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        message = f"{what} cannot be read: {error}"
        raise RemoteProtocolError(message) from error
    return _read_tolerantly(annotation, value, what)


def read_value_as(annotation: Any, value: Any, what: str) -> Any:
    """Return parsed JSON as a value of a type of the bindings; else as `read_json_as`.

    Raises:
        RemoteProtocolError: It is of another kind than declared.
    """
    try:
        return msgspec.convert(value, annotation)
    except (ValueError, RecursionError):
        return _read_tolerantly(annotation, value, what)


def _read_tolerantly(annotation: Any, value: Any, what: str) -> Any:
    try:
        return _reader(annotation)(value)
    except (_Misfit, ValueError, RecursionError) as error:
        message = f"{what} is not as its type declares: {error}"
        raise RemoteProtocolError(message) from error


@lru_cache(MAX_DECODERS)
def _decoder(annotation: Any) -> _Read:
    return msgspec.json.Decoder(annotation).decode


class _Misfit(Exception):
    """A value is of another JSON kind than declared."""


@lru_cache(MAX_DECODERS)
def _reader(annotation: Any) -> _Read:
    """Return what reads parsed JSON tolerantly."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object):
        return _read_anything
    if origin is Annotated:
        return _reader(args[0])
    if origin in (Union, types.UnionType):
        choices = tuple(arg for arg in args if arg is not UnsetType)
        return _union_reader(choices) if len(choices) > 1 else _reader(choices[0])
    if origin is list:
        return _list_reader(args[0])
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return _struct_reader(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _scalar_reader(annotation, str, "string")
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    message = f"{annotation!r} is no type of the bindings"
    raise TypeError(message)


def _read_anything(value: Any) -> Any:
    return value


def _scalar_reader(make: _Read, kind: type, name: str) -> _Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _misfit(value, name)
        return make(value)

    return read


def _read_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise _misfit(value, "number")
    return float(value)


_NAMES: Final = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
    list: "array",
    dict: "object",
}


def _misfit(value: Any, expected: str) -> _Misfit:
    return _Misfit(f"expected: {expected}; got: {_NAMES[type(value)]}")


_SCALARS: Final[dict[Any, _Read]] = {
    str: _scalar_reader(_read_anything, str, "string"),
    int: _scalar_reader(_read_anything, int, "integer"),
    bool: _scalar_reader(_read_anything, bool, "boolean"),
    float: _read_number,
    None: _scalar_reader(_read_anything, types.NoneType, "null"),
    types.NoneType: _scalar_reader(_read_anything, types.NoneType, "null"),
}


def _list_reader(element: Any) -> _Read:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _misfit(value, "array")
        read_element = _reader(element)
        return [read_element(each) for each in value]

    return read


@lru_cache(MAX_DECODERS)
def _struct_reader(cls: type[Struct], tag: str | Literal[False] | None = None) -> _Read:
    """Return what reads an object.

    Args:
        cls: Its class.
        tag: The value of a union's discriminator that makes it another class; False if
            there is none.
    """
    # Types may be recursive: what members are is looked up when one is read.
    members: list[tuple[str, str, Any]] = []
    config = cls.__struct_config__

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _misfit(value, "object")
        if not members:
            hints = get_type_hints(cls, include_extras=True)
            members[:] = [  # at once: another thread may be as far
                (member.name, member.encode_name, hints[member.name])
                for member in fields(cls)
            ]
        known: dict[str, Any] = {}
        rest = dict(value)
        for name, wire, annotation in members:
            if wire in rest:
                known[name] = _reader(annotation)(rest.pop(wire))
            else:
                known[name] = UNSET
        if config.tag_field is not None:
            rest.pop(config.tag_field, None)
        if not rest and tag is None:
            return cls(**known)
        wide = widened(cls, rest, tag)
        count = len(rest)
        added = {each.encode_name: each.name for each in fields(wide)[-count:]}
        return wide(**known, **{added[wire]: rest[wire] for wire in rest})

    return read


def _union_reader(choices: tuple[Any, ...]) -> _Read:
    """Return what reads one of several types, told apart by JSON kind and by tag."""
    by_kind: dict[type, _Read] = {}
    by_tag: dict[str, type[Struct]] = {}
    tag_field = ""
    for choice in choices:
        if isinstance(choice, type) and issubclass(choice, Struct):
            config = choice.__struct_config__
            if config.tag_field is None:
                by_kind[dict] = _reader(choice)
            else:
                tag_field = config.tag_field
                by_tag[str(config.tag)] = choice
        else:
            by_kind[_kind(choice)] = _reader(choice)
    kinds = [*by_kind, dict] if by_tag else list(by_kind)
    expected = " or ".join(_NAMES[kind] for kind in kinds)
    if float in by_kind:
        by_kind.setdefault(int, by_kind[float])

    def read(value: Any) -> Any:
        if by_tag and isinstance(value, dict):
            return _read_branch(value)
        read_kind = by_kind.get(type(value))
        if read_kind is None:
            raise _misfit(value, expected)
        return read_kind(value)

    def _read_branch(value: dict[str, Any]) -> Any:
        tag: str | Literal[False] = False  # it may be no union yet, in an older peer
        if tag_field in value:
            tag = value[tag_field]
            if not isinstance(tag, str):
                raise _misfit(tag, f"string for {tag_field!r}")
        if tag in by_tag:
            return _reader(by_tag[tag])(value)
        return _struct_reader(by_tag[""], tag)(value)

    return read


def _kind(choice: Any) -> type:
    origin = get_origin(choice)
    if origin is list:
        return list
    if choice in (None, types.NoneType):
        return types.NoneType
    if isinstance(choice, type):
        return str if issubclass(choice, Enum) else choice
    message = f"{choice!r} is no type of the bindings"
    raise TypeError(message)
