"""The errors of QMP itself: each is declared once, and raising it is the only act.

A class of this catalogue is the error's class on the wire, its annotations are the
data that go with it, its template is the description::

    class DeviceNotFound(CommandError, template="Device '{device}' not found"):
        device: str

    raise DeviceNotFound(device="foobar")

The side that serves raises them and the side that drives catches them: the same class
serves both. What of an error goes over the wire is the dialect's business: 2010's
monitor sent class, description and data; every monitor since QEMU 1.2 sends the class
(one of `MODERN_CLASSES`, else ``GenericError``) and the description. Where today's
description differs from that of 2010 both are declared.

Sources: texts and classes as observed on QEMU 0.13 and 7.2.
"""

from __future__ import annotations

from qmpx.errors.exceptions import QmpxError

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Do nothing: it tells type checkers something."""
        return lambda cls: cls


MODERN_CLASSES = frozenset(
    {
        "GenericError",
        "CommandNotFound",
        "DeviceNotActive",
        "DeviceNotFound",
        "KVMMissingCap",
    }
)
"""The classes that are left since QEMU 1.2 (``QapiErrorClass`` of its schema)."""


@dataclass_transform(kw_only_default=True)
class CommandError(QmpxError):
    """A command failed: the peer, or the handler, said no.

    A subclass that is declared with a template takes its annotations as keyword
    arguments. On the client's side `from_reply` makes the instance, and picks the
    declared class where there is one, so that ``except DeviceNotFound`` works.
    """

    catalogue: ClassVar[dict[str, type[CommandError]]] = {}
    """Every declared error by the name of its class."""

    template: ClassVar[str] = ""
    template_2010: ClassVar[str] = ""
    members: ClassVar[tuple[str, ...]] = ()

    hint: str = ""
    """What a person may do about it; only the human monitor shows it."""

    def __init_subclass__(
        cls, *, template: str | None = None, template_2010: str | None = None
    ) -> None:
        """Declare an error: read its members, enter it into the catalogue.

        Args:
            template: Today's description, with the members in braces. A class without
                one is no entry of the catalogue.
            template_2010: The description of QEMU 0.13, if that was another.

        Raises:
            TypeError: The class is declared twice.
        """
        if template is None:
            return
        if cls.__name__ in cls.catalogue:
            message = f"error class {cls.__name__!r} is declared twice"
            raise TypeError(message)
        cls.template = template
        cls.template_2010 = template if template_2010 is None else template_2010
        cls.members = tuple(cls.__annotations__)
        cls.catalogue[cls.__name__] = cls

    def __init__(self, **data: Any) -> None:
        if data.keys() != set(self.members):
            message = (
                f"{type(self).__name__} takes {', '.join(self.members) or 'nothing'}; "
                f"got {', '.join(data) or 'nothing'}"
            )
            raise TypeError(message)
        self._set(type(self).__name__, self.template.format_map(data), data, None)

    @classmethod
    def from_reply(
        cls, error_class: str, desc: str, data: dict[str, Any], command: str | None
    ) -> Self:
        """Return the error that a reply told of, with the peer's own words.

        Args:
            error_class: The reply's ``class``.
            desc: Its ``desc``.
            data: Its ``data``, which only monitors before QEMU 1.2 send.
            command: The command that was refused.
        """
        declared = cls.catalogue.get(error_class, cls)
        self = declared.__new__(declared if issubclass(declared, cls) else cls)
        self._set(error_class, desc, data, command)
        return self

    def _set(
        self, error_class: str, desc: str, data: dict[str, Any], command: str | None
    ) -> None:
        Exception.__init__(self, desc)
        for name, value in data.items():
            if name in self.members:
                setattr(self, name, value)
        self.error_class: str = error_class
        self.desc: str = desc
        self.data: dict[str, Any] = data
        self.command: str | None = command

    @property
    def desc_2010(self) -> str:
        """The description as QEMU 0.13 worded it.

        Of an error that came without its data, as today's do, it is today's.
        """
        template = self.template_2010
        if not template or not self.data.keys() >= set(self.members):
            return self.desc
        return template.format_map(self.data)

    def hinting(self, hint: str) -> Self:
        """Return the error with a hint for people, one line or more."""
        self.hint = hint
        return self

    def __str__(self) -> str:
        return f"{self.error_class}: {self.desc}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (
            type(self),
            self.error_class,
            self.desc,
            self.data,
            self.command,
        )


def _restore(cls: type[CommandError], *state: Any) -> CommandError:
    """Rebuild an error that was pickled: it may have come from a reply."""
    return cls.from_reply(*state)


class GenericError(CommandError, template="{desc}", template_2010=""):
    """The class of nearly all errors since QEMU 1.2: only its text tells.

    Args:
        desc: The description, one sentence without a full stop.
    """

    def __init__(self, desc: str) -> None:
        self._set("GenericError", desc, {}, None)


class CommandNotFound(CommandError, template="The command {name} has not been found"):
    """There is no such command, or none in this state of the session."""

    name: str


class NegotiationError(CommandError):
    """What came does not fit the session's mode; on the wire a ``CommandNotFound``.

    The two texts are those of QEMU 7.2, and differ from the catalogue's, so this class
    is no entry of its own.

    Args:
        desc: The description.
    """

    def __init__(self, desc: str) -> None:
        self._set("CommandNotFound", desc, {}, None)


class JSONParsing(CommandError, template="{desc}", template_2010="Invalid JSON syntax"):
    """What the client sent is no JSON.

    Today's description tells what is wrong; 2010's had no data and one text.
    """

    def __init__(self, desc: str) -> None:
        self._set("JSONParsing", desc, {}, None)


class QMPBadInputObject(
    CommandError,
    template="QMP input lacks member '{expected}'",
    template_2010="Expected '{expected}' in QMP input",
):
    """The client's message is no object, or lacks its most important member."""

    expected: str

    def __init__(self, *, expected: str) -> None:
        desc = (
            "QMP input must be a JSON object"
            if expected == "object"
            else self.template.format(expected=expected)
        )
        self._set("QMPBadInputObject", desc, {"expected": expected}, None)


