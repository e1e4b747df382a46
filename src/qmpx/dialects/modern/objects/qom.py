"""The tree of objects: listing, reading and setting their properties; their types.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, NotRequired, TypedDict

from qmpx.errors import DeviceNotFound
from qmpx.machine import Machine
from qmpx.machine.qom.objects import QomObject
from qmpx.monitor import CommandRegistry

commands = CommandRegistry(reads_late=True)

ObjectPropertyInfo = TypedDict(
    "ObjectPropertyInfo",
    {
        "name": str,
        "type": str,
        "description": NotRequired[str],
        "default-value": NotRequired[Any],
    },
)


class ObjectTypeInfo(TypedDict):
    """A type of objects."""

    name: str
    abstract: NotRequired[bool]
    parent: NotRequired[str]


def _find(machine: Machine, path: str) -> QomObject:
    """Return an object; an end that several paths have stands for none.

    Raises:
        DeviceNotFound: There is none.
    """
    try:
        found = machine.qom.resolve(path)
    except LookupError:
        found = None
    if found is None:
        raise DeviceNotFound(device=path)
    return found


@commands.command("qom-list")
def qom_list(machine: Machine, *, path: str) -> list[ObjectPropertyInfo]:
    """List the properties of an object.

    Raises:
        DeviceNotFound: There is none at that path.
        GenericError: The path is the end of several.
    """
    types = machine.qom.find(path).property_types()
    return [{"name": name, "type": type_} for name, type_ in types.items()]


@commands.command("qom-get", allow_oob=False)
def qom_get(machine: Machine, *, path: str, property_: str) -> Any:
    """Return the value of a property.

    Raises:
        DeviceNotFound: There is no such object.
        GenericError: It has no such property, or it cannot be read.
    """
    return _find(machine, path).get(property_)


@commands.command("qom-set")
def qom_set(machine: Machine, *, path: str, property_: str, value: Any) -> None:
    """Set a property.

    Raises:
        DeviceNotFound: There is no such object.
        GenericError: It has no such property, or does not take the value.
    """
    _find(machine, path).set(property_, value)
