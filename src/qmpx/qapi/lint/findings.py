"""What is missing or deprecated of what a program uses."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

from msgspec import Struct

from qmpx.qapi.differences import kinds_of
from qmpx.qapi.generation.names import camel_case, value_names
from qmpx.qapi.lint.uses import Known, Part, Place, Use
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Command,
    Element,
    EnumType,
    Event,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.typed import python_name
from qmpx.qapi.validation.validator import UNCHECKED

Verdict = Literal["missing", "deprecated"]


class Finding(Struct, frozen=True):
    """A use of what is not there, or should not be used any more.

    Attributes:
        line: The line, from 1.
        column: The column, from 1.
        verdict: Which of the two.
        what: What is used, for people.
    """

    line: int
    column: int
    verdict: Verdict
    what: str


def findings(schema: Schema, uses: Iterable[Use]) -> Iterator[Finding]:
    """Yield what is wrong with the uses, in their order.

    What cannot be known without running the program counts as right.
    """
    for use in uses:
        match use.kind:
            case "command":
                yield from _command(schema, use)
            case "event":
                yield from _event(schema, use)
            case "value":
                yield from _value_of_bindings(schema, use)


def _finding(place: Place, verdict: Verdict, what: str) -> Finding:
    return Finding(place.line, place.column, verdict, what)


def _found(item: Element | None, place: Place, what: str) -> Iterator[Finding]:
    if item is None:
        yield _finding(place, "missing", what)
    elif item.deprecated:
        yield _finding(place, "deprecated", what)


_T = TypeVar("_T", Command, Event)


def _named(items: Iterable[_T], name: str, spelled: Callable[[str], str]) -> _T | None:
    return next((item for item in items if spelled(item.name) == name), None)


def _command(schema: Schema, use: Use) -> Iterator[Finding]:
    found = schema.commands.get(use.name)
    if found is None and use.is_python:
        found = _named(schema.commands.values(), use.name, python_name)
    name = use.name if found is None else found.name
    yield from _found(found, use.place, f"command {name!r}")
    if found is not None and found.gen and found.name not in UNCHECKED:
        where = f"argument {{}} of {found.name!r}"
        yield from _Walk(schema, where).value(found.arguments, use.arguments, "")


def _event(schema: Schema, use: Use) -> Iterator[Finding]:
    if not use.is_python:
        names = fnmatch.filter(schema.events, use.name)
        if any(letter in use.name for letter in "*?["):
            if not names:
                what = f"every event like {use.name!r}"
                yield _finding(use.place, "missing", what)
            return
        found = schema.events.get(use.name)
    else:
        found = _named(schema.events.values(), use.name, camel_case) or _named(
            schema.events.values(), use.name, lambda name: f"{camel_case(name)}Event"
        )
    name = use.name if found is None else found.name
    yield from _found(found, use.place, f"event {name!r}")


def _value_of_bindings(schema: Schema, use: Use) -> Iterator[Finding]:
    type_ = schema.types.get(use.name)
    if not isinstance(type_, EnumType):
        return  # introspection does not tell what types are called
    spelled = value_names(value.name for value in type_.values)
    attribute = use.arguments.value
    found = next(
        (type_.value(name) for name in spelled if spelled[name] == attribute), None
    )
    name = attribute if found is None else found.name
    yield from _found(found, use.place, f"value {name!r} of {use.name}")


class _Walk:
    """Walks along a value and its type.

    Args:
        schema: The schema.
        where: What a member is called in messages, with ``{}`` for its path.
    """

    def __init__(self, schema: Schema, where: str) -> None:
        self._schema = schema
        self._where = where

    def value(self, type_name: str, known: Known, path: str) -> Iterator[Finding]:
        type_, value = self._schema.types[type_name], known.value
        match type_, value:
            case EnumType(), str():
                what = f"value {value!r} of {self._where.format(repr(path))}"
                yield from _found(type_.value(value), known.place, what)
            case ArrayType(element=element), list():
                for each in value:
                    yield from self.value(element, each, f"{path}[]")
            case AlternateType(), _:
                yield from self._alternate(type_, known, path)
            case ObjectType(), dict():
                yield from self._object(type_, known, value, path)
            case _:
                pass

    def _alternate(
        self, type_: AlternateType, known: Known, path: str
    ) -> Iterator[Finding]:
        kinds: dict[type, str] = {str: "string", list: "array", dict: "object"}
        types = kinds_of(self._schema, type_.name)
        name = types.get(kinds.get(type(known.value), ""))
        if name is not None:
            yield from self.value(name, known, path)

    def _object(
        self, type_: ObjectType, known: Known, parts: dict[str, Part], path: str
    ) -> Iterator[Finding]:
        members: dict[str, Member] = {}
        yield from self._gather(type_, known, parts, path, members)
        spelled = {}
        if known.is_python:
            spelled = {python_name(name): name for name in members}
            spelled |= {name.replace("-", "_"): name for name in members}
        for name, part in parts.items():
            wire = name if name in members else spelled.get(name, name)
            member = members.get(wire)
            if member is None and part.may_be_other:
                continue
            inner = f"{path}.{wire}" if path else wire
            yield from _found(member, part.place, self._where.format(repr(inner)))
            if member is not None:
                yield from self.value(member.type, part.known, inner)

    def _gather(
        self,
        type_: ObjectType,
        known: Known,
        parts: dict[str, Part],
        path: str,
        members: dict[str, Member],
    ) -> Iterator[Finding]:
        """Gather the members that an object may have: of all branches it may be."""
        for member in self._schema.members_of(type_.name):
            members.setdefault(member.name, member)
        if type_.discriminator is None:
            return
        tag = parts.get(type_.discriminator)
        value = tag.known.value if tag is not None else None
        if known.branch:
            names = self._tags(type_)
            value = next((x for x in names if _as_class(x) == known.branch), None)
            if value is None:
                tag_path = f"{path}.{type_.discriminator}".lstrip(".")
                where = self._where.format(repr(tag_path))
                what = f"value {known.branch!r} of {where}"
                yield _finding(known.place, "missing", what)
        for branch in type_.branches:
            if not isinstance(value, str) or branch.name == value:
                inner = self._schema.object_type(branch.type)
                rest = Known(known.place)
                yield from self._gather(inner, rest, parts, path, members)

    def _tags(self, type_: ObjectType) -> list[str]:
        for member in self._schema.members_of(type_.name):
            tag_type = self._schema.types[member.type]
            if member.name == type_.discriminator and isinstance(tag_type, EnumType):
                return [value.name for value in tag_type.values]
        return []


def _as_class(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", value)
