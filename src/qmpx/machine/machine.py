"""The embedded machine: state, drives, and what happens to them.

It knows nothing of JSON, sessions and monitors. What happens it tells to whoever
`listen`s, in the order in which it happens; time is a `Clock` that it is given.
"""

import uuid as uuids
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from qmpx.errors import DeviceEncrypted, DeviceNotFound, DuplicateId, GenericError
from qmpx.machine.balloon import Accelerator, Balloon
from qmpx.machine.clock import Clock, RealClock
from qmpx.machine.drive import Drive, Interface, Kind, Medium
from qmpx.machine.files import HostFiles
from qmpx.machine.guest import Guest
from qmpx.machine.happenings import (
    GuestCrashLoaded,
    GuestPanicked,
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    Suspended,
    WokenUp,
)
from qmpx.machine.hardware.chipset import Chipset
from qmpx.machine.hardware.ports import Ports
from qmpx.machine.log import MachineLog
from qmpx.machine.memory import PAGE_SIZE, Memory
from qmpx.machine.objects import UserObjects
from qmpx.machine.processor import Processors
from qmpx.machine.run_time import RunTime
from qmpx.machine.runstate import MOVES, TRANSFERS, Cause, PanicAction, RunState

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.character import CharacterDevices
    from qmpx.machine.debugger import Debugger
    from qmpx.machine.devices import DeviceTree
    from qmpx.machine.dirty_rate import DirtyRate
    from qmpx.machine.display import Display
    from qmpx.machine.display.spice import Spice
    from qmpx.machine.hardware.boot import Boot
    from qmpx.machine.memory_dump import MemoryDump
    from qmpx.machine.migration import Migration
    from qmpx.machine.network import Network
    from qmpx.machine.numa import Numa
    from qmpx.machine.qom.tree import QomTree
    from qmpx.machine.serial_ports import SerialPorts
    from qmpx.machine.snapshots import Snapshots
    from qmpx.machine.sound import Captures

PARTS: Final = ("processors", "chipset", "balloon", "display", "devices", "network")
"""The attributes that hold parts with state of their own, in the order of moving."""

RESET_PARTS: Final = (
    "processors",
    "chipset",
    "balloon",
    "display",
    "devices",
    "qom",
)
"""The attributes that hold parts with a ``reset``, in its order."""


_NOT_OURS: Final = (RunState.INMIGRATE, RunState.POSTMIGRATE)
"""States in which somebody else owns the images."""


_REACHING_OUT: Final = (
    "dump",
    "objects",
    "qom",
    "migration",
    "debugger",
    "display",
    "characters",
    "network",
    "blocks",
)
"""The attributes that hold parts with listeners, connections and files."""


FINAL_REASONS: Final = frozenset({"host-qmp-quit", "host-signal"})
"""Reasons to switch off that end a machine, also one that would only stop."""


