"""The schema of one build: what is in it, without conditions."""

from collections.abc import Collection
from typing import TypeVar

from msgspec.structs import replace

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    Definition,
    Element,
    EnumType,
    EnumValue,
    Feature,
    Member,
    ObjectType,
    Schema,
)

_Part = TypeVar("_Part", Feature, Member, EnumValue, Branch)


def is_there(item: Element | Feature | Branch, symbols: Collection[str] | None) -> bool:
    """Whether something is part of a build.

    Args:
        item: What has a condition or none.
        symbols: What is defined in that build, and nothing else; None if all conditions
            are to count as met.
    """
    return symbols is None or item.condition is None or item.condition.holds(symbols)


def resolved(schema: Schema, symbols: Collection[str]) -> Schema:
    """Return the schema of the build in which just these symbols are defined.

    What is not there is gone; what stays has no condition any more. Arrays of a type go
    with it. A type that is left without any reference stays.

    Args:
        schema: The schema of all builds.
        symbols: Such as ``{"CONFIG_POSIX", "TARGET_I386"}``.
    """
    gone = {item.name for item in schema.definitions if not is_there(item, symbols)}
    return Schema.of(
        _without_conditions(item, symbols)
        for item in schema.definitions
        if item.name not in gone
        and not (isinstance(item, ArrayType) and item.element in gone)
    )


def _without_conditions(item: Definition, symbols: Collection[str]) -> Definition:
    changes: dict[str, object] = {"condition": None}
    changes["features"] = _kept(item.features, symbols)
    match item:
        case EnumType():
            changes["values"] = _kept(item.values, symbols)
        case ObjectType():
            changes["members"] = _kept(item.members, symbols)
            changes["branches"] = _kept(item.branches, symbols)
        case AlternateType():
            changes["branches"] = _kept(item.branches, symbols)
        case _:
            pass
    return replace(item, **changes)


def _kept(parts: tuple[_Part, ...], symbols: Collection[str]) -> tuple[_Part, ...]:
    return tuple(
        _unconditional(part, symbols) for part in parts if is_there(part, symbols)
    )


def _unconditional(part: _Part, symbols: Collection[str]) -> _Part:
    if isinstance(part, Member | EnumValue):
        features = _kept(part.features, symbols)
        return replace(part, condition=None, features=features)
    return replace(part, condition=None)
