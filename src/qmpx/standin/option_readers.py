"""How each option of ``qemu-system-x86_64`` is read.

Options that the embedded machine has no use for are read, checked as far as is said in
`qmpx.standin.options`, and kept in `CommandLine.kept`.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.command_line import Place
from qmpx.standin.failure import StartFailure
from qmpx.standin.object_options import BACKENDS, read_object, short_drive
from qmpx.standin.option_lists import OptionList, is_help, parse_keyval
from qmpx.standin.options import (
    ACTION,
    ACTIONS,
    ADD_FD,
    CHARDEV,
    DISPLAYS,
    GLOBAL,
    GUESTS,
    MEMORY,
    MON,
    MSG,
    NAME,
    OVERCOMMIT,
    RTC,
    SANDBOX,
    VALUES,
)

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from qmpx.standin.command_line import CommandLine

_DIGITS: Final = 32  # of a UUID
_DASHES: Final = [8, 13, 18, 23]
_HEX: Final = frozenset("0123456789abcdef")
_DRIVE_OPTIONS: Final = (
    *("hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "sd", "mtdblock", "pflash"),
)

MONITOR_OPTIONS: Final = {
    "qmp": "control",
    "qmp-pretty": "control",
    "monitor": "readline",
}
"""The options that make a character device and a monitor on it at once."""


def take(line: CommandLine, option: str, value: str) -> None:
    """Read one option.

    Args:
        line: What to read it into.
        option: Its name; nothing for a word that is none, the file of a drive.
        value: What stands after it.

    Raises:
        StartFailure: It has a value that cannot be.
    """
    if option in _FLAGS:
        _FLAGS[option](line)
    elif option in _VALUES:
        _VALUES[option](line, f"-{option}", value)
    elif option in MONITOR_OPTIONS:
        line.monitor_places.append(Place(f"-{option}", value))
    elif option in ("serial", "parallel"):
        line.ports.append(Place(f"-{option}", value))
    elif option in BACKENDS:
        read_object(line, f"-{option}", value)
    elif option in _DRIVE_OPTIONS or option == "":
        line.drives.append(short_drive(option, value))
    else:
        line.kept.append((option, value))


def _name(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, NAME, "guest", line.warnings.append)
    line.name = options.get("guest", line.name)
    line.process_name = options.get("process", line.process_name)
    line.names_threads = options.switch("debug-threads", default=line.names_threads)


def _uuid(line: CommandLine, option: str, value: str) -> None:
    digits = value.lower().replace("-", "")
    dashes = [place for place, sign in enumerate(value) if sign == "-"]
    if len(digits) != _DIGITS or dashes != _DASHES or set(digits) - _HEX:
        message = "failed to parse UUID string: wrong format"
        raise StartFailure(message, option, value)
    line.uuid = value


def _machine(line: CommandLine, option: str, value: str) -> None:
    if is_help(value):
        line.lists.append((option, "help"))
        return
    given = parse_keyval(option, value, "type")
    for name, elsewhere in (("smp", line.topology), ("boot", line.boot)):
        if (more := _group(given, name)) is not None:
            elsewhere |= more
    if (more := _group(given, "memory")) is not None:
        _merge_memory(line, more, option, value)
    line.machine |= given


def _group(given: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Take out what ``name.x=..`` says, which has an option of its own, too.

    Raises:
        StartFailure: It is no group.
    """
    group = given.pop(name, None)
    if group is not None and not isinstance(group, dict):
        message = f"Invalid parameter type for '{name}', expected: object"
        raise StartFailure(message)
    return group


def _merge_memory(
    line: CommandLine, more: dict[str, Any], option: str, value: str
) -> None:
    names = {"size": "size", "slots": "slots", "max-size": "maxmem"}
    if line.memory is None:
        line.memory = OptionList(option, "")
        line.memory.text = value
    for name, text in more.items():
        if name not in names:
            raise StartFailure(f"Parameter 'memory.{name}' is unexpected")
        if name == "size":
            # Here a number alone is one of bytes.
            text = text if text[-1:].isalpha() else f"{text}B"
        line.memory[names[name]] = text


