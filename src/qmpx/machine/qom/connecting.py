"""What devices take when they are made: drives, network back ends, character devices.

Source of the errors: QEMU 7.2.22, observed.
"""

import errno
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine.qom.objects import WORKER
from qmpx.machine.qom.requirements import check_requirements

if TYPE_CHECKING:
    from qmpx.machine.block.nodes import Node
    from qmpx.machine.drive import Drive
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.buses import Device
    from qmpx.machine.qom.objects import QomObject

BACKEND: Final = WORKER
"""The part of a virtio device that does its work."""

_WITH_QUEUES: Final = ("virtio-scsi", "virtio-blk")
_MAC: Final = re.compile(r"([0-9A-Fa-f]{2}([:-])){5}[0-9A-Fa-f]{2}")
_POINTERS: Final = {
    "usb-mouse": ("QEMU HID Mouse", False),
    "usb-tablet": ("QEMU HID Tablet", True),
    "usb-wacom-tablet": ("QEMU PenPartner Tablet", True),
    "virtio-mouse-pci": ("QEMU Virtio Mouse", False),
    "virtio-tablet-pci": ("QEMU Virtio Tablet", True),
}  # what each calls itself, and whether it tells places
_EMPTY_DRIVES: Final = frozenset({"scsi-cd", "ide-cd", "floppy"})
_PASSED_THROUGH: Final = frozenset({"scsi-block", "scsi-generic"})
_WANT_DRIVES: Final = frozenset(
    {
        "scsi-hd",
        "ide-hd",
        "usb-storage",
        "nvme",
        "nvme-ns",
        "scsi-block",
        "scsi-generic",
    }
)


def check_reference(
    machine: "Machine", owner: str, name: str, text: str
) -> Callable[["Device"], None] | None:
    """Look at a property that names something, and return what takes it up later.

    Args:
        machine: Where the things are.
        owner: The type that has the property, for messages.
        name: The property.
        text: What the user gave.

    Returns:
        What is to be done when the device is made; nothing for other properties.

    Raises:
        GenericError: What it names is not there, or is taken.
    """
    if name == "drive":
        return _drive(machine, owner, text)
    if name == "netdev":
        back_end = machine.network.back_end(text)
        if back_end is None:
            raise _not_found(owner, name, text)
        if back_end.peer is not None:
            message = (
                f"Property '{owner}.netdev' can't take value '{text}', it's in use"
            )
            raise GenericError(message)
        return lambda _: None  # the adapter takes it
    if name == "chardev":
        if text not in machine.characters:
            raise _not_found(owner, name, text)
        if not machine.characters.take(text):
            message = (
                f"Property '{owner}.chardev' can't take value '{text}': "
                f"Device '{text}' is in use"
            )
            raise GenericError(message)

        def keep(device: "Device") -> None:
            front = machine.characters[text]
            # The guest opens such a port when a program of it wants to.
            is_port = device.object.type == "virtserialport"
            front.front_is_open = False if is_port else None
            device.release.append(lambda: machine.characters.release(text))
            if device.object.type == "usb-redir":  # which takes it along
                device.release.append(lambda: machine.characters.remove(text))
            if is_port:
                _plug_port(machine, device, text)

        return keep
    if name == "mac" and not _MAC.fullmatch(text):
        message = f"Property '{owner}.mac' doesn't take value '{text}'"
        raise GenericError(message)
    return None


def _plug_port(machine: "Machine", device: "Device", label: str) -> None:
    from qmpx.machine.serial_ports import SerialPort

    port = SerialPort(device.id or "", str(device.values.get("name") or ""), label)
    machine.serial_ports.plug(port)
    device.release.append(lambda: machine.serial_ports.unplug(port))


def _not_found(owner: str, name: str, text: str) -> GenericError:
    return GenericError(f"Property '{owner}.{name}' can't find value '{text}'")


def _drive(machine: "Machine", owner: str, text: str) -> Callable[["Device"], None]:
    drive = machine.drives.get(text)
    if drive is not None:

        def adopt(device: "Device") -> None:
            if drive.medium is None and device.object.type not in _EMPTY_DRIVES:
                message = "Device needs media, but drive is empty"
                raise GenericError(message)
            drive.id = _drive_id(device)
            _lock(machine, drive)
            drive.writes_through = _writes_through(device)
            drive.has_tray = device.object.type in ("scsi-cd", "ide-cd")
            drive.removable = drive.has_tray or device.object.type == "floppy"
            _keep(machine, device, drive)

        if text in machine.qom.devices.taken_drives:
            message = f"Drive '{text}' is already in use by another device"
            raise GenericError(message)
        return adopt
    if (node := machine.blocks.find(text)) is None:
        raise _not_found(owner, "drive", text)
    found = node

    def plug(device: "Device") -> None:
        if device.object.type in _PASSED_THROUGH:
            raise _no_passing(found)
        is_cd = device.object.type in ("scsi-cd", "ide-cd")
        is_floppy = device.object.type == "floppy"
        made = machine.blocks.drives.plug(
            text,
            device.object.called or _drive_id(device)
            if device.object.type == "usb-storage"
            else _drive_id(device),
            removable=is_cd or is_floppy,
            has_tray=is_cd,
            shares_writes=bool(device.values.get("share-rw")),
        )
        made.id = _drive_id(device)
        made.writes_through = _writes_through(device)
        device.release.append(lambda: machine.blocks.drives.unplug(made))

    return plug


