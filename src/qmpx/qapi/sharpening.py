"""A schema that a QEMU told of itself, made as exact as its source.

Introspection does not tell the sizes of integers, nor the names of types, and errors
speak of both. The schema of the release knows them. What the build has is for the
introspection to say: nothing is added.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    Definition,
    EnumType,
    ObjectType,
    Schema,
)

_INTEGER = "int"


def sharpened(told: Schema, exact: Schema) -> Schema:
    """Return a schema with the integers' sizes, and the names, of another.

    Args:
        told: What is there, with names of its own.
        exact: The schema of the same release.
    """
    return _Sharpening(told, exact).schema()


class _Sharpening:
    def __init__(self, told: Schema, exact: Schema) -> None:
        self._told = told
        self._exact = exact
        self._names: dict[str, str] = {}

    def schema(self) -> Schema:
        """Return the sharper schema."""
        for name, command in self._told.commands.items():
            if (same := self._exact.commands.get(name)) is not None:
                self._match(command.arguments, same.arguments)
        taken = set(self._told.types)
        numbers = {name for name, exact in self._names.items() if exact in taken}
        for name in numbers:
            del self._names[name]
        made = [self._renamed(item) for item in self._told.definitions]
        sizes = {
            name: kind
            for name, kind in self._exact.types.items()
            if isinstance(kind, BuiltinType) and name not in self._told.types
        }
        arrays = {
            name: kind
            for name, kind in self._exact.types.items()
            if isinstance(kind, ArrayType) and kind.element in sizes
        }
        return Schema.of([*sizes.values(), *arrays.values(), *made])

    def _match(self, told: str, exact: str) -> None:
        """Note that two types are the same, and all that they refer to."""
        waiting = [(told, exact)]
        while waiting:
            told, exact = waiting.pop()
            if told in self._names or told not in self._told.types:
                continue
            self._names[told] = exact
            waiting += self._referred(told, exact)

    def _referred(self, told: str, exact: str) -> Iterator[tuple[str, str]]:
        match self._told.types[told], self._exact.types.get(exact):
            case ArrayType(element=one), ArrayType(element=other):
                yield one, other
            case ObjectType() as one, ObjectType() as other:
                others = {m.name: m for m in self._exact.members_of(exact)}
                for member in one.members:
                    if (same := others.get(member.name)) is not None:
                        yield member.type, same.type
                for branch in one.branches:
                    if (way := other.branch(branch.name)) is not None:
                        yield branch.type, way.type
            case AlternateType() as one, AlternateType() as other:
                kinds = {
                    self._kind(self._exact, each.type): each.type
                    for each in other.branches
                }
                for branch in one.branches:
                    kind = self._kind(self._told, branch.type)
                    if kind in kinds:
                        yield branch.type, kinds[kind]

    @staticmethod
    def _kind(schema: Schema, name: str) -> str:
        kind = schema.types[name]
        if isinstance(kind, BuiltinType):
            return kind.json_type
        return "string" if isinstance(kind, EnumType) else type(kind).__name__

    def _renamed(self, item: Definition) -> Definition:
        names = self._names
        match item:
            case ObjectType():
                known = self._exact.types.get(names.get(item.name, ""))
                exact = {}
                if isinstance(known, ObjectType):
                    exact = {m.name: m.type for m in self._exact.members_of(known.name)}
                members = tuple(
                    replace(m, type=self._type(m.type, exact.get(m.name)))
                    for m in item.members
                )
                branches = tuple(
                    replace(b, type=names.get(b.type, b.type)) for b in item.branches
                )
                item = replace(item, members=members, branches=branches)
            case AlternateType():
                branches = tuple(
                    replace(b, type=self._type(b.type, None)) for b in item.branches
                )
                item = replace(item, branches=branches)
            case ArrayType():
                element = names.get(item.element, item.element)
                return replace(item, name=f"[{element}]", element=element)
            case _ if not isinstance(item, EnumType | BuiltinType):
                changes = {}
                for slot in ("arguments", "returns"):
                    if (name := getattr(item, slot, None)) is not None:
                        changes[slot] = names.get(name, name)
                return replace(item, **changes)
            case _:
                pass
        return replace(item, name=names.get(item.name, item.name))

    def _type(self, told: str, exact: str | None) -> str:
        """Return what a member's type is called, with its size if it is an integer."""
        if exact is not None and self._is_integer(told):
            return exact
        return self._names.get(told, told)

    def _is_integer(self, name: str) -> bool:
        kind = self._told.types[name]
        while isinstance(kind, ArrayType):
            kind = self._told.types[kind.element]
        return kind.name == _INTEGER