class QMPBadInputObjectMember(
    CommandError,
    template="QMP input member '{member}' must be {expected}",
    template_2010="QMP input object member '{member}' expects '{expected}'",
):
    """A member of the client's message is of the wrong type."""

    member: str
    expected: str

    def __init__(self, *, member: str, expected: str) -> None:
        article = "an" if expected[0] in "aeiou" else "a"
        desc = self.template.format(member=member, expected=f"{article} {expected}")
        data = {"member": member, "expected": expected}
        self._set("QMPBadInputObjectMember", desc, data, None)


class QMPExtraInputObjectMember(
    CommandError,
    template="QMP input member '{member}' is unexpected",
    template_2010="QMP input object member '{member}' is unexpected",
):
    """The client's message has a member that there is not."""

    member: str


class MissingParameter(CommandError, template="Parameter '{name}' is missing"):
    """An argument must be there and is not."""

    name: str


class InvalidParameter(
    CommandError,
    template="Parameter '{name}' is unexpected",
    template_2010="Invalid parameter '{name}'",
):
    """There is no such argument."""

    name: str


class InvalidParameterType(
    CommandError,
    template="Invalid parameter type for '{name}', expected: {expected}",
    template_2010="Invalid parameter type, expected: {expected}",
):
    """An argument is of the wrong type."""

    name: str
    expected: str


class DeviceNotFound(CommandError, template="Device '{device}' not found"):
    """There is no device, or block back end, of that name."""

    device: str


class DeviceNotActive(
    CommandError,
    template="No {device} device has been activated",
    template_2010="Device '{device}' has not been activated",
):
    """What the command needs is not plugged in, or its guest driver is silent."""

    device: str


class DeviceLocked(
    CommandError,
    template="Device '{device}' is locked and force was not specified, wait for tray "
    "to open and try again",
    template_2010="Device '{device}' is locked",
):
    """The guest has locked the tray."""

    device: str


class DeviceNotRemovable(CommandError, template="Device '{device}' is not removable"):
    """The medium of that device cannot be taken out."""

    device: str


class KVMMissingCap(
    CommandError, template="Using KVM without {capability}, {feature} unavailable"
):
    """The kernel's KVM lacks something."""

    capability: str
    feature: str


