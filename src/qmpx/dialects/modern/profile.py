"""What a monitor says of itself, as a certain QEMU binary would say it.

A *profile* holds what that binary answers to every question whose answer is always the
same. With one, those commands are answered from it, and all others are held against
its schema first, so that they take and refuse what that binary does.

Source: QEMU 7.2.22, observed; what else there is comes from the profile.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import Created
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.registry import Entry, SignatureLike
from qmpx.qapi.check import Member
from qmpx.wire.encode import encode_exactly

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema
    from qmpx.qapi.validation import Validator

ALWAYS: Final = (
    "query-version",
    "query-commands",
    "query-qmp-schema",
    "query-target",
    "query-machines",
    "query-cpu-definitions",
    "query-cpu-model-expansion",
    "query-command-line-options",
    "query-tpm-models",
    "query-tpm-types",
    "query-sgx-capabilities",
    "query-sev-capabilities",
    "query-gic-capabilities",
    "query-chardev-backends",
    "query-dump-guest-memory-capability",
    "qom-list-types",
    "qom-list-properties",
    "device-list-properties",
)
"""Commands whose answers are the profile's, whatever the machine is."""

ELSE: Final = (
    "query-migrate-capabilities",
    "query-migrate-parameters",
    "query-sgx",
    "query-sev",
)
"""Commands whose answers are the profile's as long as nothing here has its own."""

_NARROW: Final = frozenset({"migrate-set-parameters"})
"""Commands whose handlers take any integer, and whose schema has small ones."""

_NEGOTIATION: Final = "qmp_capabilities"
_OBJECT_ADD: Final = "object-add"
PREFIX: Final = "x-qmpx-"
"""With this begin commands that no QEMU has: a profile does not take them away."""


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
            from qmpx.qapi.introspection import from_introspection

            text = self.ask("query-qmp-schema")
            self._schema = from_introspection(msgspec.json.decode(text))
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


class _Spoken:
    """The signature of a command whose reply is JSON already."""

    positional: list[Any]
    members: list[Member]
    is_async = False

    def __init__(
        self, name: str, answers: ProfileAnswers, *, takes_arguments: bool
    ) -> None:
        self._name = name
        self._answers = answers
        self._takes_arguments = takes_arguments
        self.positional = [object]
        # One that has none is called without a look at what was sent.
        self.members = [Member("arguments", Any, required=False)] * takes_arguments

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the arguments in one piece."""
        text = b"{}" if arguments is UNSET else bytes(arguments)
        if text != b"{}" or self._takes_arguments:
            try:
                self._answers.validator.check_command(self._name, text)
            except CommandError:
                self._answers.explain(self._name, text)
                raise
        return {"arguments": msgspec.json.decode(text)}

    def encode(self, value: bytes) -> bytes:
        """Return it as it is."""
        return value


class _Checked:
    """The signature of a command whose arguments are held against a schema first."""

    def __init__(
        self, name: str, answers: ProfileAnswers, signature: SignatureLike
    ) -> None:
        self._name = name
        self._answers = answers
        self._signature = signature
        self.positional = signature.positional
        self.members = signature.members
        self.is_async = signature.is_async
        self.encode = signature.encode

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the handler's keywords."""
        if arguments is UNSET or arguments == b"{}":
            return self._signature.read(arguments)
        try:
            self._answers.validator.check_command(self._name, arguments)
            if self._name in _NARROW:
                self._answers.explain(self._name, arguments)
            return self._signature.read(arguments)
        except CommandError:
            self._answers.explain(self._name, arguments)
            raise


_WITH_ARGUMENTS: Final = {
    "qom-list-types",
    "qom-list-properties",
    "device-list-properties",
    "query-command-line-options",
    "query-cpu-model-expansion",
}


def apply_profile(monitor: Monitor, profile: Answers, answers: ProfileAnswers) -> None:
    """Let a monitor say of itself what a profile says.

    The commands are those of the profile. One that it has and that nothing here carries
    out checks its arguments, and then says so with a ``GenericError``.

    Args:
        monitor: The monitor.
        profile: The profile.
        answers: The commands that are answered from it.
    """
    ours = dict(monitor.commands.entries)
    registry = CommandRegistry()
    names = answers.command_names() if answers.knows("query-commands") else list(ours)
    for name in names:
        registry.add(_entry(name, answers, ours.get(name)))
    for name, entry in ours.items():
        if name.startswith(PREFIX) or name == _NEGOTIATION:
            registry.entries.setdefault(name, entry)
    monitor.commands.entries.clear()
    monitor.commands.entries.update(registry.entries)
    monitor.announce(msgspec.json.decode(profile.version))


def _entry(name: str, answers: ProfileAnswers, ours: Entry | None) -> Entry:
    is_told = name in _WITH_ARGUMENTS or (
        (name in ALWAYS or (name in ELSE and ours is None)) and answers.knows(name)
    )
    if is_told:
        told = _Spoken(name, answers, takes_arguments=name in _WITH_ARGUMENTS)
        return Entry(name, _teller(name, answers), signature=told)
    if ours is None:
        checked = _Spoken(name, answers, takes_arguments=True)
        return Entry(name, _refuser(name), signature=checked)
    if name == _OBJECT_ADD:
        return _object_entry(answers, ours)
    if name == _NEGOTIATION or not ours.signature.members:
        return ours
    return Entry(
        name,
        ours.handler,
        allow_oob=ours.allow_oob,
        holds_monitor=ours.holds_monitor,
        is_asynchronous=ours.is_asynchronous,
        is_listed=ours.is_listed,
        signature=_Checked(name, answers, ours.signature),
    )


class _AnyObject(_Checked):
    """The signature of ``object-add``: what the schema knows can at least be named."""

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the handler's keywords; for types that it does not know, ``other``."""
        text = b"{}" if arguments is UNSET else bytes(arguments)
        try:
            self._answers.validator.check_command(self._name, text)
        except CommandError:
            self._answers.explain(self._name, text)
            raise
        try:
            return self._signature.read(arguments)
        except CommandError:
            self._answers.explain(self._name, text)
            return {"other": msgspec.json.decode(text)}


def _object_entry(answers: ProfileAnswers, ours: Entry) -> Entry:
    async def add(
        machine: Machine, *, other: dict[str, Any] | None = None, **known: Any
    ) -> None:
        if other is None:
            await ours.handler(machine, **known)
            return
        kind, id_ = other.pop("qom-type"), other.pop("id")
        machine.objects.create(id_, Created(kind, other))

    return Entry(
        _OBJECT_ADD,
        add,
        holds_monitor=ours.holds_monitor,
        signature=_AnyObject(_OBJECT_ADD, answers, ours.signature),
    )


def _teller(name: str, answers: ProfileAnswers) -> Callable[..., bytes]:
    def tell(_: object, *, arguments: dict[str, Any] | None = None) -> bytes:
        arguments = arguments or {}
        match name:
            case "qom-list-types":
                return answers.list_types(arguments)
            case "qom-list-properties" | "device-list-properties":
                return answers.properties(name, arguments)
            case "query-command-line-options":
                return answers.options(arguments)
            case "query-cpu-model-expansion":
                return answers.expand(arguments)
        return answers.ask(name)

    return tell


def _refuser(name: str) -> Callable[..., bytes]:
    def refuse(
        _: object,
        *,
        arguments: dict[str, Any] | None = None,  # noqa: ARG001
    ) -> bytes:
        message = f"The command {name} is not carried out by this stand-in"
        raise GenericError(message)

    refuse.is_refusal = True  # type: ignore[attr-defined]
    return refuse
