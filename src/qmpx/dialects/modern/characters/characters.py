"""Character devices: what there are, new ones, and others in their places.

Source: QEMU 7.2.22, observed.
"""

from typing import Final, TypedDict

from qmpx.dialects.modern.characters.opening import ChardevReturn, open_character
from qmpx.dialects.modern.characters.options import Backend
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.character.device import CharacterDevice
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike

commands = CommandRegistry(reads_late=True)

BACKENDS: Final = (
    "null",
    "file",
    "serial",
    "parallel",
    "pipe",
    "socket",
    "udp",
    "pty",
    "mux",
    "msmouse",
    "wctablet",
    "testdev",
    "stdio",
    "vc",
    "ringbuf",
    "memory",
)
"""The backends that can be made here."""


class BackendInfo(TypedDict):
    """A kind of character device."""

    name: str


@commands.command("query-chardev-backends")
def query_chardev_backends(machine: Machine) -> list[BackendInfo]:  # noqa: ARG001
    """Tell which kinds of character devices there are."""
    return [{"name": name} for name in BACKENDS]


@commands.command("chardev-add")
async def chardev_add(
    machine: Machine, session: SessionLike, *, id_: str, backend: Backend
) -> ChardevReturn:
    """Make a character device.

    Raises:
        GenericError: The id is taken, the options do not fit, or the host refuses.
    """
    if id_ in machine.characters or id_ in labels_of_monitors(session):
        message = f"Chardev with id '{id_}' already exists"
        raise GenericError(message)
    return await open_character(machine, session, id_, backend)


@commands.command("chardev-change")
async def chardev_change(
    machine: Machine, session: SessionLike, *, id_: str, backend: Backend
) -> ChardevReturn:
    """Put another character device in the place of one; its user stays.

    Raises:
        GenericError: There is none, it cannot be replaced, or the new one not be made.
    """
    if id_ in labels_of_monitors(session):
        message = "Chardev user does not support chardev hotswap"
        raise GenericError(message)
    if id_ not in machine.characters:
        message = f"Chardev '{id_}' does not exist"
        raise GenericError(message)
    before = machine.characters[id_]
    if before.is_mux:
        message = "Mux device hotswap not supported yet"
        raise GenericError(message)
    is_used = before.free_users < before.users
    if is_used and (not before.can_be_replaced or _minds(machine, id_)):
        message = "Chardev user does not support chardev hotswap"
        raise GenericError(message)
    with machine.characters.set_aside(id_):
        return await open_character(machine, session, id_, backend)


def _minds(machine: Machine, label: str) -> bool:
    """Whether the port of a machine that stands still has a character device."""
    if machine.state.is_running or "qom" not in machine.__dict__:
        return False
    return any(
        device.object.values.get("chardev") == label
        for device in machine.qom.devices
        if device.object.type in ("virtserialport", "virtconsole")
    )


@commands.command("chardev-remove")
def chardev_remove(machine: Machine, session: SessionLike, *, id_: str) -> None:
    """Close a character device that nobody uses.

    Raises:
        GenericError: There is none, or it is in use.
    """
    device = _find(machine, session, id_)
    if device is None or device.is_mux or device.free_users < device.users:
        message = f"Chardev '{id_}' is busy"
        raise GenericError(message)
    machine.characters.remove(id_)


@commands.command("chardev-send-break")
def chardev_send_break(machine: Machine, session: SessionLike, *, id_: str) -> None:
    """Send a break to the guest; there is no guest code that would notice.

    Raises:
        GenericError: There is no such device.
    """
    _find(machine, session, id_)


def labels_of_monitors(session: SessionLike) -> set[str]:
    """Return the labels of the character devices that monitors are on."""
    return {label for label, _, _ in session.monitor.character_devices()}


def _find(machine: Machine, session: SessionLike, id_: str) -> CharacterDevice | None:
    """Return a device; ``None`` if it is a monitor's.

    Raises:
        GenericError: There is none.
    """
    if id_ in machine.characters:
        return machine.characters[id_]
    if id_ in labels_of_monitors(session):
        return None
    message = f"Chardev '{id_}' not found"
    raise GenericError(message)
