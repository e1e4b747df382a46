"""Where drives go: the options of ``-drive`` and what QEMU 0.13 made of them.

Names, places, defaults and what does not go together are those of 0.13; the wording of
complaints is ours where nobody compares it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from qmpx.machine.drive import Interface, Kind, Policy

UNITS: Final = {Interface.IDE: 2, Interface.SCSI: 7}
"""Drives of one bus; the others have no buses that count."""

MAX_PLACES: Final = 256
"""Drives of one interface: far above what a PC of 2010 could be given."""

MAX_SERIAL: Final = 20
"""Characters of a serial number: what the ATA standard has room for."""

Place = tuple[Interface, int, int]
"""Interface, bus and unit."""

OPTIONS: Final = frozenset(
    {
        *("bus", "unit", "if", "index", "cyls", "heads", "secs", "trans", "media"),
        *("snapshot", "file", "cache", "aio", "format", "serial", "rerror", "werror"),
        *("addr", "readonly", "id", "boot"),
    }
)
"""What ``-drive`` may say."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_GEOMETRY: Final = {"cyls": 16383, "heads": 16, "secs": 63}
_CACHES: Final = ("off", "none", "writeback", "unsafe", "writethrough", "on")


@dataclass(frozen=True, slots=True)
class DrivePlan:
    """A drive that somebody wants.

    Attributes:
        name: Of its back end, such as ``ide0-hd0``.
        interface: What it is connected by.
        bus: The number of its bus.
        unit: Its place on the bus.
        kind: What it is to its users.
        file: The image; empty if it has no medium.
        format: Of the image; ``None`` to find it out.
        is_temporary: Whether what the guest writes is to be lost.
        read_only: Whether the guest can't write.
        serial: The serial number that the guest sees.
        on_read_error: What is done if the host cannot read.
        on_write_error: What is done if the host cannot write.
        address: The PCI address of a virtio disk; empty if any will do.
    """

    name: str
    interface: Interface
    bus: int
    unit: int
    kind: Kind
    file: str = ""
    format: str | None = None
    is_temporary: bool = False
    read_only: bool = False
    serial: str = ""
    on_read_error: Policy = Policy.REPORT
    on_write_error: Policy = Policy.ENOSPC
    address: str = ""

    @property
    def place(self) -> Place:
        """Where it goes; two drives cannot be at one place."""
        return self.interface, self.bus, self.unit


def plan(
    options: Mapping[str, str],
    taken: Collection[Place] = (),
    *,
    interface: Interface = Interface.IDE,
    formats: Collection[str] | None = None,
    units: Mapping[Interface, int] = UNITS,
) -> DrivePlan | None:
    """Return where a drive goes and what it is; ``None`` if its place is taken.

    Args:
        options: As ``-drive`` has them, by name.
        taken: Where there are drives.
        interface: What it is connected by if the options do not tell.
        formats: The formats that there are; ``None``: not looked at.
        units: Drives of one bus.

    Raises:
        ValueError: They make no sense; the message tells why, for a person.
    """
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        message = f"Invalid parameter '{unknown[0]}'"
        raise ValueError(message)
    id_ = options.get("id")
    if id_ is not None and not _IDENTIFIER.fullmatch(id_):
        message = "Parameter 'id' expects an identifier"
        raise ValueError(message)
    try:
        interface = Interface(options.get("if", interface))
    except ValueError:
        message = f"unsupported bus type '{options['if']}'"
        raise ValueError(message) from None
    media = options.get("media", "disk")
    if media not in ("disk", "cdrom"):
        message = f"'{media}' invalid media"
        raise ValueError(message)
    is_cdrom = media == "cdrom"
    for name, words in (("cache", _CACHES), ("aio", ("threads", "native"))):
        if name in options and options[name] not in words:
            message = f"invalid {name} option '{options[name]}'"
            raise ValueError(message)
    _check_geometry(options, is_cdrom=is_cdrom)
    format_ = options.get("format")
    if format_ is not None and formats is not None and format_ not in formats:
        message = f"'{format_}' invalid format"
        raise ValueError(message)
    read_only = _switch(options, "readonly")
    if read_only and interface is Interface.IDE and not is_cdrom:
        message = "readonly flag not supported for drive with this interface"
        raise ValueError(message)
    on_read_error = _policy(options, "rerror", interface)
    on_write_error = _policy(options, "werror", interface)
    place = _place(options, interface, taken, units)
    if place is None:
        return None
    return DrivePlan(
        id_ or _name(interface, *place, is_cdrom=is_cdrom),
        interface,
        *place,
        _kind(interface, is_cdrom=is_cdrom),
        file=options.get("file", ""),
        format=format_,
        is_temporary=_switch(options, "snapshot"),
        read_only=read_only or is_cdrom,
        serial=options.get("serial", "")[:MAX_SERIAL],
        on_read_error=on_read_error,
        on_write_error=on_write_error,
        address=options.get("addr", ""),
    )


