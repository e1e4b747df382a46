"""What is being typed: a command, the name of an argument, the value of one."""

from typing import NamedTuple

from qmpx.cli.shell.line import OWN, TRANSACTION, action_type
from qmpx.cli.shell.named_things import places_of
from qmpx.cli.shell.values import Tree, member_at, tree_of
from qmpx.cli.shell.words import Word, split_words
from qmpx.qapi.model import AlternateType, ArrayType, BuiltinType, Schema


class Slot(NamedTuple):
    """What is being typed.

    Attributes:
        kind: ``command``, ``oob`` (a command that is run out of band), ``key``,
            ``value``, ``action``, ``human``, ``own`` (what follows a word of the
            shell's own), or ``nothing``.
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
        kind = "action" if in_transaction else "oob" if is_oob else "command"
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
