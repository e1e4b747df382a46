"""A schema as a model: what a monitor's vocabulary is, wherever it was read from.

QAPI files, introspection (``query-qmp-schema``) and the annotations of our own handlers
all give this model; validation, generated code, help and comparison all start from it.

Rules:

- A type is referred to by its name, and looked up in `Schema.types`. So types may be
  recursive, and the masked names of introspection (``"0"``, ``"1"``) are like others.
- An array of ``X`` is named ``[X]``, as introspection names it.
- There is always a type: a command without arguments takes an object type without
  members, and one that returns nothing returns it. In a schema that was read from files
  that type is `EMPTY`.
- Conditions are kept as they are written; `qmpx.qapi.builds` gives the schema of one
  build.
- What a source cannot know has its default: introspection has no conditions, no
  documentation, no names of an alternate's branches (they are ``""``).

All of it is immutable. Nothing here reads a file or checks that a schema makes sense:
that is the work of `qmpx.qapi.language`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from qmpx.qapi.conditions import Condition

EMPTY: Final = "q_empty"
"""The name of the object type without members."""

DEPRECATED: Final = "deprecated"
"""The special feature of what should not be used any more."""

UNSTABLE: Final = "unstable"
"""The special feature of what may change at any time."""


class Position(Struct, frozen=True):
    """Where something is defined.

    Attributes:
        file: The path of the file, as it was opened.
        line: The line, from 1.
        column: The column, from 1, if that is known.
    """

    file: str
    line: int
    column: int | None = None

    def __str__(self) -> str:
        column = "" if self.column is None else f":{self.column}"
        return f"{self.file}:{self.line}{column}"


class Section(Struct, frozen=True):
    """A part of a documentation comment behind the description of members.

    Attributes:
        tag: Such as ``Returns``, ``Since`` or ``Example``; ``""`` if it has none.
        text: Its text (reStructuredText), without indentation of the whole.
    """

    tag: str
    text: str


class Documentation(Struct, frozen=True):
    """What a documentation comment says about a definition.

    Attributes:
        text: What comes first: what the thing is.
        members: The text for each member, argument, value or branch that has one.
        features: The text for each feature.
        sections: What follows, in order.
    """

    text: str = ""
    members: Mapping[str, str] = {}
    features: Mapping[str, str] = {}
    sections: tuple[Section, ...] = ()

    def section(self, tag: str) -> str:
        """Return the text of the first section with this tag; ``""`` if none has."""
        return next((part.text for part in self.sections if part.tag == tag), "")


class Feature(Struct, frozen=True):
    """A mark on something: that it can do something, is deprecated, is unstable."""

    name: str
    condition: Condition | None = None


class Element(Struct, frozen=True, kw_only=True):
    """What may have features.

    Attributes:
        name: Its name: on the wire, unless it is a type.
        features: Its features.
        condition: When it is there.
    """

    name: str
    features: tuple[Feature, ...] = ()
    condition: Condition | None = None

    @property
    def deprecated(self) -> bool:
        """Whether it has the feature ``deprecated``."""
        return any(feature.name == DEPRECATED for feature in self.features)

    @property
    def unstable(self) -> bool:
        """Whether it has the feature ``unstable``."""
        return any(feature.name == UNSTABLE for feature in self.features)


class Member(Element, frozen=True, kw_only=True):
    """A member of an object type, or an argument.

    Attributes:
        type: The name of its type.
        optional: Whether it may be left out.
    """

    type: str
    optional: bool = False


class EnumValue(Element, frozen=True, kw_only=True):
    """A value of an enumeration."""


class Branch(Struct, frozen=True):
    """What a union has besides its base for one value of its tag, or one alternative.

    Attributes:
        name: The value of the tag; for an alternate the name of the branch, which is
            ``""`` if the schema comes from introspection.
        type: The name of the type: an object type, if it is a union's.
        condition: When it is there.
    """

    name: str
    type: str
    condition: Condition | None = None


class Definition(Element, frozen=True, kw_only=True):
    """What all that has a name in a schema has in common.

    Attributes:
        position: Where it is defined, if that is in a file.
        module: The file that defines it, relative to the folder of the schema's first
            file; ``""`` if it is none.
        documentation: What is said about it, if anything.
    """

    position: Position | None = None
    module: str = ""
    documentation: Documentation | None = None


class BuiltinType(Definition, frozen=True, kw_only=True):
    """A type that is not made of others.

    Attributes:
        json_type: What it is on the wire: ``string``, ``number``, ``int``, ``boolean``,
            ``null``, or ``value`` for anything.
    """

    json_type: str


class EnumType(Definition, frozen=True, kw_only=True):
    """A choice of strings.

    Attributes:
        values: What it may be, in order.
        prefix: For names in C, if the schema gives one.
    """

    values: tuple[EnumValue, ...]
    prefix: str | None = None

    def value(self, name: str) -> EnumValue | None:
        """Return the value with this name, if there is one."""
        return next((value for value in self.values if value.name == name), None)


class ArrayType(Definition, frozen=True, kw_only=True):
    """A list of values of one type.

    Attributes:
        element: The name of that type.
    """

    element: str


class ObjectType(Definition, frozen=True, kw_only=True):
    """An object: a struct or a union, or the arguments of a command or an event.

    Attributes:
        members: Its own members; those of its base come before them: `members_of` has
            all of them.
        base: The name of the object type that it extends, if there is one.
        discriminator: The name of the member that says which branch a union has; None
            for what is no union.
        branches: A union's branches, one for each value of its discriminator.
    """

    members: tuple[Member, ...] = ()
    base: str | None = None
    discriminator: str | None = None
    branches: tuple[Branch, ...] = ()

    @property
    def is_union(self) -> bool:
        """Whether it has branches."""
        return self.discriminator is not None

    def branch(self, value: str) -> Branch | None:
        """Return the branch for a value of the discriminator, if there is one."""
        return next((branch for branch in self.branches if branch.name == value), None)


class AlternateType(Definition, frozen=True, kw_only=True):
    """One of several types, told apart by their kind of JSON value."""

    branches: tuple[Branch, ...]


Type: TypeAlias = BuiltinType | EnumType | ArrayType | ObjectType | AlternateType
"""What a value can be."""


class Command(Definition, frozen=True, kw_only=True):
    """A command.

    Attributes:
        arguments: The name of the object type of its arguments.
        returns: The name of the type of what it returns.
        boxed: Whether handlers in C get the arguments in one piece; a command whose
            arguments are a union always has this.
        gen: Whether its arguments are checked against `arguments`; if not, it may take
            more than these.
        success_response: Whether it is answered when it succeeds.
        allow_oob: Whether it may be executed out of band.
        allow_preconfig: Whether it may be executed before the machine is built.
        coroutine: Whether its handler in C may yield.
    """

    arguments: str = EMPTY
    returns: str = EMPTY
    boxed: bool = False
    gen: bool = True
    success_response: bool = True
    allow_oob: bool = False
    allow_preconfig: bool = False
    coroutine: bool = False


class Event(Definition, frozen=True, kw_only=True):
    """An event.

    Attributes:
        arguments: The name of the object type of its data.
        boxed: Whether code in C gives the data in one piece.
    """

    arguments: str = EMPTY
    boxed: bool = False


class Schema(Struct, frozen=True):
    """A whole schema. Two are equal if their definitions are, in the same order.

    Attributes:
        definitions: All there is, in QEMU's order: module by module as they are first
            included, each in the order of its file.
        commands: The commands, by name, in that order.
        events: The events.
        types: The types, by name: built-in, implicit and defined ones.
    """

    definitions: tuple[Definition, ...]
    commands: Mapping[str, Command] = {}
    events: Mapping[str, Event] = {}
    types: Mapping[str, Type] = {}

    @classmethod
    def of(cls, definitions: Iterable[Definition]) -> "Schema":
        """Return the schema that is made of these definitions.

        Names have to be unique over all kinds, and types that are referred to have to
        be there.
        """
        commands: dict[str, Command] = {}
        events: dict[str, Event] = {}
        types: dict[str, Type] = {}
        definitions = tuple(definitions)
        for definition in definitions:
            match definition:
                case Command():
                    commands[definition.name] = definition
                case Event():
                    events[definition.name] = definition
                case (
                    BuiltinType()
                    | EnumType()
                    | ArrayType()
                    | ObjectType()
                    | AlternateType()
                ):
                    types[definition.name] = definition
        return cls(definitions, commands, events, types)

    def find(self, name: str) -> "Command | Event | Type | None":
        """Return what has this name, if anything has."""
        found = self.commands.get(name) or self.events.get(name)
        return found or self.types.get(name)

    def object_type(self, name: str) -> ObjectType:
        """Return an object type.

        Raises:
            KeyError: There is no type with this name, or it is of another kind.
        """
        found = self.types[name]
        if not isinstance(found, ObjectType):
            raise KeyError(name)
        return found

    def members_of(self, name: str) -> tuple[Member, ...]:
        """Return the members of an object type, inherited ones first.

        What a union's branches have is not among them.

        Raises:
            KeyError: There is no such object type.
        """
        found = self.object_type(name)
        if found.base is None:
            return found.members
        return *self.members_of(found.base), *found.members

    def members_of_branch(self, name: str, value: str) -> tuple[Member, ...]:
        """Return what a union has besides its base for one value of its discriminator.

        Raises:
            KeyError: There is no such object type, or it has no such branch.
        """
        branch = self.object_type(name).branch(value)
        if branch is None:
            raise KeyError(value)
        return self.members_of(branch.type)
