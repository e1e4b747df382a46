"""The command line of ``qemu-system-x86_64``, read.

::

    line = parse_command_line(["-S", "-machine", "none", "-qmp", "unix:qmp.sock,..."])

It is only read here. What is wrong by itself is refused here in QEMU's words; what is
wrong with regard to the machine is refused by who puts the machine together. Options
that the embedded machine has no use for are read, checked as far as is said in
`qmpx.standin.options`, and kept in `CommandLine.kept`.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import re

from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, parse_keyval
from qmpx.standin.options import (
    ACTION,
    ACTIONS,
    ADD_FD,
    CHARDEV,
    DISPLAYS,
    FLAGS,
    GLOBAL,
    GUESTS,
    MEMORY,
    MON,
    MSG,
    NAME,
    OVERCOMMIT,
    RTC,
    SANDBOX,
    STAND_IN_FLAGS,
    STAND_IN_VALUES,
    VALUES,
)

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

MAX_WORDS: Final = 100_000
"""Words of a command line: a kernel allows some 2 MiB, and so fewer than that."""

_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DRIVE_OPTIONS: Final = ("hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "sd")

MONITOR_OPTIONS: Final = {
    "qmp": "control",
    "qmp-pretty": "control",
    "monitor": "readline",
}
"""The options that make a character device and a monitor on it at once."""


class Backend:
    """An object of QAPI that an option describes: ``-object``, ``-blockdev``, ...

    Attributes:
        option: The option.
        text: What stands after it.
        is_json: Whether that is JSON.
        values: What it says; unless it is JSON, all scalars are strings.
        place: Where in a file of options it is, if it is in one.
    """

    def __init__(
        self, option: str, text: str, *, is_json: bool, values: dict[str, Any]
    ) -> None:
        self.option = option
        self.text = text
        self.is_json = is_json
        self.values = values
        self.place: str | None = None

    def failure(self, message: str) -> StartFailure:
        """Return what says that this option is wrong."""
        failure = StartFailure(message, self.option, self.text)
        return failure if self.place is None else failure.moved(self.place)


class Place:
    """Where a monitor or a port of the machine is connected.

    Attributes:
        option: The option that says so: ``-qmp``, ``-serial``, ...
        text: What stands after it.
    """

    def __init__(self, option: str, text: str) -> None:
        self.option = option
        self.text = text


class CommandLine:
    """What a command line says.

    Attributes:
        words: Every option with its value, in their order: ``("name", "guest=x")``.
        asks_version: ``-version``.
        asks_help: ``-help``.
        lists: What lists are asked for, such as ``("-machine", "help")``.
        name: The guest's name.
        process_name: What the process shall be called.
        names_threads: Whether threads get names.
        uuid: The machine's UUID.
        is_paused: ``-S``.
        is_preconfig: ``--preconfig``.
        is_daemon: ``-daemonize``.
        pid_file: ``-pidfile``.
        has_defaults: Not ``-nodefaults``.
        has_graphics: Not ``-nographic``.
        machine: ``-machine``: its properties; ``type`` is its name.
        accelerators: From ``-accel``, or from the machine's property: the first that
            can be used counts.
        processor: ``-cpu``.
        topology: ``-smp``.
        memory: ``-m``.
        actions: What follows upon events: ``-action``.
        rtc: ``-rtc``.
        boot: ``-boot``.
        incoming: ``-incoming``.
        load: ``-loadvm``.
        log_file: ``-D``.
        log_items: ``-d``.
        has_timestamps: Whether what is told gets the time before it.
        passed: The descriptors of ``-add-fd``.
        character_devices: ``-chardev``.
        monitors: ``-mon``.
        monitor_places: ``-qmp``, ``-qmp-pretty``, ``-monitor``.
        ports: ``-serial`` and ``-parallel``.
        nodes: ``-numa``.
        globals: ``-global``: types, properties and values.
        backends: ``-object``, ``-blockdev``, ``-netdev``, ``-device``, in their order.
        drives: ``-drive``, and what is short for it.
        vnc: ``-vnc``.
        qtest: ``-qtest``.
        qtest_log: ``-qtest-log``.
        profile: ``--profile``.
        guest: ``--guest``.
        has_agent: ``--guest-agent``.
        scenario: ``--scenario``: what goes wrong, and when.
        controls: ``--control``: where the control monitor is.
        clock: ``--clock``: ``real`` or ``virtual``.
        kept: What has no effect here.
        warnings: What is to be told on standard error.
    """

    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []
        self.asks_version: bool = False
        self.asks_help: bool = False
        self.lists: list[tuple[str, str]] = []
        self.name: str | None = None
        self.process_name: str | None = None
        self.names_threads: bool = False
        self.uuid: str | None = None
        self.is_paused: bool = False
        self.is_preconfig: bool = False
        self.is_daemon: bool = False
        self.pid_file: str | None = None
        self.has_defaults: bool = True
        self.has_graphics: bool = True
        self.machine: dict[str, Any] = {}
        self.accelerators: list[str] = []
        self.processor: str | None = None
        self.topology: dict[str, Any] = {}
        self.memory: OptionList | None = None
        self.actions: dict[str, str] = {}
        self.rtc: OptionList | None = None
        self.boot: dict[str, Any] = {}
        self.incoming: str | None = None
        self.load: str | None = None
        self.log_file: str | None = None
        self.log_items: str | None = None
        self.has_timestamps: bool = False
        self.passed: list[OptionList] = []
        self.character_devices: list[OptionList] = []
        self.monitors: list[OptionList] = []
        self.monitor_places: list[Place] = []
        self.ports: list[Place] = []
        self.nodes: list[OptionList] = []
        self.globals: list[tuple[str, str, str]] = []
        self.backends: list[Backend] = []
        self.drives: list[OptionList] = []
        self.vnc: list[str] = []
        self.qtest: str | None = None
        self.qtest_log: str | None = None
        self.profile: str | None = None
        self.guest: str = GUESTS[0]
        self.has_agent: bool = False
        self.scenario: str | None = None
        self.controls: list[str] = []
        self.clock: str | None = None
        self.kept: list[tuple[str, str]] = []
        self.warnings: list[str] = []


def parse_command_line(
    words: Sequence[str], line: CommandLine | None = None
) -> CommandLine:
    """Read the words after the program's name.

    ``-version`` and ``-help`` end the reading, as in QEMU: what comes after them is
    only looked at for options that there are not.

    Args:
        words: The words.
        line: What to read them into: its warnings are good also if that fails.

    Raises:
        StartFailure: One is no option, lacks its value, or has one that cannot be.
    """
    line = CommandLine() if line is None else line
    line.words = _pair(words)
    for option, value in line.words:
        _take(line, option, value)
        if line.asks_version or line.asks_help:
            break
    _settle(line)
    return line


def _pair(words: Sequence[str]) -> list[tuple[str, str]]:
    """Put options and their values together."""
    if len(words) > MAX_WORDS:
        message = f"more than {MAX_WORDS} words"
        raise StartFailure(message)
    pairs = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            pairs.append(("", word))
            continue
        name = word[1:].removeprefix("-")
        is_ours = word.startswith("--") and name in STAND_IN_VALUES
        is_our_flag = word.startswith("--") and name in STAND_IN_FLAGS
        if name in FLAGS or is_our_flag:
            pairs.append((name, ""))
        elif name in VALUES or is_ours:
            value = next(rest, None)
            if value is None:
                raise StartFailure("requires an argument", f"-{name}")
            pairs.append((name, value))
        else:
            raise StartFailure("invalid option", word)
    return pairs


def _take(line: CommandLine, option: str, value: str) -> None:
    if option in _FLAGS:
        _FLAGS[option](line)
    elif option in _VALUES:
        _VALUES[option](line, f"-{option}", value)
    elif option in MONITOR_OPTIONS:
        line.monitor_places.append(Place(f"-{option}", value))
    elif option in ("serial", "parallel"):
        line.ports.append(Place(f"-{option}", value))
    elif option in _BACKENDS:
        _backend(line, f"-{option}", value)
    elif option in _DRIVE_OPTIONS or option == "":
        line.drives.append(_short_drive(option, value))
    else:
        line.kept.append((option, value))


def _settle(line: CommandLine) -> None:
    """Hold options against each other."""
    accelerators = line.machine.pop("accel", None)
    if accelerators is not None:
        if line.accelerators:
            message = 'The -accel and "-machine accel=" options are incompatible'
            raise StartFailure(message)
        line.accelerators = [part for part in accelerators.split(":") if part]
    if line.is_daemon:
        _refuse_stdio(line)


def _refuse_stdio(line: CommandLine) -> None:
    for place in (*line.monitor_places, *line.ports):
        if place.text in ("stdio", "mon:stdio"):
            message = "cannot use stdio with -daemonize"
            raise StartFailure(message, place.option, place.text)
    for device in line.character_devices:
        if device.get("backend") == "stdio":
            raise device.failure("cannot use stdio with -daemonize")


def _name(line: CommandLine, option: str, value: str) -> None:
    options = OptionList(option, value, NAME, "guest", line.warnings.append)
    line.name = options.get("guest", line.name)
    line.process_name = options.get("process", line.process_name)
    line.names_threads = options.switch("debug-threads", default=line.names_threads)


def _uuid(line: CommandLine, option: str, value: str) -> None:
    if not re.fullmatch(_UUID, value):
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


def _overcommit(line: CommandLine, option: str, value: str) -> None:
    OptionList(option, value, OVERCOMMIT, "", line.warnings.append)
    line.kept.append((option[1:], value))


def _global(line: CommandLine, option: str, value: str) -> None:
    found = re.match(r"([^.=,]+)\.([^=,]+)=", value)
    if found is not None:
        line.globals.append((found[1], found[2], value[found.end() :]))
        return
    options = OptionList(option, value, GLOBAL, "", line.warnings.append)
    if {"driver", "property", "value"} - options.keys():
        message = "options 'driver', 'property', and 'value' are required"
        raise options.failure(message)
    line.globals.append((options["driver"], options["property"], options["value"]))


_BACKENDS: Final = {
    "object": "qom-type",
    "blockdev": "driver",
    "netdev": "type",
    "device": "driver",
}
"""Options that describe an object, and the name of their first value."""


def _backend(line: CommandLine, option: str, value: str) -> None:
    if is_help(value) and option != "-blockdev":
        line.lists.append((option, "help"))
        return
    implied = _BACKENDS[option[1:]]
    if value.startswith("{"):
        values = _read_json(option, value)
        line.backends.append(Backend(option, value, is_json=True, values=values))
        return
    if option == "-device":
        options = OptionList(option, value, None, implied, line.warnings.append)
        if (driver := options.get(implied)) is not None and (
            "help" in options or "?" in options
        ):
            line.lists.append((option, driver))
            return
        values = dict(options)
    else:
        values = parse_keyval(option, value, implied)
    if implied not in values:
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    line.backends.append(Backend(option, value, is_json=False, values=values))


def _read_json(option: str, value: str) -> dict[str, Any]:
    import json  # a greeting needs none

    try:
        values = json.loads(value)
    except (ValueError, RecursionError):
        raise StartFailure(_json_error(value), option, value) from None
    implied = _BACKENDS[option[1:]]
    if not isinstance(values.get(implied), str):
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    return dict(values)


def _json_error(value: str) -> str:
    """Return what QEMU says of a text that is no JSON."""
    from qmpx.errors import CommandError
    from qmpx.wire.framing import CommandReader

    reader = CommandReader()
    reader.feed(value.encode(errors="replace") + b"\n")
    while items := reader.take():
        for item in items:
            fault: object = item
            if isinstance(fault, CommandError):
                return fault.desc
    return "JSON parse error, premature EOI"


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


def _short_drive(option: str, value: str) -> OptionList:
    """Return what ``-hda FILE``, or a file alone, stands for."""
    more = {
        "": "index=0,media=disk",
        "hda": "index=0,media=disk",
        "hdb": "index=1,media=disk",
        "hdc": "index=2,media=disk",
        "hdd": "index=3,media=disk",
        "cdrom": "index=2,media=cdrom",
        "fda": "if=floppy,index=0",
        "fdb": "if=floppy,index=1",
        "sd": "if=sd",
    }[option]
    text = f"file={value.replace(',', ',,')},{more}"
    drive = OptionList("-drive", text)
    drive.option, drive.text = (f"-{option}", value) if option else ("", value)
    return drive


def _read_config(line: CommandLine, option: str, value: str) -> None:
    from qmpx.standin.config_file import read_config

    for name, text, place in read_config(option, value):
        if name not in VALUES:
            raise StartFailure(f"There is no option group '{name}'").moved(place)
        count = len(line.backends)
        try:
            _take(line, name, text)
        except StartFailure as failure:
            raise failure.moved(place) from None
        for backend in line.backends[count:]:
            backend.place = place


def is_help(value: str) -> bool:
    """Whether a value asks what values there are."""
    return value in ("help", "?")


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
}
