"""A schema as ``query-qmp-schema`` tells it, from a model and to one.

Introspection knows less than the model: integers have no sizes, what is inherited is
flattened, and flags, conditions and documentation are gone. So only one of the two ways
round is exact: what was read from introspection gives the same again, if names are left
as they are, but for types that nothing refers to.

QEMU numbers the types, so that nobody relies on their names, in the order in which
they are first mentioned, and lists them in the order in which they are first needed.
Both are done here as its generator does it: before conditions are looked at, so that
numbers do not depend on the build.

Source: QEMU 7.2, ``qapi/introspect.json``, and its replies.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from qmpx.errors import SchemaError
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
    Type,
    is_there,
)

SchemaInfo: TypeAlias = dict[str, Any]
"""One element of what ``query-qmp-schema`` returns."""

_INTEGER = BuiltinType(name="int", json_type="int")


def to_introspection(
    schema: Schema,
    *,
    masked: bool = True,
    symbols: Collection[str] | None = None,
    only: Definition | None = None,
    keep_sizes: bool = False,
) -> list[SchemaInfo]:
    """Return what ``query-qmp-schema`` returns for a schema.

    Args:
        schema: The schema.
        masked: Whether types get numbers for names, as QEMU has it.
        symbols: What is defined in the build, such as ``{"CONFIG_POSIX"}``: what has a
            condition that is not met is left out. None if all conditions count as met.
        only: Tell of this definition, and of what it refers to, instead of all commands
            and events.
        keep_sizes: Whether integers are told with their sizes, such as ``uint8``, as
            QEMU never does.

    Returns:
        Commands and events in the order of the schema, then types in the order in which
        they are first needed.
    """
    telling = _Telling(schema, symbols, masked=masked, keep_sizes=keep_sizes)
    roots = schema.definitions if only is None else (only,)
    calls = [root for root in roots if isinstance(root, Command | Event)]
    types = [] if only is None or calls else [only.name]
    return telling.tell(calls, types)


class _Telling:
    # One run: which types are needed, and under which names.

    def __init__(
        self,
        schema: Schema,
        symbols: Collection[str] | None,
        *,
        masked: bool,
        keep_sizes: bool,
    ) -> None:
        self._schema = schema
        self._symbols = symbols
        self._masked = masked
        self._keep_sizes = keep_sizes
        self._names: dict[str, str] = {}
        self._needed: dict[str, Type] = {}  # an ordered set, which grows while read

    def tell(
        self, roots: Iterable[Definition], types: Iterable[str]
    ) -> list[SchemaInfo]:
        told: list[SchemaInfo] = []
        for definition in roots:
            self._tell(definition, told)
        for name in types:
            self._mention(name)
        seen = 0
        while seen < len(self._needed):
            needed = list(self._needed.values())[seen:]
            seen += len(needed)
            for definition in needed:
                self._tell(definition, told)
        return told

    def _tell(self, item: Definition, told: list[SchemaInfo]) -> None:
        # Also of what is not in this build: its types are numbered all the same.
        info = self._info(item)
        element = item
        while isinstance(element, ArrayType):
            element = self._schema.types[element.element]
        if is_there(element, self._symbols):
            told.append(info | self._features(item.features))

    def _info(self, item: Definition) -> SchemaInfo:
        match item:
            case Command():
                info = {
                    "name": item.name,
                    "meta-type": "command",
                    "arg-type": self._mention(item.arguments),
                    "ret-type": self._mention(item.returns),
                }
                return info | ({"allow-oob": True} if item.allow_oob else {})
            case Event():
                arguments = self._mention(item.arguments)
                return {"name": item.name, "meta-type": "event", "arg-type": arguments}
            case BuiltinType():
                return {
                    "name": item.name,
                    "meta-type": "builtin",
                    "json-type": item.json_type,
                }
            case ArrayType():
                element = self._mention(item.element)
                return {
                    "name": f"[{element}]",
                    "meta-type": "array",
                    "element-type": element,
                }
            case EnumType():
                values = self._present(item.values)
                return {
                    "name": self._name(item.name),
                    "meta-type": "enum",
                    "members": [
                        {"name": value.name} | self._features(value.features)
                        for value in values
                    ],
                    "values": [value.name for value in values],
                }
            case AlternateType():
                types = [(part, self._mention(part.type)) for part in item.branches]
                return {
                    "name": self._name(item.name),
                    "meta-type": "alternate",
                    "members": [
                        {"type": type_}
                        for part, type_ in types
                        if is_there(part, self._symbols)
                    ],
                }
            case ObjectType():
                return self._object(item)
            case _:
                message = f"not part of a schema: {item!r}"
                raise TypeError(message)

    def _object(self, item: ObjectType) -> SchemaInfo:
        members = []
        for member in self._schema.members_of(item.name):
            info: SchemaInfo = {"name": member.name, "type": self._mention(member.type)}
            if member.optional:
                info["default"] = None
            if is_there(member, self._symbols):
                members.append(info | self._features(member.features))
        told: SchemaInfo = {
            "name": self._name(item.name),
            "meta-type": "object",
            "members": members,
        }
        if item.discriminator is not None:
            types = [(part, self._mention(part.type)) for part in item.branches]
            told["tag"] = item.discriminator
            told["variants"] = [
                {"case": part.name, "type": type_}
                for part, type_ in types
                if is_there(part, self._symbols)
            ]
        return told

    def _features(self, features: Iterable[Feature]) -> SchemaInfo:
        names = [feature.name for feature in self._present(features)]
        return {"features": names} if names else {}

    def _present(self, parts: Iterable[Any]) -> list[Any]:
        return [part for part in parts if is_there(part, self._symbols)]

    def _mention(self, name: str) -> str:
        """Return what a type is called here, and see to it that it is told."""
        found = self._as_told(self._schema.types[name])
        self._needed.setdefault(found.name, found)
        match found:
            case BuiltinType():
                return found.name
            case ArrayType():
                return f"[{self._mention(found.element)}]"
            case _:
                return self._name(found.name)

    def _as_told(self, item: Type) -> Type:
        if self._keep_sizes:
            return item
        # Integers are told without their size.
        if isinstance(item, BuiltinType) and item.json_type == "int":
            return _INTEGER
        if isinstance(item, ArrayType):
            element = self._schema.types[item.element]
            if isinstance(element, BuiltinType) and element.json_type == "int":
                return ArrayType(name="[int]", element=element.name)
        return item

    def _name(self, name: str) -> str:
        if not self._masked:
            return name
        return self._names.setdefault(name, str(len(self._names)))


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
