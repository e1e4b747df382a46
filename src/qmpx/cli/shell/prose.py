"""What QEMU's own documentation says, where a schema that has it is given.

Monitors tell types and no prose. The QAPI files of a QEMU's sources have both:
``qmpx shell --schema DIR`` explains with it what the monitor at hand knows.
"""

import os
from collections.abc import Iterator
from typing import Final, TypeVar

from msgspec.structs import replace

from qmpx.cli.shell.slots import Slot, slot_at
from qmpx.errors import SchemaError
from qmpx.qapi.model import (
    AlternateType,
    Command,
    Definition,
    Documentation,
    EnumType,
    Event,
    ObjectType,
    Schema,
)

AnyDefinition = TypeVar("AnyDefinition", bound=Definition)

FIRST_FILE: Final = "qapi-schema.json"
"""The file of a schema that includes all others, in QEMU's sources."""


def first_file(path: str) -> str:
    """Return the first of the files of a schema.

    Args:
        path: That file; or the folder that it is in, or QEMU's sources.

    Raises:
        SchemaError: It is not there.
    """
    if os.path.isfile(path):
        return path
    for folder in (path, os.path.join(path, "qapi")):
        first = os.path.join(folder, FIRST_FILE)
        if os.path.isfile(first):
            return first
    message = f"{path}: there is no {FIRST_FILE} in it, and none in its folder qapi"
    raise SchemaError(message)


def explained(definition: AnyDefinition, prose: Schema) -> AnyDefinition:
    """Return a definition of a monitor with what the documentation says of it.

    Args:
        definition: A command, an event or a type of it.
        prose: A schema with documentation.
    """
    told = prose.find(definition.name)
    if told is None or type(told) is not type(definition):
        return definition
    own = told.documentation or Documentation()
    members = dict(own.members)
    if isinstance(told, Command | Event):
        members = _members_of(prose, told.arguments) | members
    elif isinstance(told, ObjectType):
        members = _members_of(prose, told.name) | members
    plain = Documentation(own.text, members, own.features, own.sections)
    return replace(definition, documentation=plain)


def _members_of(prose: Schema, type_name: str) -> dict[str, str]:
    """Return what is said of the members of an object type, those of its base too."""
    found = prose.types.get(type_name)
    if not isinstance(found, ObjectType):
        return {}
    inherited = _members_of(prose, found.base) if found.base else {}
    documentation = found.documentation
    return inherited | dict(documentation.members if documentation else {})


def first_sentence(text: str) -> str:
    """Return what is said first, in one line."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    head, dot, rest = paragraph.partition(". ")
    return head + "." if dot and rest else paragraph


def names_explained(
    text: str, prose: Schema, *, in_transaction: bool = False
) -> dict[str, str]:
    """Return what is said of each name that may stand at the end of *text*.

    Args:
        text: The line, up to the cursor.
        prose: A schema with documentation.
        in_transaction: Whether the line is an action of a transaction.
    """
    slot = slot_at(text, prose, in_transaction=in_transaction)
    return dict(_names_explained(slot, prose))


def _names_explained(slot: Slot, prose: Schema) -> Iterator[tuple[str, str]]:
    match slot.kind:
        case "command" | "oob":
            for name, command in prose.commands.items():
                if command.documentation is not None:
                    yield name, first_sentence(command.documentation.text)
        case "key":
            said = _said_of_members(slot, prose)
            yield from ((name, first_sentence(about)) for name, about in said.items())
        case "value":
            found = prose.types.get(slot.type_name)
            if isinstance(found, EnumType) and found.documentation is not None:
                for name, about in found.documentation.members.items():
                    yield name, first_sentence(about)
        case _:
            return


def _said_of_members(slot: Slot, prose: Schema) -> dict[str, str]:
    said: dict[str, str] = {}
    for name in _objects(prose, slot):
        said |= _members_of(prose, name)
    command = prose.commands.get(slot.command)
    if command is not None and command.documentation and not slot.parents:
        said |= command.documentation.members
    return said


def _objects(prose: Schema, slot: Slot) -> Iterator[str]:
    """Yield the object types that the members of a place may be of."""
    found = prose.types.get(slot.type_name)
    if isinstance(found, AlternateType):
        inner = [branch.type for branch in found.branches]
    else:
        inner = [slot.type_name]
    for name in inner:
        each = prose.types.get(name)
        if isinstance(each, ObjectType):
            yield name
            branch = each.branch(slot.given.get(each.discriminator or "", ""))
            if branch is not None:
                yield branch.type


def place_explained(text: str, prose: Schema, *, in_transaction: bool = False) -> str:
    """Return what is said of what is being typed at the end of *text*: a sentence."""
    slot = slot_at(text, prose, in_transaction=in_transaction)
    name = slot.prefix if slot.kind in ("command", "oob") else slot.command
    if slot.kind == "value":
        before = text[: slot.start].rpartition(slot.key)[0]
        parents = ".".join(slot.key.split(".")[:-1])
        said = names_explained(
            before + (f"{parents}." if parents else ""),
            prose,
            in_transaction=in_transaction,
        )
        return said.get(slot.key.split(".")[-1], "")
    command = prose.commands.get(name)
    if command is None or command.documentation is None:
        return ""
    return first_sentence(command.documentation.text)
