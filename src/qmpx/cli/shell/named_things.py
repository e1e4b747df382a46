"""Which arguments name something that only the running machine knows."""

from typing import Final

_NODES: Final = frozenset(
    {"node-name", "node", "base-node", "top-node", "overlay", "child", "source"}
    | {"target-node", "bitmap-node", "backing", "vmstate", "file", "parent"}
)
_BY_EITHER_NAME: Final = frozenset(
    {"block-commit", "block-stream", "blockdev-backup", "blockdev-mirror"}
    | {"drive-backup", "drive-mirror", "change-backing-file"}
    | {"blockdev-snapshot-internal-sync", "blockdev-snapshot-delete-internal-sync"}
)
"""Commands whose device may be a drive or a node."""

_BLOCK_DEVICES: Final = ("block", "blockdev", "eject", "change", "drive", "transaction")

_EXACT: Final = {
    ("device_add", "driver"): "models",
    ("device_add", "drive"): "nodes",
    ("device_add", "netdev"): "netdevs",
    ("device_add", "chardev"): "chardevs",
    ("device_add", "id"): "",
    ("device_del", "id"): "devices",
    ("netdev_del", "id"): "netdevs",
    ("set_link", "name"): "links",
    ("chardev-remove", "id"): "chardevs",
    ("chardev-change", "id"): "chardevs",
    ("chardev-send-break", "id"): "chardevs",
    ("object-del", "id"): "objects",
    ("eject", "id"): "devices",
    ("blockdev-open-tray", "id"): "devices",
    ("blockdev-close-tray", "id"): "devices",
    ("blockdev-insert-medium", "id"): "devices",
    ("blockdev-remove-medium", "id"): "devices",
    ("blockdev-change-medium", "id"): "devices",
    ("blockdev-add", "node-name"): "",
    ("qom-get", "property"): "properties",
    ("qom-set", "property"): "properties",
    ("device-list-properties", "typename"): "models",
    ("ringbuf-read", "device"): "chardevs",
    ("ringbuf-write", "device"): "chardevs",
}
_BY_KEY: Final = {
    "filename": "files",
    "target": "files",
    "snapshot-file": "files",
    "backing-file": "files",
    "pidfile": "files",
    "protocol": "files",
    "job-id": "jobs",
    "chardev": "chardevs",
    "netdev": "netdevs",
}


def places_of(command: str, key: str, value_type: str) -> str:
    """Say what of the machine an argument names.

    Args:
        command: The command, or a transaction's action.
        key: The argument's name, without those that lead to it.
        value_type: What kind of value it takes: ``string``, or something else.

    Returns:
        ``devices``, ``drives``, ``nodes``, ``images`` (drives and nodes), ``netdevs``,
        ``links`` (netdevs and network cards), ``chardevs``, ``objects``, ``jobs``,
        ``block-jobs``, ``models``, ``qom``, ``properties``, ``commands``, ``files``, or
        nothing.
    """
    if value_type != "string":
        return ""
    exact = _EXACT.get((command, key))
    if exact is not None:
        return exact
    if key in ("device", "id") and command.startswith(("block-job", "job-")):
        return "block-jobs" if command.startswith("block-job") else "jobs"
    if key in _NODES:
        return "nodes"
    if key == "device" and command in _BY_EITHER_NAME:
        return "images"
    if key == "device" and command.startswith(_BLOCK_DEVICES):
        return "drives"
    if key == "path" and command.startswith("qom-"):
        return "qom"
    return _BY_KEY.get(key, "")
