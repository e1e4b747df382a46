"""The embedded machine: state, drives, and what happens to them.

It knows nothing of JSON, sessions and monitors. What happens it tells to whoever
`listen`s, in the order in which it happens; time is a `Clock` that it is given.
"""

import uuid as uuids
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.balloon import Accelerator
from qmpx.machine.clock import Clock, RealClock
from qmpx.machine.drives import Drives
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
from qmpx.machine.parts import Parts
from qmpx.machine.run_time import RunTime
from qmpx.machine.runstate import MOVES, TRANSFERS, Cause, PanicAction, RunState
from qmpx.machine.user_objects import UserObjects

if TYPE_CHECKING:
    from qmpx.machine.display.spice import Spice

_NOT_OURS: Final = (RunState.INMIGRATE, RunState.POSTMIGRATE)
"""States in which somebody else owns the images."""


FINAL_REASONS: Final = frozenset({"host-qmp-quit", "host-signal"})
"""Reasons to switch off that end a machine, also one that would only stop."""


class Machine(Parts):
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
        is_bare: Whether its board is empty: no chips, no firmware, no processor unless
            one is asked for.
        has_acpi: Whether its board has ACPI.
        has_ps2: Whether its board has a PS/2 keyboard and a PS/2 mouse.
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
        self.has_acpi = True
        self.has_ps2 = True
        self.accelerator = Accelerator()
        self.spice: Spice | None = None
        self.drives = Drives(self)
        self.objects = UserObjects()
        self.files = HostFiles()
        self._guest = Guest()
        self._listeners: tuple[Callable[[Happening], None], ...] = ()

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
        self.close_parts()
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

    def _move(self, cause: Cause) -> None:
        before = self.state
        after = MOVES.get((before, cause))
        if after is None:
            message = f"a machine that is {before.value} cannot {cause.value}"
            raise GenericError(message)
        if after is before:
            return
        self.state = after
        self._change_owner(before)
        is_running = after.is_running
        self.run_time.note(is_running=is_running)
        if cause in (Cause.SUSPEND, Cause.WAKEUP):
            return  # sleep has happenings of its own
        if is_running:
            self.tell(Resumed())
        elif before.is_running:
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
        self.reset_parts()

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
