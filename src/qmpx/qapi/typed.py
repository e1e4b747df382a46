"""What generated Python is made of: the classes that its types extend.

A peer may be newer than the bindings, or older. Nothing it says is lost:

- A member that a type does not have: the object is of a class that extends it by that
  member (`unknown_members` tells them).
- A value that an enumeration does not have is a member of it all the same.
- A branch that a union does not have is its class for unknown branches.
- A mandatory member that is not there is `msgspec.UNSET`.

All of it is encoded as it came. `qmpx.qapi.tolerance` reads such values.
"""

import enum
import keyword
import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType, defstruct, field
from msgspec.structs import fields

__all__ = [
    "UNSET",
    "Enum",
    "EventData",
    "Object",
    "UnsetType",
    "field",
    "unknown_members",
]

MAX_WIDENED: Final = 1024
"""Classes that are made for members unknown to the bindings, some 3 kB each.

Far more than releases of QEMU differ by. A peer beyond that is not sane: what it says
is refused.
"""


class Object(
    Struct,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="kebab",
    repr_omit_defaults=True,
):
    """An object of the schema: the attributes are its members.

    Those that are optional are `msgspec.UNSET` if they are not there.
    """

    __widens__: ClassVar[int] = 0  # how many members its class has more than declared


class Enum(enum.StrEnum):
    """An enumeration of the schema; a value that it does not know is a member, too.

    Members are strings, and equal to those on the wire.
    """

    @classmethod
    def _missing_(cls, value: object) -> "Enum | None":
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    __hash__ = str.__hash__

    @property
    def is_known(self) -> bool:
        """Whether the bindings know this value."""
        return self.value in type(self)._value2member_map_


class EventData(Object, kw_only=True, dict=True):
    """An event: the attributes are its data.

    Attributes:
        event_name: Its name on the wire, such as ``STOP``.
    """

    event_name: ClassVar[str] = ""

    @property
    def timestamp(self) -> float:
        """When it happened, in seconds since 1970 by the peer's clock, or -1."""
        when: float = self.__dict__.get("timestamp", -1.0)
        return when


_ObjectT = TypeVar("_ObjectT", bound=Struct)
_Tag = str | Literal[False] | None
_widened: dict[tuple[type[Struct], frozenset[str], _Tag], type[Struct]] = {}


def widened(
    cls: type[_ObjectT], names: Iterable[str], tag: _Tag = None
) -> type[_ObjectT]:
    """Return a class that has more members than *cls*, or another tag.

    Args:
        cls: A class of the bindings.
        names: What the further members are called on the wire.
        tag: The value of a union's discriminator that the bindings do not know, or
            False if it is not there.

    Raises:
        ValueError: There are `MAX_WIDENED` such classes already.
    """
    key = (cls, frozenset(names), tag)
    found = _widened.get(key)
    if found is None:
        if len(_widened) >= MAX_WIDENED:
            message = f"{MAX_WIDENED} kinds of objects had members unknown here"
            raise ValueError(message)
        found = _widened[key] = _widen(cls, sorted(key[1]), tag)
    return found  # type: ignore[return-value]


def _widen(cls: type[Struct], names: list[str], tag: _Tag) -> type[Struct]:
    rename = {member.name: member.encode_name for member in fields(cls)}
    namespace: dict[str, Any] = {"__widens__": len(names)}
    if tag:
        tag_field = cls.__struct_config__.tag_field
        assert tag_field is not None  # noqa: S101 - only unions have tags
        namespace[python_name(tag_field)] = tag
    more: list[Any] = []
    for name in names:
        attribute = python_name(name)
        while attribute in rename or hasattr(cls, attribute):
            attribute += "_"
        rename[attribute] = name
        more.append((attribute, Any))
    return defstruct(
        cls.__name__,
        more,
        bases=(cls,),
        rename=rename,
        tag=tag,
        tag_field=None if tag is False else cls.__struct_config__.tag_field,
        namespace=namespace,
        module=cls.__module__,
        kw_only=True,
    )


def unknown_members(value: Object) -> dict[str, Any]:
    """Return the members of an object that the bindings do not know, by wire name."""
    count = value.__widens__
    if not count:
        return {}
    return {
        member.encode_name: getattr(value, member.name)
        for member in fields(value)[-count:]
    }


def python_name(name: str) -> str:
    """Return the Python spelling of a name on the wire: hyphens are underscores."""
    spelled = re.sub(r"\W", "_", name)
    if not spelled or spelled[0].isdigit():
        spelled = f"n{spelled}"
    return f"{spelled}_" if keyword.iskeyword(spelled) else spelled
