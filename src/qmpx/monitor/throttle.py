"""Rate limiting of events: of those that a guest could flood its host with.

The first goes out at once. Of those that follow within the interval the last one is
kept, and goes out when the interval is over, with the time at which it happened.

Source: QEMU 7.2, which limits these seven to one a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

INTERVAL: Final = 1.0
"""Seconds between two events of one kind."""

MAX_KEYS: Final = 4096
"""Kinds that are told apart; beyond, the events of new ones go out unlimited.

A kind needs a device or a node of its own, so no honest machine comes near.
"""

LIMITED: Final[Mapping[str, tuple[str, ...]]] = {
    "BALLOON_CHANGE": (),
    "MEMORY_DEVICE_SIZE_CHANGE": ("qom-path",),
    "QUORUM_FAILURE": ("reference",),
    "QUORUM_REPORT_BAD": ("node-name",),
    "RTC_CHANGE": (),
    "VSERPORT_CHANGE": ("id",),
    "WATCHDOG": (),
}
"""Which events are limited, and by which members of their data kinds are told apart."""


class Throttle:
    """Hold back events that come too fast.

    Args:
        send: Where events go.
        limited: Which are limited; see `LIMITED`.
        interval: Seconds between two of one kind.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        limited: Mapping[str, tuple[str, ...]] = LIMITED,
        interval: float = INTERVAL,
    ) -> None:
        self._send = send
        self._limited = limited
        self._interval = interval
        self._timers: dict[tuple[Any, ...], asyncio.TimerHandle] = {}
        self._held: dict[tuple[Any, ...], bytes] = {}

    def pass_on(self, name: str, data: Any, message: bytes) -> None:
        """Send an event now, or later, or never if a newer one of its kind comes."""
        if name not in self._limited:
            self._send(message)
            return
        members = data if isinstance(data, dict) else {}
        kind = (name, *(str(members.get(m)) for m in self._limited[name]))
        if kind in self._timers:
            self._held[kind] = message
        else:
            self._send(message)
            if len(self._timers) < MAX_KEYS:
                self._start(kind)

    def _start(self, kind: tuple[Any, ...]) -> None:
        loop = asyncio.get_running_loop()
        self._timers[kind] = loop.call_later(self._interval, self._expire, kind)

    def _expire(self, kind: tuple[Any, ...]) -> None:
        del self._timers[kind]
        if kind in self._held:
            self._send(self._held.pop(kind))
            self._start(kind)

    def close(self) -> None:
        """Forget what is held back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._held.clear()
