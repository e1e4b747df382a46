"""Is a JSON value of the type that a command asks for? QEMU's answer, in its words.

A check walks a parsed value along a Python type and raises the error that QEMU's input
visitor would give. It is not needed where the compiled decoder succeeds: it exists to
say what is wrong where that one fails.

The order is QEMU's: mandatory members and types in the order of the schema, unknown
members last. A message names the whole path (``instances[0].type``), but for an enum
value only the last name, which for an element of a list is ``null``.

Source: observed on QEMU 7.2 (facts 26 to 33 of the conformance notes).
"""

import enum
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from qmpx.errors import (
    GenericError,
    InvalidParameter,
    InvalidParameterType,
    InvalidParameterValue,
    MissingParameter,
)

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

Size = Annotated[int, "uint64"]
"""An unsigned 64-bit integer: QAPI's ``size`` and ``uint64``."""

Check = Callable[[Any, str], None]
"""Raise a `CommandError` if a value, at a path, does not fit."""


class WireName(str):
    """The name of a member on the wire, where underscores to hyphens is not it.

    Use it in an annotation: ``bps_rd: Annotated[int, WireName("bps_rd")]``.
    """

    __slots__ = ()


class Boxed:
    """Marks a parameter that takes the whole arguments: QAPI's ``boxed``.

    Use it in an annotation: ``options: Annotated[ObjectOptions, Boxed()]``.
    """

    __slots__ = ()


def is_boxed(annotation: Any) -> bool:
    """Whether a parameter takes the whole arguments."""
    return get_origin(annotation) is Annotated and any(
        isinstance(extra, Boxed) for extra in annotation.__metadata__
    )


def wire_name(name: str, annotation: Any) -> str:
    """Return what the Python parameter *name* is called on the wire."""
    if get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, WireName):
                return str(extra)
    return name.rstrip("_").replace("_", "-")


def check_for(annotation: Any) -> Check:
    """Return the check for a Python type.

    Raises:
        TypeError: The type has no equivalent in a schema.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        if "uint64" in annotation.__metadata__:
            return _check_size
        return check_for(get_args(annotation)[0])
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin in (Union, types.UnionType):
        return _check_for_union(
            [a for a in get_args(annotation) if a not in (types.NoneType, UnsetType)]
        )
    if origin is Literal:
        return _check_for_enum(get_args(annotation))
    if origin is list:
        return _check_for_list(check_for(get_args(annotation)[0]))
    if annotation is dict or origin is dict:
        return _check_object
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _check_for_enum(tuple(member.value for member in annotation))
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        if _is_tagged(annotation):
            return _check_for_union([annotation])
        return check_for_members(struct_members(annotation))
    message = f"{annotation!r} has no equivalent in a schema"
    raise TypeError(message)


class Member(Struct, frozen=True):
    """A member of an object, or a command's argument.

    Attributes:
        name: On the wire.
        annotation: Its type.
        required: Whether it must be there.
    """

    name: str
    annotation: Any
    required: bool


def struct_members(struct: type[Struct]) -> list[Member]:
    """Return the members of a Struct in their order."""
    return [
        Member(field.encode_name, field.type, field.required)
        for field in msgspec.structs.fields(struct)
    ]


def check_for_members(members: list[Member]) -> Check:
    """Return the check for an object of exactly these members."""
    checks = [(m.name, check_for(m.annotation), m.required) for m in members]
    known = {m.name for m in members}

    def check(value: Any, path: str) -> None:
        _check_object(value, path)
        _check_members(value, path, checks)
        _refuse_unknown(value, path, known)

    return check


def _check_members(
    value: Mapping[str, Any], path: str, checks: list[tuple[str, Check, bool]]
) -> None:
    for name, check, required in checks:
        full = f"{path}.{name}" if path else name
        if name in value:
            check(value[name], full)
        elif required:
            raise MissingParameter(name=full)


def _refuse_unknown(value: Mapping[str, Any], path: str, known: set[str]) -> None:
    for name in value:
        if name not in known:
            full = f"{path}.{name}" if path else name
            raise InvalidParameter(name=full)


def _is_tagged(annotation: Any) -> bool:
    config = getattr(annotation, "__struct_config__", None)
    return config is not None and config.tag is not None


def _check_for_union(members: list[Any]) -> Check:
    if len(members) == 1 and not _is_tagged(members[0]):
        return check_for(members[0])
    branches: dict[str, list[Member]] = {}
    tag_name = ""
    for member in members:
        if not _is_tagged(member):
            message = f"a union needs tagged Structs; {member!r} is none"
            raise TypeError(message)
        config = member.__struct_config__
        tag_name = config.tag_field
        branches[config.tag] = struct_members(member)
    check_tag = _check_for_enum(tuple(branches))
    checks = {
        tag: [(m.name, check_for(m.annotation), m.required) for m in branch]
        for tag, branch in branches.items()
    }

    def check(value: Any, path: str) -> None:
        _check_object(value, path)
        _check_members(value, path, [(tag_name, check_tag, True)])
        branch = checks[value[tag_name]]
        _check_members(value, path, branch)
        _refuse_unknown(value, path, {tag_name, *(name for name, _, _ in branch)})

    return check


def _expect(expected: str, path: str) -> InvalidParameterType:
    return InvalidParameterType(name=path, expected=expected)


def _check_string(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _expect("string", path)


def _check_boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _expect("boolean", path)


def _check_integer(value: Any, path: str) -> None:
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise _expect("integer", path)


def _check_size(value: Any, path: str) -> None:
    # A negative integer is taken, as two's complement, by QEMU 7.2; see `read_size`.
    if type(value) is not int or not INT64_MIN <= value <= UINT64_MAX:
        raise InvalidParameterValue(name=path, expected="uint64")


def _check_number(value: Any, path: str) -> None:
    if type(value) not in (int, float):
        raise _expect("number", path)


def _check_null(value: Any, path: str) -> None:
    if value is not None:
        raise _expect("null", path)


def _check_anything(value: Any, path: str) -> None:
    pass


def _check_object(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _expect("object", path)


def _check_for_list(check: Check) -> Check:
    def check_list(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _expect("array", path)
        for index, element in enumerate(value):
            check(element, f"{path}[{index}]")

    return check_list


def _check_for_enum(values: tuple[Any, ...]) -> Check:
    if not all(isinstance(value, str) for value in values):
        message = f"an enum needs strings; {values!r} are none"
        raise TypeError(message)

    def check_enum(value: Any, path: str) -> None:
        _check_string(value, path)
        if value not in values:
            last = "null" if path.endswith("]") else path.rpartition(".")[2]
            message = f"Parameter '{last}' does not accept value '{value}'"
            raise GenericError(message)

    return check_enum


_SCALARS: Final[dict[Any, Check]] = {
    str: _check_string,
    bool: _check_boolean,
    int: _check_integer,
    float: _check_number,
    types.NoneType: _check_null,
    None: _check_null,
    Any: _check_anything,
    object: _check_anything,
}