def _accelerator(line: CommandLine, option: str, value: str) -> None:
    if is_help(value):
        line.lists.append((option, "help"))
        return
    options = OptionList(option, value, None, "accel", line.warnings.append)
    if "accel" not in options:
        raise options.failure("Parameter 'accel' is missing")
    line.accelerators.append(options["accel"])
    line.accelerator_options.append(options)


def _processor(line: CommandLine, option: str, value: str) -> None:
    if is_help(value):
        line.lists.append((option, "help"))
    line.processor = value


def _memory(line: CommandLine, option: str, value: str) -> None:
    # A number alone is in mebibytes.
    line.memory = OptionList(option, value, MEMORY, "size", line.warnings.append)


def _action(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, ACTION, "", line.warnings.append)
    for name, action in options.pairs:
        _set_action(line, name, action, options.failure)


def _watchdog_action(line: CommandLine, option: str, value: str) -> None:
    def failure(message: str) -> StartFailure:
        return StartFailure(message, option, value)

    _set_action(line, "watchdog", value, failure)


def _set_action(
    line: CommandLine, name: str, action: str, failure: Callable[[str], StartFailure]
) -> None:
    if action not in ACTIONS[name]:
        raise failure(f"Parameter '{name}' does not accept value '{action}'")
    line.actions[name] = action


def _numa(line: CommandLine, option: str, value: str) -> None:
    line.nodes.append(OptionList(option, value, None, "type", line.warnings.append))


def _rtc(line: CommandLine, option: str, value: str) -> None:
    line.rtc = OptionList(option, value, RTC, "", line.warnings.append)


def _message(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, MSG, "", line.warnings.append)
    line.has_timestamps = options.switch("timestamp", default=line.has_timestamps)


def _add_fd(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, ADD_FD, "", line.warnings.append)
    if "fd" not in options:
        raise options.failure("fd option is required and must be non-negative")
    if options.number("fd") <= 2:
        raise options.failure("fd cannot be a standard I/O stream")
    if "set" not in options:
        raise options.failure("set option is required and must be non-negative")
    line.passed.append(options)


def _chardev(line: CommandLine, option: str, value: str) -> None:
    if is_help(value):
        line.lists.append((option, "help"))
        return
    options = OptionList(option, value, CHARDEV, "backend", line.warnings.append)
    if options.id is not None and any(
        options.id == device.id for device in line.character_devices
    ):
        raise options.failure(f"Duplicate ID '{options.id}' for chardev")
    line.character_devices.append(options)


def _mon(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, MON, "chardev", line.warnings.append)
    line.monitors.append(options)


def _sandbox(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, SANDBOX, "enable", line.warnings.append)
    allowed = {
        "obsolete": ("allow", "deny"),
        "elevateprivileges": ("deny", "allow", "children"),
        "spawn": ("deny", "allow"),
        "resourcecontrol": ("deny", "allow"),
    }
    for name, values in allowed.items():
        if name in options and options[name] not in values:
            raise options.failure(f"invalid argument for {name}")
    line.kept.append((option[1:], value))


def _usb_device(line: CommandLine, option: str, value: str) -> None:
    line.machine["usb"] = "on"
    line.kept.append((option[1:], value))


def _set_later(line: CommandLine, option: str, value: str) -> None:
    from qmpx.standin.set_option import set_later  # seldom used

    set_later(line, option, value)


def _overcommit(line: CommandLine, option: str, value: str) -> None:
    OptionList(option, value, OVERCOMMIT, "", line.warnings.append)
    line.kept.append((option[1:], value))


def _global(line: CommandLine, option: str, value: str) -> None:
    name, equals, text = value.partition("=")
    driver, dot, prop = name.partition(".")
    if equals and driver and dot and prop and "," not in name:
        line.globals.append((driver, prop, text))
        return
    options = OptionList(option, value, GLOBAL, "", line.warnings.append)
    if {"driver", "property", "value"} - options.keys():
        message = "options 'driver', 'property', and 'value' are required"
        raise options.failure(message)
    line.globals.append((options["driver"], options["property"], options["value"]))


