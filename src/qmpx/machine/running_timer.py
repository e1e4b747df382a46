"""A timer of the guest's time, which passes only while the machine runs.

A watchdog that has four seconds left when the machine is stopped has four seconds left
when it goes on.
"""

from collections.abc import Callable
from typing import Final, Protocol

from qmpx.machine.clock import Clock, Timer
from qmpx.machine.happenings import Happening
from qmpx.machine.runstate import RunState

_SECOND: Final[int] = 1_000_000  # microseconds


class Running(Protocol):
    """The part of a machine that such a timer looks at."""

    clock: Clock

    @property
    def state(self) -> RunState:
        """Its run state."""

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* of everything that happens from now on."""

    def unlisten(self, listener: Callable[[Happening], None]) -> None:
        """Tell *listener* no more."""


class RunningTimer:
    """Does one thing, after some seconds in which the machine ran.

    Args:
        machine: Whose time it keeps.
        callback: What it does.
    """

    def __init__(self, machine: Running, callback: Callable[[], None]) -> None:
        self._machine = machine
        self._callback = callback
        self._left = 0  # microseconds, when it was last planned
        self._planned_at = 0
        self._is_set = False
        self._timer: Timer | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is going to do its thing."""
        return self._is_set

    @property
    def left(self) -> float | None:
        """Seconds that are left; ``None`` if it is not set."""
        return self._microseconds_left() / _SECOND if self._is_set else None

    def set(self, seconds: float) -> None:
        """Do it when *seconds* have passed, instead of when it was set for."""
        self.cancel()
        self._is_set = True
        self._machine.listen(self._look)
        self._left = round(seconds * _SECOND)
        self._plan()

    def cancel(self) -> None:
        """Don't do it."""
        if self._is_set:
            self._is_set = False
            self._machine.unlisten(self._look)
        self._hold()

    def _look(self, _: Happening) -> None:
        """Plan it or hold it, as the machine now runs or does not."""
        is_running = self._machine.state.is_running
        if is_running and self._timer is None:
            self._plan()
        elif not is_running and self._timer is not None:
            self._left = self._microseconds_left()
            self._hold()

    def _microseconds_left(self) -> int:
        if self._timer is None:
            return self._left
        passed = self._machine.clock.microseconds() - self._planned_at
        return max(0, self._left - passed)

    def _plan(self) -> None:
        if self._machine.state.is_running:
            clock = self._machine.clock
            self._planned_at = clock.microseconds()
            self._timer = clock.call_later(self._left / _SECOND, self._do)

    def _hold(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self) -> None:
        self._timer = None
        self.cancel()
        self._callback()
