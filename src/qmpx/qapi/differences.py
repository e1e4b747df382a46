"""What is different between two schemas, and whether callers notice.

Schemas are compared by structure, from the names of commands and events on: names of
types say nothing, and introspection has none. Where a type is met in several places its
differences are told at the first of them; arguments and results are told apart, since
what is harmless in the one may break a caller in the other.

What breaks a caller:

- anything that was removed, but for values that results had;
- an argument that became mandatory, or takes fewer kinds of values;
- a member of results or events that may be missing now, or has other kinds of values.

What does not: new commands, events, members, values; new optional arguments; marks such
as ``deprecated``. New values in results do not either: QEMU expects of clients that
they bear them. Sizes of integers are compared where both schemas tell them.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``, "Compatibility considerations".
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from qmpx.qapi.model import (
    DEPRECATED,
    UNSTABLE,
    AlternateType,
    ArrayType,
    BuiltinType,
    Command,
    Element,
    EnumType,
    Event,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.type_text import type_text

Verb = Literal["added", "removed", "deprecated", "changed"]
Role = Literal["argument", "result", "data"]

_RANGES: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "size": (0, 2**64 - 1),
}

_WARNINGS: Final = frozenset({DEPRECATED, UNSTABLE})

_WHOLE: Final = frozenset({"command", "event"})

_ANY: Final = "value"


class Change(Struct, frozen=True):
    """One difference.

    Attributes:
        verb: What happened.
        kind: To what: ``command``, ``event``, ``argument``, ``result`` or ``data`` (or
            a member of these), ``value`` (of an enumeration) or ``feature``.
        of: The command or event.
        role: Whether it is about its arguments, its result or its data; empty if it is
            about the whole.
        path: Where in its arguments, result or data, with dots; ``[]`` is any element
            of a list, ``(tag=value)`` one branch of a union. Empty for the whole.
        name: What it is about: a command, an event, a member, a value, a feature.
        breaks: Whether callers that were right before may not be now.
        detail: More of it, for people; of a feature what it is a feature of.
    """

    verb: Verb
    kind: str
    of: str
    role: Role | Literal[""]
    path: str
    name: str
    breaks: bool
    detail: str = ""


def differences(old: Schema, new: Schema) -> list[Change]:
    """Return what is different in *new*: commands in order, then events.

    Conditions are not looked at: everything counts as there.
    """
    comparison = _Comparison(old, new)
    changes: list[Change] = []
    changes += comparison.definitions("command", old.commands, new.commands)
    changes += comparison.definitions("event", old.events, new.events)
    return changes


class _Place(Struct, frozen=True):
    """Where a comparison is.

    Attributes:
        of: The command or event.
        role: Whether it is about what callers give or get.
        path: Where in there.
    """

    of: str
    role: Role
    path: str = ""

    @property
    def is_input(self) -> bool:
        return self.role == "argument"

    def within(self, name: str) -> "_Place":
        dot = "." if self.path else ""
        return _Place(self.of, self.role, f"{self.path}{dot}{name}")

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    def outside(self) -> "_Place":
        return _Place(self.of, self.role, self.path.rpartition(".")[0])

    def change(
        self,
        verb: Verb,
        kind: str,
        name: str,
        detail: str = "",
        *,
        breaks: bool = False,
    ) -> Change:
        about_all = kind in _WHOLE or (kind == "feature" and detail in _WHOLE)
        role: Role | Literal[""] = "" if about_all else self.role
        return Change(verb, kind, self.of, role, self.path, name, breaks, detail)

    def element(self) -> "_Place":
        return _Place(self.of, self.role, f"{self.path}[]")

    def branch(self, tag: str, value: str) -> "_Place":
        return _Place(self.of, self.role, f"{self.path}({tag}={value})")


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str, bool]] = set()
        self._ahead: deque[tuple[str, str, _Place]] = deque()

    def definitions(
        self,
        kind: str,
        old: Mapping[str, Command] | Mapping[str, Event],
        new: Mapping[str, Command] | Mapping[str, Event],
    ) -> Iterator[Change]:
        role: Role = "argument" if kind == "command" else "data"
        for name, before in old.items():
            after = new.get(name)
            place = _Place(name, role)
            if after is None:
                yield place.change("removed", kind, name, breaks=True)
                continue
            yield from _marks(before, after, place, kind)
            self._meet(before.arguments, after.arguments, place)
            yield from self._met()
            if isinstance(before, Command) and isinstance(after, Command):
                result = _Place(name, "result")
                self._meet(before.returns, after.returns, result)
                yield from self._met()
                yield from _out_of_band(before, after, place)
        for name in new:
            if name not in old:
                yield _Place(name, role).change("added", kind, name)

    def _meet(self, old: str, new: str, place: _Place) -> None:
        """Have two types compared that are met at the same place."""
        pair = (old, new, place.is_input)
        if pair not in self._seen:
            self._seen.add(pair)
            self._ahead.append((old, new, place))

    def _met(self) -> Iterator[Change]:
        """Yield the differences of all types that were met, the nearest first."""
        while self._ahead:
            yield from self._types(*self._ahead.popleft())

    def _types(self, old: str, new: str, place: _Place) -> Iterator[Change]:
        before, after = kinds_of(self._old, old), kinds_of(self._new, new)
        if before.keys() != after.keys():
            lost = _ANY not in after and (
                _ANY in before or before.keys() - after.keys()
            )
            won = _ANY not in before and (_ANY in after or after.keys() - before.keys())
            breaks = bool(lost if place.is_input else won)
            yield self._changed(old, new, place, breaks=breaks)
        for kind in before:
            if kind in after:
                yield from self._of_one_kind(before[kind], after[kind], place)

    def _of_one_kind(self, old: str, new: str, place: _Place) -> Iterator[Change]:
        before, after = self._old.types[old], self._new.types[new]
        match before, after:
            case ArrayType(), ArrayType():
                self._meet(before.element, after.element, place.element())
            case ObjectType(), ObjectType():
                yield from self._objects(before, after, place)
            case EnumType(), EnumType():
                yield from _values(before, after, place)
            case (EnumType(), _) | (_, EnumType()):
                breaks = isinstance(after, EnumType) is place.is_input
                yield self._changed(old, new, place, breaks=breaks)
            case BuiltinType(), BuiltinType() if before.json_type != after.json_type:
                breaks = (after.json_type == "int") is place.is_input
                yield self._changed(old, new, place, breaks=breaks)
            case _ if _RANGES.get(old) and _RANGES.get(new) not in (None, _RANGES[old]):
                (low, high), (least, most) = _RANGES[old], _RANGES[new]
                narrower = least > low or most < high
                wider = least < low or most > high
                breaks = narrower if place.is_input else wider
                yield self._changed(old, new, place, breaks=breaks)
            case _:
                pass

    def _objects(
        self,
        before: ObjectType,
        after: ObjectType,
        place: _Place,
        elsewhere: frozenset[str] = frozenset(),
    ) -> Iterator[Change]:
        """Yield the differences of two objects.

        Args:
            before: The old one.
            after: The new one.
            place: Where both are met.
            elsewhere: Members that one of them has in its base, the other in a branch.
        """
        old = {m.name: m for m in self._old.members_of(before.name)}
        new = {m.name: m for m in self._new.members_of(after.name)}
        moved = old.keys() ^ new.keys()
        moved &= _in_all_branches(self._old, before) | _in_all_branches(
            self._new, after
        )
        hidden = moved | elsewhere
        for name, member in old.items():
            if name in hidden:
                continue
            if name not in new:
                yield place.change("removed", place.role, name, breaks=True)
            else:
                yield from self._member(member, new[name], place.within(name))
        for name, member in new.items():
            if name not in old and name not in hidden:
                breaks = place.is_input and not member.optional
                detail = "mandatory" if breaks else ""
                yield place.change("added", place.role, name, detail, breaks=breaks)
        after_types = {branch.name: branch.type for branch in after.branches}
        for branch in before.branches:
            if branch.name in after_types:
                yield from self._objects(
                    self._old.object_type(branch.type),
                    self._new.object_type(after_types[branch.name]),
                    place.branch(str(before.discriminator), branch.name),
                    frozenset(hidden),
                )

    def _member(self, before: Member, after: Member, place: _Place) -> Iterator[Change]:
        outside = place.outside()
        if before.optional != after.optional:
            breaks = before.optional is place.is_input
            detail = "optional now" if after.optional else "mandatory now"
            yield outside.change(
                "changed", place.role, after.name, detail, breaks=breaks
            )
        yield from _marks(before, after, outside, place.role)
        self._meet(before.type, after.type, place)

    def _changed(self, old: str, new: str, place: _Place, *, breaks: bool) -> Change:
        before = type_text(self._old, old) or "nothing"
        after = type_text(self._new, new) or "nothing"
        detail = f"{before} became {after}"
        return place.outside().change(
            "changed", place.role, place.name, detail, breaks=breaks
        )


def kinds_of(schema: Schema, name: str) -> dict[str, str]:
    """Return the types that values of a type may be of, by their kind of JSON value.

    There are several for an alternate only. What may be anything is of the kind
    ``value``.
    """
    match schema.types[name]:
        case BuiltinType(json_type="int"):
            return {"number": name}
        case BuiltinType(json_type=json_type):
            return {json_type: name}
        case EnumType():
            return {"string": name}
        case ArrayType():
            return {"array": name}
        case AlternateType(branches=branches):
            # An alternate is never directly in another.
            found: dict[str, str] = {}
            for branch in branches:
                for kind, type_ in kinds_of(schema, branch.type).items():
                    # A string goes to the plain string, if there is one.
                    found[kind] = "str" if "str" in (type_, found.get(kind)) else type_
            return found
        case _:
            return {"object": name}


def _in_all_branches(schema: Schema, union: ObjectType) -> set[str]:
    """Return the members that each branch of a union has for its own."""
    own = [
        {member.name for member in schema.members_of(branch.type)}
        for branch in union.branches
    ]
    return set.intersection(*own) if own else set()


def _out_of_band(before: Command, after: Command, place: _Place) -> Iterator[Change]:
    if before.allow_oob != after.allow_oob:
        may = "may" if after.allow_oob else "may not"
        detail = f"{may} run out of band now"
        breaks = before.allow_oob
        yield place.change("changed", "command", place.of, detail, breaks=breaks)


def _values(before: EnumType, after: EnumType, place: _Place) -> Iterator[Change]:
    for value in before.values:
        now = after.value(value.name)
        if now is None:
            breaks = place.is_input  # nobody misses what does not come any more
            yield place.change("removed", "value", value.name, breaks=breaks)
        else:
            yield from _marks(value, now, place, "value")
    for value in after.values:
        if before.value(value.name) is None:
            yield place.change("added", "value", value.name)


def _marks(
    before: Element, after: Element, place: _Place, kind: str
) -> Iterator[Change]:
    """Yield the features that something got or lost."""
    old = [feature.name for feature in before.features]
    new = [feature.name for feature in after.features]
    about = kind if kind in _WHOLE else f"{kind} {after.name}"
    for name in old:
        if name not in new:
            breaks = name not in _WARNINGS
            yield place.change("removed", "feature", name, about, breaks=breaks)
    for name in new:
        if name not in old:
            if name == DEPRECATED:
                yield place.change("deprecated", kind, after.name)
            else:
                yield place.change("added", "feature", name, about)
