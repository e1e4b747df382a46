"""Types of objects: their parents, their properties, what an object of them has in it.

What types there are is data that somebody gives to the machine: a `TypeSource`, such as
a captured profile of a QEMU. Without one, only the few objects that the machine itself
makes are there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from qmpx.machine.values import Value, field

_ZERO: Final[dict[str, Any]] = {"bool": False, "OnOffAuto": "auto"}
_NUMBERS: Final = ("int", "uint", "size")


class Property(Value, frozen=True):
    """A property that objects of a type have.

    Attributes:
        type: Its type as introspection spells it, such as ``uint32``.
        description: What it is for, if that is told.
        default: The value it has unless it is set.
    """

    type: str
    description: str | None = None
    default: Any = None


class ObjectTemplate(Value, frozen=True):
    """What an object has beside what its type tells.

    Attributes:
        type: Its type.
        values: Values of properties that are not the defaults.
        more: Properties, with their types, that the type alone does not have.
        less: Properties of the type that the object lacks.
    """

    type: str
    values: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    less: frozenset[str] = frozenset()


Template = Mapping[str, ObjectTemplate]
"""Objects by their paths below the first, whose path is empty."""


class ModelFacts(Value, frozen=True):
    """What a device model is like.

    Attributes:
        name: Its type's name.
        bus: The type of bus it goes on; ``None`` if it needs none.
        is_for_users: Whether users may plug it in.
        is_hotpluggable: Whether they may while the machine is on.
    """

    name: str
    bus: str | None
    is_for_users: bool = True
    is_hotpluggable: bool = True


class PciHeader(Value, frozen=True):
    """What a PCI device shows in its configuration space when nobody wrote to it.

    Attributes:
        header: The first 64 bytes.
        windows: The bits of each window's register that can be set, by register.
    """

    header: bytes
    windows: Mapping[int, int]


class TypeSource(Protocol):
    """Where types come from; see `qmpx.dialects.modern.profile.types`."""

    def parent(self, name: str) -> str | None:
        """Return a type's parent.

        Raises:
            LookupError: There is no such type.
        """

    def is_abstract(self, name: str) -> bool:
        """Tell whether there are no objects of just that type."""

    def properties(self, name: str) -> Mapping[str, Property]:
        """Return a type's properties by name, with those it inherits."""

    def device_properties(self, name: str) -> Mapping[str, Property]:
        """Return those that a user may give to a device."""

    def model(self, name: str) -> ModelFacts | None:
        """Return a device model by its name or its alias; ``None`` if it is none."""

    def listing(self, question: str) -> str | None:
        """Return what the program prints for an option such as ``-device help``."""

    def template(self, kind: str, name: str) -> Template | None:
        """Return the objects of a ``board`` or a ``model``, if that is known."""

    def of_version(self, board: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the values by type that differ from those on the newest board."""

    def pci_facts(self, name: str) -> PciHeader | None:
        """Return what a PCI device of a type shows; ``None`` if that is not known."""


class NoTypes:
    """A source that knows of no types but the machine's own containers."""

    def parent(self, name: str) -> str | None:
        """Return nothing: they derive from ``object`` alone."""
        if name == "object":
            return None
        if name in ("container", "none-machine", "iothread", "secret"):
            return "object"
        raise LookupError(name)

    def is_abstract(self, name: str) -> bool:
        """Tell of ``object`` only."""
        return name == "object"

    def properties(self, name: str) -> Mapping[str, Property]:
        """Return that each object has a type."""
        return {"type": Property("string", default=name)}

    def device_properties(self, name: str) -> Mapping[str, Property]:  # noqa: ARG002
        """Return none."""
        return {}

    def model(self, name: str) -> ModelFacts | None:  # noqa: ARG002
        """Return none."""
        return None

    def listing(self, question: str) -> str | None:  # noqa: ARG002
        """Return none."""
        return None

    def template(self, kind: str, name: str) -> Template | None:  # noqa: ARG002
        """Return none."""
        return None

    def of_version(self, board: str) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG002
        """Return none."""
        return {}

    def pci_facts(self, name: str) -> PciHeader | None:  # noqa: ARG002
        """Return none."""
        return None


def derives(types: TypeSource, name: str, ancestor: str) -> bool:
    """Tell whether a type is another, or derives from it."""
    return ancestor in ancestors(types, name)


def ancestors(types: TypeSource, name: str) -> Iterator[str]:
    """Yield a type and those it derives from; nothing if there is no such type."""
    at: str | None = name
    while at is not None:
        yield at
        try:
            at = types.parent(at)
        except LookupError:
            return


def zero(type_name: str) -> Any:
    """Return what a property of a type has when nobody ever set it."""
    if type_name.startswith(_NUMBERS):
        return 0
    if type_name.startswith(("link<", "str")) or type_name == "string":
        return ""
    return _ZERO.get(type_name)
