"""Commands with which a monitor tells of itself; `Monitor` has them when asked.

Source: QEMU 7.2, schema files ``introspect.json`` and ``control.json``; and QEMU before
6.0 for ``query-events``.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct, UnsetType

from qmpx.monitor.registry import CommandRegistry
from qmpx.monitor.session import Session
from qmpx.qapi.model import DEPRECATED, Feature
from qmpx.qapi.signature import Encoded

commands = CommandRegistry()


class Named(Struct):
    """A command or an event.

    Attributes:
        name: Its name.
    """

    name: str


class SchemaInfoObjectMember(Struct, omit_defaults=True):
    """A member of an object.

    Attributes:
        name: Its name.
        type: The name of its type.
        default: Is there if it may be left out.
        features: Its features.
    """

    name: str
    type: str
    default: Any = UNSET
    features: list[str] | UnsetType = UNSET


class SchemaInfoObjectVariant(Struct):
    """What a union has for one value of its tag."""

    case: str
    type: str


class SchemaInfoAlternateMember(Struct):
    """One of an alternate's types."""

    type: str


class SchemaInfoEnumMember(Struct, omit_defaults=True):
    """A value of an enumeration."""

    name: str
    features: list[str] | UnsetType = UNSET


class _Info(Struct, tag_field="meta-type", rename="kebab", kw_only=True):
    name: str
    features: list[str] | UnsetType = UNSET


class SchemaInfoCommand(_Info, tag="command"):
    """A command."""

    arg_type: str
    ret_type: str
    allow_oob: bool | UnsetType = UNSET


class SchemaInfoEvent(_Info, tag="event"):
    """An event."""

    arg_type: str


class SchemaInfoBuiltin(_Info, tag="builtin"):
    """A type that is not made of others."""

    json_type: Literal[
        "string", "number", "int", "boolean", "null", "object", "array", "value"
    ]


class SchemaInfoEnum(_Info, tag="enum"):
    """A choice of strings. Its ``values`` are there for old clients."""

    members: list[SchemaInfoEnumMember]
    values: Annotated[list[str], Feature(DEPRECATED)]


class SchemaInfoArray(_Info, tag="array"):
    """A list."""

    element_type: str


class SchemaInfoObject(_Info, tag="object"):
    """An object; with a tag it is a union."""

    members: list[SchemaInfoObjectMember]
    tag: str | UnsetType = UNSET
    variants: list[SchemaInfoObjectVariant] | UnsetType = UNSET


class SchemaInfoAlternate(_Info, tag="alternate"):
    """One of several types."""

    members: list[SchemaInfoAlternateMember]


SchemaInfo = (
    SchemaInfoBuiltin
    | SchemaInfoEnum
    | SchemaInfoArray
    | SchemaInfoObject
    | SchemaInfoAlternate
    | SchemaInfoCommand
    | SchemaInfoEvent
)


@commands.command("query-qmp-schema")
def query_qmp_schema(session: Session) -> Encoded[list[SchemaInfo]]:
    """Tell of all commands, events and types."""
    return session.monitor.declarations.told


@commands.command("query-commands")
def query_commands(session: Session) -> list[Named]:
    """Tell the names of all commands."""
    entries = session.monitor.entries.values()
    return [Named(entry.name) for entry in entries if entry.is_listed]


def query_events(session: Session) -> list[Named]:
    """Tell the names of all declared events; to be declared by old monitors."""
    return [Named(name) for name in session.monitor.declarations.events]
