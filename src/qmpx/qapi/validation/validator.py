"""The validator: commands, return values and events against a schema.

A compiled decoder looks first, once a command is used often enough for one. Where it is
content so is QEMU; where it is not, the value is walked along its type to find QEMU's
words, or that it was right after all.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import CommandError, CommandNotFound, GenericError, LocalProtocolError
from qmpx.qapi.model import Schema
from qmpx.qapi.validation.decoders import Decodables
from qmpx.qapi.validation.hiding import Hiding
from qmpx.qapi.validation.keyval import KEYVAL_SCALARS
from qmpx.qapi.validation.policy import ACCEPT, Policy
from qmpx.qapi.validation.readers import Readers
from qmpx.qapi.visitor import ROOT, DottedIndex
from qmpx.wire.framing import read_json

UNCHECKED: Final = frozenset({"device_add"})
"""Commands that check their arguments themselves, and take more than the schema says.

QEMU's files say so (``gen: false``); its introspection does not. There is but this one.
"""

COMPILED_FROM: Final = 16
"""Uses of a command from which on a compiled decoder looks first. To compile one for a
large union takes as long as some hundred walks, and most commands are used once."""

Text = bytes | Raw
Decode = Callable[[Text], object]

_NOT_PLAIN: Final = (
    msgspec.DecodeError,  # ValidationError is one
    UnicodeDecodeError,
    RecursionError,
)


class Validator:
    """Holds messages against a schema.

    What it is given is JSON that a reader of QMP has found to be well-formed, with no
    member twice in an object: see `qmpx.wire`.

    Args:
        schema: The schema. Conditions are not looked at: give that of one build, which
            is what introspection and `qmpx.qapi.builds.resolved` give.
        policy: What becomes of what is deprecated or unstable.
        unchecked: Commands whose arguments are not looked at, besides those that the
            schema itself exempts.
    """

    __slots__ = (
        "_commands",
        "_decodables",
        "_hiding",
        "_keyval",
        "_output",
        "_policy",
        "_readers",
        "_schema",
        "_unchecked",
        "_uses",
        "_values",
    )

    def __init__(
        self,
        schema: Schema,
        policy: Policy = ACCEPT,
        *,
        unchecked: Collection[str] = UNCHECKED,
    ) -> None:
        self._schema = schema
        self._policy = policy
        self._unchecked = unchecked
        self._readers = Readers(schema, policy)
        self._decodables = Decodables(schema, policy)
        self._keyval: Readers | None = None
        self._hiding = Hiding(schema, policy)
        self._commands: dict[str, Decode] = {}
        self._uses: dict[str, int] = {}
        self._values: dict[str, Decode] = {}
        self._output = (
            self if policy.accepts_all_input else Validator(schema, unchecked=unchecked)
        )

    # Input.

    def check_command(self, name: str, arguments: Text | UnsetType = UNSET) -> None:
        """Return if QEMU would run a command with these arguments.

        Args:
            name: The command.
            arguments: A JSON object, unread; nothing is the empty one.

        Raises:
            CommandError: It would not, and says this.
            CrashRequested: It would abort.
        """
        if arguments is UNSET:
            arguments = b"{}"
        try:
            decode = self._commands[name]
        except KeyError:
            decode = self._decide(name)
        try:
            decode(arguments)
        except _NOT_PLAIN:
            self._explain(self._schema.commands[name].arguments, arguments)

    def prepare(self, name: str) -> Decode:
        """Compile what looks at a command first; else that waits for some uses.

        Returns:
            What fails for all arguments that do not fit, and at times for others.

        Raises:
            CommandNotFound: There is no such command.
        """
        decode = self._shortcut(name)
        if decode is None:
            decode = self._compile(self._schema.commands[name].arguments)
        self._commands[name] = decode
        return decode

    def _decide(self, name: str) -> Decode:
        """Return what looks at a command's arguments, as long as none is compiled."""
        uses = self._uses[name] = self._uses.get(name, 0) + 1
        if uses >= COMPILED_FROM:
            return self.prepare(name)
        return self._shortcut(name) or _doubt

    def check_value(self, type_name: str, text: Text) -> None:
        """Return if QEMU would take a JSON value for one of that type.

        Args:
            type_name: The type's name; ``[X]`` is an array of X.
            text: The value, unread.

        Raises:
            CommandError: It would not, and says this.
            KeyError: There is no such type.
        """
        decode = self._values.get(type_name)
        if decode is None:
            decode = self._values[type_name] = self._compile(type_name)
        try:
            decode(text)
        except _NOT_PLAIN:
            self._explain(type_name, text)

    def read_value(self, type_name: str, value: Any) -> Any:
        """Return a parsed value as QEMU reads it: sizes are never negative.

        Raises:
            CommandError: It does not fit.
            KeyError: There is no such type.
        """
        return self._read(self._readers, type_name, value)

    def read_keyval(self, type_name: str, value: Any) -> Any:
        """Return a value whose scalars are strings, as on QEMU's command line.

        Args:
            type_name: The type's name.
            value: Strings, and dicts and lists of them.

        Raises:
            CommandError: It does not fit.
            KeyError: There is no such type.
        """
        if self._keyval is None:
            self._keyval = Readers(
                self._schema, self._policy, KEYVAL_SCALARS, DottedIndex
            )
        return self._read(self._keyval, type_name, value)

    @staticmethod
    def _read(readers: Readers, type_name: str, value: Any) -> Any:
        try:
            return readers.of(type_name)(value, ROOT)
        except RecursionError:
            message = "the value is nested too deeply to be checked"
            raise GenericError(message) from None

    def _shortcut(self, name: str) -> Decode | None:
        """Return what decides about a command without its arguments, if that can be.

        Raises:
            CommandNotFound: There is no such command.
        """
        command = self._schema.commands.get(name)
        if command is None:
            raise CommandNotFound(name=name)
        refuse = self._policy.refusal("command", command.features)
        if refuse is not None:
            return lambda _: refuse(name)
        return _accept if not command.gen or name in self._unchecked else None

    def _compile(self, type_name: str) -> Decode:
        """Return what fails for all that does not fit, and at times for what does."""
        annotation, is_lax = self._decodables.of(type_name)
        return _doubt if is_lax else msgspec.json.Decoder(annotation).decode

    def _explain(self, type_name: str, text: Text) -> None:
        """Walk the value along its type, and raise what QEMU says, if anything."""
        try:
            value = read_json(bytes(text))
        except ValueError as error:
            message = f"the value cannot be read: {error}"
            raise GenericError(message) from None
        self.read_value(type_name, value)

    # Output.

    def check_return(self, command: str, text: Text) -> None:
        """Return if that is what a command returns.

        Args:
            command: The command.
            text: What it returned, as JSON; nothing is ``{}``.

        Raises:
            LocalProtocolError: It is not; the message says what is wrong.
            KeyError: There is no such command.
        """
        returned = self._schema.commands[command].returns
        try:
            self._output.check_value(returned, text)
        except CommandError as error:
            message = f"what {command!r} returned is not as declared: {error.desc}"
            raise LocalProtocolError(message) from None

    def check_event(self, event: str, text: Text | UnsetType = UNSET) -> None:
        """Return if that is an event's data.

        Args:
            event: The event.
            text: Its data as JSON; nothing is ``{}``.

        Raises:
            LocalProtocolError: It is not, or there is no such event.
        """
        if event not in self._schema.events:
            message = f"no event {event!r} is declared"
            raise LocalProtocolError(message)
        data = self._schema.events[event].arguments
        try:
            self._output.check_value(data, b"{}" if text is UNSET else text)
        except CommandError as error:
            message = f"the data of {event!r} are not as declared: {error.desc}"
            raise LocalProtocolError(message) from None

    def hides_event(self, name: str) -> bool:
        """Whether the policy has an event not sent."""
        event = self._schema.events.get(name)
        return event is not None and self._policy.hides(event.features)

    def visible_return(self, command: str, value: Any) -> Any:
        """Return what a command returned, as parsed, without what the policy hides."""
        return self._hiding.apply(self._schema.commands[command].returns, value)

    def visible_data(self, event: str, data: dict[str, Any]) -> Any:
        """Return an event's data without what the policy hides."""
        return self._hiding.apply(self._schema.events[event].arguments, data)


def _accept(text: Text) -> None:
    """Take any arguments."""


def _doubt(text: Text) -> None:  # noqa: ARG001 - it stands for a decoder
    """Leave the verdict to the walk."""
    message = "not decided here"
    raise msgspec.DecodeError(message)
