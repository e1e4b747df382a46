"""The commands that may run out of band: those that help a stuck machine."""

from typing import NoReturn

from msgspec import Struct

from qmpx.errors import CommandError, GenericError
from qmpx.machine.character.sockets import SocketDevice
from qmpx.monitor import CommandRegistry, Session

commands = CommandRegistry(reads_late=True)


class _Instance(Struct, tag_field="type", rename="kebab", forbid_unknown_fields=True):
    pass


class BlockNodeInstance(_Instance, tag="block-node"):
    """A block node with a connection."""

    node_name: str


class ChardevInstance(_Instance, tag="chardev"):
    """A character device with a connection."""

    id: str


class MigrationInstance(_Instance, tag="migration"):
    """A migration."""


YankInstance = BlockNodeInstance | ChardevInstance | MigrationInstance


class _InstanceNotFound(CommandError):
    """Towards clients a ``DeviceNotFound`` with a text of its own."""

    def __init__(self) -> None:
        self._set("DeviceNotFound", "Instance not found", {}, None)


@commands.command("query-yank", allow_oob=True)
def query_yank(session: Session) -> list[YankInstance]:
    """Tell of what can be broken off: character devices on sockets, and a migration."""
    labels = [label for label, _, _ in session.monitor.character_devices()]
    labels += [label for label in _sockets(session) if label not in labels]
    told: list[YankInstance] = [ChardevInstance(label) for label in labels]
    if _moves(session):
        told.append(MigrationInstance())
    return told


def _sockets(session: Session) -> dict[str, SocketDevice]:
    """Return the machine's own character devices on sockets."""
    devices = vars(session.monitor.target).get("characters", ())
    return {each.label: each for each in devices if isinstance(each, SocketDevice)}


def _moves(session: Session) -> bool:
    """Whether the machine is on its way, or another one is awaited."""
    migration = vars(session.monitor.target).get("migration")
    return migration is not None and (migration.is_active or migration.is_expected)


@commands.command("yank", allow_oob=True)
def yank(session: Session, *, instances: list[YankInstance]) -> None:
    """Break off connections. All must exist; else none is."""
    monitor = session.monitor
    labels = {label for label, _, _ in monitor.character_devices()}
    sockets = _sockets(session)
    for instance in instances:
        match instance:
            case ChardevInstance(id=label) if label in labels or label in sockets:
                pass
            case MigrationInstance() if _moves(session):
                pass
            case _:
                raise _InstanceNotFound
    for instance in instances:
        if isinstance(instance, ChardevInstance) and instance.id in sockets:
            sockets[instance.id].break_off()
        elif isinstance(instance, ChardevInstance):
            monitor.break_off(instance.id)
        elif isinstance(instance, MigrationInstance):
            session.monitor.target.migration.break_off()


@commands.command("migrate-pause", allow_oob=True)
def migrate_pause(session: Session) -> NoReturn:  # noqa: ARG001
    """Pause a migration; none can be in that state yet."""
    message = "migrate-pause is currently only supported during postcopy-active state"
    raise GenericError(message)