def _kind(interface: Interface, *, is_cdrom: bool) -> Kind:
    if interface is Interface.FLOPPY:
        return Kind.FLOPPY
    return Kind.CDROM if is_cdrom and interface is not Interface.VIRTIO else Kind.DISK


def _name(interface: Interface, bus: int, unit: int, *, is_cdrom: bool) -> str:
    """Return what a drive without an id is called."""
    if interface in UNITS:
        return f"{interface}{bus}-{'cd' if is_cdrom else 'hd'}{unit}"
    return f"{interface}{unit}"


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < MAX_PLACES:
        message = f"Parameter '{name}' expects a number"
        raise ValueError(message)
    return number


def _place(
    options: Mapping[str, str],
    interface: Interface,
    taken: Collection[Place],
    units_of: Mapping[Interface, int],
) -> tuple[int, int] | None:
    """Return bus and unit, the first free ones if the options leave it open."""
    index, bus, unit = (_number(options, name) for name in ("index", "bus", "unit"))
    units = units_of.get(interface, MAX_PLACES)
    if index is not None:
        if bus or unit is not None:
            message = "index cannot be used with bus and unit"
            raise ValueError(message)
        bus, unit = divmod(index, units)
    bus = bus or 0
    if unit is None:
        unit = 0
        while (interface, bus, unit) in taken:
            unit += 1
            if unit >= units:
                bus, unit = bus + 1, 0
    if unit >= units:
        message = f"unit {unit} too big (max is {units - 1})"
        raise ValueError(message)
    return None if (interface, bus, unit) in taken else (bus, unit)


def _switch(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "off")
    if text not in ("on", "off"):
        message = f"Parameter '{name}' expects 'on' or 'off'"
        raise ValueError(message)
    return text == "on"


def _policy(options: Mapping[str, str], name: str, interface: Interface) -> Policy:
    is_read = name == "rerror"
    if name not in options:
        return Policy.REPORT if is_read else Policy.ENOSPC
    known = {Interface.IDE, Interface.VIRTIO, Interface.NONE}
    if interface not in (known if is_read else known | {Interface.SCSI}):
        message = f"{name} is not supported by this format"
        raise ValueError(message)
    words = set(Policy) - ({Policy.ENOSPC} if is_read else set())
    if options[name] not in words:
        kind = "read" if is_read else "write"
        message = f"'{options[name]}' invalid {kind} error action"
        raise ValueError(message)
    return Policy(options[name])


def _check_geometry(options: Mapping[str, str], *, is_cdrom: bool) -> None:
    given = [name for name in _GEOMETRY if name in options]
    for name in given:
        text = options[name]
        if not text.isdecimal() or not 1 <= int(text[:9]) <= _GEOMETRY[name]:
            message = f"invalid physical {name} number"
            raise ValueError(message)
    if given and (is_cdrom or len(given) < len(_GEOMETRY)):
        message = "a geometry has cyls, heads and secs, and is that of a disk"
        raise ValueError(message)
    if "trans" in options:
        if not given:
            message = (
                f"'{options['trans']}' trans must be used with cyls, heads and secs"
            )
            raise ValueError(message)
        if options["trans"] not in ("none", "lba", "auto"):
            message = f"'{options['trans']}' invalid translation type"
            raise ValueError(message)
