"""From a command line to a machine and its monitor.

What an option describes that a command of QMP can describe too is given to that
command: ``-object`` to ``object-add``, ``-blockdev`` to ``blockdev-add``, and so on. So
there is one logic for both, as in QEMU. What no command here carries out is checked as
far as the profile's schema and lists of types go, and kept: `Assembly.kept`.

The order is QEMU's: objects, character devices, block nodes and drives, network,
devices. Each kind of option is read by a module of its own, which is imported if there
is any of that kind.
"""

import os
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from qmpx.dialects.modern import modern_monitor
from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.dialects.modern.profile.profile import apply_profile
from qmpx.dialects.modern.profile.types import use_types
from qmpx.errors import CommandError
from qmpx.machine import Clock, Machine
from qmpx.machine.balloon import Accelerator
from qmpx.machine.guest import ObedientGuest
from qmpx.machine.hardware.self_test import SelfTest
from qmpx.machine.network.hubs import loose_ends
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom.board import FLASHES
from qmpx.machine.runstate import RunState
from qmpx.monitor import Monitor
from qmpx.standin.command_line import Backend, CommandLine, Place
from qmpx.standin.defaults import (
    board_devices,
    default_drives,
    default_ports,
    is_network_chosen,
    make_networks,
    virtio_disks,
)
from qmpx.standin.description import describe_actions, describe_board
from qmpx.standin.failure import StartFailure, with_hints
from qmpx.standin.machine_options import check_accelerators
from qmpx.standin.needs import (
    QTEST,
    choose_accelerator,
    find_machine,
    has_guest,
    memory_size,
    processor_count,
)
from qmpx.standin.option_lists import OptionList
from qmpx.standin.profile.file import Profile

if TYPE_CHECKING:
    from qmpx.machine.drive import Drive
    from qmpx.standin.character_options import CharacterOptions
    from qmpx.standin.option_commands import OptionCommands
    from qmpx.standin.qtest_socket import QtestSocket

FIRMWARE_PAGES: Final = 320
"""Pages that are in use when a PC has started: those of its firmware, and what that
writes. So many a real machine's migration sends in full, where no guest has done
anything (QEMU 7.2.22 with SeaBIOS, observed: 1.3 MiB)."""

_WITH_BIOS: Final = "pc-"  # boards whose SeaBIOS resets once more
_NO_BOARD: Final = "none"

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
        describe_actions(self.machine, line.actions)
        self.machine.accelerator = Accelerator(
            is_present="kvm" in (profile.text("-accel help") or "kvm"),
            is_enabled=self.accelerator == "kvm",
            translates=self.accelerator == "tcg",
        )
        if has_guest(line):
            self.machine.guest = ObedientGuest()
        if self.accelerator != QTEST and self._board["name"].startswith(_WITH_BIOS):
            SelfTest(self.machine)
        use_types(self.machine, profile)
        told_by = "tcg" if self.accelerator == QTEST else self.accelerator
        self.answers = ProfileAnswers(profile, told_by)
        if line.processor is not None:
            from qmpx.standin.processor_options import check_processor

            has_kvm = self.accelerator == "kvm"
            check_processor(line.processor, self.machine.qom.types, has_kvm=has_kvm)
        check_accelerators(self.machine, line)
        describe_board(self.machine, line, self._board, self.answers)
        self.monitor: Monitor = self.new_monitor(
            like=None if like is None else like.monitor
        )
        self.kept: list[Backend | OptionList] = []
        self.ports: list[tuple[str, str]] = []
        self._tell = tell
        self._characters: CharacterOptions | None = None
        self._commands: OptionCommands | None = None
        self._qtest: QtestSocket | None = None
        self._drives: list[tuple[OptionList, Drive]] = []

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
        if self.line.rtc is not None:
            from qmpx.standin.clock_options import set_clock

            set_clock(self.machine, self.line.rtc)
        self._pass_descriptors()
        if self.line.kept:
            from qmpx.standin.kept_options import check_kept

            labels = {device.id for device in self.line.character_devices}
            check_kept(self.machine, self.line.kept, self._tell, labels)
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
        if self.line.vnc:
            from qmpx.standin.display_options import open_vnc

            await open_vnc(self.machine, self.line.vnc)

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
            if self._drives or self.machine.qom.options.keys() & set(FLASHES):
                from qmpx.standin.plugging import plug_flashes

                plug_flashes(self.machine, [drive for _, drive in self._drives])
        except CommandError as error:
            raise StartFailure(error.desc) from None
        for name, text in self.line.kept:
            if name == "usbdevice":
                from qmpx.standin.plugging import plug_usb

                plug_usb(self.machine, text)
        for backend in self.line.backends:
            if backend.option == "-device":
                self._plug_backend(backend)
        for options in virtio_disks(self.machine):
            self._plug(OptionList("-drive", "if=virtio"), options)
        if self._drives:
            from qmpx.standin.drive_options import check_found

            is_pc = self.machine.qom.board.startswith("pc-")
            check_found(self._drives, len(FLASHES) if is_pc else 0)
        if self.machine.qom.board != _NO_BOARD:
            memory = self.machine.memory
            memory.touch(0, min(FIRMWARE_PAGES, memory.page_count))
        for complaint in self.machine.qom.globals.complaints(self.machine.qom.types):
            self._tell(f"warning: {complaint}")
        if is_network_chosen(self.line):
            for loose in loose_ends(self.machine.network):
                self._tell(f"warning: {loose}")
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

    async def _carry_out(self, backend: Backend) -> None:
        if not await self._option_commands.carry_out(backend):
            self.kept.append(backend)

    @property
    def _option_commands(self) -> "OptionCommands":
        if self._commands is None:
            from qmpx.standin.option_commands import OptionCommands

            self._commands = OptionCommands(self.monitor, self.answers)
        return self._commands

    async def _open_character_devices(self, monitor_labels: set[str]) -> None:
        line = self.line
        devices = [x for x in line.character_devices if x.id not in monitor_labels]
        defaults = default_ports(line, self.machine.qom.board)
        places = [*line.ports, *(Place(option, "vc") for option in defaults)]
        if devices or places:
            from qmpx.standin.character_options import CharacterOptions

            self._characters = CharacterOptions(self.machine, self._tell)
            for each in line.character_devices:
                if each.id in monitor_labels and each.switch("mux"):
                    await self._characters.share(str(each.id))
            self.ports += await self._characters.open_all(devices, places)

    def _plug_drives(self) -> None:
        defaults = list(default_drives(self.line, self.machine.qom.board))
        if self.line.drives or defaults:
            from qmpx.standin.drive_options import plug_drives

            plugged = plug_drives(self.machine, self.line.drives, defaults)
            self.kept += plugged.kept
            self._drives = plugged.made

    def _describe_nodes(self) -> None:
        """Carry out ``-numa``.

        Raises:
            StartFailure: An option is wrong by itself, or against others.
        """
        for options in self.line.nodes:
            from qmpx.standin.numa_options import node_values  # few machines have any

            def warn(message: str, place: OptionList = options) -> None:
                self._tell(f"{place.option} {place.text}: {message}")

            values = node_values(options)
            self.machine.numa.warn = warn
            try:
                read = self._option_commands.read_node(options, values)
                self.machine.numa.add(read)
            except CommandError as error:
                raise options.failure(error.desc) from None

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
        if self._characters is not None:
            for endpoint in self._characters.endpoints:
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

    def _plug_backend(self, backend: Backend) -> None:
        try:
            self.machine.qom.devices.add(backend.values, hotplug=False)
        except CommandError as error:
            raise backend.failure(with_hints(error)) from None
