"""The states of a migration, and the events that tell of them.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Any, Final, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.happenings import Happening, MigrationMoved, MigrationPassBegan
from qmpx.machine.migration import Migration
from qmpx.machine.runstate import RunState
from qmpx.qapi import Values

ACTIVE: Final = (
    *("active", "postcopy-active", "pre-switchover", "device", "cancelling"),
)
"""The states in which there are figures."""

_UNDER_WAY: Final = ("setup", *ACTIVE)

Status = Annotated[
    str,
    Values(
        "none",
        "setup",
        "cancelling",
        "cancelled",
        "active",
        "postcopy-active",
        "postcopy-paused",
        "postcopy-recover",
        "completed",
        "failed",
        "colo",
        "pre-switchover",
        "device",
        "wait-unplug",
    ),
]


class MigrationEvent(TypedDict):
    """A migration has come to another state."""

    status: Status


MigrationPass = TypedDict("MigrationPass", {"pass": int})

EVENTS: Final[dict[str, Any]] = {
    "MIGRATION": MigrationEvent,
    "MIGRATION_PASS": MigrationPass,
}
"""The events of a migration, with the types of their data."""


def as_event(machine: Machine, happening: Happening) -> tuple[str, Any] | None:
    """Return the event that tells of *happening*, for those who turned that on."""
    if "migration" not in machine.__dict__:
        return None
    is_coming = happening == MigrationMoved("setup") and (
        machine.state is RunState.INMIGRATE
    )
    if "events" not in machine.migration.capabilities and not is_coming:
        return None  # QEMU tells all that it begins to wait
    match happening:
        case MigrationMoved(status):
            return "MIGRATION", {"status": status}
        case MigrationPassBegan(number):
            return "MIGRATION_PASS", {"pass": number}
    return None


def require_idle(migration: Migration) -> None:
    """Make sure that nothing is under way.

    Raises:
        GenericError: A migration is.
    """
    if migration.status in _UNDER_WAY:
        message = "There's a migration process in progress"
        raise GenericError(message)
