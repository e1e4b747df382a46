"""What of a schema becomes a class, and with which attributes.

Arguments that are no union become keywords, an event's data attributes of the event, so
their types need no class of their own. Bases are flattened.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    EnumType,
    Member,
    ObjectType,
    Schema,
    Type,
)


class Mention(NamedTuple):
    """A type that is mentioned, and where: what a name can be made of.

    Attributes:
        type: The type's name.
        hint: Words, such as a command and the name of its argument.
    """

    type: str
    hint: tuple[str, ...]


def named_types(schema: Schema) -> dict[str, tuple[str, ...]]:
    """Return the types that become Python of their own, with words for their names.

    They are in the order in which they are met on a walk in breadth, so that what can
    be had in several ways is named after the shortest.
    """
    found: dict[str, tuple[str, ...]] = {}
    ahead = list(_roots(schema))
    while ahead:
        following: list[Mention] = []
        for name, hint in ahead:
            type_ = schema.types[name]
            if isinstance(type_, ArrayType):
                following.append(Mention(type_.element, hint))
            elif name not in found and not isinstance(type_, BuiltinType):
                found[name] = hint
                following += _mentioned(schema, type_, hint)
        ahead = following
    return found


def _roots(schema: Schema) -> Iterator[Mention]:
    for command in schema.commands.values():
        if schema.object_type(command.arguments).is_union:
            yield Mention(command.arguments, (command.name, "arguments"))
        else:
            yield from _members(schema, command.arguments, (command.name,))
        if not is_empty(schema, command.returns):
            yield Mention(command.returns, (command.name, "result"))
    for event in schema.events.values():
        for member in flat_members(schema, event.arguments):
            yield Mention(member.type, (event.name, member.name))


def _members(schema: Schema, name: str, hint: tuple[str, ...]) -> Iterator[Mention]:
    for member in schema.members_of(name):
        yield Mention(member.type, (*hint, member.name))


def _mentioned(schema: Schema, type_: Type, hint: tuple[str, ...]) -> Iterator[Mention]:
    match type_:
        case ObjectType():
            yield from _members(schema, type_.name, hint)
            for branch in type_.branches:
                for member in flat_members(schema, branch.type):
                    yield Mention(member.type, (*hint, branch.name, member.name))
        case AlternateType():
            for branch in type_.branches:
                yield Mention(branch.type, (*hint, branch.name or "value"))
        case _:
            pass


def is_empty(schema: Schema, name: str) -> bool:
    """Whether a type is that of objects without members."""
    type_ = schema.types[name]
    if not isinstance(type_, ObjectType) or type_.is_union:
        return False
    return not schema.members_of(name)


def flat_members(schema: Schema, name: str) -> list[Member]:
    """Return the members of an object type; those of branches are optional ones.

    That is for unions in places where there can be no union of classes: a branch of
    another union, and the data of an event. A member that is of several types in
    several branches is of the type ``any``.
    """
    type_ = schema.object_type(name)
    members = {member.name: member for member in schema.members_of(name)}
    for branch in type_.branches:
        for member in flat_members(schema, branch.type):
            known = members.get(member.name)
            if known is None or known.type == member.type:
                members.setdefault(member.name, replace(member, optional=True))
            else:
                members[member.name] = replace(member, optional=True, type="any")
    return list(members.values())


class BranchShape(NamedTuple):
    """One branch of a union, as a class.

    Attributes:
        value: Of the discriminator.
        members: Those of the base, but for the discriminator, and its own.
    """

    value: str
    members: list[Member]


def union_base(schema: Schema, union: ObjectType) -> list[Member]:
    """Return what all branches of a union have, but for the discriminator."""
    return [
        member
        for member in schema.members_of(union.name)
        if member.name != union.discriminator
    ]


def discriminator_type(schema: Schema, union: ObjectType) -> EnumType:
    """Return the enumeration that a union's discriminator is of."""
    members = schema.members_of(union.name)
    name = next(m.type for m in members if m.name == union.discriminator)
    type_ = schema.types[name]
    if not isinstance(type_, EnumType):
        raise KeyError(name)
    return type_


def branches_of(schema: Schema, union: ObjectType) -> list[BranchShape]:
    """Return the branches of a union, also those that bring no members."""
    types = {branch.name: branch.type for branch in union.branches}
    base = union_base(schema, union)
    return [
        BranchShape(
            value.name,
            base + flat_members(schema, types[value.name])
            if value.name in types
            else base,
        )
        for value in discriminator_type(schema, union).values
    ]
