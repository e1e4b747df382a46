"""What a peer supports, by its own word: ``query-qmp-schema``, read once.

A peer without such a command (the guest agent, QEMU before 2.5) is asked for the names
of its commands and events; more cannot be known of it.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from qmpx.errors import (
    CommandNotFound,
    LocalProtocolError,
    RemoteProtocolError,
    SchemaError,
)
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    ArrayType,
    Command,
    Definition,
    EnumType,
    Event,
    Feature,
    Member,
    ObjectType,
    Schema,
)

_NAMES_ONLY: Final = "this peer tells names only: it has no 'query-qmp-schema'"


class Vocabulary(Struct, frozen=True):
    """What a peer supports.

    Attributes:
        schema: Its schema.
        has_types: Whether the peer describes arguments, results and events. If not, the
            schema has the names of commands and events only.
    """

    schema: Schema
    has_types: bool = True

    def supports(
        self,
        command: str | None = None,
        /,
        *,
        event: str | None = None,
        argument: str | None = None,
        value: str | None = None,
        feature: str | None = None,
    ) -> bool:
        """Whether the peer supports something. All that is given has to be there.

        Args:
            command: A command.
            event: An event, instead of a command.
            argument: An argument of the command, or a member of the event's data; a
                member within another with a dot, such as ``file.filename``. A member of
                any branch of a union counts.
            value: A value of that argument, which is an enumeration.
            feature: A feature of the argument, else of the command or event. With
                neither command nor event: of anything at all.

        Raises:
            LocalProtocolError: The peer does not tell.
            TypeError: The question makes no sense.
        """
        if command is not None and event is not None:
            message = "ask for a command or for an event, not for both at once"
            raise TypeError(message)
        if value is not None and argument is None:
            message = "a value is one of an argument: say of which"
            raise TypeError(message)
        is_of_anything = command is None and event is None
        if is_of_anything and (feature is None or argument is not None):
            message = "ask for a command, an event or a feature"
            raise TypeError(message)
        if not self.has_types and (argument is not None or feature is not None):
            raise LocalProtocolError(_NAMES_ONLY)
        if is_of_anything:
            return any(
                _has(marks, feature or "") for marks in _all_features(self.schema)
            )
        found = (
            self.schema.events.get(event or "")
            if command is None
            else self.schema.commands.get(command)
        )
        if found is None:
            return False
        if argument is None:
            return feature is None or _has(found.features, feature)
        members = self._members(found.arguments, argument.split("."))
        return any(
            (feature is None or _has(member.features, feature))
            and (value is None or self._has_value(member.type, value))
            for member in members
        )

    def described(self) -> Schema:
        """Return the schema, if there are types in it.

        Raises:
            LocalProtocolError: There are names only.
        """
        if not self.has_types:
            raise LocalProtocolError(_NAMES_ONLY)
        return self.schema

    def _members(self, type_name: str, path: list[str]) -> Iterator[Member]:
        """Yield all members that a path may lead to."""
        name, *rest = path
        for object_type in self._objects(type_name, set()):
            for member in self.schema.members_of(object_type):
                if member.name != name:
                    continue
                if rest:
                    yield from self._members(member.type, rest)
                else:
                    yield member

    def _objects(self, type_name: str, seen: set[str]) -> Iterator[str]:
        """Yield the object types that a value of a type, or its elements, may be of."""
        if type_name in seen:
            return
        seen.add(type_name)
        match self.schema.types[type_name]:
            case ArrayType(element=element):
                yield from self._objects(element, seen)
            case AlternateType(branches=branches):
                for branch in branches:
                    yield from self._objects(branch.type, seen)
            case ObjectType(branches=branches):
                yield type_name
                for branch in branches:
                    yield from self._objects(branch.type, seen)
            case _:
                pass

    def _has_value(self, type_name: str, value: str) -> bool:
        match self.schema.types[type_name]:
            case EnumType() as type_:
                return type_.value(value) is not None
            case ArrayType(element=element):
                return self._has_value(element, value)
            case AlternateType(branches=branches):
                # An alternate may hold a list of itself; no enumeration is in there.
                types = {branch.type for branch in branches} - {f"[{type_name}]"}
                return any(self._has_value(each, value) for each in types)
            case _:
                return False


def _has(features: tuple[Feature, ...], name: str) -> bool:
    return any(feature.name == name for feature in features)


def _all_features(schema: Schema) -> Iterator[tuple[Feature, ...]]:
    for definition in schema.definitions:
        yield definition.features
        match definition:
            case ObjectType(members=members):
                yield from (member.features for member in members)
            case EnumType(values=values):
                yield from (value.features for value in values)
            case _:
                pass


Reading = Generator[str, Raw, Vocabulary]


def read_vocabulary() -> Reading:
    """Ask a peer what it supports.

    Yields:
        A command to be run. What it returned is to be sent in, unread; if there is no
        such command, `CommandNotFound` is to be thrown in.

    Returns:
        The answer.

    Raises:
        RemoteProtocolError: What the peer says is no schema.
        CommandNotFound: It has nothing of the kind.
    """
    try:
        told = yield "query-qmp-schema"
    except CommandNotFound:
        pass
    else:
        return Vocabulary(_read(told, list[dict[str, Any]], from_introspection))
    definitions: list[Definition] = [ObjectType(name=EMPTY)]
    told = yield "query-commands"
    definitions += [Command(name=each.name) for each in _read(told, list[_Named])]
    try:
        told = yield "query-events"
    except CommandNotFound:
        pass
    else:
        definitions += [Event(name=each.name) for each in _read(told, list[_Named])]
    return Vocabulary(Schema.of(definitions), has_types=False)


class _Named(Struct):
    name: str


def _read(told: Raw, annotation: Any, make: Callable[[Any], Any] | None = None) -> Any:
    try:
        value = msgspec.json.decode(told, type=annotation)
        return value if make is None else make(value)
    except (ValueError, RecursionError, SchemaError) as error:
        message = f"what the peer says of itself cannot be read: {error}"
        raise RemoteProtocolError(message) from error
