"""What ``query-qmp-schema`` tells of a schema.

QEMU numbers the types, so that nobody relies on their names, in the order in which
they are first mentioned, and lists them in the order in which they are first needed.
Both are done here as its generator does it: before conditions are looked at, so that
numbers do not depend on the build.

Source: QEMU 7.2, its replies.
"""

from collections.abc import Collection, Iterable
from typing import Any

from qmpx.qapi.builds import is_there
from qmpx.qapi.introspection import SchemaInfo
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    Command,
    Definition,
    EnumType,
    Event,
    Feature,
    ObjectType,
    Schema,
    Type,
)

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
