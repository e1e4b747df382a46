"""Options that a command of QMP carries out: ``-object``, ``-blockdev``, ``-netdev``.

So there is one logic for both, as in QEMU. What no command here carries out is checked
as far as the profile's schema goes, and kept.
"""

import json
import re
from typing import Any, Final

import msgspec

from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.errors import CommandError, GenericError
from qmpx.monitor import Monitor
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.registry import Entry, SessionLike
from qmpx.standin.command_line import Backend
from qmpx.standin.failure import StartFailure, with_hints
from qmpx.standin.option_lists import OptionList

COMMANDS: Final = {
    "-object": "object-add",
    "-blockdev": "blockdev-add",
    "-netdev": "netdev_add",
}
"""The command that carries out what an option describes."""

_NODE: Final = "set-numa-node"
_PLACELESS: Final = "-object"  # what cannot be made is told of without the option
_UNEXPECTED: Final = re.compile(r"Parameters? '(.*)' (?:is|are) unexpected")


class OptionCommands:
    """Carries out options by commands.

    Args:
        monitor: Whose commands these are.
        answers: The schema that they are held against.
    """

    def __init__(self, monitor: Monitor, answers: ProfileAnswers) -> None:
        self._monitor = monitor
        self._answers = answers

    async def carry_out(self, backend: Backend) -> bool:
        """Carry out an option, if there is a command for that.

        Args:
            backend: What is described.

        Returns:
            Whether it was; else it was found to be right.

        Raises:
            StartFailure: It is not as the schema says, or cannot be.
        """
        name = COMMANDS[backend.option]
        entry = self._monitor.entries.get(name)
        try:
            arguments = self._arguments(name, backend)
            if entry is None or getattr(entry.handler, "is_refusal", False):
                return False
            keywords = _read(entry, arguments)
            if keywords is None:
                return False
        except CommandError as error:
            raise backend.failure(with_hints(error)) from None
        try:
            await self._run(entry, arguments)
        except CommandError as error:
            if backend.option == _PLACELESS:
                raise StartFailure(with_hints(error)) from None
            raise backend.failure(with_hints(error)) from None
        return True

    def read_node(self, options: OptionList, values: dict[str, Any]) -> Any:
        """Return what ``-numa`` says.

        Args:
            options: The option.
            values: What it says, as the schema has it, in strings.

        Raises:
            CommandError: It is not as the schema says.
        """
        backend = Backend("-numa", options.text, is_json=False, values=values)
        taken = self._answers.schema.commands[_NODE].arguments
        return self._read_keyval(backend, _NODE, taken)

    def _arguments(self, name: str, backend: Backend) -> bytes:
        """Return what the command takes, as JSON.

        Raises:
            CommandError: It is not as the schema says.
        """
        if backend.is_json:
            text = json.dumps(backend.values).encode()
            self._answers.validator.check_command(name, text)
            return text
        values: Any = backend.values
        command = self._answers.schema.commands.get(name)
        if command is not None:
            values = self._read_keyval(backend, name, command.arguments)
        return json.dumps(values).encode()

    def _read_keyval(self, backend: Backend, name: str, type_name: str) -> Any:
        """Return what an option says, by the schema.

        Introspection does not tell which integers are sizes, and may have units: the
        schema that it comes from does.

        Raises:
            CommandError: It is not as the schema says.
        """
        try:
            return self._answers.validator.read_keyval(type_name, backend.values)
        except CommandError:
            exact = self._answers.sharp_schema.commands[name].arguments
        try:
            return self._answers.sharp_validator.read_keyval(exact, backend.values)
        except CommandError as error:
            unexpected = _UNEXPECTED.fullmatch(error.desc)
            if unexpected is None or backend.option == "-blockdev":
                raise
            # These two options were there before the schema was.
            message = f"Invalid parameter '{unexpected[1]}'"
            raise GenericError(message) from None

    async def _run(self, entry: Entry, arguments: bytes) -> None:
        """Run a command as if a client had sent it.

        Raises:
            CommandError: It fails.
        """
        returned = entry.invoke(_Starting(self._monitor), msgspec.Raw(arguments))
        if entry.is_async:
            await returned


def _read(entry: Entry, arguments: bytes) -> dict[str, Any] | None:
    """Return a handler's keywords; ``None`` if it takes less than the schema."""
    try:
        return entry.signature.read(msgspec.Raw(arguments))
    except CommandError:
        return None


class _Starting(SessionLike):
    """Who asks, while the machine is put together: nobody who could be told."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.frontend = Frontend()
        self.pending = PendingDescriptors()
        self.answers_later = False
