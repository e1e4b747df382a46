"""The readers of a schema's types, which walk a parsed value and say what is wrong."""

from collections.abc import Callable, Mapping
from typing import Final

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
from qmpx.qapi.validation.policy import ACCEPT, Policy
from qmpx.qapi.visitor import (
    SCALARS,
    DottedIndex,
    Field,
    Fields,
    Reader,
    alternate_reader,
    enum_reader,
    list_reader,
    object_reader,
)

_JSON_TYPES: Final = {
    "string": "str",
    "number": "number",
    "int": "int",
    "boolean": "bool",
    "null": "null",
    "value": "any",
}


class Readers:
    """Readers for the types of a schema, each made when it is first asked for.

    Args:
        schema: The schema of one build: without conditions.
        policy: What becomes of what is deprecated or unstable.
        scalars: The readers of the built-in types.
        index: Makes the step of a path for an element of a list.
    """

    __slots__ = ("_fields", "_index", "_policy", "_readers", "_scalars", "_schema")

    def __init__(
        self,
        schema: Schema,
        policy: Policy = ACCEPT,
        scalars: Mapping[str, Reader] = SCALARS,
        index: Callable[[int], int | DottedIndex] = int,
    ) -> None:
        self._schema = schema
        self._policy = policy
        self._scalars = scalars
        self._index = index
        self._readers: dict[str, Reader] = {}
        self._fields: dict[str, Fields] = {}

    def of(self, name: str) -> Reader:
        """Return the reader of a type.

        Args:
            name: The type's name; ``[X]`` is an array of X.

        Raises:
            KeyError: The schema has no such type.
        """
        reader = self._readers.get(name)
        if reader is None:
            reader = self._make(name)
            self._readers[name] = reader
        return reader

    def _make(self, name: str) -> Reader:
        match type_named(self._schema, name):
            case BuiltinType(json_type=json_type):
                return self._scalars.get(name) or self._scalars[_JSON_TYPES[json_type]]
            case EnumType(values=values):
                refusals = {
                    value.name: refusal
                    for value in values
                    if (refusal := self._policy.refusal("value", value.features))
                }
                names = [value.name for value in values]
                return enum_reader(names, refusals, self._scalars["str"])
            case ArrayType(element=element):
                return list_reader(self.of(element), self._index)
            case AlternateType(branches=branches):
                # It may hold itself: known before its branches are.
                by_kind: dict[str, Reader] = {}
                reader = alternate_reader(name, by_kind)
                self._readers[name] = reader
                for branch in branches:
                    kind = json_kind(type_named(self._schema, branch.type))
                    by_kind[kind] = self.of(branch.type)
                return reader
            case ObjectType():
                return object_reader(self._fields_of(name))

    def _fields_of(self, name: str) -> Fields:
        """Return the members of an object type; those of branches come when asked for.

        An object may hold itself, so its fields are known before their readers are.
        """
        fields = self._fields.get(name)
        if fields is not None:
            return fields
        union = self._schema.object_type(name)
        own: list[Field] = []
        if union.discriminator is None:
            fields = Fields(own)
        else:
            types = {branch.name: branch.type for branch in union.branches}

            def branch_of(value: str) -> Fields | None:
                branch = types.get(value)
                return None if branch is None else self._fields_of(branch)

            fields = Fields(own, union.discriminator, branch_of)
        self._fields[name] = fields
        self._readers.setdefault(name, object_reader(fields))
        own += map(self._field, self._schema.members_of(name))
        return fields

    def _field(self, member: Member) -> Field:
        refusal = self._policy.refusal("parameter", member.features)
        return Field(member.name, self.of(member.type), not member.optional, refusal)


def type_named(schema: Schema, name: str) -> Type:
    """Return a type of a schema, also an array that the schema does not mention.

    Raises:
        KeyError: There is none.
    """
    found = schema.types.get(name)
    if found is None and name.startswith("[") and name[1:-1] in schema.types:
        return ArrayType(name=name, element=name[1:-1])
    return schema.types[name]


def json_kind(type_: Type) -> str:
    """Return the JSON type of a type's values: what selects an alternate's branch."""
    match type_:
        case BuiltinType(json_type="int"):
            return "number"
        case BuiltinType(json_type=json_type):
            return json_type
        case EnumType():
            return "string"
        case ArrayType():
            return "array"
        case _:
            return "object"
