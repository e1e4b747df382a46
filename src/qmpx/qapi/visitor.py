"""Reading values along a type as QEMU's input visitor does, with its words.

A `Reader` takes a parsed value and the path to it; it returns the value as QEMU would
have it, or raises the error that QEMU gives. The readers of scalars are here, and what
makes those of lists, enums, alternates and objects out of others. Which types there are
is for others to say: `qmpx.qapi.check` reads Python annotations,
`qmpx.qapi.validation` a schema.

The type is walked, not the value: base members, own members in the order of the schema,
the members of the selected branch, and unknown ones last. The first problem ends it.
A path is ``a.b[2].c``; enums, ranges and alternates name the last member only, which
for an element of a list, and for the value as a whole, is ``null``.

Sources: QEMU 7.2, observed over the wire and on its visitors compiled for the purpose.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

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

Path = tuple["Path", str | int] | None
"""How to get to a value: the path of what holds it, and its name or index there."""

ROOT: Final[Path] = None
"""The path of the value as a whole."""

Reader = Callable[[Any, Path], Any]
"""Return a value as QEMU reads it, or raise a `CommandError`."""


class DottedIndex(int):
    """An index that is spelled ``.2``: on the command line, elements are members."""

    __slots__ = ()


def spell_path(path: Path) -> str:
    """Return a path in words."""
    if path is None:
        return "<anonymous>"
    steps: list[str] = []
    while path is not None:
        path, step = path
        brackets = isinstance(step, int) and not isinstance(step, DottedIndex)
        steps.append(f"[{step}]" if brackets else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")


def last_name(path: Path) -> str:
    """Return the member's own name, or ``null`` if it has none."""
    if path is None or isinstance(path[1], int):
        return "null"
    return path[1]


def wrong_type(path: Path, expected: str) -> InvalidParameterType:
    """Return the error for a value of the wrong JSON type."""
    return InvalidParameterType(name=spell_path(path), expected=expected)


# Scalars.


def read_string(value: Any, path: Path) -> Any:
    """Read ``str``."""
    if not isinstance(value, str):
        raise wrong_type(path, "string")
    return value


def read_boolean(value: Any, path: Path) -> Any:
    """Read ``bool``."""
    if not isinstance(value, bool):
        raise wrong_type(path, "boolean")
    return value


def read_integer(value: Any, path: Path) -> Any:
    """Read ``int`` or ``int64``: 64 bits, no point, no exponent."""
    if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
        raise wrong_type(path, "integer")
    return value


def read_size(value: Any, path: Path) -> Any:
    """Read ``size`` or ``uint64``.

    A negative integer is taken, too, for what its two's complement stands for.
    """
    if type(value) is not int or not INT64_MIN <= value <= UINT64_MAX:
        raise InvalidParameterValue(name=spell_path(path), expected="uint64")
    return value & UINT64_MAX


def read_number(value: Any, path: Path) -> Any:
    """Read ``number``, with or without a point: a double."""
    if type(value) not in (int, float):
        raise wrong_type(path, "number")
    try:
        return float(value)
    except OverflowError:  # digits enough for no double
        raise wrong_type(path, "number") from None


def read_null(value: Any, path: Path) -> Any:
    """Read ``null``."""
    if value is not None:
        raise wrong_type(path, "null")
    return None


def read_anything(value: Any, path: Path) -> Any:  # noqa: ARG001 - it is a Reader
    """Read ``any``."""
    return value


def read_object(value: Any, path: Path) -> Any:
    """Read an object whatever its members."""
    if not isinstance(value, dict):
        raise wrong_type(path, "object")
    return value


def ranged_reader(read: Reader, least: int, most: int, c_type: str) -> Reader:
    """Return the reader of an integer type of fewer bits.

    Args:
        read: Reads 64 bits.
        least: The least value.
        most: The greatest value.
        c_type: What the error calls the type, such as ``uint8_t``.
    """

    def read_ranged(value: Any, path: Path) -> Any:
        number = read(value, path)
        if not least <= number <= most:
            raise InvalidParameterValue(name=last_name(path), expected=c_type)
        return number

    return read_ranged


