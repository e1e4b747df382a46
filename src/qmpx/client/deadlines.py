"""How long a command may take before its caller gives up: classes of latency.

QEMU runs most commands at once and in one thread, so what a reply waits for is a disk,
a guest's memory, or another such command. A figure here is what a healthy peer needs on
a loaded host, not what is usual. Others have settled on figures like these: Incus,
Proxmox VE and Ganeti have tables of their own.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Final

TIMEOUT: Final = 30.0
"""Seconds for a reply: a loaded host may need ten, and a person gives up later."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for connection, greeting and negotiation together."""

RETRY_FIRST: Final = 0.1
RETRY_LAST: Final = 5.0
"""Seconds between tries to reconnect; doubled from the first figure to the last."""

DISK_TIMEOUT: Final = 60.0
"""Seconds for what opens, closes or flushes images, or plugs a device."""

IMAGE_TIMEOUT: Final = 600.0
"""Seconds for what may have to wait until all requests to a disk have drained."""

MEMORY_TIMEOUT: Final = 3600.0
"""Seconds for what writes a guest's whole memory, or copies within an image."""

UNPLUG_TIMEOUT: Final = 60.0
"""Seconds for a guest to let a device go; Ganeti found that ten are too few."""

SHUTDOWN_TIMEOUT: Final = 120.0
"""Seconds for a guest to shut down: services have ninety to stop, by systemd's rule."""

EXIT_TIMEOUT: Final = 60.0
"""Seconds for QEMU to flush its disks and end."""

KEY_TIME: Final = 0.02
"""Seconds that a key is held, and between two: a guest that polls sees every one."""

EXAMINE_TIMEOUT: Final = 2.0
"""Seconds for each of two answers; an idle monitor takes a thousandth of that."""


class Default(enum.Enum):
    """Stands for an argument that was not given where ``None`` means something."""

    DEFAULT = "default"


DEFAULT: Final = Default.DEFAULT
Timeout = float | None | Default

_DISK: Final = (
    "block-dirty-bitmap-add",
    "block-dirty-bitmap-merge",
    "block-dirty-bitmap-remove",
    "blockdev-add",
    "blockdev-change-medium",
    "blockdev-create",
    "blockdev-del",
    "blockdev-insert-medium",
    "blockdev-open-tray",
    "blockdev-reopen",
    "blockdev-snapshot",
    "blockdev-snapshot-sync",
    "block_resize",
    "change",
    "cont",
    "device_add",
    "device_del",
    "eject",
    "migrate-incoming",
    "nbd-server-stop",
    "netdev_add",
    "netdev_del",
    "object-add",
    "object-del",
    "query-migrate",
    "quit",
    "screendump",
    "stop",
    "system_reset",
)
_IMAGE: Final = (
    "block-commit",
    "block-job-cancel",
    "block-job-complete",
    "block-job-pause",
    "block-stream",
    "blockdev-backup",
    "blockdev-mirror",
    "drive-backup",
    "drive-mirror",
    "human-monitor-command",
    "job-cancel",
    "job-complete",
    "job-finalize",
    "query-block-jobs",
    "query-jobs",
    "transaction",
)
_MEMORY: Final = (
    "blockdev-snapshot-delete-internal-sync",
    "blockdev-snapshot-internal-sync",
    "dump-guest-memory",
    "memsave",
    "pmemsave",
    "xen-save-devices-state",
)

DEADLINES: Final[Mapping[str, float | None]] = {
    **dict.fromkeys(_DISK, DISK_TIMEOUT),
    **dict.fromkeys(_IMAGE, IMAGE_TIMEOUT),
    **dict.fromkeys(_MEMORY, MEMORY_TIMEOUT),
}
"""Seconds for the commands that may take longer than most; the others get what
`TIMEOUT` says."""


def longest(figures: Iterable[float | None]) -> float | None:
    """Return the most seconds of some; ``None``, for ever, is the longest."""
    known = list(figures)
    return None if None in known else max(figure or 0.0 for figure in known)
