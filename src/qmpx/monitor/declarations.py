"""What is declared with a monitor, as a schema: see `qmpx.qapi.annotations`.

The schema follows from the handlers alone. It is made when it is first asked for, and
again when something has been declared since.
"""

import copy
from typing import TYPE_CHECKING, Any

from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.qapi import Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qmpx.monitor.introspection import SchemaInfo
    from qmpx.monitor.monitor import Monitor
    from qmpx.qapi.annotations import CommandDeclaration
    from qmpx.qapi.model import Schema
    from qmpx.qapi.validation import Validator


def declaration_of(entry: Entry, *features: str) -> "CommandDeclaration":
    """Return what an entry declares, for a schema.

    Args:
        entry: A command.
        features: What introspection says of it beside its own features.
    """
    from qmpx.qapi.annotations import CommandDeclaration

    return CommandDeclaration(
        entry.name,
        entry.handler,
        entry.signature.members,
        getattr(entry.signature, "returns", Any),
        allow_oob=entry.allow_oob,
        is_async=entry.is_async,
        features=(*entry.features, *features),
    )


class Declarations:
    """The events of a monitor, and the schema of all that it has.

    Args:
        monitor: The monitor.
    """

    def __init__(self, monitor: "Monitor") -> None:
        self._events: dict[str, tuple[Any, tuple[str, ...]]] = {}
        self._postponed: list[Callable[[], Mapping[str, Any]]] = []
        self._monitor = monitor
        self._made_of: object = None
        self._schema: Schema | None = None
        self._validator: Validator | None = None
        self._told: Encoded[list[SchemaInfo]] | None = None

    @property
    def events(self) -> dict[str, tuple[Any, tuple[str, ...]]]:
        """The declared events: the type of their data, and their features."""
        while self._postponed:
            declared = self._postponed.pop(0)()
            self._events.update({name: (data, ()) for name, data in declared.items()})
        return self._events

    def postpone(self, declare: "Callable[[], Mapping[str, Any]]") -> None:
        """Declare events when somebody first asks which there are.

        Args:
            declare: Returns the types of their data, by their names.
        """
        self._postponed.append(declare)

    @property
    def schema(self) -> "Schema":
        """Commands that ``query-commands`` tells of, and declared events."""
        made_of = (*self._monitor.entries.values(), *self.events.items())
        if self._schema is None or made_of != self._made_of:
            self._schema, self._made_of = self._make_schema(), made_of
            self._validator = self._told = None
        return self._schema

    def _make_schema(self) -> "Schema":
        from qmpx.qapi.annotations import EventDeclaration, schema_of

        overtakes = self._monitor.rules.lets_overtake
        commands = [
            declaration_of(
                entry, *["asynchronous"] * (overtakes and entry.is_asynchronous)
            )
            for entry in self._monitor.entries.values()
            if entry.is_listed
        ]
        events = [
            EventDeclaration(name, data, features)
            for name, (data, features) in self.events.items()
        ]
        return schema_of(commands, events)

    @property
    def validator(self) -> "Validator":
        """What holds replies and events against the schema."""
        from qmpx.qapi.validation import Validator

        schema = self.schema
        if self._validator is None:
            self._validator = Validator(schema)
        return self._validator

    @property
    def told(self) -> "Encoded[list[SchemaInfo]]":
        """What ``query-qmp-schema`` returns."""
        from qmpx.qapi.introspection.telling import to_introspection

        schema = self.schema
        if self._told is None:
            self._told = Encoded.of(to_introspection(schema))  # type: ignore[arg-type]
        return self._told


class CheckedCommands(CommandRegistry):
    """Commands whose returned values are held against what they declare.

    One that is not as declared is a defect: it is logged, and the command fails.

    Args:
        declarations: What is declared.
        commands: Commands to begin with.
    """

    def __init__(self, declarations: Declarations, commands: CommandRegistry) -> None:
        super().__init__()
        self._declarations = declarations
        for entry in commands.values():
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Enter a command that is made already.

        Raises:
            TypeError: The name is taken.
        """
        checked = copy.copy(entry)  # other monitors may have it, too
        plain = entry.encode

        def encode(value: Any) -> bytes:
            text = plain(value)
            self._declarations.validator.check_return(entry.name, text)
            return text

        if entry.is_listed:
            checked.encode = encode
        super().add(checked)
