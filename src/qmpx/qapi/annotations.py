"""A schema out of Python: what the annotations of handlers and events say.

The third source of a `Schema`, beside files and introspection. An annotation is a type
of the schema:

| in Python | in the schema |
|---|---|
| ``str``, ``bool``, ``int``, ``float``, ``None`` | ``str``, ``bool``, ``int``, ``number``, ``null`` |
| `Size` | ``size`` |
| ``Literal`` of strings, an ``Enum`` of strings | an enumeration |
| ``list[X]`` | ``[X]``, and ``[any]`` for a list of lists |
| a `msgspec.Struct`, a ``TypedDict`` | a struct; members with a default are optional |
| a union of tagged Structs | a union; what all of them have is its base |
| a union of other kinds | an alternate |
| anything that is `Described` | that type of QEMU 7.2's schema |
| anything else (``dict``, ``Any``) | ``any`` |

A command whose arguments are boxed, and no object that is described, checks them itself:
``gen`` is false. ``X | None`` is X: what is not there is left out. A `Feature` among the extras of an
``Annotated`` marks the member that it stands at.
"""  # noqa: E501 - a table

import enum
import inspect
import types
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from msgspec import Struct, UnsetType
from msgspec.structs import fields, replace

from qmpx.qapi import check
from qmpx.qapi.docstring import documentation_of
from qmpx.qapi.generation.names import camel_case
from qmpx.qapi.model import (
    EMPTY,
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
    Position,
    Schema,
    Type,
)
from qmpx.qapi.signature import Encoded

_BUILTIN: Final = {
    "str": "string",
    "bool": "boolean",
    "int": "int",
    "size": "int",
    "number": "number",
    "null": "null",
    "any": "value",
}

_SCALARS: Final[dict[Any, str]] = {
    str: "str",
    bytes: "str",  # which msgspec encodes in base64
    bool: "bool",
    int: "int",
    float: "number",
    types.NoneType: "null",
    None: "null",
}

_Part = TypeVar("_Part", Member, Branch)

_NOTHING: Final = (None, types.NoneType, NoReturn)


class CommandDeclaration(Struct, frozen=True):
    """A command, as its handler declares it.

    Attributes:
        name: On the wire.
        handler: The function, for its documentation.
        members: Its arguments.
        returns: The annotation of what it returns.
        allow_oob: Whether it may run out of band.
        is_async: Whether the handler may wait.
        features: Its features.
    """

    name: str
    handler: Callable[..., Any]
    members: Sequence[check.Member]
    returns: Any
    allow_oob: bool = False
    is_async: bool = False
    features: tuple[str, ...] = ()


class EventDeclaration(Struct, frozen=True):
    """An event, as it is declared.

    Attributes:
        name: On the wire.
        data: The type of its data; None if it has none.
        features: Its features.
    """

    name: str
    data: Any = None
    features: tuple[str, ...] = ()


def schema_of(
    commands: Iterable[CommandDeclaration], events: Iterable[EventDeclaration] = ()
) -> Schema:
    """Return the schema of what is declared.

    Types are called as their classes are; those without a name of their own, such as a
    ``Literal``, after the command and the argument that first use them.

    Args:
        commands: The commands.
        events: The events.

    Raises:
        TypeError: An event's data are no object.
    """
    commands, events = list(commands), list(events)
    taken = {each.name for each in commands} | {each.name for each in events}
    reading = _Reading(taken)
    roots: list[Definition] = [reading.command(each) for each in commands]
    roots += [reading.event(each) for each in events]
    return Schema.of([*roots, *reading.types.values()])


class _Field(Struct, frozen=True):
    """A member of an object, before its type is read."""

    name: str
    annotation: Any
    is_optional: bool


