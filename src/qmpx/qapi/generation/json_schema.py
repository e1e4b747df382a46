"""A schema as JSON Schema, 2020-12.

As a whole it describes what a client sends (a command) and the events that it gets. In
``$defs`` there are ``command:NAME`` and ``event:NAME``, whole messages;
``arguments:NAME`` and ``return:NAME``; and ``type:NAME`` for each type that these need.

Some of what QEMU checks JSON Schema cannot say: that ``1.0`` is no integer, and that
the tag of a union decides before anything else is looked at. Objects are closed: a
newer peer may send more.
"""

from collections.abc import Iterator
from typing import Any, Final

from qmpx.qapi.generation.shapes import discriminator_type, is_empty
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    Command,
    Definition,
    Element,
    EnumType,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.validation.validator import UNCHECKED

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""What the schemas say they are."""

_INT64: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
# QEMU takes negative numbers for such, and counts from the other end.
_UINT64: Final = {"minimum": -(2**63), "maximum": 2**64 - 1}
_RANGES: Final = {
    "int": _INT64,
    "int64": _INT64,
    "size": _UINT64,
    "uint64": _UINT64,
    **{
        f"int{bits}": {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
        for bits in (8, 16, 32)
    },
    **{f"uint{bits}": {"minimum": 0, "maximum": 2**bits - 1} for bits in (8, 16, 32)},
}
_TIMESTAMP: Final = {
    "type": "object",
    "properties": {
        "seconds": {"type": "integer"},
        "microseconds": {"type": "integer"},
    },
    "required": ["seconds", "microseconds"],
}


def generate_json_schema(schema: Schema, title: str) -> dict[str, Any]:
    """Return JSON Schema for the messages of a monitor.

    Args:
        schema: Its schema. Conditions are not looked at: everything is there.
        title: What it is the schema of.
    """
    return _Writing(schema).write(title)


class _Writing:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: dict[str, Any] = {}
        self._needed: dict[str, None] = {}  # types, in the order of their mention

    def write(self, title: str) -> dict[str, Any]:
        messages = []
        for command in self._schema.commands.values():
            messages.append({"$ref": f"#/$defs/command:{command.name}"})
            self._definitions |= self._command(command)
        for event in self._schema.events.values():
            messages.append({"$ref": f"#/$defs/event:{event.name}"})
            self._definitions[f"event:{event.name}"] = self._message(
                {"event": {"const": event.name}, "timestamp": _TIMESTAMP},
                "data",
                event.arguments,
                self._reference(event.arguments),
                event,
            )
        done = 0
        while done < len(self._needed):
            for name in list(self._needed)[done:]:
                self._definitions[f"type:{name}"] = self._type(name)
                done += 1
        whole = {"$schema": DIALECT, "title": title, "anyOf": messages}
        return whole | {"$defs": self._definitions}

    def _command(self, command: Command) -> dict[str, Any]:
        name = command.name
        if command.gen and name not in UNCHECKED:
            arguments = self._reference(command.arguments)
        else:
            arguments = {"type": "object"}  # it checks them itself, and takes more
        given = {"$ref": f"#/$defs/arguments:{name}"}
        word: dict[str, Any] = {"execute": {"const": name}, "id": True}
        message = self._message(word, "arguments", command.arguments, given, command)
        if command.allow_oob:
            oob = {"exec-oob": {"const": name}, "id": True}
            either = [
                message,
                self._message(oob, "arguments", command.arguments, given, command),
            ]
            message = {"anyOf": either}
        return {
            f"command:{name}": message,
            f"arguments:{name}": arguments,
            f"return:{name}": self._reference(command.returns),
        }

    def _message(
        self,
        properties: dict[str, Any],
        word: str,
        type_name: str,
        carried: dict[str, Any],
        item: Definition,
    ) -> dict[str, Any]:
        required = [name for name in properties if name != "id"]
        if self._has_to_be_there(type_name):
            required.append(word)
        message = {
            "type": "object",
            "properties": properties | {word: carried},
            "required": required,
            "additionalProperties": False,
        }
        return _described(item) | message

    def _has_to_be_there(self, type_name: str) -> bool:
        members = self._schema.members_of(type_name)
        return any(not member.optional for member in members)

    def _reference(self, name: str) -> dict[str, Any]:
        """Return what stands for a type where it is mentioned."""
        type_ = self._schema.types[name]
        match type_:
            case BuiltinType():
                return _builtin(type_)
            case ArrayType(element=element):
                return {"type": "array", "items": self._reference(element)}
            case _ if is_empty(self._schema, name):
                return {"type": "object", "additionalProperties": False}
            case _:
                self._needed.setdefault(name)
                return {"$ref": f"#/$defs/type:{name}"}

    def _type(self, name: str) -> dict[str, Any]:
        type_ = self._schema.types[name]
        match type_:
            case EnumType(values=values):
                written: dict[str, Any] = {"enum": [value.name for value in values]}
            case AlternateType(branches=branches):
                written = {"anyOf": [self._reference(each.type) for each in branches]}
            case ObjectType():
                shapes = list(self._shapes(type_, {}, type_))
                written = shapes[0] if len(shapes) == 1 else {"oneOf": shapes}
            case _:
                return self._reference(name)
        return _described(type_) | written

    def _shapes(
        self, type_: ObjectType, known: dict[str, Any], documented: Definition
    ) -> Iterator[dict[str, Any]]:
        """Yield the shapes that an object may have: one for each branch of a union.

        Args:
            type_: The object, or what a branch adds to it.
            known: What it has already: ``properties`` and ``required``.
            documented: What the documentation of its members is taken from.
        """
        members = self._schema.members_of(type_.name)
        properties = dict(known.get("properties", {}))
        required = list(known.get("required", []))
        for member in members:
            is_tag = member.name == type_.discriminator
            written = {} if is_tag else self._member(member, documented)
            properties[member.name] = written
            if not member.optional:
                required.append(member.name)
        if type_.discriminator is None:
            shape: dict[str, Any] = {"type": "object", "properties": properties}
            yield shape | {"required": required, "additionalProperties": False}
            return
        types = {branch.name: branch.type for branch in type_.branches}
        for value in discriminator_type(self._schema, type_).values:
            tag = {type_.discriminator: {"const": value.name} | _marks(value)}
            base = {"properties": properties | tag, "required": required}
            if value.name in types:
                branch = self._schema.object_type(types[value.name])
                yield from self._shapes(branch, base, branch)
            else:
                yield {"type": "object", **base, "additionalProperties": False}

    def _member(self, member: Member, documented: Definition) -> dict[str, Any]:
        text = None
        if documented.documentation is not None:
            text = documented.documentation.members.get(member.name)
        described = {"description": text} if text else {}
        return self._reference(member.type) | described | _marks(member)


def _builtin(type_: BuiltinType) -> dict[str, Any]:
    match type_.json_type:
        case "int":
            return {"type": "integer"} | _RANGES.get(type_.name, {})
        case "value":
            return {}
        case kind:
            return {"type": kind}


def _described(item: Definition) -> dict[str, Any]:
    text = item.documentation.text if item.documentation is not None else ""
    return ({"description": text} if text else {}) | _marks(item)


def _marks(item: Element) -> dict[str, Any]:
    return {"deprecated": True} if item.deprecated else {}
