"""What may stand in a slot of a line, as far as the schema knows.

What only the running machine knows, such as its nodes, `qmpx.cli.shell.places` asks it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from qmpx.cli.shell.explanation import about_command, about_member
from qmpx.cli.shell.line import OWN, TRANSACTION, action_names
from qmpx.cli.shell.slots import Slot
from qmpx.cli.shell.values import members_of
from qmpx.cli.shell.words import quoted
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    EnumType,
    Member,
    ObjectType,
    Schema,
)

MIN_INFIX: Final = 3
"""Characters from which a name is found by a part of it: fewer are in most names."""


class Candidate(NamedTuple):
    """Something that may stand in a slot.

    Attributes:
        text: What is to be inserted from the slot's start on.
        shown: What is listed.
        about: What it is, in a few words.
    """

    text: str
    shown: str
    about: str


def candidates(slot: Slot, schema: Schema | None) -> list[Candidate]:
    """Return what may stand in a slot, as far as the schema knows."""
    return list(_matching(slot, _all(slot, schema)))


def _matching(slot: Slot, found: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield what begins with what is typed, then what contains it."""
    prefix = slot.prefix.lower()
    later = []
    for each in found:
        text = each.text.lower()
        if text.startswith(prefix):
            yield each
        elif prefix in text and len(prefix) >= MIN_INFIX:
            later.append(each)
    yield from later


def offered(slot: Slot, names: Sequence[tuple[str, str]]) -> list[Candidate]:
    """Return what the machine knows for a slot: names, and what each of them is."""
    found = (Candidate(name, name, about) for name, about in names)
    return [each._replace(text=quoted(each.text)) for each in _matching(slot, found)]


def _all(slot: Slot, schema: Schema | None) -> Iterator[Candidate]:
    match slot.kind:
        case "command":
            for name, (_, about) in OWN.items():
                yield Candidate(name, name, about)
            yield from _commands(schema)
        case "oob":
            yield from _commands(schema, out_of_band=True)
        case "action" if schema is not None:
            for name in action_names(schema):
                yield Candidate(f"{name} ", name, "an action")
        case "key" if schema is not None:
            yield from _keys(slot, schema)
        case "value" if schema is not None:
            yield from _values(schema, slot.type_name)
        case "own":
            yield from _own(slot, schema)
        case _:
            return


def _commands(
    schema: Schema | None, *, out_of_band: bool = False
) -> Iterator[Candidate]:
    if schema is None:
        return
    for name, command in sorted(schema.commands.items()):
        if out_of_band and not command.allow_oob:
            continue
        text = f"{TRANSACTION} " if name == "transaction" else name
        marks = ", ".join(feature.name for feature in command.features)
        about = about_command(schema, command)
        yield Candidate(text, name, f"{about}  [{marks}]" if marks else about)


def _keys(slot: Slot, schema: Schema) -> Iterator[Candidate]:
    lead = "".join(f"{parent}." for parent in slot.parents)
    seen = set(slot.given)
    found = schema.types.get(slot.type_name)
    if isinstance(found, ArrayType):
        number = 0
        while str(number) in seen:
            number += 1
        is_object = isinstance(schema.types[found.element], ObjectType)
        text = f"{lead}{number}{'.' if is_object else '='}"
        yield Candidate(text, text, "the next element")
        return
    members = members_of(schema, slot.type_name, slot.given, all_branches=False)
    ordered = sorted(members, key=lambda member: member.optional)
    for member in ordered:
        if member.name in seen:
            continue
        seen.add(member.name)
        end = "." if _is_nested(schema, member) else "="
        text = f"{lead}{member.name}{end}"
        yield Candidate(text, text, about_member(schema, member))


def _is_nested(schema: Schema, member: Member) -> bool:
    found = schema.types[member.type]
    if isinstance(found, ArrayType):
        found = schema.types[found.element]
    return isinstance(found, ObjectType)


def _values(schema: Schema, type_name: str) -> Iterator[Candidate]:
    match schema.types.get(type_name):
        case EnumType(values=values):
            for value in values:
                marks = ", ".join(feature.name for feature in value.features)
                yield Candidate(value.name, value.name, marks)
        case BuiltinType(json_type="boolean"):
            yield Candidate("true", "true", "")
            yield Candidate("false", "false", "")
        case AlternateType(branches=branches):
            for branch in branches:
                if isinstance(
                    schema.types[branch.type], EnumType | BuiltinType | AlternateType
                ):
                    yield from _values(schema, branch.type)
        case ArrayType(element=element) if not element.startswith("["):
            yield from _values(schema, element)
        case _:
            return


def _own(slot: Slot, schema: Schema | None) -> Iterator[Candidate]:
    names: Iterable[str] = ()
    match slot.command:
        case "help" if schema is not None:
            names = [*schema.commands, *schema.events, *OWN]
        case "help":
            names = OWN
        case "events":
            names = ["off", "last", *(schema.events if schema is not None else ())]
        case "as":
            names = ["auto", "json", "table", "pretty"]
        case "ask":
            names = ["on", "off"]
        case _:
            pass
    for name in names:
        yield Candidate(name, name, "")
