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
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

from msgspec import Struct, UnsetType

from qmpx.qapi import check
from qmpx.qapi.annotated_members import (
    AnnotatedMember,
    features_called,
    features_in,
    members_of_dict,
    members_of_struct,
    wire_names,
)
from qmpx.qapi.docstring import documentation_of
from qmpx.qapi.generation.names import camel_case
from qmpx.qapi.met_types import MetTypes, json_type
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    Branch,
    Command,
    Definition,
    Event,
    Member,
    ObjectType,
    Position,
    Schema,
)
from qmpx.qapi.signature import Encoded

_SCALARS: Final[dict[Any, str]] = {
    str: "str",
    bytes: "str",  # which msgspec encodes in base64
    bool: "bool",
    int: "int",
    float: "number",
    types.NoneType: "null",
    None: "null",
}

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


class _Reading:
    # One run: the types that were met, and under which names.

    def __init__(self, taken: set[str]) -> None:
        self._met = MetTypes(taken)
        self.types, self._names = self._met.types, self._met.names

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
                AnnotatedMember(m.name, m.annotation, not m.required)
                for m in declared.members
            ]
            arguments = self._implicit(f"q_obj_{declared.name}-arg", given, declared)
        code = getattr(inspect.unwrap(declared.handler), "__code__", None)
        return Command(
            name=declared.name,
            features=features_called(declared.features),
            position=code and Position(code.co_filename, code.co_firstlineno),
            documentation=documentation_of(
                declared.handler, wire_names(declared.members)
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
            features=features_called(declared.features),
            documentation=documentation_of(declared.data) if is_class else None,
            arguments=data,
            boxed=data != EMPTY,
        )

    def _returned(self, annotation: Any, command: str) -> str:
        if annotation in _NOTHING:
            return EMPTY
        return self._type(annotation, (command, "result"))

    def _implicit(
        self, name: str, given: list[AnnotatedMember], declared: CommandDeclaration
    ) -> str:
        if not given:
            return EMPTY
        self._met.take(name)
        self.types[name] = ObjectType(
            name=name, members=self._members(given, (declared.name,))
        )
        return name

    def _members(
        self, given: Iterable[AnnotatedMember], hint: tuple[str, ...]
    ) -> tuple[Member, ...]:
        return tuple(
            Member(
                name=each.name,
                type=self._type(each.annotation, (*hint, each.name)),
                optional=each.is_optional,
                features=features_in(each.annotation),
            )
            for each in given
        )

    def _type(self, annotation: Any, hint: tuple[str, ...]) -> str:
        """Return the name of the type that an annotation stands for."""
        origin, args = get_origin(annotation), get_args(annotation)
        if (described := check.described_in(annotation)) is not None:
            return self._met.described(described)
        if (values := check.values_in(annotation)) is not None:
            return self._met.enum(values, values, camel_case(*hint))
        if origin in (Annotated, Required, NotRequired):
            extras = annotation.__metadata__ if origin is Annotated else ()
            return (
                self._met.builtin("size")
                if "uint64" in extras
                else self._type(args[0], hint)
            )
        if origin is Encoded:
            return self._type(args[0], hint)
        if origin in (Union, types.UnionType):
            return self._union(list(args), hint)
        if origin in (list, tuple, Sequence) and (len(args) == 1 or args[1:] == (...,)):
            return self._met.array(self._type(args[0], hint))
        if isinstance(annotation, Hashable) and annotation in _SCALARS:
            return self._met.builtin(_SCALARS[annotation])
        if origin is Literal:
            return self._met.enum(frozenset(args), args, camel_case(*hint))
        if not isinstance(annotation, type):
            return self._met.builtin("any")
        if issubclass(annotation, enum.Enum):
            values = tuple(member.value for member in annotation)
            return self._met.enum(annotation, values, annotation.__name__)
        if issubclass(annotation, Struct) and annotation is not Encoded:
            if annotation.__struct_config__.tag is not None:
                return self._tagged([annotation], annotation.__name__, annotation)
            return self._object(annotation, members_of_struct(annotation))
        if is_typeddict(annotation):
            return self._object(annotation, members_of_dict(annotation))
        return self._met.builtin("any")

    def _object(self, cls: type, given: list[AnnotatedMember]) -> str:
        if cls not in self._names:
            name = self._met.named(cls, cls.__name__)
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
        name = self._met.named(key, camel_case(*hint))
        self.types[name] = AlternateType(name=name, branches=())
        others = [a for a in kinds if a not in tagged]
        groups = [*others, *([Union[tuple(tagged)]] if tagged else [])]  # noqa: UP007
        branches = [self._type(group, (*hint, "value")) for group in groups]
        found = [json_type(self.types[branch]) for branch in branches]
        if len(set(found)) < len(found) or "value" in found:
            del self.types[name]  # JSON could not tell them apart
            self._names[key] = self._met.builtin("any")
            return self._names[key]
        self.types[name] = AlternateType(
            name=name,
            branches=tuple(map(Branch, found, branches)),
        )
        return name

    def _tagged(self, kinds: list[Any], name: str, key: Hashable) -> str:
        if key in self._names:
            return self._names[key]
        name = self._met.named(key, name)
        self.types[name] = ObjectType(name=name)
        config = [kind.__struct_config__ for kind in kinds]
        tag, tags = config[0].tag_field, tuple(each.tag for each in config)
        given = [members_of_struct(kind) for kind in kinds]
        shared = [each for each in given[0] if all(each in other for other in given)]
        tag_type = self._met.enum((key, tag), tags, camel_case(name, tag))
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

    def _branch(self, kind: type, rest: list[AnnotatedMember], key: Hashable) -> str:
        name = self._met.named((kind, key), kind.__name__)
        self.types[name] = ObjectType(
            name=name,
            members=self._members(rest, (name,)),
            documentation=documentation_of(kind),
        )
        return name
