"""The members of an object, as Python's annotations tell of them."""

import types
from collections.abc import Iterable, Mapping
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct, UnsetType
from msgspec.structs import fields

from qmpx.qapi import check
from qmpx.qapi.model import Feature


class AnnotatedMember(Struct, frozen=True):
    """A member of an object, before its type is read."""

    name: str
    annotation: Any
    is_optional: bool


def members_of_struct(struct: type[Struct]) -> list[AnnotatedMember]:
    """Return the members of a Struct, in their order."""
    return [
        AnnotatedMember(
            each.encode_name, each.type, not each.required or _may_lack(each.type)
        )
        for each in fields(struct)
    ]


def members_of_dict(cls: Any) -> list[AnnotatedMember]:
    """Return the members of a ``TypedDict``, in their order."""
    hints = get_type_hints(cls, include_extras=True)
    return [
        AnnotatedMember(name, hint, _is_optional(cls, name, hint))
        for name, hint in hints.items()
    ]


def _is_optional(cls: Any, name: str, hint: Any) -> bool:
    inner = hint
    while get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    match get_origin(inner):
        case form if form is NotRequired:
            return True  # which the class itself does not see if hints are strings
        case form if form is Required:
            return False
        case _:
            return name not in cls.__required_keys__ or _may_lack(hint)


def _may_lack(annotation: Any) -> bool:
    """Whether a member may be without a value, though it has no default."""
    return any(each in (types.NoneType, UnsetType) for each in get_args(annotation))


def features_called(names: Iterable[str]) -> tuple[Feature, ...]:
    """Return features by their names."""
    return tuple(map(Feature, names))


def features_in(annotation: Any) -> tuple[Feature, ...]:
    """Return the features that an annotation has among its extras."""
    while get_origin(annotation) in (Required, NotRequired):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(f for part in get_args(annotation) for f in features_in(part))
    extras = getattr(annotation, "__metadata__", ())
    return tuple(extra for extra in extras if isinstance(extra, Feature))


def wire_names(members: Iterable[check.Member]) -> Mapping[str, str]:
    """Return the members by the names that their parameters may have in Python."""
    names: dict[str, str] = {}
    for member in members:
        spelled = member.name.replace("-", "_")
        names |= dict.fromkeys((spelled, f"{spelled}_"), member.name)
    return names
