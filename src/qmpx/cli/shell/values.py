"""Values as people type them, made into what a command takes, by its schema.

``force=true`` is a truth value where the schema says so, and the text ``true`` where it
wants text; so digits can be given as text, which guessing from the looks cannot. Where
the schema is silent (arguments that are not described, a peer without a schema) JSON is
read as JSON, Python's ``True``, ``False`` and ``None`` too, and all else is text.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from qmpx.cli.shell.words import Word
from qmpx.errors import LocalProtocolError
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    BuiltinType,
    EnumType,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.type_text import type_text

_SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_INTEGER: Final = re.compile(r"([+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+))([kKmMgGtT]?)")
_TRUTHS: Final = {
    **dict.fromkeys(("true", "on", "yes"), True),
    **dict.fromkeys(("false", "off", "no"), False),
}
_PYTHON: Final = {"True": True, "False": False, "None": None}

Tree = dict[str, "Word | Tree"]
"""Words by their keys; a dot in a key leads into a tree within."""


def read_arguments(
    words: Sequence[Word], schema: Schema | None, type_name: str
) -> dict[str, Any]:
    """Return the arguments that *words* stand for.

    Args:
        words: ``key=value``, ``key:=JSON``; with nested keys ``a.b=value``.
        schema: What the peer says of itself; ``None`` if it does not.
        type_name: The object type of the arguments in that schema.

    Raises:
        LocalProtocolError: A word is no argument, contradicts another, or is not what
            the schema wants.
    """
    tree: Tree = {}
    for word in words:
        _put(tree, word)
    return _read_object(tree, schema, type_name, "")


def _put(tree: Tree, word: Word) -> None:
    if not word.operator:
        message = (
            f"{word.raw!r} is no argument: expected key=value, or key:=JSON to say "
            "exactly which value"
        )
        raise LocalProtocolError(message)
    if word.is_open:
        message = f"{word.key!r}: a quote or a bracket is not closed"
        raise LocalProtocolError(message)
    *parents, last = word.key.split(".")
    place = tree
    for parent in parents:
        inner = place.setdefault(parent, {})
        if isinstance(inner, Word):
            message = f"{word.key!r}: {parent!r} was given a value before"
            raise LocalProtocolError(message)
        place = inner
    if "" in (*parents, last):
        message = f"{word.key!r}: a name is empty"
        raise LocalProtocolError(message)
    if last in place:
        message = f"{word.key!r} was given before"
        raise LocalProtocolError(message)
    place[last] = word


def _read_object(
    tree: Tree, schema: Schema | None, type_name: str, path: str
) -> dict[str, Any]:
    members = {}
    if schema is not None:
        given = {k: v.value for k, v in tree.items() if isinstance(v, Word)}
        members = {m.name: m for m in members_of(schema, type_name, given)}
    return {
        name: _read(
            each, schema, members[name].type if name in members else "", f"{path}{name}"
        )
        for name, each in tree.items()
    }


def _read(each: "Word | Tree", schema: Schema | None, type_name: str, path: str) -> Any:
    if isinstance(each, Word):
        if each.operator == ":=":
            return read_json(each.raw, path)
        return read_text(each, schema, type_name, path)
    found = schema.types.get(type_name) if schema is not None else None
    if isinstance(found, AlternateType) and schema is not None:
        names = [branch.type for branch in found.branches]
        kinds = ArrayType if all(key.isdigit() for key in each) else ObjectType
        type_name = next(
            (name for name in names if isinstance(schema.types[name], kinds)), type_name
        )
        found = schema.types[type_name]
    is_list = isinstance(found, ArrayType) or found is None
    if is_list and all(key.isdigit() for key in each):
        element = found.element if isinstance(found, ArrayType) else ""
        numbers = sorted(each, key=int)
        if [int(number) for number in numbers] != list(range(len(numbers))):
            message = f"{path!r}: the elements of a list are numbered from 0, in order"
            raise LocalProtocolError(message)
        return [_read(each[n], schema, element, f"{path}.{n}") for n in numbers]
    return _read_object(each, schema, type_name, f"{path}.")


def read_json(text: str, path: str) -> Any:
    """Return what JSON stands for.

    Raises:
        LocalProtocolError: It is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        message = f"{path!r}: what follows ':=' is no JSON: {error}"
        raise LocalProtocolError(message) from None


def read_text(word: Word, schema: Schema | None, type_name: str, path: str) -> Any:
    """Return what the text of a word stands for where a type is wanted.

    Raises:
        LocalProtocolError: The type has no such value.
    """
    found = schema.types.get(type_name) if schema is not None else None
    is_json = word.raw[:1] in ("{", "[")
    match found:
        case EnumType() | BuiltinType(json_type="string"):
            return word.value
        case AlternateType() if schema is not None:
            return _read_alternate(word, schema, found, path)
        case ArrayType(element=element) if not is_json:
            return [read_text(word, schema, element, path)]
        case BuiltinType(json_type=kind) if kind != "value" and not is_json:
            return _read_builtin(word, kind, path)
        case _:
            return word.value if word.is_quoted else _guess(word.value)