class _Reading:
    # One run: the types that were met, and under which names.

    def __init__(self, taken: set[str]) -> None:
        self.types: dict[str, Type] = {EMPTY: ObjectType(name=EMPTY)}
        self._taken = taken | {EMPTY, *_BUILTIN}
        self._names: dict[Hashable, str] = {}

    def command(self, declared: CommandDeclaration) -> Command:
        """Return a command; its types are entered."""
        boxed = [m for m in declared.members if check.is_boxed(m.annotation)]
        is_checked = True
        if boxed:
            arguments = self._type(boxed[0].annotation, (declared.name, "arguments"))
            if not isinstance(self.types.get(arguments), ObjectType):
                # It takes any object, and looks at it itself.
                arguments, is_checked = EMPTY, False
        else:
            given = [
                _Field(m.name, m.annotation, not m.required) for m in declared.members
            ]
            arguments = self._implicit(f"q_obj_{declared.name}-arg", given, declared)
        code = getattr(inspect.unwrap(declared.handler), "__code__", None)
        return Command(
            name=declared.name,
            features=_features(declared.features),
            position=code and Position(code.co_filename, code.co_firstlineno),
            documentation=documentation_of(
                declared.handler, _wire_names(declared.members)
            ),
            arguments=arguments,
            returns=self._returned(declared.returns, declared.name),
            boxed=bool(boxed),
            gen=is_checked,
            allow_oob=declared.allow_oob,
            coroutine=declared.is_async,
        )

    def event(self, declared: EventDeclaration) -> Event:
        """Return an event; its types are entered."""
        data = EMPTY
        if declared.data not in _NOTHING:
            data = self._type(declared.data, (declared.name, "data"))
        if not isinstance(self.types.get(data), ObjectType):
            message = f"the data of an event are an object; {declared.data!r} is none"
            raise TypeError(message)
        is_class = isinstance(declared.data, type) and data != EMPTY
        return Event(
            name=declared.name,
            features=_features(declared.features),
            documentation=documentation_of(declared.data) if is_class else None,
            arguments=data,
            boxed=data != EMPTY,
        )

    def _returned(self, annotation: Any, command: str) -> str:
        if annotation in _NOTHING:
            return EMPTY
        return self._type(annotation, (command, "result"))

    def _implicit(
        self, name: str, given: list[_Field], declared: CommandDeclaration
    ) -> str:
        if not given:
            return EMPTY
        self._taken.add(name)
        self.types[name] = ObjectType(
            name=name, members=self._members(given, (declared.name,))
        )
        return name

    def _members(
        self, given: Iterable[_Field], hint: tuple[str, ...]
    ) -> tuple[Member, ...]:
        return tuple(
            Member(
                name=each.name,
                type=self._type(each.annotation, (*hint, each.name)),
                optional=each.is_optional,
                features=_features_in(each.annotation),
            )
            for each in given
        )

    def _type(self, annotation: Any, hint: tuple[str, ...]) -> str:
        """Return the name of the type that an annotation stands for."""
        origin, args = get_origin(annotation), get_args(annotation)
        if (described := check.described_in(annotation)) is not None:
            return self._described(described)
        if (values := check.values_in(annotation)) is not None:
            return self._enum(values, values, camel_case(*hint))
        if origin in (Annotated, Required, NotRequired):
            extras = annotation.__metadata__ if origin is Annotated else ()
            return (
                self._builtin("size")
                if "uint64" in extras
                else self._type(args[0], hint)
            )
        if origin is Encoded:
            return self._type(args[0], hint)
        if origin in (Union, types.UnionType):
            return self._union(list(args), hint)
        if origin in (list, tuple, Sequence) and (len(args) == 1 or args[1:] == (...,)):
            return self._array(self._type(args[0], hint))
        if isinstance(annotation, Hashable) and annotation in _SCALARS:
            return self._builtin(_SCALARS[annotation])
        if origin is Literal:
            return self._enum(frozenset(args), args, camel_case(*hint))
        if not isinstance(annotation, type):
            return self._builtin("any")
        if issubclass(annotation, enum.Enum):
            values = tuple(member.value for member in annotation)
            return self._enum(annotation, values, annotation.__name__)
        if issubclass(annotation, Struct) and annotation is not Encoded:
            if annotation.__struct_config__.tag is not None:
                return self._tagged([annotation], annotation.__name__, annotation)
            return self._object(annotation, _struct_fields(annotation))
        if is_typeddict(annotation):
            return self._object(annotation, _dict_fields(annotation))
        return self._builtin("any")

    def _described(self, described: check.Described) -> str:
        """Take over a type of QEMU's, with all that it refers to."""
        from qmpx.qapi.shipped import restricted, shipped_schema

        schema = shipped_schema(described.RELEASE)
        if described.only:
            schema = restricted(schema, described.name, described.only)
        whole = (described.name, described.only)
        return self._taken_over(schema, described.name, whole)

    def _taken_over(self, schema: Schema, name: str, whole: Hashable) -> str:
        """Return what a type of another schema is called here; it is entered.

        Args:
            schema: The other schema.
            name: The type's name there.
            whole: What tells it from types of the same name that were restricted.
        """
        type_ = schema.types[name]
        match type_:
            case BuiltinType():
                self.types[name] = type_
                return name
            case ArrayType(element=element):
                return self._array(self._taken_over(schema, element, whole))
            case ObjectType() if name == EMPTY:
                return EMPTY
            case _:
                pass
        key = (whole, name)
        if key not in self._names:
            own = self._named(key, name)
            self.types[own] = type_  # it may hold itself
            self.types[own] = self._renamed(schema, type_, own, whole)
        return self._names[key]

    def _renamed(self, schema: Schema, type_: Type, own: str, whole: Hashable) -> Type:
        def renamed(part: _Part) -> _Part:
            return replace(part, type=self._taken_over(schema, part.type, whole))

        match type_:
            case ObjectType(members=members, branches=branches):
                return replace(
                    type_,
                    name=own,
                    members=tuple(map(renamed, members)),
                    branches=tuple(map(renamed, branches)),
                )
            case AlternateType(branches=branches):
                return replace(type_, name=own, branches=tuple(map(renamed, branches)))
            case _:
                return replace(type_, name=own)

    def _builtin(self, name: str) -> str:
        self.types[name] = BuiltinType(name=name, json_type=_BUILTIN[name])
        return name

    def _array(self, element: str) -> str:
        if element.startswith("["):
            element = self._builtin("any")  # a schema has no lists of lists
        name = f"[{element}]"
        self.types[name] = ArrayType(name=name, element=element)
        return name

    def _enum(self, key: Hashable, values: tuple[Any, ...], name: str) -> str:
        if not all(isinstance(value, str) for value in values):
            return self._builtin("any")
        if key not in self._names:
            name = self._named(key, name)
            members = tuple(EnumValue(name=value) for value in values)
            self.types[name] = EnumType(name=name, values=members)
        return self._names[key]

    def _object(self, cls: type, given: list[_Field]) -> str:
        if cls not in self._names:
            name = self._named(cls, cls.__name__)
            # It may hold itself, so its name has to be there first.
            self.types[name] = ObjectType(name=name)
            self.types[name] = ObjectType(
                name=name,
                members=self._members(given, (name,)),
                documentation=documentation_of(cls),
            )
        return self._names[cls]

    def _union(self, args: list[Any], hint: tuple[str, ...]) -> str:
        kinds = [a for a in args if a not in (types.NoneType, UnsetType)]
        if len(kinds) == 1:
            return self._type(kinds[0], hint)
        tagged = [a for a in kinds if check.is_tagged(a)]
        key = frozenset(kinds)
        if len(tagged) == len(kinds):
            return self._tagged(kinds, camel_case(*hint), key)
        if key in self._names:
            return self._names[key]
        name = self._named(key, camel_case(*hint))
        self.types[name] = AlternateType(name=name, branches=())
        others = [a for a in kinds if a not in tagged]
        groups = [*others, *([Union[tuple(tagged)]] if tagged else [])]  # noqa: UP007
        branches = [self._type(group, (*hint, "value")) for group in groups]
        found = [_kind(self.types[branch]) for branch in branches]
        if len(set(found)) < len(found) or "value" in found:
            del self.types[name]  # JSON could not tell them apart
            self._names[key] = self._builtin("any")
            return self._names[key]
        self.types[name] = AlternateType(
            name=name,
            branches=tuple(map(Branch, found, branches)),
        )
        return name

    def _tagged(self, kinds: list[Any], name: str, key: Hashable) -> str:
        if key in self._names:
            return self._names[key]
        name = self._named(key, name)
        self.types[name] = ObjectType(name=name)
        config = [kind.__struct_config__ for kind in kinds]
        tag, tags = config[0].tag_field, tuple(each.tag for each in config)
        given = [_struct_fields(kind) for kind in kinds]
        shared = [each for each in given[0] if all(each in other for other in given)]
        tag_type = self._enum((key, tag), tags, camel_case(name, tag))
        base = self._members(shared, (name,))
        branches = []
        for kind, value, own in zip(kinds, tags, given, strict=True):
            rest = [each for each in own if each not in shared]
            type_ = self._branch(kind, rest, key) if rest else EMPTY
            branches.append(Branch(value, type_))
        self.types[name] = ObjectType(
            name=name,
            members=(Member(name=tag, type=tag_type), *base),
            discriminator=tag,
            branches=tuple(branches),
        )
        return name

    def _branch(self, kind: type, rest: list[_Field], key: Hashable) -> str:
        name = self._named((kind, key), kind.__name__)
        self.types[name] = ObjectType(
            name=name,
            members=self._members(rest, (name,)),
            documentation=documentation_of(kind),
        )
        return name

    def _named(self, key: Hashable, name: str) -> str:
        """Enter a name for what an annotation stands for; it is not another's."""
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}{number}"
        self._taken.add(free)
        self._names[key] = free
        return free


