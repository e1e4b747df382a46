"""What may destroy something: commands that a person is asked about first.

What can be undone with another command (``stop``, ``eject``, ``set_link``) is not among
them.
"""

from typing import Any, Final

COMMANDS: Final = {
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
}
"""Commands of QMP, by what they may do."""

HUMAN: Final = {
    "q": COMMANDS["quit"],
    "quit": COMMANDS["quit"],
    "system_reset": COMMANDS["system_reset"],
    "system_powerdown": COMMANDS["system_powerdown"],
    "nmi": COMMANDS["inject-nmi"],
    "device_del": COMMANDS["device_del"],
    "drive_del": COMMANDS["blockdev-del"],
    "block_resize": COMMANDS["block_resize"],
    "commit": COMMANDS["block-commit"],
    "snapshot_delete_blkdev_internal": COMMANDS["snapshot-delete"],
    "delvm": COMMANDS["snapshot-delete"],
    "loadvm": COMMANDS["snapshot-load"],
    "object_del": COMMANDS["object-del"],
    "netdev_del": COMMANDS["netdev_del"],
    "migrate": COMMANDS["migrate"],
    "drive_mirror": COMMANDS["drive-mirror"],
    "drive_backup": COMMANDS["drive-backup"],
    "memsave": COMMANDS["memsave"],
    "pmemsave": COMMANDS["pmemsave"],
    "dump-guest-memory": COMMANDS["dump-guest-memory"],
    "mce": "injects a machine check",
    "o": "writes to a port of the machine",
}
"""Commands of the human monitor, likewise."""


def danger_of(command: str, arguments: dict[str, Any]) -> str:
    """Say what a command may destroy; empty if nothing.

    A line for the human monitor is looked into, and so are the actions of a
    transaction: both are judged by what they do.

    Args:
        command: A command of QMP.
        arguments: Its arguments.
    """
    if command == "human-monitor-command":
        line = arguments.get("command-line")
        return danger_of_line(line) if isinstance(line, str) else ""
    if command == "transaction":
        actions = arguments.get("actions")
        for each in actions if isinstance(actions, list) else ():
            name = each.get("type") if isinstance(each, dict) else None
            if danger := COMMANDS.get(str(name), ""):
                return danger
        return ""
    if command == "set-action" and "panic" not in arguments:
        return ""
    return COMMANDS.get(command, "")


def danger_of_line(line: str) -> str:
    """Say what a line for the human monitor may destroy; empty if nothing."""
    words = line.split()
    return HUMAN.get(words[0].partition("/")[0], "") if words else ""
