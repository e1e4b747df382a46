"""The schema that ``query-qmp-schema`` tells of.

Source: QEMU 7.2, ``qapi/introspect.json``; QEMU 2.5 to 6.1, which tell less of enums.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from qmpx.errors import SchemaError
from qmpx.qapi.introspection import SchemaInfo
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    Definition,
    EnumType,
    EnumValue,
    Event,
    Feature,
    Member,
    ObjectType,
    Schema,
)


class _MemberInfo(Struct):
    name: str
    type: str
    default: Any = UNSET
    features: list[str] = []


class _ValueInfo(Struct):
    name: str
    features: list[str] = []


class _VariantInfo(Struct):
    case: str
    type: str


class _AlternativeInfo(Struct):
    type: str


class _Info(Struct, tag_field="meta-type", kw_only=True):
    name: str
    features: list[str] = []


class _CommandInfo(_Info, tag="command", rename="kebab"):
    arg_type: str
    ret_type: str
    allow_oob: bool = False


class _EventInfo(_Info, tag="event", rename="kebab"):
    arg_type: str


class _BuiltinInfo(_Info, tag="builtin", rename="kebab"):
    json_type: Literal["string", "number", "int", "boolean", "null", "value"]


class _ArrayInfo(_Info, tag="array", rename="kebab"):
    element_type: str


class _EnumInfo(_Info, tag="enum"):
    values: list[str] | UnsetType = UNSET
    members: list[_ValueInfo] | UnsetType = UNSET  # since QEMU 6.2


class _AlternateInfo(_Info, tag="alternate"):
    members: list[_AlternativeInfo]


class _ObjectInfo(_Info, tag="object"):
    members: list[_MemberInfo]
    tag: str | None = field(default=None, name="tag")
    variants: list[_VariantInfo] = []


_AnyInfo: TypeAlias = (
    _CommandInfo
    | _EventInfo
    | _BuiltinInfo
    | _ArrayInfo
    | _EnumInfo
    | _AlternateInfo
    | _ObjectInfo
)


def from_introspection(infos: Iterable[SchemaInfo]) -> Schema:
    """Return the schema that ``query-qmp-schema`` tells of.

    Args:
        infos: What it returned, from QEMU 2.5 or later; names may be masked or not.

    Returns:
        The schema, its definitions in the same order.

    Raises:
        SchemaError: It is no introspection: a member is missing or of the wrong type, a
            name is there twice or refers to nothing.
    """
    try:
        read = msgspec.convert(list(infos), list[_AnyInfo])
    except msgspec.ValidationError as error:
        message = f"not what query-qmp-schema returns: {error}"
        raise SchemaError(message) from None
    definitions = [_definition(info) for info in read]
    kinds: dict[str, Definition] = {}
    for definition in definitions:
        if definition.name in kinds:
            message = f"introspection has {definition.name!r} twice"
            raise SchemaError(message)
        kinds[definition.name] = definition
    for definition in definitions:
        for name, kind in _references(definition):
            if not isinstance(kinds.get(name), kind):
                message = (
                    f"introspection of {definition.name!r} refers to {name!r}, which "
                    "is not there or of the wrong kind"
                )
                raise SchemaError(message)
    return Schema.of(definitions)


def read_definition(text: bytes | msgspec.Raw) -> Definition:
    """Return one definition out of what ``query-qmp-schema`` returned.

    Args:
        text: The definition, as JSON.

    Raises:
        SchemaError: It is none.
    """
    try:
        return _definition(_DECODER.decode(text))
    except msgspec.DecodeError as error:
        message = f"not what query-qmp-schema returns: {error}"
        raise SchemaError(message) from None


_DECODER: Final[msgspec.json.Decoder[_AnyInfo]] = msgspec.json.Decoder(_AnyInfo)
_SCALAR_OR_OBJECT = (BuiltinType, EnumType, ObjectType)
_ANY_TYPE = (*_SCALAR_OR_OBJECT, ArrayType, AlternateType)


def _references(
    item: Definition,
) -> Iterator[tuple[str, type[Definition] | tuple[type[Definition], ...]]]:
    match item:
        case Command():
            yield item.arguments, ObjectType
            yield item.returns, _ANY_TYPE
        case Event():
            yield item.arguments, ObjectType
        case ArrayType():
            yield item.element, (*_SCALAR_OR_OBJECT, AlternateType)
        case ObjectType():
            yield from ((member.type, _ANY_TYPE) for member in item.members)
            yield from ((branch.type, ObjectType) for branch in item.branches)
        case AlternateType():
            kinds = (*_SCALAR_OR_OBJECT, ArrayType)
            yield from ((branch.type, kinds) for branch in item.branches)
        case _:
            pass


def _definition(info: _AnyInfo) -> Definition:
    name, features = info.name, _read_features(info.features)
    match info:
        case _CommandInfo():
            return Command(
                name=name,
                features=features,
                arguments=info.arg_type,
                returns=info.ret_type,
                allow_oob=info.allow_oob,
            )
        case _EventInfo():
            return Event(name=name, features=features, arguments=info.arg_type)
        case _BuiltinInfo():
            return BuiltinType(name=name, features=features, json_type=info.json_type)
        case _ArrayInfo():
            return ArrayType(name=name, features=features, element=info.element_type)
        case _EnumInfo():
            values = tuple(
                EnumValue(name=value.name, features=_read_features(value.features))
                for value in _values(info)
            )
            return EnumType(name=name, features=features, values=values)
        case _AlternateInfo():
            branches = tuple(Branch("", branch.type) for branch in info.members)
            return AlternateType(name=name, features=features, branches=branches)
        case _ObjectInfo():
            return ObjectType(
                name=name,
                features=features,
                members=tuple(_read_member(member) for member in info.members),
                discriminator=info.tag,
                branches=tuple(Branch(part.case, part.type) for part in info.variants),
            )


def _values(info: _EnumInfo) -> list[_ValueInfo]:
    if info.members is not UNSET:
        return info.members
    if info.values is not UNSET:
        return [_ValueInfo(value) for value in info.values]
    message = f"enum {info.name!r} has neither members nor values"
    raise SchemaError(message)


def _read_member(info: _MemberInfo) -> Member:
    return Member(
        name=info.name,
        type=info.type,
        optional=info.default is not UNSET,
        features=_read_features(info.features),
    )


def _read_features(names: Iterable[str]) -> tuple[Feature, ...]:
    return tuple(Feature(name) for name in names)