def _kind(type_: Type) -> str:
    """Return which kind of JSON value a type's are."""
    match type_:
        case BuiltinType(json_type=json_type):
            return "number" if json_type == "int" else json_type
        case EnumType():
            return "string"
        case ArrayType():
            return "array"
        case AlternateType():
            return "value"
        case _:
            return "object"


def _struct_fields(struct: type[Struct]) -> list[_Field]:
    return [
        _Field(each.encode_name, each.type, not each.required or _may_lack(each.type))
        for each in fields(struct)
    ]


def _dict_fields(cls: Any) -> list[_Field]:
    hints = get_type_hints(cls, include_extras=True)
    return [
        _Field(name, hint, _is_optional(cls, name, hint))
        for name, hint in hints.items()
    ]


def _is_optional(cls: Any, name: str, hint: Any) -> bool:
    inner = hint
    while get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    match get_origin(inner):
        case form if form is NotRequired:
            return True  # which the class itself does not see if hints are strings
        case form if form is Required:
            return False
        case _:
            return name not in cls.__required_keys__ or _may_lack(hint)


def _may_lack(annotation: Any) -> bool:
    """Whether a member may be without a value, though it has no default."""
    return any(each in (types.NoneType, UnsetType) for each in get_args(annotation))


def _features(names: Iterable[str]) -> tuple[Feature, ...]:
    return tuple(map(Feature, names))


def _features_in(annotation: Any) -> tuple[Feature, ...]:
    while get_origin(annotation) in (Required, NotRequired):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(f for part in get_args(annotation) for f in _features_in(part))
    extras = getattr(annotation, "__metadata__", ())
    return tuple(extra for extra in extras if isinstance(extra, Feature))


def _wire_names(members: Iterable[check.Member]) -> Mapping[str, str]:
    """Return the members by the names that their parameters may have in Python."""
    names: dict[str, str] = {}
    for member in members:
        spelled = member.name.replace("-", "_")
        names |= dict.fromkeys((spelled, f"{spelled}_"), member.name)
    return names
