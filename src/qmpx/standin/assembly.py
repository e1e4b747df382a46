"""From a command line to a machine and its monitor.

What an option describes that a command of QMP can describe too is given to that
command: ``-object`` to ``object-add``, ``-blockdev`` to ``blockdev-add``, and so on. So
there is one logic for both, as in QEMU. What no command here carries out is checked as
far as the profile's schema and lists of types go, and kept: `Assembly.kept`.

The order is QEMU's: objects, character devices, block nodes and drives, network,
devices.
"""

import asyncio
import calendar
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from qmpx.dialects.modern import modern_monitor
from qmpx.dialects.modern.profile import ProfileAnswers, apply_profile
from qmpx.dialects.modern.types import use_types
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Clock, Machine
from qmpx.machine.block.described import node_options, plug_described
from qmpx.machine.block.drives import OPTIONS as DRIVE_OPTIONS
from qmpx.machine.block.drives import UNITS
from qmpx.machine.character.device import MUX_USERS, CharacterDevice
from qmpx.machine.character.files import OutputFile
from qmpx.machine.character.opened import OpenedSocket
from qmpx.machine.character.ring_buffer import DEFAULT_SIZE, RingBuffer
from qmpx.machine.drive import Interface
from qmpx.machine.guest import ObedientGuest
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.runstate import PanicAction, RunState
from qmpx.monitor import Monitor
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.registry import Entry, SessionLike
from qmpx.standin import kept_options
from qmpx.standin.boards import (
    WITHOUT_PROCESSORS,
    makes_node,
    ram_name,
    takes_sizes,
)
from qmpx.standin.command_line import Backend, CommandLine, Place
from qmpx.standin.defaults import (
    board_devices,
    board_of,
    default_drives,
    default_ports,
    make_networks,
    virtio_disks,
)
from qmpx.standin.endpoints import Endpoint, check_backend, legacy_options
from qmpx.standin.failure import StartFailure
from qmpx.standin.machine_options import read_machine_options
from qmpx.standin.needs import (
    QTEST,
    choose_accelerator,
    find_machine,
    full_topology,
    has_guest,
    memory_size,
    processor_count,
)
from qmpx.standin.numa_options import node_values
from qmpx.standin.option_lists import OptionList, read_size
from qmpx.standin.profile.file import Profile

if TYPE_CHECKING:
    from qmpx.standin.qtest_socket import QtestSocket

COMMANDS: Final = {
    "-object": "object-add",
    "-blockdev": "blockdev-add",
    "-netdev": "netdev_add",
    "-device": "device_add",  # but for what differs in a machine that is on
}
"""The command that carries out what an option describes."""

FIRMWARE_PAGES: Final = 320
"""Pages that are in use when a PC has started: those of its firmware, and what that
writes. So many a real machine's migration sends in full, where no guest has done
anything (QEMU 7.2.22 with SeaBIOS, observed: 1.3 MiB)."""

_NO_BOARD: Final = "none"

_UNEXPECTED: Final = re.compile(r"Parameters? '(.*)' (?:is|are) unexpected")
_NOT_FEATURES: Final = frozenset(
    {
        *("realized", "node-id", "apic-id", "socket-id", "die-id", "core-id"),
        *("thread-id", "phys-bits", "ucode-rev", "hv-vendor-id"),
    }
)  # what an expansion tells of a processor that is nowhere
_ALWAYS: Final = frozenset({"migratable", "lmce", "pmu"})  # no features of CPUID
_ORDER: Final = ("-object", "-blockdev", "-netdev")  # and then the machine is built


