"""The embedded machine: state, drives, and what happens to them.

It knows nothing of JSON, sessions and monitors. What happens it tells to whoever
`listen`s, in the order in which it happens; time is a `Clock` that it is given.
"""

import uuid as uuids
from collections.abc import Callable

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
from qmpx.machine.runstate import MOVES, Cause, RunState


class Machine:
    """A machine with no guest in it, yet.

    Args:
        name: Its name; ``None`` if it has none.
        uuid: Its UUID.
        clock: Its time.
        is_started: Whether it runs from the start, or waits for `cont`.

    Attributes:
        state: Its run state.
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
    ) -> None:
        self.name = name
        self.uuid = uuid
        self.clock: Clock = clock if clock is not None else RealClock()
        self.state = RunState.RUNNING if is_started else RunState.PRELAUNCH
        self.drives: dict[str, Drive] = {}
        self.objects = UserObjects()
        self._listeners: list[Callable[[Happening], None]] = []

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* of everything that happens from now on."""
        self._listeners.append(listener)

    def _tell(self, happening: Happening) -> None:
        for listener in self._listeners:
            listener(happening)

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
            tell=self._tell,
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
            self._tell(Resumed())
        elif was_running and not self.state.is_running:
            self._tell(Stopped())

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
        self._move(Cause.RESET)
        self._tell(Reset(by_guest, reason))

    def press_power_button(self) -> None:
        """Ask the guest to power down."""
        self._tell(PowerButtonPressed())

    def suspend(self) -> None:
        """Put the guest to sleep, as its own wish."""
        self._move(Cause.SUSPEND)
        self._tell(Suspended())

    def wake_up(self) -> None:
        """Wake a sleeping guest.

        Raises:
            GenericError: It does not sleep.
        """
        if self.state is not RunState.SUSPENDED:
            message = "Unable to wake up: guest is not in suspended state"
            raise GenericError(message)
        self._move(Cause.WAKEUP)
        self._tell(WokenUp())

    def shut_down(self, *, by_guest: bool = False, reason: str) -> None:
        """Switch off; nothing happens if it is off.

        Args:
            by_guest: Whether the guest did it.
            reason: QEMU's name for why, such as ``host-qmp-quit``.
        """
        if self.state is RunState.SHUTDOWN:
            return
        self.state = MOVES[self.state, Cause.SHUTDOWN]
        self._tell(ShutDown(by_guest, reason))
