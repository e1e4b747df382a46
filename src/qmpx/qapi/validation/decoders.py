"""The fast path of validation: types for msgspec, made out of a schema's.

What such a decoder takes is valid; what it refuses is looked at again, along the type,
to say what is wrong, or because the refusal was rash. What takes too much is told
by `Decodable`.

Attributes here are called ``f0``, ``f1``, ...: nobody reads them.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Union

from msgspec import UNSET, Meta, Raw, Struct, defstruct

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    EnumType,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.validation.policy import ACCEPT, Policy
from qmpx.qapi.validation.readers import type_named
from qmpx.qapi.visitor import INT64_MAX, INT64_MIN


class Decodable(NamedTuple):
    """A type for msgspec.

    Attributes:
        annotation: The type.
        is_lax: Whether the decoder takes more than it should.
    """

    annotation: Any
    is_lax: bool


_NEVER: Final = Annotated[str, Meta(pattern="(?!)")]
"""No value at all: an enumeration without values."""

_INT64: Final = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]

_SCALARS: Final[dict[str, Any]] = {
    "str": str,
    "bool": bool,
    "number": float,
    "null": None,
    "any": Raw,
    "int": _INT64,
    "int64": _INT64,
    # msgspec knows no greater bound: what is above is left to the walk. It is rare.
    "size": _INT64,
    "uint64": _INT64,
    **{
        f"int{bits}": Annotated[
            int, Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)
        ]
        for bits in (8, 16, 32)
    },
    **{
        f"uint{bits}": Annotated[int, Meta(ge=0, le=2**bits - 1)]
        for bits in (8, 16, 32)
    },
}


class Decodables:
    """Types for msgspec out of a schema's, each made when it is first asked for.

    Args:
        schema: The schema of one build: without conditions.
        policy: What it refuses is left out, and so refused.
    """

    __slots__ = ("_annotations", "_policy", "_schema")

    def __init__(self, schema: Schema, policy: Policy = ACCEPT) -> None:
        self._schema = schema
        self._policy = policy
        self._annotations: dict[str, Any] = {}

    def of(self, name: str) -> Decodable:
        """Return the type for msgspec that stands for a type of the schema.

        Raises:
            KeyError: The schema has no such type.
        """
        annotation = self._annotation(name)
        reached = reachable(self._schema, name)
        return Decodable(annotation, any(map(self._is_hard, reached)))

    def _annotation(self, name: str) -> Any:
        if name not in self._annotations:
            self._annotations[name] = self._make(name)
        return self._annotations[name]

    def _make(self, name: str) -> Any:
        match type_named(self._schema, name):
            case BuiltinType():
                return _SCALARS.get(name, Raw)
            case EnumType(values=values):
                known = [
                    value.name
                    for value in values
                    if not self._policy.refusal("value", value.features)
                ]
                return Literal[tuple(known)] if known else _NEVER
            case ArrayType(element=element):
                # A list may be part of what it holds; its element is known then.
                return list[self._annotation(element)]  # type: ignore[misc]
            case ObjectType() | AlternateType() if self._is_hard(name):
                return Raw
            case AlternateType(branches=branches):
                kinds = [self._annotation(branch.type) for branch in branches]
                return Union[tuple(kinds)]  # noqa: UP007 - known at run time only
            case ObjectType() as type_:
                return self._object(type_)

    def _is_hard(self, name: str) -> bool:
        """Whether msgspec has no type for this one.

        That is a union within a union, an alternate that holds a list of itself, and a
        union whose tag the policy refuses.
        """
        type_, named = self._schema.types.get(name), self._schema.types
        if isinstance(type_, AlternateType):
            return any(branch.type == f"[{name}]" for branch in type_.branches)
        if not isinstance(type_, ObjectType) or type_.discriminator is None:
            return False
        tag = next(
            member
            for member in self._schema.members_of(name)
            if member.name == type_.discriminator
        )
        branches = (named[branch.type] for branch in type_.branches)
        return any(
            isinstance(b, ObjectType) and b.is_union for b in branches
        ) or self._refuses(tag)

    def _object(self, type_: ObjectType) -> Any:
        """Return a Struct, or a union of Structs told apart by a tag.

        An object may hold itself. So its Structs are made first, and then told what
        their members are; msgspec looks only when a decoder is made.
        """
        name = type_.name
        members = self._schema.members_of(name)
        tag = type_.discriminator
        if tag is None:
            struct = self._struct(name, members)
            self._annotations[name] = struct
            self._fill(struct, members)
            return struct
        shared = [member for member in members if member.name != tag]
        tag_type = next(member.type for member in members if member.name == tag)
        values = self._schema.types[tag_type]
        assert isinstance(values, EnumType)  # noqa: S101 - so it is in any schema
        types = {branch.name: branch.type for branch in type_.branches}
        branches: list[tuple[str, list[Member]]] = []
        for value in values.values:
            if self._policy.refusal("value", value.features):
                continue
            own = list(shared)
            if value.name in types:
                own += self._schema.members_of(types[value.name])
            branches.append((value.name, own))
        structs = [self._struct(name, own, tag, value) for value, own in branches]
        # Of a single Struct msgspec would not ask the tag: so there is one more, which
        # nothing fits.
        never: list[Any] = [("f0", _NEVER)]
        nothing = defstruct(name, never, tag_field=tag, tag="")
        union: Any = Union[(nothing, *structs)]
        self._annotations[name] = union
        for struct, (_, own) in zip(structs, branches, strict=True):
            self._fill(struct, own)
        return union

    def _accepted(self, members: Sequence[Member]) -> list[Member]:
        """Return the members that the policy leaves, and those that are mandatory."""
        return [
            member
            for member in members
            if not (member.optional and self._refuses(member))
        ]

    def _refuses(self, member: Member) -> bool:
        return self._policy.refusal("parameter", member.features) is not None

    def _struct(
        self,
        name: str,
        members: Sequence[Member],
        tag_field: str | None = None,
        tag: str | None = None,
    ) -> type[Struct]:
        fields: list[Any] = []
        rename: dict[str, str] = {}
        for number, member in enumerate(self._accepted(members)):
            field = f"f{number}"
            rename[field] = member.name
            fields.append((field, Any, UNSET) if member.optional else (field, Any))
        return defstruct(
            name,
            fields,
            rename=rename,
            tag_field=tag_field,
            tag=tag,
            forbid_unknown_fields=True,
            gc=False,
            kw_only=True,
        )

    def _fill(self, struct: type[Struct], members: Sequence[Member]) -> None:
        for number, member in enumerate(self._accepted(members)):
            struct.__annotations__[f"f{number}"] = (
                # It has to be there, and may not be: nothing fits.
                _NEVER if self._refuses(member) else self._annotation(member.type)
            )


def reachable(schema: Schema, name: str) -> set[str]:
    """Return the names of all types that a value of a type may hold, itself included.

    Raises:
        KeyError: The schema has no such type.
    """
    found: set[str] = set()
    ahead = [name]
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        found.add(name)
        match type_named(schema, name):
            case ArrayType(element=element):
                ahead.append(element)
            case AlternateType(branches=branches):
                ahead += [branch.type for branch in branches]
            case ObjectType() as type_:
                ahead += [member.type for member in schema.members_of(name)]
                ahead += [branch.type for branch in type_.branches]
            case _:
                pass
    return found
