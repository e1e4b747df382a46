"""The command line of QEMU 0.13, as far as it describes the machine and its monitors.

::

    options = parse_options(["-S", "-smp", "2", "-hda", "disk.img"])

It is only read here; `qmpx.dialects.v2010.assembly` makes a machine of it. What tells
QEMU where its firmware is, how its window looks or how to run is taken and has no
effect (`WITHOUT_EFFECT`); what asks for hardware that the machine lacks is refused.

Source: QEMU 0.13.0, its own ``-help``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from qmpx.errors import AddressError
from qmpx.monitor.frontend import Mode

MIB: Final = 2**20
MAX_MEMORY: Final = 2**40
"""Bytes of RAM that a machine may be told to have: as much as a host may map."""

MAX_PROCESSORS: Final = 255
"""Virtual processors of a PC of 0.13."""

DRIVE_LETTERS: Final = {"hda": 0, "hdb": 1, "hdc": 2, "hdd": 3}

WITHOUT_EFFECT: Final[dict[str, int]] = {
    "nodefaults": 0,
    "nodefconfig": 0,
    "no-acpi": 0,
    "no-hpet": 0,
    "no-fd-bootchk": 0,
    "win2k-hack": 0,
    "no-kvm": 0,
    "no-quit": 0,
    "no-frame": 0,
    "full-screen": 0,
    "alt-grab": 0,
    "ctrl-grab": 0,
    "portrait": 0,
    "show-cursor": 0,
    "M": 1,
    "cpu": 1,
    "L": 1,
    "k": 1,
    "bios": 1,
    "vga": 1,
    "boot": 1,
    "clock": 1,
    "tb-size": 1,
    "echr": 1,
    "kernel": 1,
    "initrd": 1,
    "append": 1,
    "smbios": 1,
    "acpitable": 1,
    "option-rom": 1,
    "hdachs": 1,
    "numa": 1,
    "set": 1,
    "global": 1,
    "D": 1,
    "d": 1,
}
"""Options without effect, and how many words follow each."""


class OptionError(AddressError):
    """A word of the command line is wrong; the message names it."""


@dataclass
class Options:
    """What a command line of QEMU 0.13 says.

    Attributes:
        name: ``-name``.
        uuid: ``-uuid``.
        memory_size: ``-m``, in bytes.
        processors: ``-smp``.
        is_paused: ``-S``.
        is_single_stepping: ``-singlestep``.
        restarts: Not ``-no-reboot``.
        ends: Not ``-no-shutdown``.
        has_usb: ``-usb``, or a USB device.
        snapshot: ``-snapshot``: drives are not written.
        drives: ``-drive`` and its short forms, as options.
        devices: ``-device`` and ``-balloon``, as option texts.
        usb_devices: ``-usbdevice``.
        networks: ``-net``.
        network_backends: ``-netdev``.
        character_devices: ``-chardev``.
        serials: ``-serial``.
        parallels: ``-parallel``.
        monitors: ``-qmp``, ``-monitor`` and ``-mon``: a place, and for whom.
        vnc: ``-vnc``.
        has_display: Not ``-nographic``.
        rtc: ``-rtc``, as an option text.
        watchdog: ``-watchdog``.
        watchdog_action: ``-watchdog-action``.
        incoming: ``-incoming``.
        load: ``-loadvm``.
        pid_file: ``-pidfile``.
    """

    name: str | None = None
    uuid: UUID = UUID(int=0)  # noqa: RUF009 - immutable
    memory_size: int = 128 * MIB
    processors: int = 1
    is_paused: bool = False
    is_single_stepping: bool = False
    restarts: bool = True
    ends: bool = True
    has_usb: bool = False
    snapshot: bool = False
    drives: list[dict[str, str]] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    usb_devices: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    network_backends: list[str] = field(default_factory=list)
    character_devices: list[str] = field(default_factory=list)
    serials: list[str] = field(default_factory=list)
    parallels: list[str] = field(default_factory=list)
    monitors: list[tuple[str, Mode]] = field(default_factory=list)
    vnc: str | None = None
    has_display: bool = True
    rtc: str = ""
    watchdog: str | None = None
    watchdog_action: str | None = None
    incoming: str | None = None
    load: str | None = None
    pid_file: str | None = None


def parse_options(words: Sequence[str]) -> Options:
    """Return what the words after the program's name say.

    Raises:
        OptionError: One is no option, lacks its value, or has one that cannot be.
    """
    options = Options()
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            options.drives.append({"file": word, "if": "ide", "index": "0"})
            continue
        name = word[1:].removeprefix("-")
        if name in WITHOUT_EFFECT:
            for _ in range(WITHOUT_EFFECT[name]):
                _next(rest, word)
        elif name in _FLAGS:
            _FLAGS[name](options)
        elif name in _VALUES:
            _VALUES[name](options, _next(rest, word))
        else:
            message = f"invalid option '{word}': QEMU 0.13 has none of that name, or "
            raise OptionError(message + "the embedded machine lacks what it asks for")
    return options


def _next(rest: Iterator[str], word: str) -> str:
    value = next(rest, None)
    if value is None:
        message = f"option '{word}' needs a value"
        raise OptionError(message)
    return value


def parse_option_list(text: str, first: str = "") -> dict[str, str]:
    """Return ``key=value,key=value`` as a dictionary; two commas stand for one.

    Args:
        text: The options. A word without ``=`` is switched on; off if it begins so.
        first: The key of a first word without ``=``.
    """
    options: dict[str, str] = {}
    for number, part in enumerate(re.split(r"(?<!,),(?!,)", text.replace(",,", "\0"))):
        key, equals, value = part.partition("=")
        if not equals and number == 0 and first:
            key, value = first, key
        elif not equals:
            key, value = (key[2:], "off") if key.startswith("no") else (key, "on")
        if key:
            options[key.replace("\0", ",")] = value.replace("\0", ",")
    return options


def _integer(option: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        message = f"{option} {text}: expected a number from {least} to {most}"
        raise OptionError(message)
    return int(text)


def _memory(options: Options, text: str) -> None:
    match = re.fullmatch(r"(\d+)([kKmMgG]?)B?", text)
    unit = {"k": 2**10, "m": MIB, "": MIB, "g": 2**30}
    size = int(match[1]) * unit[match[2].lower()] if match else 0
    if not 0 < size <= MAX_MEMORY:
        message = f"-m {text}: expected mebibytes, or a size such as 512M or 2G"
        raise OptionError(message)
    options.memory_size = size


def _processors(options: Options, text: str) -> None:
    options.processors = _integer("-smp", text.partition(",")[0], 1, MAX_PROCESSORS)


def _uuid(options: Options, text: str) -> None:
    try:
        options.uuid = UUID(text)
    except ValueError:
        message = f"-uuid {text}: expected 8-4-4-4-12 hexadecimal digits"
        raise OptionError(message) from None


def _drive(**fixed: str) -> Callable[[Options, str], None]:
    def add(options: Options, file: str) -> None:
        options.drives.append({"file": file, **fixed})

    return add


def _mon(options: Options, text: str) -> None:
    monitor = parse_option_list(text, "chardev")
    try:
        mode = Mode(monitor.get("mode", "readline"))
        place = f"chardev:{monitor['chardev']}"
    except (KeyError, ValueError):
        message = f"-mon {text}: expected chardev=ID[,mode=readline|control]"
        raise OptionError(message) from None
    options.monitors.append((place, mode))


def _monitor(mode: Mode) -> Callable[[Options, str], None]:
    def add(options: Options, place: str) -> None:
        if place != "none":
            options.monitors.append((place, mode))

    return add


def _listed(attribute: str) -> Callable[[Options, str], None]:
    return lambda options, text: getattr(options, attribute).append(text)


def _kept(attribute: str) -> Callable[[Options, str], None]:
    return lambda options, text: setattr(options, attribute, text)


def _usb_device(options: Options, text: str) -> None:
    options.has_usb = True
    options.usb_devices.append(text)


def _balloon(options: Options, text: str) -> None:
    kind, _, rest = text.partition(",")
    if kind == "virtio":
        options.devices.append("virtio-balloon-pci" + (f",{rest}" if rest else ""))
    elif kind != "none":
        message = f"-balloon {text}: expected none or virtio[,addr=ADDRESS]"
        raise OptionError(message)


def _nographic(options: Options) -> None:
    options.has_display = False


_FLAGS: Final[dict[str, Callable[[Options], None]]] = {
    "S": lambda options: setattr(options, "is_paused", True),
    "singlestep": lambda options: setattr(options, "is_single_stepping", True),
    "no-reboot": lambda options: setattr(options, "restarts", False),
    "no-shutdown": lambda options: setattr(options, "ends", False),
    "usb": lambda options: setattr(options, "has_usb", True),
    "snapshot": lambda options: setattr(options, "snapshot", True),
    "nographic": _nographic,
}
_VALUES: Final[dict[str, Callable[[Options, str], None]]] = {
    "name": lambda options, text: setattr(options, "name", text.partition(",")[0]),
    "uuid": _uuid,
    "m": _memory,
    "smp": _processors,
    **{
        letter: _drive(**{"if": "ide", "index": str(index)})
        for letter, index in DRIVE_LETTERS.items()
    },
    "cdrom": _drive(**{"if": "ide", "index": "2", "media": "cdrom"}),
    "fda": _drive(**{"if": "floppy", "index": "0"}),
    "fdb": _drive(**{"if": "floppy", "index": "1"}),
    "drive": lambda options, text: options.drives.append(parse_option_list(text)),
    "device": _listed("devices"),
    "balloon": _balloon,
    "usbdevice": _usb_device,
    "net": _listed("networks"),
    "netdev": _listed("network_backends"),
    "chardev": _listed("character_devices"),
    "serial": _listed("serials"),
    "parallel": _listed("parallels"),
    "qmp": _monitor(Mode.CONTROL),
    "monitor": _monitor(Mode.READLINE),
    "mon": _mon,
    "vnc": _kept("vnc"),
    "rtc": _kept("rtc"),
    "watchdog": _kept("watchdog"),
    "watchdog-action": _kept("watchdog_action"),
    "incoming": _kept("incoming"),
    "loadvm": _kept("load"),
    "pidfile": _kept("pid_file"),
}