def _no_passing(node: "Node") -> GenericError:
    """Return why the guest's commands cannot be passed on to what a node shows."""
    lowest = node
    while lowest.file is not None:
        lowest = lowest.file
    is_device = lowest.driver == "host_device"
    reason = os.strerror(errno.ENOTTY if is_device else errno.ENOTSUP)
    return GenericError(f"cannot get SG_IO version number: {reason}")


def _writes_through(device: "Device") -> bool | None:
    """Return what a device was told of its drive's cache; ``None`` for nothing."""
    said = device.values.get("write-cache")
    return {"on": False, True: False, "off": True, False: True}.get(said)


def _lock(machine: "Machine", drive: "Drive") -> None:
    """Make sure that a device may use the image of a drive, and lock it."""
    from qmpx.machine.block.permissions import check_drive

    node = machine.blocks.drives.node_in(drive)
    try:
        if node is not None:
            check_drive(node, drive)
        machine.blocks.lock()
    except OSError as error:
        drive.id = ""
        raise GenericError(error.strerror or str(error)) from error
    except GenericError:
        drive.id = ""
        raise


def _keep(machine: "Machine", device: "Device", drive: "Drive") -> None:
    """Let a drive with a back end of its own belong to a device, and go with it."""
    taken = machine.qom.devices.taken_drives
    taken.add(drive.device)

    def let_go() -> None:
        taken.discard(drive.device)
        if drive.device in machine.drives:
            machine.drives.unplug(drive.device)

    device.release.append(let_go)


def _drive_id(device: "Device") -> str:
    shown = device.object
    if BACKEND in shown.children:
        return shown.children[BACKEND].path
    if shown.type == "usb-storage":
        name = shown.called or "scsi"
        return f"{shown.path}/{name}.0/legacy[0]"
    return shown.called or shown.path


def check_needs(machine: "Machine", device: "Device") -> None:
    """Check that a device has what it cannot do without; give it what it always has.

    Raises:
        GenericError: It lacks something, or has what makes no sense.
    """
    kind = device.object.type
    given = device.values
    check_requirements(device)
    if not given.get("drive"):
        if kind in _WANT_DRIVES or kind.startswith("virtio-blk"):
            message = "drive property not set"
            raise GenericError(message)
        if kind in _EMPTY_DRIVES:
            made = machine.blocks.drives.plug(
                None, _drive_id(device), removable=True, has_tray=kind != "floppy"
            )
            device.release.append(lambda: machine.blocks.drives.unplug(made))
    if kind.startswith("virtio-balloon-pci"):
        for other in machine.qom.devices:
            if other is not device and other.object.type.startswith(kind):
                message = "Only one balloon device is supported"
                raise GenericError(message)
    if given.get("num-queues") == 0:
        message = "num-queues property must be larger than 0"
        raise GenericError(message)
    if kind.startswith("virtio-rng") and given.get("max-bytes", 0) >= 2**63:
        message = "'max-bytes' parameter must be non-negative, and less than 2^63"
        raise GenericError(message)
    if "netdev" in machine.qom.types.device_properties(kind):
        _add_adapter(machine, device)
    if (pointer := _POINTERS.get(kind)) is not None:
        name, is_absolute = pointer
        pointers = machine.display.pointers
        mouse = pointers.add(name, is_absolute=is_absolute)
        device.release.append(lambda: pointers.remove(mouse))


def _add_adapter(machine: "Machine", device: "Device") -> None:
    kind = device.object.type
    client = machine.network.add_adapter(
        kind,
        device.id,
        mac=device.values.get("mac"),
        vlan=device.vlan,
        netdev=device.values.get("netdev") or None,
    )
    shown = device.object.children.get(BACKEND, device.object)
    shown.values["mac"] = device.values["mac"] = client.mac
    device.release.append(lambda: machine.network.remove(client))


def find_link(machine: "Machine", name: str, wanted: str, text: str) -> "QomObject":
    """Return the object of a type that a property names.

    Raises:
        DeviceNotFound: There is none of that name.
        GenericError: It is of another type, or there are several.
    """
    tree = machine.qom
    if text.startswith("/"):
        candidates = [found] if (found := tree.resolve(text)) is not None else []
    else:
        candidates = [x for x in tree.root.walk() if x.name == text]
    if not candidates:
        raise DeviceNotFound(device=text)
    right = [found for found in candidates if found.isa(wanted)]
    if not right:
        message = f"Invalid parameter type for '{name}', expected: {wanted}"
        raise GenericError(message)
    if len(right) > 1:
        message = f"Path '{text}' does not uniquely identify an object"
        raise GenericError(message)
    return right[0]


def fit_queues(machine: "Machine", device: "Device") -> None:
    """Let a virtio disk or controller have a queue for each processor."""
    given = set(device.values)
    for name, others in (("num_queues", 3), ("num-queues", 1)):
        if name in given:
            continue
        for shown in (device.object, device.object.children.get(WORKER)):
            if shown is None or not shown.has(name):
                continue
            if shown.type.startswith(_WITH_QUEUES):
                shown.values[name] = machine.processor_count
                if shown.has("vectors") and "vectors" not in given:
                    shown.values["vectors"] = machine.processor_count + others


def show_values(device: "Device", values: dict[str, Any]) -> None:
    """Let the part that does the work have the values that were given to it."""
    backend = device.object.children.get(BACKEND)
    if backend is None:
        return
    for name, value in values.items():
        if backend.has(name) and name not in ("type", "addr"):
            backend.values[name] = value
