"""Is a JSON value of the type that a command asks for? QEMU's answer, in its words.

A check walks a parsed value along a Python type and raises the error that QEMU's input
visitor would give. It is not needed where the compiled decoder succeeds: it exists to
say what is wrong where that one fails. The walk and the words are those of
`qmpx.qapi.visitor`; here is which Python type is which of QAPI's.
"""

import enum
import types
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from qmpx.qapi.visitor import (
    Field,
    Fields,
    Reader,
    enum_reader,
    list_reader,
    object_reader,
    read_anything,
    read_boolean,
    read_integer,
    read_null,
    read_number,
    read_object,
    read_size,
    read_string,
)

Size = Annotated[int, "uint64"]
"""An unsigned 64-bit integer: QAPI's ``size`` and ``uint64``."""


class WireName(str):
    """The name of a member on the wire, where underscores to hyphens is not it.

    Use it in an annotation: ``bps_rd: Annotated[int, WireName("bps_rd")]``.
    """

    __slots__ = ()


class Values:
    """Marks a string as one of these: QAPI's ``enum``, where it is no ``Literal``.

    Use it in an annotation: ``status: Annotated[str, Values("on", "off")]``.

    Args:
        names: The values.

    Attributes:
        names: The same.
    """

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        self.names = names


class Described:
    """Marks a value that a handler makes or reads itself: what it is in QEMU's schema.

    Introspection tells that type, and arguments are held against it. Use it in an
    annotation: ``options: Annotated[dict[str, Any], Described("BlockdevOptions")]``.

    Args:
        name: The name of a type of QEMU 7.2's schema.
        only: If it is a union: the values of its discriminator that there are; nothing
            if all. Introspection tells it; arguments are held against all of QEMU's,
            so that the handler has to refuse the others.
        is_held: Whether arguments are held against it; else the handler checks all,
            as that of ``device_add`` does, which takes more than the schema says.

    Attributes:
        name: The same.
        only: The same.
        is_held: The same.
    """

    RELEASE: ClassVar = "7.2"  # of QEMU, whose types are meant

    __slots__ = ("is_held", "name", "only")

    def __init__(
        self, name: str, only: Iterable[str] = (), *, is_held: bool = True
    ) -> None:
        self.name = name
        self.only = frozenset(only)
        self.is_held = is_held


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


def values_in(annotation: Any) -> tuple[str, ...] | None:
    """Return the values that an annotated string may have; ``None`` if it has none."""
    extras = getattr(annotation, "__metadata__", ())
    return next((x.names for x in extras if isinstance(x, Values)), None)


def described_in(annotation: Any) -> Described | None:
    """Return what an annotated value is in QEMU's schema, if it says so."""
    extras = getattr(annotation, "__metadata__", ())
    return next((extra for extra in extras if isinstance(extra, Described)), None)


def wire_name(name: str, annotation: Any) -> str:
    """Return what the Python parameter *name* is called on the wire."""
    if get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, WireName):
                return str(extra)
    return name.rstrip("_").replace("_", "-")


def check_for(annotation: Any) -> Reader:
    """Return the check for a Python type.

    Raises:
        TypeError: The type has no equivalent in a schema.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        if (described := described_in(annotation)) is not None:
            return _check_described(described)
        if "uint64" in annotation.__metadata__:
            return read_size
        if (values := values_in(annotation)) is not None:
            return _check_for_enum(values)
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
        return list_reader(check_for(get_args(annotation)[0]))
    if annotation is dict or origin is dict:
        return read_object
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _check_for_enum(tuple(member.value for member in annotation))
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        if is_tagged(annotation):
            return _check_for_union([annotation])
        return check_for_members(struct_members(annotation))
    message = f"{annotation!r} has no equivalent in a schema"
    raise TypeError(message)


def _check_described(described: Described) -> Reader:
    """Return the check for a type of QEMU's; its schema is read when it is needed."""
    reader: Reader | None = None
    if not described.is_held:
        return lambda value, name: value  # noqa: ARG005

    def read(value: Any, name: Any) -> Any:
        nonlocal reader
        if reader is None:
            from qmpx.qapi.shipped import shipped_schema
            from qmpx.qapi.validation.readers import Readers

            # All of QEMU's branches: which of them there are, the handler says last.
            reader = Readers(shipped_schema(described.RELEASE)).of(described.name)
        return reader(value, name)

    return read


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


def check_for_members(members: list[Member]) -> Reader:
    """Return the check for an object of exactly these members."""
    return object_reader(Fields(_fields(members)))


def _fields(members: list[Member]) -> list[Field]:
    return [Field(m.name, check_for(m.annotation), m.required) for m in members]


def is_tagged(annotation: Any) -> bool:
    """Whether it is a Struct that a tag tells from others: a branch of a union."""
    config = getattr(annotation, "__struct_config__", None)
    return config is not None and config.tag is not None


def _check_for_union(members: list[Any]) -> Reader:
    if len(members) == 1 and not is_tagged(members[0]):
        return check_for(members[0])
    branches: dict[str, Fields] = {}
    tag_name = ""
    for member in members:
        if not is_tagged(member):
            message = f"a union needs tagged Structs; {member!r} is none"
            raise TypeError(message)
        config = member.__struct_config__
        tag_name = config.tag_field
        branches[config.tag] = Fields(_fields(struct_members(member)))
    tag = Field(tag_name, enum_reader(tuple(branches)), is_required=True)
    return object_reader(Fields([tag], tag_name, branches.get))


def _check_for_enum(values: tuple[Any, ...]) -> Reader:
    if not all(isinstance(value, str) for value in values):
        message = f"an enum needs strings; {values!r} are none"
        raise TypeError(message)
    return enum_reader(values)


_SCALARS: Final[dict[Any, Reader]] = {
    str: read_string,
    bool: read_boolean,
    int: read_integer,
    float: read_number,
    types.NoneType: read_null,
    None: read_null,
    Any: read_anything,
    object: read_anything,
}