def _read_builtin(word: Word, kind: str, path: str) -> Any:
    text = word.value
    if kind == "boolean":
        if text in _TRUTHS:
            return _TRUTHS[text]
        message = f"{path!r} is true or false, not {text!r}"
    elif kind == "null":
        if text == "null":
            return None
        message = f"{path!r} can be null only, not {text!r}"
    else:
        if match := _INTEGER.fullmatch(text):
            return (
                int(match[1], 0 if "x" in match[1].lower() else 10)
                * (_SIZES[match[2].lower()])
            )
        if kind == "number":
            try:
                return read_json(text, path)
            except LocalProtocolError:
                pass
        message = f"{path!r} is a number, such as 512 or 4G, not {text!r}"
    raise LocalProtocolError(message)


def _read_alternate(word: Word, schema: Schema, found: AlternateType, path: str) -> Any:
    types = [schema.types[branch.type] for branch in found.branches]
    # What is not text comes first: anything could be text, and quotes make it so.
    types.sort(key=lambda each: getattr(each, "json_type", "") == "string")
    if word.is_quoted:
        return word.value
    if word.raw[:1] in ("{", "["):
        return _guess(word.value)
    value = _guess(word.value)
    for each in types:
        match each, value:
            case BuiltinType(json_type="boolean"), bool():
                return value
            case BuiltinType(json_type="int"), int() if not isinstance(value, bool):
                return value
            case BuiltinType(json_type="null"), None:
                return None
            case EnumType(), _ if each.value(word.value):
                return word.value
            case BuiltinType(json_type="string"), _:
                return word.value
            case _:
                pass
    if any(isinstance(each, EnumType) for each in types):
        return word.value  # the peer knows best
    message = f"{path!r} is {type_text(schema, found.name)}, not {word.value!r}"
    raise LocalProtocolError(message)


def _guess(text: str) -> Any:
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    if text[:1] in ("{", "["):
        # qmp-shell takes Python's spelling, too.
        import ast

        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            message = f"{text!r} is neither JSON nor a value as Python writes them"
            raise LocalProtocolError(message) from None
    return text


def _refuse(name: str) -> Any:
    message = f"JSON has no {name}"
    raise ValueError(message)


def members_of(
    schema: Schema,
    type_name: str,
    given: dict[str, str],
    *,
    all_branches: bool = True,
) -> Iterator[Member]:
    """Yield the members that a value of a type may have.

    Args:
        schema: The schema.
        type_name: An object type, or an alternate one of whose branches is one.
        given: What is known already, as text: of a union, which branch it is.
        all_branches: Whether, as long as that is open, the members of all branches are
            yielded; else none are.
    """
    seen: set[str] = set()

    def members(name: str) -> Iterator[Member]:
        if name in seen:
            return
        seen.add(name)
        match schema.types.get(name):
            case ObjectType() as found:
                yield from schema.members_of(name)
                branch = found.branch(given.get(found.discriminator or "", ""))
                if branch is not None:
                    yield from members(branch.type)
                elif all_branches:
                    for each in found.branches:
                        yield from members(each.type)
            case AlternateType(branches=alternatives):
                for each in alternatives:
                    if isinstance(schema.types[each.type], ObjectType):
                        yield from members(each.type)
            case _:
                return

    yield from members(type_name)


def member_at(
    schema: Schema, type_name: str, path: Sequence[str], tree: Tree
) -> Member | None:
    """Return the member that a nested key leads to, if there is one.

    Args:
        schema: The schema.
        type_name: The object type of the arguments.
        path: The parts of the key, such as ``["file", "filename"]``.
        tree: What was given in the line.
    """
    name, *rest = path
    given = {key: each.value for key, each in tree.items() if isinstance(each, Word)}
    for member in members_of(schema, type_name, given):
        if member.name != name:
            continue
        if not rest:
            return member
        inner = tree.get(name)
        into = inner if isinstance(inner, dict) else {}
        inner_type, inner_path = member.type, rest
        found = schema.types.get(inner_type)
        if isinstance(found, ArrayType):
            inner_type, inner_path = found.element, rest[1:]
            element = into.get(rest[0])
            into = element if isinstance(element, dict) else {}
            if not inner_path:
                return Member(name=rest[0], type=inner_type, optional=True)
        return member_at(schema, inner_type, inner_path, into)
    return None


def tree_of(words: Sequence[Word]) -> Tree:
    """Return the tree of words in a line that may be wrong or unfinished."""
    tree: Tree = {}
    for word in words:
        try:
            _put(tree, word)
        except LocalProtocolError:
            continue  # told when the line is entered
    return tree
