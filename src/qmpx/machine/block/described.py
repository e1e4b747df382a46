"""Drives whose image is described by options of block nodes, as today's QEMU has them.

``-drive file=null-co://,file.read-zeroes=on,format=raw,if=none,id=drive0`` makes a node
of the driver ``null-co``, one of ``raw`` over it, and a back end of that name before
both. The nodes have no names of their own, and go with the back end. So do those of an
image file whose format is told: `qmpx.machine.block.drive_options`.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError
from qmpx.machine.block.drive_options import image_options, limits
from qmpx.machine.block.drives import OPTIONS

if TYPE_CHECKING:
    from qmpx.machine.drive import Drive
    from qmpx.machine.machine import Machine

_PROTOCOLS: Final = {"null-co://": "null-co", "null-aio://": "null-aio"}
_OF_NODES: Final = frozenset({"file", "format", "driver"})
_NOT_OURS: Final = frozenset({"cache", "aio", "snapshot", "readonly", "read-only"})


def node_options(options: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the options of the nodes; ``None`` if a file name tells all there is.

    Args:
        options: What ``-drive`` has, all of it.

    Raises:
        ValueError: They make no sense; the message tells why.
    """
    file = options.get("file", "")
    nested = {name: text for name, text in options.items() if name.startswith("file.")}
    protocol = next((ours for x, ours in _PROTOCOLS.items() if file == x), None)
    driver = options.get("format", options.get("driver"))
    if protocol is None and not nested and driver not in _PROTOCOLS.values():
        return image_options(options)
    root: dict[str, Any] = {}
    for name, text in options.items():
        if name in OPTIONS or name in _OF_NODES | _NOT_OURS:
            continue
        at = root
        *above, last = name.split(".")
        for part in above:
            at = at.setdefault(part, {})
        at[last] = _value(text)
    if driver in _PROTOCOLS.values():
        return {"driver": driver, **root}
    below = root.setdefault("file", {})
    if protocol is not None:
        below["driver"] = protocol
    elif file:
        below.setdefault("filename", file)
    below.setdefault("driver", "file")
    return {"driver": driver or "raw", **root}


def _value(text: str) -> Any:
    """Return a truth value or a number where a text reads as one."""
    if text in ("on", "off"):
        return text == "on"
    return int(text) if text.isdecimal() else text


def plug_described(
    machine: "Machine", options: Mapping[str, str], nodes: dict[str, Any], **more: Any
) -> "Drive | None":
    """Plug in a drive before nodes that are made for it.

    Args:
        machine: Where.
        options: What ``-drive`` has.
        nodes: What `node_options` returned.
        more: What else `Machine.drives.plug` takes.

    Returns:
        The drive; ``None`` if there is one at that place, which then stays.

    Raises:
        ValueError: The options make no sense; the message tells why.
        CommandError: A node cannot be made.
    """
    is_read_only = options.get("read-only", options.get("readonly")) == "on"
    is_cd = options.get("media") == "cdrom"
    limited = limits(options, options.get("id", ""))
    node = machine.blocks.open(nodes, read_only=is_read_only or is_cd)
    front = {
        name: value
        for name, value in options.items()
        if name in OPTIONS and name not in _OF_NODES | {"cache", "aio"}
    }
    try:
        drive = machine.drives.plug(front, **more)
    except (ValueError, CommandError):
        machine.blocks.release(node)
        raise
    if drive is None:
        machine.blocks.release(node)
        return None
    drive.is_read_only = is_read_only or is_cd
    drive.id = ""  # until a device has it
    try:
        machine.blocks.drives.insert(drive, node.name)
    except CommandError:
        machine.drives.unplug(drive.device)
        machine.blocks.release(node)
        raise
    if limited is not None:
        limited.group = limited.group or drive.device
        machine.blocks.limits[drive.device] = limited
    return drive