class Assembly:
    """A machine that is put together.

    Args:
        line: What it is to be.
        profile: The binary that is stood in for.
        tell: Is told what is waited for.
        like: Another machine with the same profile, to share its commands.
        clock: Its time; real time unless given.

    Attributes:
        machine: The machine.
        monitor: Its monitor.
        answers: What the profile tells.
        kept: What was described and is not carried out here.
        ports: The serial and parallel ports: which of the two, and the label of the
            character device.
        endpoints: Its sockets that are no monitors', whose files go at the end.

    Raises:
        StartFailure: What is described cannot be.
    """

    def __init__(
        self,
        line: CommandLine,
        profile: Profile,
        tell: Callable[[str], None],
        *,
        like: "Assembly | None" = None,
        clock: Clock | None = None,
    ) -> None:
        self.line = line
        self.profile = profile
        self.accelerator = choose_accelerator(line, profile)
        self._board = find_machine(profile, line.machine.get("type"))
        self.machine = Machine(
            line.name,
            uuid=uuid.UUID(line.uuid) if line.uuid else uuid.UUID(int=0),
            clock=clock,
            memory_size=memory_size(line.memory, self._board["name"]),
            processor_count=processor_count(line.topology, self._board),
        )
        self.machine.restarts = line.actions.get("reboot", "reset") == "reset"
        self.machine.ends = line.actions.get("shutdown", "poweroff") == "poweroff"
        self.machine.panic_action = PanicAction(line.actions.get("panic", "shutdown"))
        self.machine.accelerator.is_present = "kvm" in (
            profile.text("-accel help") or "kvm"
        )
        self.machine.accelerator.is_enabled = self.accelerator == "kvm"
        self.machine.accelerator.translates = self.accelerator == "tcg"
        if has_guest(line):
            self.machine.guest = ObedientGuest()
        use_types(self.machine, profile)
        self._describe()
        told_by = "tcg" if self.accelerator == QTEST else self.accelerator
        self.answers = ProfileAnswers(profile, told_by)
        self.monitor: Monitor = self.new_monitor(
            like=None if like is None else like.monitor
        )
        self.kept: list[Backend | OptionList] = []
        self.ports: list[tuple[str, str]] = []
        self.endpoints: list[Endpoint] = []
        self._tell = tell
        self._qtest: QtestSocket | None = None

    def new_monitor(
        self, *, pretty: bool = False, like: Monitor | None = None
    ) -> Monitor:
        """Return a monitor over the machine, as the profile's binary has it.

        Args:
            pretty: Whether messages are spread over lines.
            like: A monitor whose commands it shares.
        """
        monitor = modern_monitor(self.machine, pretty=pretty, offers_async=False)
        if like is not None:
            monitor.commands = like.commands
            monitor.announce(like.version)
            return monitor
        apply_profile(monitor, self.profile, self.answers)
        return monitor

    def _describe(self) -> None:
        """Tell the tree of objects what machine it is."""
        line, tree, board = self.line, self.machine.qom, self._board
        name = board["name"]
        self.machine.is_bare = board["name"] == "none"
        self.machine.can_sleep = not self.machine.is_bare
        self.machine.has_own_screen = False
        tree.is_bare = line.is_preconfig
        tree.become(
            name,
            line.machine.get("memory-backend"),
            own_ram=ram_name(name, is_told=line.memory is not None),
        )
        for driver, prop, text in line.globals:
            tree.globals.add(driver, prop, text)
        tree.options = read_machine_options(self.machine, line)
        tree.processors.topology.update(full_topology(line.topology, name))
        tree.processors.is_empty = name in WITHOUT_PROCESSORS and line.processor is None
        numa = self.machine.numa
        numa.has_details = tree.options.get("hmat", False)
        numa.takes_sizes = takes_sizes(name)
        numa.makes_one = makes_node(name)
        numa.is_complete = False
        if line.processor is not None:
            model = line.processor.partition(",")[0]
            tree.processors.type = f"{model}-x86_64-cpu"
        elif "default-cpu-type" in board:
            tree.processors.type = board["default-cpu-type"]
        tree.processors.features = self._features
        if line.memory is not None:
            tree.memory_slots = int(line.memory.get("slots", "0"))
            tree.maximum_memory = read_size(line.memory.get("maxmem", "0")) or 0

    def _features(self) -> dict[str, Any]:
        """Return what the processors can do, as far as the profile tells."""
        kind = self.machine.qom.processors.type
        name = kind.removesuffix("-x86_64-cpu")
        _, _, chosen = (self.line.processor or "").partition(",")
        arguments = {"type": "full", "model": {"name": name}}
        try:
            told = self.answers.expand(arguments)
        except CommandError:
            return {}
        features: dict[str, Any] = dict(msgspec.json.decode(told)["model"]["props"])
        for own in _NOT_FEATURES & features.keys():
            del features[own]
        for part in chosen.split(",") if chosen else ():
            feature, equals, value = part.partition("=")
            if part[:1] in ("+", "-"):
                features[part[1:]] = part[0] == "+"
            elif not equals or value in ("on", "off"):
                features[feature] = value != "off"
        return self._without_unavailable(features)

    def _without_unavailable(self, features: dict[str, Any]) -> dict[str, Any]:
        """Return features without those that the accelerator lacks, and name these."""
        arguments = {"type": "full", "model": {"name": "max"}}
        try:
            told = self.answers.expand(arguments)
        except CommandError:
            return features
        most = msgspec.json.decode(told)["model"]["props"]
        lacking = sorted(
            name
            for name, value in features.items()
            if value is True and most.get(name) is False and name not in _ALWAYS
        )
        return {
            **features,
            **dict.fromkeys(lacking, False),
            "unavailable-features": lacking,
        }

    async def furnish(self, monitor_labels: set[str]) -> None:
        """Make what the command line describes beside the machine itself.

        Args:
            monitor_labels: The character devices that have monitors on them, which are
                open already.

        Raises:
            StartFailure: Something cannot be made.
        """
        if self.line.incoming is not None:
            # Before any image is opened: who sends the machine owns them still.
            self.machine.transfer(RunState.INMIGRATE)
        _set_clock(self.machine, self.line.rtc)
        self._pass_descriptors()
        self._check_kept()
        await self._open_qtest()
        for option in _ORDER:
            for backend in self.line.backends:
                if backend.option == option:
                    await self._carry_out(backend)
            if option == "-object":
                self._check_ram()
                self._describe_nodes()
                await self._open_character_devices(monitor_labels)
            if option == "-blockdev":
                self._plug_drives()
        if not self.line.is_preconfig:
            self.build()
        self._set_watchdog()
        await self._show()

    def build(self) -> None:
        """Build the machine itself: its board, and what is plugged into that.

        Raises:
            StartFailure: It cannot be built.
        """
        if self._board.get("deprecated"):
            self._tell(
                f"warning: Machine type '{self._board['name']}' is deprecated: old and "
                "unattended - use a newer version instead"
            )
        self.machine.numa.warn = self._tell
        try:
            self.machine.numa.complete()
        except CommandError as error:
            raise StartFailure(error.desc) from None
        try:
            self.machine.qom.make_board()
            self._complete_board()
            _ = self.machine.qom.root
        except CommandError as error:
            raise StartFailure(error.desc) from None
        for backend in self.line.backends:
            if backend.option == "-device":
                self._plug_backend(backend)
        for options in virtio_disks(self.machine):
            self._plug(OptionList("-drive", "if=virtio"), options)
        if self.machine.qom.board != _NO_BOARD:
            memory = self.machine.memory
            memory.touch(0, min(FIRMWARE_PAGES, memory.page_count))
        for complaint in self.machine.qom.globals.complaints(self.machine.qom.types):
            self._tell(f"warning: {complaint}")
        if self._qtest is not None:
            from qmpx.machine.hardware.pci_configuration import attach_pci

            self._qtest.show()
            attach_pci(self.machine)

    def _check_ram(self) -> None:
        """Take the backend that users have made for the machine's RAM.

        Raises:
            StartFailure: There is none, or it has another size than the machine.
        """
        machine, tree = self.machine, self.machine.qom
        if tree.has_own_ram or tree.ram_name is None:
            return
        backend = machine.objects.get(tree.ram_name)
        if not isinstance(backend, MemoryBackend):
            message = f"Memory backend '{tree.ram_name}' not found"
            raise StartFailure(message)
        if self.line.memory is None or "size" not in self.line.memory:
            machine.memory_size = backend.size
        elif machine.memory_size != backend.size:
            message = (
                "Machine memory size does not match the size of the memory backend"
            )
            raise StartFailure(message)
        backend.users.append("/machine")

    def _describe_nodes(self) -> None:
        """Carry out ``-numa``.

        Raises:
            StartFailure: An option is wrong by itself, or against others.
        """
        for options in self.line.nodes:

            def warn(message: str, place: OptionList = options) -> None:
                self._tell(f"{place.option} {place.text}: {message}")

            values = node_values(options)
            self.machine.numa.warn = warn
            try:
                read = self._read_keyval(
                    Backend("-numa", options.text, is_json=False, values=values),
                    "set-numa-node",
                    self.answers.schema.commands["set-numa-node"].arguments,
                )
                self.machine.numa.add(read)
            except CommandError as error:
                raise options.failure(error.desc) from None

    def _check_kept(self) -> None:
        """Check options that have little effect here, or none."""
        checks = {
            "smbios": kept_options.check_smbios,
            "acpitable": kept_options.check_acpi_table,
            "fw_cfg": kept_options.check_firmware_item,
        }
        for name, text in self.line.kept:
            if name in checks:
                checks[name](f"-{name}", text, self._tell)
            elif name == "spice":
                spice = kept_options.read_spice("-spice", text, self._tell)
                self.machine.spice = spice

    async def _open_qtest(self) -> None:
        if self.line.qtest is None:
            return
        from qmpx.standin.qtest_socket import QtestSocket  # few machines are tested

        self._qtest = QtestSocket(
            self.machine,
            self.line.qtest,
            self.line.qtest_log,
            has_clock=self.accelerator == QTEST,
        )
        await self._qtest.open(self._tell)

    async def close(self) -> None:
        """Let go of what other programs can see."""
        if self._qtest is not None:
            await self._qtest.close()
        if "characters" in self.machine.__dict__:
            self.machine.characters.close()
        if "blocks" in self.machine.__dict__:
            self.machine.blocks.close()
        for endpoint in self.endpoints:
            endpoint.remove()

    def _pass_descriptors(self) -> None:
        for passed in self.line.passed:
            fd = os.dup(passed.number("fd"))
            self.monitor.descriptor_sets.add(
                fd, passed.number("set"), passed.get("opaque")
            )

    def _set_watchdog(self) -> None:
        if (name := self.line.actions.get("watchdog")) is not None:
            from qmpx.machine.hardware.watchdog import WatchdogAction

            known = {action.value: action for action in WatchdogAction}
            if name in known:
                self.machine.chipset.watchdog.action = known[name]

    def _complete_board(self) -> None:
        """Make the devices that a board of this kind has, but not every such board."""
        tree, line = self.machine.qom, self.line
        nics = make_networks(line, self.machine)
        wanted = board_devices(line, self.machine, nics, self.ports)
        if not tree.is_board_known:
            return
        known = [x for x in wanted if tree.types.model(x.options["driver"]) is not None]
        tree.room = [device.place for device in known]
        for name, device in zip(tree.room_names, known, strict=True):
            self._plug(None, device.options, board_name=name, vlan=device.vlan)

    def _plug(
        self, option: OptionList | None, values: dict[str, Any], **more: Any
    ) -> None:
        try:
            self.machine.qom.devices.add(values, hotplug=False, **more)
        except CommandError as error:
            if option is not None:
                raise option.failure(error.desc) from None
            raise StartFailure(error.desc) from None

    # What QMP could make, too.

    def _plug_backend(self, backend: Backend) -> None:
        try:
            self.machine.qom.devices.add(backend.values, hotplug=False)
        except CommandError as error:
            raise backend.failure(_with_hints(error)) from None

    async def _carry_out(self, backend: Backend) -> None:
        name = COMMANDS[backend.option]
        entry = self.monitor.entries.get(name)
        try:
            arguments = self._arguments(name, backend)
            if entry is None or not self._is_carried_out(entry, arguments):
                self.kept.append(backend)
                return
            await self.run(entry, arguments)
        except CommandError as error:
            raise backend.failure(_with_hints(error)) from None

    def _arguments(self, name: str, backend: Backend) -> bytes:
        """Return what the command takes, as JSON.

        Raises:
            CommandError: It is not as the schema says.
        """
        if backend.is_json:
            text = json.dumps(backend.values).encode()
            self.answers.validator.check_command(name, text)
            return text
        values: Any = backend.values
        command = self.answers.schema.commands.get(name)
        if command is not None:
            values = self._read_keyval(backend, name, command.arguments)
        return json.dumps(values).encode()

    def _read_keyval(self, backend: Backend, name: str, type_name: str) -> Any:
        """Return what an option says, by the schema.

        Introspection does not tell which integers are sizes, and may have units: the
        schema that it comes from does.

        Raises:
            CommandError: It is not as the schema says.
        """
        try:
            return self.answers.validator.read_keyval(type_name, backend.values)
        except CommandError:
            exact = self.answers.sharp_schema.commands[name].arguments
        try:
            return self.answers.sharp_validator.read_keyval(exact, backend.values)
        except CommandError as error:
            unexpected = _UNEXPECTED.fullmatch(error.desc)
            if unexpected is None or backend.option == "-blockdev":
                raise
            # These two options were there before the schema was.
            message = f"Invalid parameter '{unexpected[1]}'"
            raise GenericError(message) from None

    def _is_carried_out(self, entry: Entry, arguments: bytes) -> bool:
        """Whether the command takes what the schema says is right."""
        try:
            entry.signature.read(msgspec.Raw(arguments))
        except CommandError:
            return False
        return not getattr(entry.handler, "is_refusal", False)

    async def run(self, entry: Entry, arguments: bytes) -> Any:
        """Run a command as if a client had sent it.

        Raises:
            CommandError: It fails.
        """
        session = _Starting(self.monitor)
        returned = entry.invoke(session, msgspec.Raw(arguments))
        return await returned if entry.is_async else returned

    # What it cannot.

    async def _open_character_devices(self, monitor_labels: set[str]) -> None:
        for options in self.line.character_devices:
            if options.id not in monitor_labels:
                await self._open(options)
        counts = {"-serial": 0, "-parallel": 0}
        defaults = default_ports(self.line, self.machine.qom.board)
        ports = [*self.line.ports, *(Place(option, "vc") for option in defaults)]
        for place in ports:
            number = counts[place.option]
            counts[place.option] += 1
            kind = place.option[1:]
            if place.text == "none" or place.text.startswith("mon:"):
                continue
            failed = (
                f"{place.option} {place.text}: could not connect {kind} device to "
                f"character backend '{place.text}'"
            )
            try:
                label = await self._open_port(place.text, place.option, number)
            except StartFailure as failure:
                failure.further.append(failed)
                raise
            self.ports.append((kind, label))

    async def _open_port(self, text: str, option: str, number: int) -> str:
        if text.startswith("chardev:"):
            label = text.removeprefix("chardev:")
            if label not in self.machine.characters:
                message = f'chardev "{label}" not found'
                raise StartFailure(message, option, text)
            return label
        options = legacy_options(option, text, f"{option[1:]}{number}")
        await self._open(options)
        return str(options.id)

    async def _open(self, options: OptionList) -> None:
        label = str(options.id)
        if options.get("backend") == "socket":
            endpoint = Endpoint(label, options, is_control=False)
            endpoint.open(self._tell)
            self.endpoints.append(endpoint)
            device: CharacterDevice = OpenedSocket(
                label,
                endpoint.place,
                listening=endpoint.listening,
                connected=endpoint.connected,
                is_telnet=options.switch("telnet"),
                users=MUX_USERS if options.switch("mux") else 1,
            )
            await self.machine.characters.add(device)
            return
        check_backend(options)
        if options["backend"] == "file":
            await self._open_file(label, options)
            return
        if (made := _without_file(label, options)) is not None:
            await self.machine.characters.add(made)
            return
        try:
            device = await self.machine.characters.open({**options, "id": label})
        except CommandError as error:
            raise options.refusal(error) from None
        if options["backend"] == "pty":
            where = device.filename.removeprefix("pty:")
            told = f"char device redirected to {where} (label {label})\n"
            os.write(1, told.encode())

    async def _open_file(self, label: str, options: OptionList) -> None:
        path = options.get("path", "")
        try:
            device = OutputFile(
                label,
                path,
                appends=options.switch("append"),
                users=MUX_USERS if options.switch("mux") else 1,
                files=self.machine.files,
            )
            await self.machine.characters.add(device)
        except OSError as error:
            message = f"Could not open '{path}': {os.strerror(error.errno or 0)}"
            raise options.failure(message) from None
        except CommandError as error:
            raise options.failure(error.desc) from None

    def _plug_drives(self) -> None:
        board = self.machine.qom.board
        units = {**UNITS, Interface.IDE: board_of(board).units}
        for drive in (*self.line.drives, *default_drives(self.line, board)):
            if "file" not in drive and "driver" not in drive:
                if drive.get("media") == "cdrom":
                    pass
                elif drive.pairs and not drive.keys() & {"if", "id", "index"}:
                    raise drive.failure("Must specify either driver or file")
            path = drive.get("file", "")
            if path and ":" not in path and not os.path.lexists(path):
                message = f"Could not open '{path}': No such file or directory"
                raise drive.failure(message)
            values = {k: v for k, v in drive.items() if k in DRIVE_OPTIONS}
            try:
                nodes = node_options(drive)
                made = (
                    self.machine.plug_drive(values, units=units)
                    if nodes is None
                    else plug_described(self.machine, drive, nodes, units=units)
                )
                if made is not None:
                    made.id, made.removable = "", True  # until a device has it
                if (
                    made is not None
                    and not drive.switch("snapshot")
                    and ":" not in path
                ):
                    self.machine.blocks.adopt(made, drive.get("node-name"))
            except ValueError as error:
                raise drive.failure(str(error)) from None
            except CommandError as error:
                raise drive.failure(error.desc) from None
            if len(values) < len(drive) and nodes is None:
                self.kept.append(drive)

    async def _show(self) -> None:
        """Open VNC, where it is asked for."""
        for text in self.line.vnc:
            if text == "none":
                continue
            options = OptionList("-vnc", text, None, "vnc")
            where = options["vnc"]
            if ":" not in where:
                message = "no vnc port specified"
                raise options.failure(message)
            if options.switch("password"):
                where += ",password"
            try:
                await self.machine.display.start_vnc(where)
            except CommandError as error:
                raise options.failure(error.desc) from None