def _display(line: CommandLine, option: str, value: str) -> None:
    if is_help(value):
        line.lists.append((option, "help"))
        return
    kind = value.partition(",")[0].removeprefix("type=")
    if kind not in DISPLAYS and not kind.startswith("vnc="):
        message = f"Parameter 'type' does not accept value '{kind}'"
        raise StartFailure(message, option, value)
    line.kept.append((option[1:], value))


def _guest(line: CommandLine, option: str, value: str) -> None:
    if value not in GUESTS:
        message = f"expected one of {', '.join(GUESTS)}"
        raise StartFailure(message, f"-{option}", value)
    line.guest = value


def _drive(line: CommandLine, option: str, value: str) -> None:
    line.drives.append(OptionList(option, value, None, "", line.warnings.append))


def _read_config(line: CommandLine, option: str, value: str) -> None:
    from qmpx.standin.config_file import read_config

    for name, text, place in read_config(option, value):
        if name not in VALUES:
            raise StartFailure(f"There is no option group '{name}'").moved(place)
        count = len(line.backends)
        try:
            take(line, name, text)
        except StartFailure as failure:
            raise failure.moved(place) from None
        for backend in line.backends[count:]:
            backend.place = place


def _kept(name: str) -> Callable[[CommandLine, str, str], None]:
    def keep(line: CommandLine, _: str, value: str) -> None:
        setattr(line, name, value)

    return keep


def _set(name: str, value: object) -> Callable[[CommandLine], None]:
    return lambda line: setattr(line, name, value)


def _no_shutdown(line: CommandLine) -> None:
    line.actions["shutdown"] = "pause"


def _no_reboot(line: CommandLine) -> None:
    line.actions["reboot"] = "shutdown"


_FLAGS: Final[dict[str, Callable[[CommandLine], None]]] = {
    "version": _set("asks_version", value=True),
    "h": _set("asks_help", value=True),
    "help": _set("asks_help", value=True),
    "S": _set("is_paused", value=True),
    "preconfig": _set("is_preconfig", value=True),
    "daemonize": _set("is_daemon", value=True),
    "nodefaults": _set("has_defaults", value=False),
    "nographic": _set("has_graphics", value=False),
    "guest-agent": _set("has_agent", value=True),
    "no-shutdown": _no_shutdown,
    "no-reboot": _no_reboot,
    "enable-kvm": lambda line: line.accelerators.append("kvm"),
    "no-acpi": lambda line: line.machine.update(acpi="off"),
    "no-hpet": lambda line: line.machine.update(hpet="off"),
    "usb": lambda line: line.machine.update(usb="on"),
}
_VALUES: Final[dict[str, Callable[[CommandLine, str, str], None]]] = {
    "name": _name,
    "uuid": _uuid,
    "M": _machine,
    "machine": _machine,
    "accel": _accelerator,
    "cpu": _processor,
    "m": _memory,
    "smp": lambda line, option, value: line.topology.update(
        parse_keyval(option, value, "cpus")
    ),
    "boot": lambda line, option, value: line.boot.update(
        parse_keyval(option, value, "order")
    ),
    "action": _action,
    "watchdog-action": _watchdog_action,
    "rtc": _rtc,
    "msg": _message,
    "add-fd": _add_fd,
    "chardev": _chardev,
    "mon": _mon,
    "sandbox": _sandbox,
    "overcommit": _overcommit,
    "global": _global,
    "display": _display,
    "drive": _drive,
    "readconfig": _read_config,
    "pidfile": _kept("pid_file"),
    "incoming": _kept("incoming"),
    "loadvm": _kept("load"),
    "D": _kept("log_file"),
    "d": _kept("log_items"),
    "numa": _numa,
    "qtest": _kept("qtest"),
    "qtest-log": _kept("qtest_log"),
    "profile": _kept("profile"),
    "guest": _guest,
    "scenario": _kept("scenario"),
    "control": lambda line, _, value: line.controls.append(value),
    "clock": _kept("clock"),
    "vnc": lambda line, _, value: line.vnc.append(value),
    "usbdevice": _usb_device,
    "set": _set_later,
}