class Part(Protocol):
    """A part of a machine whose state can be saved, moved and restored."""

    def state(self) -> dict[str, Any]:
        """Return its state: integers, strings, bytes, truth values, lists, dicts."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""


class Machine:
    """A machine with no guest in it, yet.

    Args:
        name: Its name; ``None`` if it has none.
        uuid: Its UUID.
        clock: Its time.
        is_started: Whether it runs from the start, or waits for `cont`.
        memory_size: Its RAM, in bytes; a machine without any has a page all the same.
        processor_count: How many virtual processors it has.

    Attributes:
        state: Its run state.
        run_time: How long it has run.
        is_single_stepping: Whether its processors take one instruction at a time.
        measures_locks: Whether somebody wants to know how long locks are waited for.
        restarts: Whether a reset starts it anew; else it switches off.
        ends: Whether it ends when it switches off; else it only stops.
        panic_action: What is done when the guest gives up.
        is_bare: Whether its board is empty: no processor, no mouse, no ACPI.
        has_own_screen: Whether there is one without any device that has one.
        can_sleep: Whether a guest that wants to sleep does, and can be woken; else it
            begins anew at once, as in QEMU 0.13.
        accelerator: What runs the guest's code, if not an emulator.
        spice: Its SPICE server, if it has one.
        drives: Its drives by the names of their back ends.
        objects: What users have created in it.
        files: The files of the host, as it sees them.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        uuid: uuids.UUID = uuids.UUID(int=0),  # noqa: B008 - immutable
        clock: Clock | None = None,
        is_started: bool = False,
        memory_size: int = 128 * 2**20,
        processor_count: int = 1,
    ) -> None:
        self.name = name
        self.uuid = uuid
        self.memory_size = memory_size
        self.processor_count = processor_count
        self.clock: Clock = clock if clock is not None else RealClock()
        self.state = RunState.RUNNING if is_started else RunState.PRELAUNCH
        self.run_time = RunTime(self.clock, is_running=is_started)
        self.is_single_stepping = False
        self.measures_locks = False
        self.restarts = True
        self.ends = True
        self.panic_action = PanicAction.SHUTDOWN
        self.can_sleep = True
        self.has_own_screen = True
        self.is_bare = False
        self.accelerator = Accelerator()
        self.spice: Spice | None = None
        self.drives: dict[str, Drive] = {}
        self.objects = UserObjects()
        self.files = HostFiles()
        self._guest = Guest()
        self._listeners: tuple[Callable[[Happening], None], ...] = ()

    @cached_property
    def memory(self) -> Memory:
        """RAM, and what lies over it."""
        return Memory(self.memory_size or PAGE_SIZE)

    @cached_property
    def processors(self) -> Processors:
        """The virtual processors, by their numbers."""
        return Processors(self.processor_count, self.memory)

    @cached_property
    def chipset(self) -> Chipset:
        """The devices of its board: clock, watchdog, power management and others."""
        return Chipset(self)

    @property
    def ports(self) -> Ports:
        """The I/O ports."""
        return self.chipset.ports

    @cached_property
    def boot(self) -> "Boot":
        """What the firmware does with disks; made with the first that is plugged in."""
        from qmpx.machine.hardware.boot import Boot

        return Boot(self)

    @cached_property
    def balloon(self) -> Balloon:
        """The memory balloon; it works while its device is plugged in."""
        return Balloon(self)

    @cached_property
    def snapshots(self) -> "Snapshots":
        """What was saved of it in its disk images."""
        from qmpx.machine.snapshots import Snapshots  # few machines are saved

        return Snapshots(self)

    @cached_property
    def migration(self) -> "Migration":
        """Its way to elsewhere, or from there."""
        from qmpx.machine.migration import Migration  # few machines are moved

        return Migration(self)

    @cached_property
    def devices(self) -> "DeviceTree":
        """What is plugged in where; the board's devices are made at the first look."""
        from qmpx.machine.devices import DeviceTree  # few machines are looked into

        return DeviceTree(self)

    @cached_property
    def blocks(self) -> "BlockGraph":
        """Its block nodes, and the jobs that work on them."""
        from qmpx.machine.block.graph import BlockGraph  # most machines have none

        return BlockGraph(self)

    @cached_property
    def qom(self) -> "QomTree":
        """Its objects as clients of today see them, and the devices among them."""
        from qmpx.machine.qom.tree import QomTree

        return QomTree(self)

    @cached_property
    def numa(self) -> "Numa":
        """Its nodes of memory and processors."""
        from qmpx.machine.numa import Numa  # few machines have any

        return Numa(self)

    @cached_property
    def network(self) -> "Network":
        """Network clients, vlans and links."""
        from qmpx.machine.network import Network

        return Network(self)

    @cached_property
    def serial_ports(self) -> "SerialPorts":
        """The ports that programs of the guest can open."""
        from qmpx.machine.serial_ports import SerialPorts

        return SerialPorts(self)

    @cached_property
    def characters(self) -> "CharacterDevices":
        """The character devices."""
        from qmpx.machine.character import CharacterDevices

        return CharacterDevices()

    @cached_property
    def dirty_rate(self) -> "DirtyRate":
        """How fast its memory is written, as far as somebody has measured that."""
        from qmpx.machine.dirty_rate import DirtyRate

        return DirtyRate(self)

    @cached_property
    def dump(self) -> "MemoryDump":
        """The writing of its memory into a file for a debugger."""
        from qmpx.machine.memory_dump import MemoryDump  # few machines are dumped

        return MemoryDump(self)

    @cached_property
    def captures(self) -> "Captures":
        """The recordings of what the guest plays."""
        from qmpx.machine.sound import Captures

        return Captures()

    @cached_property
    def display(self) -> "Display":
        """What there is to see, to type on and to point with."""
        from qmpx.machine.display import Display  # few machines are looked at

        return Display(self)

    @cached_property
    def log(self) -> MachineLog:
        """The log file, and what is written to it."""
        return MachineLog()

    @cached_property
    def debugger(self) -> "Debugger":
        """Where a debugger may connect."""
        from qmpx.machine.debugger import Debugger  # few machines are debugged

        return Debugger(self)

    @property
    def guest(self) -> Guest:
        """Who answers what the machine is asked for; by default nobody."""
        return self._guest

    @guest.setter
    def guest(self, guest: Guest) -> None:
        self._guest.leave()
        self._guest = guest
        guest.enter(self)

    def close(self) -> None:
        """Let go of what it has of the world outside: at its very end."""
        for name in _REACHING_OUT:
            if (part := self.__dict__.get(name)) is not None:
                part.close()
        for drive in self.drives.values():
            drive.close()

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* of everything that happens from now on."""
        self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* no more; of what is being told now it may still hear."""
        left = list(self._listeners)
        left.remove(listener)
        self._listeners = tuple(left)

    def tell(self, happening: Happening) -> None:
        """Tell whoever listens."""
        for listener in self._listeners:
            listener(happening)

    def parts(self) -> Iterator[tuple[str, "Part"]]:
        """Yield the parts that have state to move, by name: those that were made.

        Memory is not among them: it moves by pages.
        """
        for name in PARTS:
            part = self.__dict__.get(name)
            if part is not None:
                yield name, part

    def add_drive(
        self,
        device: str,
        *,
        id: str,  # noqa: A002 - its name in QEMU
        medium: Medium | None = None,
        removable: bool = False,
        has_tray: bool = False,
    ) -> Drive:
        """Plug in a drive, and return it."""
        drive = Drive(
            device,
            id=id,
            medium=medium,
            removable=removable,
            has_tray=has_tray,
            tell=self.tell,
        )
        self.drives[device] = drive
        return drive

    def plug_drive(
        self,
        options: Mapping[str, str],
        *,
        interface: Interface = Interface.IDE,
        units: Mapping[Interface, int] | None = None,
    ) -> Drive | None:
        """Plug in a drive as ``-drive`` does; return it.

        Args:
            options: What ``-drive`` has, by name: ``file``, ``if``, ``media``, ...
            interface: What it is connected by if the options do not tell.
            units: How many there are on one bus; those of a PC of 2010 unless given.

        Returns:
            The drive; ``None`` if there is one at that place, which then stays.

        Raises:
            ValueError: The options make no sense; the message tells why.
            DuplicateId: There is a drive of that name.
            OpenFileFailed: The image cannot be opened.
        """
        from qmpx.machine.block.drives import UNITS, plan
        from qmpx.machine.block.opening import FORMATS

        taken = {(d.interface, d.bus, d.unit) for d in self.drives.values()}
        planned = plan(
            options,
            taken,
            interface=interface,
            formats=FORMATS,
            units=units or UNITS,
        )
        if planned is None:
            return None
        if planned.name in self.drives:
            raise DuplicateId(id=planned.name, object="drive")
        is_disk = planned.kind is Kind.DISK
        drive = Drive(
            planned.name,
            id=planned.name,
            removable=not is_disk or planned.interface is Interface.SD,
            has_tray=planned.kind is Kind.CDROM,
            tell=self.tell,
        )
        drive.interface, drive.kind = planned.interface, planned.kind
        drive.bus, drive.unit = planned.bus, planned.unit
        drive.serial = planned.serial
        drive.on_read_error = planned.on_read_error
        drive.on_write_error = planned.on_write_error
        if planned.file:
            drive.open_file(
                planned.file,
                planned.format,
                read_only=planned.read_only,
                is_temporary=planned.is_temporary,
            )
        self.drives[planned.name] = drive
        if "chipset" in self.__dict__:
            self.chipset.disks.reset()  # which then find it
        if planned.file and is_disk:
            _ = self.boot
        return drive

    def unplug_drive(self, name: str) -> None:
        """Take a drive out of the machine, and close its image.

        Raises:
            DeviceNotFound: There is none of that name.
        """
        drive = self.drives.pop(name, None)
        if drive is None:
            raise DeviceNotFound(device=name)
        drive.close()

    def require_keys(self) -> None:
        """Make sure that all encrypted drives have their keys.

        Raises:
            DeviceEncrypted: The first that lacks it.
        """
        for drive in self.drives.values():
            if drive.lacks_key:
                raise DeviceEncrypted(device=drive.device)

    def drive(self, name: str) -> Drive:
        """Return a drive by the name of its back end or its id.

        Raises:
            DeviceNotFound: There is none.
        """
        for drive in self.drives.values():
            if name in (drive.device, drive.id):
                return drive
        raise DeviceNotFound(device=name)

    def _move(self, cause: Cause) -> None:
        before, was_running = self.state, self.state.is_running
        if (self.state, cause) not in MOVES:
            message = f"a machine that is {self.state.value} cannot {cause.value}"
            raise GenericError(message)
        self.state = MOVES[self.state, cause]
        self._change_owner(before)
        self.run_time.note(is_running=self.state.is_running)
        if cause in (Cause.SUSPEND, Cause.WAKEUP):
            return  # sleep has happenings of its own
        if self.state.is_running and not was_running:
            self.tell(Resumed())
        elif was_running and not self.state.is_running:
            self.tell(Stopped())
            self._drain()

    def _change_owner(self, before: RunState) -> None:
        """Take over the images, or hand them over, if the new state wants that."""
        if "blocks" not in self.__dict__ or before is self.state:
            return
        if before in _NOT_OURS:
            self.blocks.activate()
        if self.state in _NOT_OURS:
            self.blocks.inactivate()

    def _drain(self) -> None:
        """Let what writes to drives come to rest: nothing is under way any more."""
        if "blocks" in self.__dict__:
            self.blocks.jobs.drain()

    def transfer(self, state: RunState) -> None:
        """Take on a run state because the machine's own state is moved or stored.

        Raises:
            GenericError: There is no such way from the present one.
        """
        before = self.state
        if state not in TRANSFERS.get(before, ()):
            message = f"a machine that is {before.value} cannot become {state.value}"
            raise GenericError(message)
        self.state = state
        self._change_owner(before)
        self.run_time.note(is_running=state.is_running)
        if state.is_running:
            self.tell(Resumed())
        elif before.is_running:
            self.tell(Stopped())
            self._drain()

    def cont(self) -> None:
        """Let the virtual processors run; nothing happens if they do.

        Raises:
            GenericError: In this state they cannot.
        """
        if self.state is RunState.RESTORE_VM and self.snapshots.is_busy:
            message = "a machine that is being restored cannot cont"
            raise GenericError(message)
        self._move(Cause.CONT)
        for drive in self.drives.values():
            drive.io_status = "ok"

    def stop(self) -> None:
        """Let the virtual processors stand still; nothing happens if they do."""
        was_running = self.state.is_running
        self._move(Cause.STOP)
        if not was_running:
            self._drain()

    def stop_on_io_error(self) -> None:
        """Stop because a drive failed; nothing happens if the machine does not run."""
        if self.state.is_running:
            self._move(Cause.IO_ERROR)

    def reset(self, *, by_guest: bool = False, reason: str) -> None:
        """Press the reset button.

        Args:
            by_guest: Whether the guest asked for it.
            reason: QEMU's name for why, such as ``host-qmp-system-reset``.
        """
        if not self.restarts:
            self.shut_down(by_guest=by_guest, reason=reason)
            return
        self._move(Cause.RESET)
        if "log" in self.__dict__:
            self.log.note_reset(self.processors)
        self.tell(Reset(by_guest, reason))
        for name in RESET_PARTS:
            if (part := self.__dict__.get(name)) is not None:
                part.reset()

    def press_power_button(self) -> None:
        """Ask the guest to power down; whether it does is its own affair."""
        self.tell(PowerButtonPressed())
        if "chipset" in self.__dict__:
            self.chipset.power.press_button()
        self.guest.power_button_was_pressed()

    def pause_for_watchdog(self) -> None:
        """Let the virtual processors stand still, because the watchdog expired."""
        self._move(Cause.WATCHDOG)

    def panic(self) -> None:
        """Deal with a guest that has given up, as `panic_action` says."""
        action = self.panic_action
        if action is PanicAction.SHUTDOWN and not self.ends:
            action = PanicAction.PAUSE
        if action is PanicAction.NONE:
            self.tell(GuestPanicked("run"))
        elif action is PanicAction.PAUSE:
            self.tell(GuestPanicked("pause"))
            self._move(Cause.PANIC)
        else:
            self.tell(GuestPanicked("poweroff"))
            self.shut_down(by_guest=True, reason="guest-panic")

    def note_crash_loaded(self) -> None:
        """Tell that the guest has gone over to its crash kernel."""
        self.tell(GuestCrashLoaded("run"))

    def fail_internally(self) -> None:
        """Let the virtual processors stand still: they cannot go on."""
        self._move(Cause.INTERNAL_ERROR)

    def suspend(self) -> None:
        """Put the guest to sleep, as its own wish."""
        self._move(Cause.SUSPEND)
        self.tell(Suspended())

    @property
    def shows_vnc(self) -> bool:
        """Whether VNC was asked for at all, wherever it is served."""
        return "display" in self.__dict__ and self.display.vnc.auth != "invalid"

    @property
    def has_screen(self) -> bool:
        """Whether there is anything to look at."""
        return self.has_own_screen or self.qom.shows_something

    def wake_up(self) -> None:
        """Wake a sleeping guest.

        Raises:
            GenericError: It does not sleep.
        """
        if self.state is not RunState.SUSPENDED:
            message = "Unable to wake up: guest is not in suspended state"
            raise GenericError(message)
        self._move(Cause.WAKEUP)
        self.tell(WokenUp())

    def rouse(self) -> bool:
        """Let a sleeping guest be one that runs, for it is moved; tell nobody yet.

        Returns:
            Whether it slept: then `WokenUp` is to be told.
        """
        sleeps = self.state is RunState.SUSPENDED
        if sleeps:
            self._move(Cause.WAKEUP)
        return sleeps

    def shut_down(self, *, by_guest: bool = False, reason: str) -> None:
        """Switch off; nothing happens if it is off.

        Args:
            by_guest: Whether the guest did it.
            reason: QEMU's name for why, such as ``host-qmp-quit``.
        """
        ends = self.ends or reason in FINAL_REASONS
        if self.state is RunState.SHUTDOWN:
            if not self.ends:  # it is off, and its monitor hears of it once more
                self.tell(ShutDown(by_guest, reason))
            return
        was_running = self.state.is_running
        self.state = MOVES[self.state, Cause.SHUTDOWN]
        self.run_time.note(is_running=False)
        self.tell(ShutDown(by_guest, reason))
        if ends and "processors" in self.__dict__:
            self.processors.end_threads()
        if was_running and not ends:
            self.tell(Stopped())
