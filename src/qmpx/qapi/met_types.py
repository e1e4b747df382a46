"""The types that were met while a schema is made, and under which names."""

from collections.abc import Hashable
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from qmpx.qapi import check
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    EnumType,
    EnumValue,
    Member,
    ObjectType,
    Schema,
    Type,
)

_BUILTIN: Final = {
    "str": "string",
    "bool": "boolean",
    "int": "int",
    "size": "int",
    "number": "number",
    "null": "null",
    "any": "value",
}

_Part = TypeVar("_Part", Member, Branch)


class MetTypes:
    """Types by their names, each entered once.

    Args:
        taken: Names that are those of commands and events.

    Attributes:
        types: The types.
        names: The name of what was met before, by what tells it from others.
    """

    def __init__(self, taken: set[str]) -> None:
        self.types: dict[str, Type] = {EMPTY: ObjectType(name=EMPTY)}
        self.names: dict[Hashable, str] = {}
        self._taken = taken | {EMPTY, *_BUILTIN}

    def take(self, name: str) -> None:
        """Keep a name from being given to anything else."""
        self._taken.add(name)

    def named(self, key: Hashable, name: str) -> str:
        """Enter a name for what an annotation stands for; it is not another's."""
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}{number}"
        self._taken.add(free)
        self.names[key] = free
        return free

    def builtin(self, name: str) -> str:
        """Enter a type that is not made of others; return its name."""
        self.types[name] = BuiltinType(name=name, json_type=_BUILTIN[name])
        return name

    def array(self, element: str) -> str:
        """Enter the array of a type; return its name."""
        if element.startswith("["):
            element = self.builtin("any")  # a schema has no lists of lists
        name = f"[{element}]"
        self.types[name] = ArrayType(name=name, element=element)
        return name

    def enum(self, key: Hashable, values: tuple[Any, ...], name: str) -> str:
        """Enter an enumeration, unless it was met before; return its name.

        Args:
            key: What tells it from others.
            values: Its values; if they are no strings, any value is meant.
            name: What to call it, if that is free.
        """
        if not all(isinstance(value, str) for value in values):
            return self.builtin("any")
        if key not in self.names:
            name = self.named(key, name)
            members = tuple(EnumValue(name=value) for value in values)
            self.types[name] = EnumType(name=name, values=members)
        return self.names[key]

    def described(self, described: check.Described) -> str:
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
                return self.array(self._taken_over(schema, element, whole))
            case ObjectType() if name == EMPTY:
                return EMPTY
            case _:
                pass
        key = (whole, name)
        if key not in self.names:
            own = self.named(key, name)
            self.types[own] = type_  # it may hold itself
            self.types[own] = self._renamed(schema, type_, own, whole)
        return self.names[key]

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


def json_type(type_: Type) -> str:
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