def _without_file(label: str, options: OptionList) -> CharacterDevice | None:
    """Return a character device that has nothing of the host's; ``None`` if it has.

    Raises:
        StartFailure: It has no such size.
    """
    kind = options["backend"]
    if kind in ("msmouse", "testdev", "wctablet"):
        return CharacterDevice(label, kind)
    if kind not in ("ringbuf", "memory"):
        return None
    size = read_size(options.get("size", "0"))
    try:
        return RingBuffer(label, size or DEFAULT_SIZE, kind)
    except CommandError as error:
        raise options.failure(error.desc) from None


def _with_hints(error: CommandError) -> str:
    """Return what went wrong, with what is added for people."""
    hints = getattr(error.__cause__, "__notes__", ())
    return "\n".join((error.desc, *hints))


class _Starting(SessionLike):
    """Who asks, while the machine is put together: nobody who could be told."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.frontend = Frontend()
        self.pending = PendingDescriptors()
        self.answers_later = False


def _set_clock(machine: Machine, options: OptionList | None) -> None:
    if options is None:
        return
    if (kind := options.get("clock", "host")) not in ("host", "rt", "vm"):
        raise StartFailure(f"invalid option value '{kind}'")
    base = options.get("base", "utc")
    chip = machine.chipset.clock_chip
    if base == "localtime":
        chip.start_at(None, is_local=True)
    elif base != "utc":
        chip.start_at(_seconds(base))


def _seconds(base: str) -> int:
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return calendar.timegm(time.strptime(base, form))
        except ValueError:
            continue
    message = (
        "invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'"
    )
    raise StartFailure(message)


async def start(assembly: Assembly, tell: Callable[[str], None]) -> None:
    """Let the machine run, unless it is to wait, or to be sent from elsewhere.

    Args:
        assembly: The machine.
        tell: Is told what fails later.

    Raises:
        StartFailure: There is no such snapshot; the address cannot be had.
    """
    line, machine = assembly.line, assembly.machine
    if line.load is not None:
        try:
            await machine.snapshots.load(line.load)
        except CommandError as error:
            raise StartFailure(error.desc) from None
    if line.incoming is not None:
        _await_machine(assembly, line.incoming)
        return
    if not line.is_paused and not line.is_preconfig:
        machine.cont()
    await asyncio.sleep(0)
    if machine.state.value == "io-error":
        tell("warning: a drive failed at the start")


def _await_machine(assembly: Assembly, uri: str) -> None:
    may_run = not assembly.line.is_paused
    if uri == "defer":
        assembly.machine.migration.may_run = may_run
        return
    try:
        assembly.machine.migration.expect(uri, may_run=may_run)
    except CommandError as error:
        raise StartFailure(error.desc, "-incoming", uri) from None
