"""What a monitor says of itself, as a certain QEMU binary would say it.

A *profile* holds what that binary answers to every question whose answer is always the
same. With one, those commands are answered from it, and all others are held against
its schema first, so that they take and refuse what that binary does.

Source: QEMU 7.2.22, observed; what else there is comes from the profile.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.dialects.modern.profile.answers import Answers, ProfileAnswers
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import Created
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.registry import Entry, PostponedEntry, SignatureLike
from qmpx.qapi.check import Member

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
        given = b"{}" if arguments is UNSET else arguments
        try:
            if given != b"{}":
                self._hold_against_schema(given)
            return self._signature.read(arguments)
        except CommandError:
            self._answers.explain(self._name, given)
            raise

    def _hold_against_schema(self, given: bytes | Raw) -> None:
        try:
            self._answers.validator.check_command(self._name, given)
        except CommandError:
            if not self._answers.has_sizes:
                raise
            self._answers.explain(self._name, given)  # a large integer may fit
        if self._name in _NARROW:
            self._answers.explain(self._name, given)


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
        make = partial(_entry, name, answers, ours.get(name))
        registry.add(PostponedEntry(name, make))
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
