"""The embedded machine: state, drives, and what happens to them.

It knows nothing of JSON, sessions and monitors. What happens it tells to whoever
`listen`s, in the order in which it happens; time is a `Clock` that it is given.
"""

import uuid as uuids
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine.clock import Clock, RealClock
from qmpx.machine.drive import Drive, Medium
from qmpx.machine.happenings import (
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    Suspended,
    WokenUp,
)
from qmpx.machine.objects import UserObjects
from qmpx.machine.runstate import MOVES, TRANSFERS, Cause, RunState


PARTS: Final = ()
"""The attributes that hold parts with state of their own, in the order of moving."""


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
        memory_size: Its RAM, in bytes.
        processor_count: How many virtual processors it has.

    Attributes:
        state: Its run state.
        is_single_stepping: Whether its processors take one instruction at a time.
        restarts: Whether a reset starts it anew; else it switches off.
        ends: Whether it ends when it switches off; else it only stops.
        drives: Its drives by the names of their back ends.
        objects: What users have created in it.
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
        self.is_single_stepping = False
        self.restarts = True
        self.ends = True
        self.drives: dict[str, Drive] = {}
        self.objects = UserObjects()
        self._listeners: list[Callable[[Happening], None]] = []

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* of everything that happens from now on."""
        self._listeners.append(listener)

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
        was_running = self.state.is_running
        if (self.state, cause) not in MOVES:
            message = f"a machine that is {self.state.value} cannot {cause.value}"
            raise GenericError(message)
        self.state = MOVES[self.state, cause]
        if cause in (Cause.SUSPEND, Cause.WAKEUP):
            return  # sleep has happenings of its own
        if self.state.is_running and not was_running:
            self.tell(Resumed())
        elif was_running and not self.state.is_running:
            self.tell(Stopped())

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
        if state.is_running:
            self.tell(Resumed())
        elif before.is_running:
            self.tell(Stopped())

    def cont(self) -> None:
        """Let the virtual processors run; nothing happens if they do.

        Raises:
            GenericError: In this state they cannot.
        """
        self._move(Cause.CONT)

    def stop(self) -> None:
        """Let the virtual processors stand still; nothing happens if they do."""
        self._move(Cause.STOP)

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
        self.tell(Reset(by_guest, reason))

    def press_power_button(self) -> None:
        """Ask the guest to power down."""
        self.tell(PowerButtonPressed())

    def suspend(self) -> None:
        """Put the guest to sleep, as its own wish."""
        self._move(Cause.SUSPEND)
        self.tell(Suspended())

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

    def shut_down(self, *, by_guest: bool = False, reason: str) -> None:
        """Switch off; nothing happens if it is off.

        Args:
            by_guest: Whether the guest did it.
            reason: QEMU's name for why, such as ``host-qmp-quit``.
        """
        if self.state is RunState.SHUTDOWN:
            return
        was_running = self.state.is_running
        self.state = MOVES[self.state, Cause.SHUTDOWN]
        self.tell(ShutDown(by_guest, reason))
        if was_running and not self.ends:
            self.tell(Stopped())
