"""What may come next in a line, by the schema alone.

`slot_at` says what is being typed: a command, the name of an argument, the value of
one. `candidates` lists what the schema knows for that place; `Slot.places` names what
only the running machine knows, such as its nodes: `qmpx.cli.shell.places` asks it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from qmpx.cli.shell.line import OWN, TRANSACTION, action_names, action_type
from qmpx.cli.shell.values import Tree, member_at, members_of, tree_of
from qmpx.cli.shell.words import Word, quoted, split_words
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    Command,
    EnumType,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.type_text import type_text


class Slot(NamedTuple):
    """What is being typed.

    Attributes:
        kind: ``command``, ``key``, ``value``, ``action``, ``human``, ``own`` (what
            follows a word of the shell's own), or ``nothing``.
        start: Where in the line it begins.
        prefix: What of it stands there.
        command: The command, or the action, that it belongs to.
        type_name: For a key: the object type that the argument is a member of. For a
            value: its type. Empty if the schema does not know.
        parents: For a nested key: the keys that lead to it.
        given: What the object around it has already, as text.
        places: What only the machine knows: see `qmpx.cli.shell.places`.
        key: For a value: the name of its argument.
    """

    kind: str
    start: int
    prefix: str
    command: str = ""
    type_name: str = ""
    parents: tuple[str, ...] = ()
    given: dict[str, str] = {}  # noqa: RUF012 - never changed
    places: str = ""
    key: str = ""


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


_NODES: Final = frozenset(
    {"node-name", "node", "base-node", "top-node", "overlay", "child", "source"}
    | {"target-node", "bitmap-node", "backing", "vmstate", "file", "parent"}
)
_BLOCK_DEVICES: Final = ("block", "blockdev", "eject", "change", "drive", "transaction")


def places_of(command: str, key: str, value_type: str) -> str:
    """Say what of the machine an argument names.

    Args:
        command: The command, or a transaction's action.
        key: The argument's name, without those that lead to it.
        value_type: What kind of value it takes: ``string``, or something else.

    Returns:
        ``devices``, ``drives``, ``nodes``, ``netdevs``, ``chardevs``, ``objects``,
        ``jobs``, ``block-jobs``, ``models``, ``qom``, ``properties``, ``commands``,
        ``files``, or nothing.
    """
    if value_type != "string":
        return ""
    exact = _EXACT.get((command, key))
    if exact is not None:
        return exact
    if key in ("device", "id") and command.startswith(("block-job", "job-")):
        return "block-jobs" if command.startswith("block-job") else "jobs"
    if key in _NODES:
        return "nodes"
    if key == "device" and command.startswith(_BLOCK_DEVICES):
        return "drives"
    if key == "path" and command.startswith("qom-"):
        return "qom"
    return _BY_KEY.get(key, "")


_EXACT: Final = {
    ("device_add", "driver"): "models",
    ("device_add", "drive"): "nodes",
    ("device_add", "netdev"): "netdevs",
    ("device_add", "chardev"): "chardevs",
    ("device_add", "id"): "",
    ("device_del", "id"): "devices",
    ("netdev_del", "id"): "netdevs",
    ("set_link", "name"): "netdevs",
    ("chardev-remove", "id"): "chardevs",
    ("chardev-change", "id"): "chardevs",
    ("chardev-send-break", "id"): "chardevs",
    ("object-del", "id"): "objects",
    ("eject", "id"): "devices",
    ("blockdev-open-tray", "id"): "devices",
    ("blockdev-close-tray", "id"): "devices",
    ("blockdev-insert-medium", "id"): "devices",
    ("blockdev-remove-medium", "id"): "devices",
    ("blockdev-change-medium", "id"): "devices",
    ("blockdev-add", "node-name"): "",
    ("qom-get", "property"): "properties",
    ("qom-set", "property"): "properties",
    ("device-list-properties", "typename"): "models",
    ("human-monitor-command", "command-line"): "human",
    ("ringbuf-read", "device"): "chardevs",
    ("ringbuf-write", "device"): "chardevs",
}
_BY_KEY: Final = {
    "filename": "files",
    "target": "files",
    "snapshot-file": "files",
    "backing-file": "files",
    "pidfile": "files",
    "protocol": "files",
    "job-id": "jobs",
    "chardev": "chardevs",
    "netdev": "netdevs",
}


def slot_at(text: str, schema: Schema | None, *, in_transaction: bool = False) -> Slot:
    """Say what is being typed at the end of *text*.

    Args:
        text: The line, up to the cursor.
        schema: What the peer says of itself, if it does.
        in_transaction: Whether the line is an action of a transaction.
    """
    here = len(text)
    if text.lstrip().startswith("{"):
        return Slot("nothing", here, "")
    offset = 0
    if not in_transaction and TRANSACTION in text.replace(" (", "("):
        offset = text.index("(") + 1
        in_transaction = True
    words = [_moved(word, offset) for word in split_words(text[offset:])]
    is_oob = not in_transaction and bool(words) and words[0].value == "oob"
    if is_oob and (len(words) > 1 or words[0].end < here):
        words = words[1:]
    if not words or (len(words) == 1 and words[0].end == here):
        start = words[0].start if words else here
        kind = "action" if in_transaction else "command"
        return Slot(kind, start, text[start:])
    first = words[0].value
    if not in_transaction and first == "hmp":
        start = words[0].end + 1
        return Slot("human", start, text[start:])
    if not in_transaction and first in OWN:
        start = words[-1].start if words[-1].end == here and len(words) > 1 else here
        return Slot("own", start, text[start:], first)
    type_name = ""
    if schema is not None:
        if in_transaction:
            type_name = action_type(schema, first) or ""
        elif first in schema.commands:
            type_name = schema.commands[first].arguments
    return _argument_slot(text, words, schema, first, type_name)


def _moved(word: Word, offset: int) -> Word:
    return word._replace(
        start=word.start + offset,
        end=word.end + offset,
        value_start=word.value_start + offset,
    )


def _argument_slot(
    text: str, words: list[Word], schema: Schema | None, command: str, type_name: str
) -> Slot:
    here = len(text)
    last = words[-1]
    is_typing = len(words) > 1 and (last.end == here or last.is_open)
    others = words[1:-1] if is_typing else words[1:]
    tree = tree_of(others)
    typed = last if is_typing else None
    if typed is None or not typed.operator:
        start = here if typed is None else typed.start
        return _key_slot(text[start:], start, schema, command, type_name, tree)
    key = typed.key.split(".")
    given = {k: v.value for k, v in tree.items() if isinstance(v, Word)}
    if typed.operator == ":=" or typed.raw[:1] in ("{", "["):
        return Slot("nothing", here, "", command, key=typed.key)
    member = None
    if schema is not None and type_name:
        member = member_at(schema, type_name, key, tree)
    value_type = "string"
    if member is not None and schema is not None:
        value_type = _kind_of(schema, member.type)
    return Slot(
        "value",
        typed.value_start,
        typed.value,
        command,
        member.type if member is not None else "",
        tuple(key[:-1]),
        given,
        places_of(command, key[-1], value_type),
        typed.key,
    )


def _key_slot(
    prefix: str,
    start: int,
    schema: Schema | None,
    command: str,
    type_name: str,
    tree: Tree,
) -> Slot:
    *parents, _ = prefix.split(".")
    if parents and schema is not None and type_name:
        member = member_at(schema, type_name, parents, tree)
        type_name = member.type if member is not None else ""
    inner = tree
    for parent in parents:
        step = inner.get(parent)
        inner = step if isinstance(step, dict) else {}
    given = {key: "" if isinstance(v, dict) else v.value for key, v in inner.items()}
    return Slot("key", start, prefix, command, type_name, tuple(parents), given)


def _kind_of(schema: Schema, type_name: str) -> str:
    """Return ``string`` if a text may stand there that is not one of a choice."""
    match schema.types.get(type_name):
        case BuiltinType(json_type="string" | "value"):
            return "string"
        case AlternateType(branches=branches):
            kinds = [_kind_of(schema, each.type) for each in branches]
            return "string" if "string" in kinds else "other"
        case ArrayType(element=element) if not element.startswith("["):
            return _kind_of(schema, element)
        case _:
            return "other"


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


MIN_INFIX: Final = 3
"""Characters from which a name is found by a part of it: fewer are in most names."""


def offered(slot: Slot, names: Sequence[tuple[str, str]]) -> list[Candidate]:
    """Return what the machine knows for a slot: names, and what each of them is."""
    found = (Candidate(name, name, about) for name, about in names)
    return [each._replace(text=quoted(each.text)) for each in _matching(slot, found)]


def _all(slot: Slot, schema: Schema | None) -> Iterator[Candidate]:
    match slot.kind:
        case "command":
            yield from _commands(schema)
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


def _commands(schema: Schema | None) -> Iterator[Candidate]:
    for name, (_, about) in OWN.items():
        yield Candidate(name, name, about)
    if schema is None:
        return
    for name, command in sorted(schema.commands.items()):
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
        yield Candidate(f"{lead}{number}", f"{lead}{number}", "the next element")
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


def explanation(slot: Slot, schema: Schema | None) -> str:
    """Explain in a line what is being typed, by the schema."""
    if schema is None or slot.kind in ("command", "nothing"):
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
