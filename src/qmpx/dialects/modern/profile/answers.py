"""What a certain QEMU binary answers, and the schema that it holds commands against.

Source: QEMU 7.2.22, observed; what else there is comes from the profile.
"""

import json
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Raw

from qmpx.errors import CommandError, GenericError
from qmpx.wire.encode import encode_exactly

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema
    from qmpx.qapi.validation import Validator


class Answers(Protocol):
    """What a profile has to be able to tell."""

    @property
    def version(self) -> bytes:
        """The version as in the greeting, as JSON."""

    def find(self, command: str, arguments: str, accelerator: str) -> bytes | None:
        """Return what the binary answers, as JSON; ``None`` if that is not known.

        Raises:
            CommandError: The binary answers with an error.
        """


class ProfileAnswers:
    """The commands that are answered from a profile.

    Args:
        profile: The profile.
        accelerator: What runs the guest's code: ``tcg`` or ``kvm``.
    """

    def __init__(self, profile: Answers, accelerator: str = "tcg") -> None:
        self._profile = profile
        self._accelerator = accelerator
        self._validator: Validator | None = None
        self._sharp: Validator | None = None
        self._sharp_schema: Schema | None = None
        self._schema: Schema | None = None

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> bytes:
        """Return what the binary answers to a command.

        Raises:
            CommandError: It refuses, or nobody knows.
        """
        told = self._find(command, arguments or {})
        if told is None:
            message = f"the profile does not tell what {command} answers to that"
            raise GenericError(message)
        return told

    def knows(self, command: str) -> bool:
        """Whether the profile has an answer to a command without arguments."""
        try:
            return self._find(command, {}) is not None
        except CommandError:
            return True

    def _find(self, command: str, arguments: dict[str, Any]) -> bytes | None:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
        return self._profile.find(command, text, self._accelerator)

    @property
    def schema(self) -> "Schema":
        """The schema; read when it is first needed.

        Raises:
            CommandError: The profile has none.
        """
        if self._schema is None:
            from qmpx.qapi.piecemeal import schema_in_pieces

            self._schema = schema_in_pieces(self.ask("query-qmp-schema"))
        return self._schema

    @property
    def validator(self) -> "Validator":
        """What holds commands against the schema; made when it is first needed."""
        if self._validator is None:
            from qmpx.qapi.validation import Validator

            self._validator = Validator(self.schema)
        return self._validator

    @property
    def sharp_schema(self) -> "Schema":
        """The schema with the sizes of integers, if its release is at hand."""
        if self._sharp_schema is None:
            from qmpx.qapi.sharpening import sharpened
            from qmpx.qapi.shipped import RELEASES, shipped_schema

            told = msgspec.json.decode(self._profile.version)["qemu"]
            release = f"{told['major']}.{told['minor']}"
            known = release in RELEASES
            self._sharp_schema = (
                sharpened(self.schema, shipped_schema(release))
                if known
                else self.schema
            )
        return self._sharp_schema

    @property
    def sharp_validator(self) -> "Validator":
        """What knows the sizes of integers: a tenth of a second to make."""
        if self._sharp is None:
            from qmpx.qapi.validation import Validator

            self._sharp = Validator(self.sharp_schema)
        return self._sharp

    @property
    def has_sizes(self) -> bool:
        """Whether the sizes of integers are known."""
        return self.sharp_schema is not self.schema

    def explain(self, command: str, arguments: bytes | Raw) -> None:
        """Find the exact error of arguments that something is wrong with.

        Raises:
            CommandError: It was found; else it is no matter of the schema.
        """
        if command in self.sharp_schema.commands:
            self.sharp_validator.check_command(command, arguments)

    def command_names(self) -> list[str]:
        """Return the names of all commands that the binary has."""
        return [
            entry["name"] for entry in msgspec.json.decode(self.ask("query-commands"))
        ]

    # The commands that take arguments.

    def list_types(self, arguments: dict[str, Any]) -> bytes:
        """Answer ``qom-list-types``: abstract types come only if they are asked for."""
        told = self._find("qom-list-types", arguments)
        if told is not None:
            return told
        with_abstract = arguments | {"abstract": True}
        told = self._find("qom-list-types", with_abstract)
        if told is None and "implements" in arguments:
            told = self._children(arguments["implements"])
        if told is None:
            told = self.ask("qom-list-types")
        if arguments.get("abstract"):
            return told
        kinds = msgspec.json.decode(told)
        return encode_exactly([kind for kind in kinds if not kind.get("abstract")])

    def _children(self, name: str) -> bytes:
        """Return a type and what derives from it, as far as the list tells."""
        kinds = msgspec.json.decode(self.list_types({"abstract": True}))
        parents = {kind["name"]: kind.get("parent") for kind in kinds}

        def derives(kind: str | None) -> bool:
            while kind is not None and kind != name:
                kind = parents.get(kind)
            return kind is not None

        return encode_exactly([kind for kind in kinds if derives(kind["name"])])

    def properties(self, command: str, arguments: dict[str, Any]) -> bytes:
        """Answer ``device-list-properties`` and ``qom-list-properties``.

        Raises:
            CommandError: There is no such type.
        """
        told = self._find(command, arguments)
        if told is None:
            what = "Class" if command == "qom-list-properties" else "Device"
            message = f"{what} '{arguments['typename']}' not found"
            raise CommandError.from_reply("DeviceNotFound", message, {}, command)
        return told

    def options(self, arguments: dict[str, Any]) -> bytes:
        """Answer ``query-command-line-options``.

        Raises:
            GenericError: There is no such option.
        """
        told = self.ask("query-command-line-options")
        if "option" not in arguments:
            return told
        wanted = arguments["option"]
        options = [x for x in msgspec.json.decode(told) if x["option"] == wanted]
        if not options:
            message = f"invalid option name: {wanted}"
            raise GenericError(message)
        return encode_exactly(options)

    def expand(self, arguments: dict[str, Any]) -> bytes:
        """Answer ``query-cpu-model-expansion``.

        What was not asked of the binary is put together: the expansion of the model
        alone, and over it the properties that are given. What a property entails is
        not known.

        Raises:
            CommandError: There is no such model, or it has no such property.
        """
        command = "query-cpu-model-expansion"
        model = arguments["model"]
        name, props = model["name"], model.get("props", {})
        told = self._find(command, arguments)
        if told is not None:
            return told
        alone = {"type": arguments["type"], "model": {"name": name}}
        told = self._find(command, alone)
        if told is None:
            message = f"CPU model '{name}' not found"
            raise GenericError(message)
        full = msgspec.json.decode(
            self._find(command, alone | {"type": "full"}) or told
        )["model"]["props"]
        for prop, value in props.items():
            if prop not in full:
                message = f"Property '{name}-x86_64-cpu.{prop}' not found"
                raise GenericError(message)
            if isinstance(full[prop], bool) and not isinstance(value, bool):
                message = f"Invalid parameter type for '{prop}', expected: boolean"
                raise GenericError(message)
        expansion = msgspec.json.decode(told)
        expansion["model"]["props"] |= props
        return encode_exactly(expansion)