def integer_readers(signed: Reader, unsigned: Reader) -> dict[str, Reader]:
    """Return the readers of QAPI's integer types, out of those for 64 bits."""
    readers = dict.fromkeys(("int", "int64"), signed)
    readers |= dict.fromkeys(("uint64", "size"), unsigned)
    for bits in (8, 16, 32):
        most = 2 ** (bits - 1)
        readers[f"int{bits}"] = ranged_reader(signed, -most, most - 1, f"int{bits}_t")
        readers[f"uint{bits}"] = ranged_reader(
            unsigned, 0, 2 * most - 1, f"uint{bits}_t"
        )
    return readers


SCALARS: Final[Mapping[str, Reader]] = {
    "str": read_string,
    "bool": read_boolean,
    "number": read_number,
    "null": read_null,
    "any": read_anything,
    **integer_readers(read_integer, read_size),
}
"""QAPI's built-in types."""


# What is made out of others.

Refusal = Callable[[str], None]
"""Told the name of a member or value that was used; may raise. See the policies."""


def enum_reader(
    values: Sequence[str],
    refusals: Mapping[str, Refusal] | None = None,
    read: Reader = read_string,
) -> Reader:
    """Return the reader of an enum type.

    Args:
        values: What it knows.
        refusals: Called for these of them.
        read: Reads a string.
    """
    known = frozenset(values)

    def read_enum(value: Any, path: Path) -> Any:
        text = read(value, path)
        if text not in known:
            message = f"Parameter '{last_name(path)}' does not accept value '{text}'"
            raise GenericError(message)
        if refusals and (refuse := refusals.get(text)) is not None:
            refuse(text)
        return text

    return read_enum


def list_reader(
    read: Reader, index: Callable[[int], int | DottedIndex] = int
) -> Reader:
    """Return the reader of an array type.

    Args:
        read: Reads an element.
        index: Makes the step of a path from an element's position.
    """

    def read_list(value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            raise wrong_type(path, "array")
        return [
            read(element, (path, index(position)))
            for position, element in enumerate(value)
        ]

    return read_list


def kind_of(value: Any) -> str:
    """Return a value's JSON type, as QAPI names it."""
    return _KINDS[type(value)]


_KINDS: Final = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


def alternate_reader(name: str, branches: Mapping[str, Reader]) -> Reader:
    """Return the reader of an alternate type.

    Args:
        name: The type's, for errors.
        branches: The readers by the JSON type that selects them.
    """

    def read_alternate(value: Any, path: Path) -> Any:
        read = branches.get(kind_of(value))
        if read is None:
            raise InvalidParameterType(name=last_name(path), expected=name)
        return read(value, path)

    return read_alternate


class Field(NamedTuple):
    """A member of an object.

    Attributes:
        name: On the wire.
        read: Reads its value.
        is_required: Whether it must be there.
        refuse: Called if it is there, before its value is looked at.
    """

    name: str
    read: Reader
    is_required: bool
    refuse: Refusal | None = None


def no_branch(value: str) -> "Fields | None":  # noqa: ARG001 - it stands for another
    """Tell that no value of a tag brings members."""
    return None


class Fields(NamedTuple):
    """The members of an object.

    Attributes:
        own: In their order, those of the base first.
        tag: The member that selects a branch.
        branch: Gives the members that a value of the tag brings, if it brings any.
    """

    own: Sequence[Field]
    tag: str = ""
    branch: Callable[[str], "Fields | None"] = no_branch


def object_reader(fields: Fields) -> Reader:
    """Return the reader of an object of exactly these members."""

    def read_members(value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "object")
        found: dict[str, Any] = {}
        following: Fields | None = fields
        while following is not None:
            own, tag, branch = following
            for name, read, is_required, refuse in own:
                if name in value:
                    if refuse is not None:
                        refuse(name)
                    found[name] = read(value[name], (path, name))
                elif is_required:
                    raise MissingParameter(name=spell_path((path, name)))
            following = branch(found[tag]) if tag else None
        if len(found) != len(value):
            unknown = next(name for name in value if name not in found)
            raise InvalidParameter(name=spell_path((path, unknown)))
        return found

    return read_members