class FdNotSupplied(
    CommandError, template="No file descriptor supplied via SCM_RIGHTS"
):
    """``getfd`` or ``add-fd``, but no descriptor had come."""


class FdNotFound(CommandError, template="File descriptor named '{name}' not found"):
    """There is no descriptor, or set of descriptors, of that name."""

    name: str


class InvalidParameterValue(
    CommandError, template="Parameter '{name}' expects {expected}"
):
    """An argument has the right type and a value that cannot be."""

    name: str
    expected: str


class UndefinedError(
    CommandError,
    template="An undefined error has occurred",
    template_2010="An undefined error has ocurred",  # as it was
):
    """A handler failed without saying why: a defect of the server, kept in its log."""


# The rest of 2010's: today each of them would be a GenericError.


class BadBusForDevice(
    CommandError, template="Device '{device}' can't go on a {bad_bus_type} bus"
):
    """The bus is of another type than the device needs."""

    device: str
    bad_bus_type: str


class BusNotFound(CommandError, template="Bus '{bus}' not found"):
    """There is no bus of that name."""

    bus: str


class BusNoHotplug(
    CommandError,
    template="Bus '{bus}' does not support hotplugging",
):
    """Nothing can be plugged into that bus, or out of it, while the machine is on."""

    bus: str


class DeviceEncrypted(CommandError, template="Device '{device}' is encrypted"):
    """The image in the drive needs a key first."""

    device: str


class DeviceInitFailed(
    CommandError, template="Device '{device}' could not be initialized"
):
    """The device could not be made."""

    device: str


class DeviceInUse(CommandError, template="Device '{device}' is in use"):
    """Something else holds the device. QEMU 0.13 declares it and never raises it."""

    device: str


class DeviceMultipleBusses(
    CommandError, template="Device '{device}' has multiple child busses"
):
    """A path ends in a device that has several buses."""

    device: str


class DeviceNotEncrypted(CommandError, template="Device '{device}' is not encrypted"):
    """A key was given for an image that needs none."""

    device: str


class DeviceNoBus(CommandError, template="Device '{device}' has no child bus"):
    """A path ends in a device that has no bus."""

    device: str


class DuplicateId(CommandError, template="Duplicate ID '{id}' for {object}"):
    """The id is taken."""

    id: str
    object: str


class InvalidBlockFormat(
    CommandError,
    template="Unknown driver '{name}'",
    template_2010="Invalid block format '{name}'",
):
    """There is no image format of that name."""

    name: str


class InvalidPassword(CommandError, template="Password incorrect"):
    """The key was refused."""


class MigrationExpected(
    CommandError,
    template="An incoming migration is expected before this command can be executed",
):
    """The machine waits for its state to come in."""


class NoBusForDevice(
    CommandError, template="No '{bus}' bus found for device '{device}'"
):
    """There is no bus of the type that the device needs."""

    device: str
    bus: str


class OpenFileFailed(CommandError, template="Could not open '{filename}'"):
    """A file could not be opened or made."""

    filename: str


class PropertyNotFound(
    CommandError, template="Property '{device}.{property}' not found"
):
    """The device has no such property."""

    device: str
    property: str


class PropertyValueBad(
    CommandError,
    template="Property '{device}.{property}' doesn't take value '{value}'",
):
    """A property does not take that value."""

    device: str
    property: str
    value: str


class PropertyValueInUse(
    CommandError,
    template="Property '{device}.{property}' can't take value '{value}', it's in use",
):
    """Another device uses what the value names."""

    device: str
    property: str
    value: str


class PropertyValueNotFound(
    CommandError,
    template="Property '{device}.{property}' can't find value '{value}'",
):
    """What the value names does not exist."""

    device: str
    property: str
    value: str


class SetPasswdFailed(CommandError, template="Could not set password"):
    """There is no display that could have a password."""


class TooManyFiles(CommandError, template="Too many open files"):
    """No descriptor is left. QEMU 0.13 declares it and never raises it."""


class VNCServerFailed(CommandError, template="Could not start VNC server on {target}"):
    """The VNC server could not be started."""

    target: str
