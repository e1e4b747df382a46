"""``--preconfig``: before the machine is built, only some commands are permitted.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw, UnsetType

from qmpx.errors import GenericError
from qmpx.monitor import Monitor
from qmpx.monitor.registry import Entry
from qmpx.qapi.check import Member
from qmpx.wire.encode import encode

_NAMES: Final = """
    qmp_capabilities quit x-exit-preconfig query-status
    query-command-line-options query-iothreads query-name set-numa-node
    query-hotpluggable-cpus query-memdev query-uuid object-del object-add
    qom-list-properties qom-list-types qom-set qom-get qom-list query-qmp-schema
    query-commands query-version netdev_del netdev_add query-chardev
    query-block-exports block-export-del block-export-add
    nbd-server-stop nbd-server-remove nbd-server-add nbd-server-start
    blockdev-snapshot-delete-internal-sync blockdev-snapshot-internal-sync
    x-blockdev-set-iothread x-blockdev-change block-set-write-threshold
    x-blockdev-amend blockdev-create blockdev-del blockdev-reopen blockdev-add
    block-job-finalize block-job-dismiss block-job-complete block-job-resume
    block-job-pause block-job-cancel block-job-set-speed block-stream
    blockdev-mirror x-debug-block-dirty-bitmap-sha256
    block-dirty-bitmap-merge block-dirty-bitmap-disable block-dirty-bitmap-enable
    block-dirty-bitmap-clear block-dirty-bitmap-remove block-dirty-bitmap-add
    drive-mirror x-debug-query-block-graph query-named-block-nodes
    blockdev-backup drive-backup block-commit change-backing-file
    blockdev-snapshot blockdev-snapshot-sync block_resize query-block-jobs
    query-blockstats query-block block-latency-histogram-set
    block_set_io_throttle query-pr-managers set-action
"""
PERMITTED: Final = frozenset(_NAMES.split())
"""What a QEMU 7.2 runs before its machine is built."""

_EXIT: Final = "x-exit-preconfig"


class _Unread:
    """The signature of a command whose arguments do not matter."""

    positional: list[Any]
    members: list[Member]
    is_async = False

    def __init__(self) -> None:
        self.positional = [object]
        self.members = []

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def encode(self, value: Any) -> bytes:
        """Return what was returned in wire form."""
        return encode(value)


def hold_commands(monitor: Monitor, leave: Callable[[], None] | None) -> None:
    """Let a monitor refuse what is not permitted before the machine is built.

    Args:
        monitor: The monitor.
        leave: Called when ``x-exit-preconfig`` ends that; ``None`` if the machine is
            built already, and only that command is refused.
    """
    held = dict(monitor.commands.entries)

    def exit_(_: object) -> dict[str, Any]:
        if leave is None or monitor.commands.entries == held:
            message = "The command is permitted only before machine initialization"
            raise GenericError(message)
        monitor.is_building = False
        monitor.commands.entries.clear()
        monitor.commands.entries.update(held)
        leave()
        return {}

    monitor.is_building = leave is not None
    held[_EXIT] = Entry(_EXIT, exit_, signature=_Unread())
    for name, entry in held.items():
        is_permitted = leave is None or name in PERMITTED
        monitor.commands.entries[name] = entry if is_permitted else _refusal(name)


def _refusal(name: str) -> Entry:
    def refuse(_: object) -> None:
        message = (
            f"The command '{name}' is permitted only after machine initialization has "
            "completed"
        )
        raise GenericError(message)

    return Entry(name, refuse, signature=_Unread())
