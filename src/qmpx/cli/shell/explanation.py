"""What a command, or an argument, is, in a line: what stands beside and below it."""

from qmpx.cli.shell.line import OWN
from qmpx.cli.shell.slots import Slot
from qmpx.cli.shell.values import members_of
from qmpx.qapi.model import ArrayType, Command, Member, Schema
from qmpx.qapi.type_text import type_text


def explanation(slot: Slot, schema: Schema | None) -> str:
    """Explain in a line what is being typed, by the schema."""
    if schema is None or slot.kind in ("command", "oob", "nothing"):
        return ""
    if slot.kind == "own":
        usage, about = OWN[slot.command]
        return f"{usage}: {about}"
    if slot.kind == "value":
        if not slot.type_name:
            return ""
        return f"{slot.command} {slot.key}: {type_text(schema, slot.type_name)}"
    if slot.kind == "key" and slot.command in schema.commands and not slot.parents:
        command = schema.commands[slot.command]
        takes = about_command(schema, command) or "no arguments"
        returns = type_text(schema, command.returns)
        return f"{slot.command}: {takes}" + (f" -> {returns}" if returns else "")
    if slot.kind == "key" and slot.parents and slot.type_name:
        inner = ".".join(slot.parents)
        return f"{slot.command} {inner}: {_inside(schema, slot.type_name)}"
    return slot.command


def _inside(schema: Schema, type_name: str) -> str:
    """Return the members that may come next, the needed ones without brackets."""
    found = schema.types[type_name]
    if isinstance(found, ArrayType):
        return type_text(schema, type_name)
    members = members_of(schema, type_name, {}, all_branches=False)
    ordered = sorted(members, key=lambda member: member.optional)
    return " ".join(f"[{m.name}]" if m.optional else m.name for m in ordered)


def about_member(schema: Schema, member: Member) -> str:
    """Say in a few words what a member is."""
    text = type_text(schema, member.type) or "{}"
    marks = [feature.name for feature in member.features]
    if not member.optional:
        marks.insert(0, "needed")
    return f"{text}  [{', '.join(marks)}]" if marks else text


def about_command(schema: Schema, command: Command) -> str:
    """Say in a few words what a command takes."""
    documentation = command.documentation
    if documentation is not None and documentation.text:
        return documentation.text.split("\n\n")[0].replace("\n", " ")
    members = sorted(schema.members_of(command.arguments), key=lambda m: m.optional)
    names = [f"[{m.name}]" if m.optional else m.name for m in members]
    if schema.object_type(command.arguments).is_union:
        names.append("...")
    return " ".join(names)
