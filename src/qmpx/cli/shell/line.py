"""What a line means: a command, a message in JSON, something for the shell itself."""

import json
from typing import Any, Final, NamedTuple

from qmpx.cli.shell.values import read_arguments
from qmpx.cli.shell.words import Word, split_words
from qmpx.errors import LocalProtocolError
from qmpx.qapi.model import ObjectType, Schema

OWN: Final = {
    "help": ("help [NAME]", "what there is, or all about one command, event or type"),
    "hmp": ("hmp [LINE]", "a line for the human monitor; alone: nothing but these"),
    "events": (
        "events [PATTERN ...|off|last]",
        "show only events whose name matches; all again; the last ones",
    ),
    "oob": ("oob COMMAND ...", "run a command out of band, ahead of the queue"),
    "cpu": ("cpu N", "the processor that lines for the human monitor are about"),
    "as": ("as auto|json|table|pretty", "how answers are shown"),
    "ask": ("ask on|off", "whether to ask before what may destroy something"),
    "exit": ("exit", "leave the shell; the machine goes on. So does Ctrl-D"),
}
"""The shell's own words: how each is used, and what it does.

None of them is a command of QMP: ``quit``, for one, ends QEMU.
"""

TRANSACTION: Final = "transaction("
"""What begins a transaction; ``)`` ends it."""


class Command(NamedTuple):
    """A command to run."""

    name: str
    arguments: dict[str, Any]
    out_of_band: bool = False


class Human(NamedTuple):
    """A line for the human monitor; an empty one switches to that mode."""

    line: str


class Own(NamedTuple):
    """Something that the shell does itself."""

    name: str
    words: list[str]


class Action(NamedTuple):
    """An action of the transaction that is being typed.

    Attributes:
        type: Its type; empty if the line only begins or ends the transaction.
        data: Its data.
        begins: Whether the transaction begins here.
        ends: Whether it ends here, and is to be run.
    """

    type: str
    data: dict[str, Any]
    begins: bool = False
    ends: bool = False


Meaning = Command | Human | Own | Action | None
"""What a line may mean; ``None`` if there is nothing in it."""


def read_line(
    text: str, schema: Schema | None = None, *, in_transaction: bool = False
) -> Meaning:
    """Say what a line means.

    Args:
        text: The line.
        schema: What the peer says of itself, if it does.
        in_transaction: Whether a transaction was begun and not ended.

    Raises:
        LocalProtocolError: It means nothing; the message says why.
    """
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    if text.startswith("{"):
        if in_transaction:
            return _action_of(_read_json(text))
        return _message(_read_json(text))
    if in_transaction or text.replace(" ", "").startswith(TRANSACTION):
        return _transaction(text, schema, begun=in_transaction)
    words = split_words(text)
    first = _name(words[0])
    if first == "hmp":
        return Human(text[words[0].end :].strip())
    if first == "oob":
        if len(words) == 1:
            message = "expected a command behind 'oob'"
            raise LocalProtocolError(message)
        return _command(words[1:], schema)._replace(out_of_band=True)
    if first in OWN:
        return Own(first, [word.value for word in words[1:]])
    return _command(words, schema)


def _name(word: Word) -> str:
    if word.operator or word.is_quoted:
        message = f"{word.raw!r} is no command; try 'help'"
        raise LocalProtocolError(message)
    return word.value


def _command(words: list[Word], schema: Schema | None) -> Command:
    name = _name(words[0])
    command = schema.commands.get(name) if schema is not None else None
    known = schema if command is not None else None
    type_name = command.arguments if command is not None else ""
    return Command(name, read_arguments(words[1:], known, type_name))


def _read_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"that is no JSON: {error}"
        raise LocalProtocolError(message) from None
    if not isinstance(value, dict):
        message = "expected a JSON object"
        raise LocalProtocolError(message)
    return value


