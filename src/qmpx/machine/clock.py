"""Time, as the machine is given it: real, or moved by hand.

With a `VirtualClock` a wait of ten minutes takes no time, and the same run twice gives
the same times.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """What tells the time and does things later."""

    def microseconds(self) -> int:
        """Return host time, in microseconds since 1970."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call *callback* when *delay* seconds have passed."""


class RealClock:
    """The host's time; timers need a running asyncio loop."""

    def microseconds(self) -> int:
        """Return host time, in microseconds since 1970."""
        return time.time_ns() // 1000

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call *callback* when *delay* seconds have passed."""
        return asyncio.get_running_loop().call_later(delay, callback)


class _Planned:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time that passes only when `advance` is called.

    Args:
        start: When it begins, in microseconds since 1970.
    """

    def __init__(self, start: int = 1_281_312_000_000_000) -> None:
        self._now = start
        self._order = itertools.count()
        self._planned: list[tuple[int, int, _Planned]] = []

    def microseconds(self) -> int:
        """Return the virtual time, in microseconds since 1970."""
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call *callback* when *delay* seconds of virtual time have passed."""
        planned = _Planned(callback)
        due = self._now + round(delay * 1_000_000)
        heapq.heappush(self._planned, (due, next(self._order), planned))
        return planned

    def advance(self, seconds: float) -> None:
        """Let time pass, and do what falls due, each thing at its own moment."""
        end = self._now + round(seconds * 1_000_000)
        while self._planned and self._planned[0][0] <= end:
            due, _, planned = heapq.heappop(self._planned)
            self._now = max(self._now, due)
            if planned.callback is not None:
                planned.callback()
        self._now = max(self._now, end)  # a callback may have let more time pass
