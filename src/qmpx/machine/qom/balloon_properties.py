"""What of a memory balloon can be seen as properties: the guest's statistics."""

from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.objects import QomObject

STATISTICS: Final = (
    "stat-swap-in",
    "stat-swap-out",
    "stat-major-faults",
    "stat-minor-faults",
    "stat-free-memory",
    "stat-total-memory",
    "stat-available-memory",
    "stat-disk-caches",
    "stat-htlb-pgalloc",
    "stat-htlb-pgfail",
)
"""What a guest may tell."""

UNKNOWN: Final = 2**64 - 1
"""What stands for a figure that the guest did not tell."""

_POLLING: Final = "guest-stats-polling-interval"
_MOST_SECONDS: Final = 2**32 - 1


def make_live(machine: "Machine", shown: "QomObject") -> None:
    """Let a balloon device tell what the guest tells."""
    targets = [shown]
    backend = shown.children.get("virtio-backend")
    if backend is not None:
        targets.append(backend)

    def statistics() -> dict[str, Any]:
        told = machine.guest.memory_statistics()
        figures = {name: told.get(name, UNKNOWN) for name in STATISTICS}
        seconds = machine.clock.microseconds() // 1_000_000 if told else 0
        return {"stats": figures, "last-update": seconds}

    def set_polling(value: Any) -> None:
        if value < 0:
            message = "timer value must be greater than zero"
            raise GenericError(message)
        if value > _MOST_SECONDS:
            message = "timer value is too big"
            raise GenericError(message)
        for target in targets:
            target.values[_POLLING] = value

    for target in targets:
        target.live["guest-stats"] = statistics
        target.writers[_POLLING] = set_polling
