"""What the command line of ``qemu-system-x86_64`` says.

`qmpx.standin.parsing` reads it. What is wrong by itself is refused there in QEMU's
words; what is wrong with regard to the machine is refused by who puts the machine
together.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.failure import StartFailure
from qmpx.standin.options import GUESTS

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any

    from qmpx.standin.option_lists import OptionList


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
        is_default: Whether it is so without being said.
    """

    def __init__(self, option: str, text: str, *, is_default: bool = False) -> None:
        self.option = option
        self.text = text
        self.is_default = is_default

    def failure(self, message: str) -> StartFailure:
        """Return the failure that something is wrong with it."""
        if self.is_default:
            return StartFailure(message)
        return StartFailure(message, self.option, self.text)

    def not_connected(self) -> StartFailure:
        """Return the failure that a port is not connected there."""
        kind = self.option.removeprefix("-")
        what = f"could not connect {kind} device to character backend '{self.text}'"
        return self.failure(what)


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
        accelerator_options: ``-accel``, with all that it says.
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
        self.accelerator_options: list[OptionList] = []
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
