"""A schema as people read it: a line for each command, a paragraph for one of them."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    Definition,
    Element,
    EnumType,
    Event,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.type_text import SHOWN_VALUES, type_text

_LINE: Final = 72
"""Characters of a line of values: with its indentation it fits a terminal."""

_FLAGS: Final = {
    "allow_oob": "may be executed out of band",
    "allow_preconfig": "may be executed before the machine is built",
}


def outline(schema: Schema) -> Iterator[str]:
    """Yield a line for each command and event."""
    for definition in schema.definitions:
        if isinstance(definition, Command | Event):
            yield _signature(schema, definition)


def details(schema: Schema, definition: Definition) -> Iterator[str]:
    """Yield the lines that say all about one definition."""
    yield _title(definition) + _marks(definition)
    yield from _indented(_about(definition))
    match definition:
        case Command() | Event():
            what = "arguments" if isinstance(definition, Command) else "data"
            arguments = schema.object_type(definition.arguments)
            yield from _indented(_object(schema, arguments, definition, what))
            if isinstance(definition, Command):
                returns = type_text(schema, definition.returns)
                yield from _indented([f"returns {returns or 'nothing'}"])
                flags = (_FLAGS[flag] for flag in _FLAGS if getattr(definition, flag))
                yield from _indented(flags)
        case ObjectType():
            yield from _indented(_object(schema, definition, definition, "members"))
        case EnumType(values=values):
            yield "  values"
            for value in values:
                yield f"    {value.name}{_marks(value)}"
                yield from _described(definition, value.name)
        case AlternateType(branches=branches):
            yield "  one of"
            for branch in branches:
                name = f"{branch.name}: " if branch.name else ""
                yield f"    {name}{type_text(schema, branch.type)}{_marks(branch)}"
        case ArrayType(element=element):
            yield f"  of {type_text(schema, element)}"
        case BuiltinType(json_type=json_type):
            yield f"  on the wire: {json_type}"
        case _:
            pass


def _signature(schema: Schema, definition: Command | Event) -> str:
    kind = "command" if isinstance(definition, Command) else "event"
    arguments = schema.object_type(definition.arguments)
    members = [
        _member(schema, member) for member in schema.members_of(definition.arguments)
    ]
    members += ["..."] if arguments.is_union else []
    text = f"{kind} {definition.name}({', '.join(members)})"
    if isinstance(definition, Command):
        returns = type_text(schema, definition.returns)
        text += f" -> {returns}" if returns else ""
    return text + _marks(definition)


def _member(schema: Schema, member: Member) -> str:
    optional = "?" if member.optional else ""
    return f"{member.name}{optional}: {type_text(schema, member.type) or '{}'}"


def _title(definition: Definition) -> str:
    match definition:
        case Command():
            kind = "command"
        case Event():
            kind = "event"
        case EnumType():
            kind = "enum"
        case AlternateType():
            kind = "alternate"
        case ObjectType(is_union=True):
            kind = "union"
        case ObjectType():
            kind = "struct"
        case ArrayType():
            kind = "array"
        case _:
            kind = "built-in type"
    return f"{kind} {definition.name}"


def _about(definition: Definition) -> Iterator[str]:
    if definition.position is not None:
        yield f"defined at {definition.position}"
    documentation = definition.documentation
    if documentation is not None:
        since = documentation.section("Since")
        if since:
            yield f"since {since}"
        yield from documentation.text.splitlines()


def _object(
    schema: Schema, item: ObjectType, documented: Definition, what: str
) -> Iterator[str]:
    members = schema.members_of(item.name)
    if not members and not item.is_union:
        yield f"no {what}"
        return
    yield what
    for member in members:
        yield f"  {_member(schema, member)}{_marks(member)}"
        yield from _all_values(schema, member.type)
        yield from _described(documented, member.name)
    for branch in item.branches:
        inner = schema.object_type(branch.type)
        own = schema.members_of(branch.type)
        if not own and not inner.is_union:
            continue
        name = "" if branch.type.isdigit() else f" ({branch.type})"
        yield f"  if {item.discriminator} is {branch.name}{name}{_marks(branch)}"
        for member in own:
            yield f"    {_member(schema, member)}{_marks(member)}"
            yield from (f"  {line}" for line in _all_values(schema, member.type))
        if inner.is_union:
            yield f"    and more, by {inner.discriminator}"


def _all_values(schema: Schema, type_name: str) -> Iterator[str]:
    """Yield the values of an enumeration if `type_text` names only some of them."""
    found = schema.types[type_name]
    if isinstance(found, ArrayType):
        found = schema.types[found.element]
    if isinstance(found, EnumType) and found.name.isdigit():
        names = [value.name for value in found.values]
        if len(names) > SHOWN_VALUES:
            text = f"one of: {', '.join(names)}"
            lines = textwrap.wrap(text, _LINE, break_on_hyphens=False)
            yield from (f"      {line}" for line in lines)


def _described(documented: Definition, name: str) -> Iterator[str]:
    if documented.documentation is not None:
        text = documented.documentation.members.get(name, "")
        yield from (f"      {line.strip()}" for line in text.splitlines())


def _marks(item: Element | Branch) -> str:
    marks = []
    if not isinstance(item, Branch):
        marks += [feature.name for feature in item.features]
    if item.condition is not None:
        marks.append(f"if {item.condition}")
    return f"  [{', '.join(marks)}]" if marks else ""


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)
