"""What commands may destroy, for people who are asked about it first.

What can be undone (``stop``, ``eject``, ``set_link``) destroys nothing. How much harm a
command can do on the whole is said in `qmpx.qapi.danger`.
"""

from typing import Any, Final

HARMS: Final[dict[str, str]] = {
    "quit": "ends the emulator at once; the guest is not asked",
    "system_reset": "resets the machine, as its reset button would",
    "system_powerdown": "asks the guest to shut down",
    "inject-nmi": "interrupts the guest; it may take that for a crash",
    "device_del": "takes a device out of the machine",
    "blockdev-del": "takes a block node away",
    "block_resize": "changes the size of a disk; a smaller one loses what was behind",
    "block-commit": "writes a disk's content into its backing file",
    "blockdev-snapshot-delete-internal-sync": "deletes a snapshot",
    "snapshot-delete": "deletes a snapshot",
    "snapshot-load": "puts the machine back to a snapshot; its state now is lost",
    "object-del": "takes an object away",
    "netdev_del": "takes a network back end away",
    "migrate": "sends the machine elsewhere; it may stop to run here",
    "change-backing-file": "rewrites what an image says about its backing file",
    "drive-mirror": "writes over its target",
    "drive-backup": "writes over its target",
    "blockdev-mirror": "writes over its target",
    "blockdev-create": "formats an image; what is in it is lost",
    "memsave": "writes a file",
    "pmemsave": "writes a file",
    "dump-guest-memory": "writes a file, and stops the guest meanwhile",
    "block-dirty-bitmap-remove": "deletes a bitmap",
    "block-dirty-bitmap-clear": "clears a bitmap",
    "migrate-start-postcopy": "cannot be turned back: a failure loses the guest",
    "set-action": "changes what a panic, a reset or a shutdown leads to",
    "xen-save-devices-state": "writes a file",
    "guest-shutdown": "ends the guest, or starts it anew",
    "guest-suspend-disk": "puts the guest to sleep, until it is woken from outside",
    "guest-suspend-ram": "puts the guest to sleep, until it is woken from outside",
    "guest-suspend-hybrid": "puts the guest to sleep, until it is woken from outside",
    "guest-fsfreeze-freeze": "stops what the guest writes, until it is thawed",
    "guest-fsfreeze-freeze-list": "stops what the guest writes, until it is thawed",
    "guest-set-user-password": "replaces the password of somebody in the guest",
}
"""What commands of QMP, and of the guest agent, may destroy."""

# by the first word of the line
_HUMAN_NAMES: Final = {
    "q": "quit",
    "quit": "quit",
    "system_reset": "system_reset",
    "system_powerdown": "system_powerdown",
    "nmi": "inject-nmi",
    "device_del": "device_del",
    "drive_del": "blockdev-del",
    "block_resize": "block_resize",
    "commit": "block-commit",
    "snapshot_delete_blkdev_internal": "snapshot-delete",
    "delvm": "snapshot-delete",
    "loadvm": "snapshot-load",
    "object_del": "object-del",
    "netdev_del": "netdev_del",
    "migrate": "migrate",
    "drive_mirror": "drive-mirror",
    "drive_backup": "drive-backup",
    "memsave": "memsave",
    "pmemsave": "pmemsave",
    "dump-guest-memory": "dump-guest-memory",
}
_HUMAN_ALONE: Final = {
    "mce": "injects a machine check",
    "o": "writes to a port of the machine",
}

_HUMAN_HARMS: Final = {
    name: HARMS[command] for name, command in _HUMAN_NAMES.items()
} | _HUMAN_ALONE


def harm_of(command: str, arguments: dict[str, Any]) -> str:
    """Say what a command may destroy; empty if nothing.

    A line for the human monitor is looked into, and so are the actions of a
    transaction: both are judged by what they do.

    Args:
        command: A command of QMP.
        arguments: Its arguments.
    """
    if command == "human-monitor-command":
        line = arguments.get("command-line")
        return harm_of_line(line) if isinstance(line, str) else ""
    if command == "transaction":
        actions = arguments.get("actions")
        for each in actions if isinstance(actions, list) else ():
            name = each.get("type") if isinstance(each, dict) else None
            if harm := HARMS.get(str(name), ""):
                return harm
        return ""
    if command == "set-action" and "panic" not in arguments:
        return ""
    return HARMS.get(command, "")


def harm_of_line(line: str) -> str:
    """Say what a line for the human monitor may destroy; empty if nothing."""
    words = line.split()
    return _HUMAN_HARMS.get(words[0].partition("/")[0], "") if words else ""