def _message(value: dict[str, Any]) -> Command:
    """Return the command that a message in JSON stands for; its id is ours."""
    arguments = value.get("arguments", {})
    unknown = value.keys() - {"execute", "exec-oob", "arguments", "id"}
    name = value.get("execute", value.get("exec-oob"))
    if unknown or not isinstance(name, str) or not isinstance(arguments, dict):
        message = (
            'expected {"execute": COMMAND, "arguments": {...}}, or "exec-oob" instead '
            'of "execute"'
        )
        raise LocalProtocolError(message)
    return Command(name, arguments, out_of_band="exec-oob" in value)


def _transaction(text: str, schema: Schema | None, *, begun: bool) -> Action:
    begins = not begun
    if begins:
        text = text[text.index("(") + 1 :].strip()
    ends = text == ")" or text.endswith(" )")
    if ends:
        text = text[:-1].strip()
    if not text:
        return Action("", {}, begins, ends)
    if text.startswith("{"):
        return _action_of(_read_json(text))._replace(begins=begins, ends=ends)
    words = split_words(text)
    name = _name(words[0])
    type_name = action_type(schema, name) if schema is not None else None
    data = read_arguments(words[1:], schema if type_name else None, type_name or "")
    return Action(name, data, begins, ends)


def _action_of(value: dict[str, Any]) -> Action:
    name, data = value.get("type"), value.get("data", {})
    if not isinstance(name, str) or not isinstance(data, dict):
        message = 'expected {"type": ACTION, "data": {...}}'
        raise LocalProtocolError(message)
    return Action(name, data)


def action_type(schema: Schema, name: str) -> str | None:
    """Return the object type of an action's data, if the schema has that action."""
    union = _actions(schema)
    branch = union.branch(name) if union is not None else None
    if branch is None:
        return None
    members = schema.members_of(branch.type)
    # Introspection and files wrap the data in a member of this name.
    if len(members) == 1 and members[0].name == "data":
        return members[0].type
    return branch.type


def action_names(schema: Schema) -> list[str]:
    """Return the types of action that a transaction may have."""
    union = _actions(schema)
    if union is None:
        return []
    return [branch.name for branch in union.branches]


def _actions(schema: Schema) -> ObjectType | None:
    command = schema.commands.get("transaction")
    if command is None:
        return None
    for member in schema.members_of(command.arguments):
        if member.name == "actions":
            element = getattr(schema.types[member.type], "element", "")
            found = schema.types.get(element)
            return found if isinstance(found, ObjectType) else None
    return None


def is_complete(text: str) -> bool:
    """Whether a line can be entered: no bracket or quote in it is open."""
    stripped = text.strip()
    if not stripped.startswith("{"):
        return not any(word.is_open for word in split_words(stripped))
    words = split_words(stripped)
    return not words[0].is_open


def statements(text: str) -> list[str]:
    """Return what is to be entered one by one: lines, or JSON values wherever they end.

    Somebody may paste many of them at once.
    """
    decode = json.JSONDecoder().raw_decode
    found: list[str] = []
    rest = text.strip()
    while rest:
        if rest.startswith("{"):
            try:
                _, end = decode(rest)
            except (ValueError, RecursionError):
                return [*found, rest]  # what is wrong with it is told when it is read
        else:
            end = len(rest.split("\n", 1)[0])
        found.append(rest[:end].strip())
        rest = rest[end:].strip()
    return found


def recalled(text: str, history: list[str]) -> str | None:
    """Return the line that ``!last``, ``!!``, ``!3`` or ``!text`` stands for.

    Args:
        text: What was typed.
        history: The lines that were entered, the oldest first.

    Returns:
        The line; ``None`` if this is none of these.

    Raises:
        LocalProtocolError: There was no such line.
    """
    if not text.startswith("!") or not (what := text[1:].strip()):
        return None
    if what in ("last", "!"):
        found = history[-1:]
    elif what.isdigit():
        found = history[int(what) - 1 : int(what)] if int(what) else []
    else:
        found = [line for line in history if line.startswith(what)][-1:]
    if not found:
        message = f"no line was entered that {text!r} would stand for"
        raise LocalProtocolError(message)
    return found[0]
