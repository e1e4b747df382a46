"""How fast a migration goes: its limits, and what it may send in each turn."""

from typing import Final

from qmpx.machine.migration.links import Link
from qmpx.machine.migration.parameters import Parameters

DEFAULT_SPEED: Final = 32 * 2**20
"""Bytes a second: QEMU 0.13's figure."""

MAX_SPEED: Final = 2**32 - 1
"""Bytes a second: QEMU 0.13's figure, what 32 bits hold."""

DEFAULT_DOWNTIME: Final = 30_000_000
"""Nanoseconds that the machine may stand still: QEMU 0.13's figure, 30 ms."""

MAX_DOWNTIME: Final = 2**62
"""Nanoseconds, 146 years: less than the 64 bits hold that QEMU has for it."""

UNLIMITED: Final = 2**63 - 1
"""Bytes a second that no link has: what newer QEMUs take for no limit."""

TICK: Final = 0.1
"""Seconds between two turns; the speed limit holds for each. QEMU 0.13's figure."""

MAX_UNSENT: Final = 4 * 2**20
"""Bytes that wait for the link while the machine runs; then the sender waits too."""


class Limits:
    """How fast a migration may go, and how long the machine may stand still.

    Attributes:
        downtime: Nanoseconds that it may.
    """

    def __init__(self) -> None:
        self.downtime = DEFAULT_DOWNTIME
        self._speed = DEFAULT_SPEED

    @property
    def speed(self) -> int:
        """Bytes a second that may be sent, from 0 to `MAX_SPEED`."""
        return self._speed

    def set_speed(self, value: float) -> None:
        """Set the limit of speed to *value* bytes a second, or the nearest possible."""
        self._speed = int(min(max(value, 0), MAX_SPEED))

    def set_downtime(self, seconds: float) -> None:
        """Set the limit of downtime to *seconds*, or the nearest possible."""
        self.downtime = int(min(max(seconds * 1e9, 0), MAX_DOWNTIME))

    def follow(self, parameters: Parameters) -> None:
        """Be what the figures of newer QEMUs say."""
        self._speed = parameters.max_bandwidth or UNLIMITED
        self.downtime = parameters.downtime_limit * 1_000_000


class Pace:
    """What may be sent now, and how much the link takes.

    A migration moves in *turns*, each of `TICK` seconds; in a turn it sends in
    *bursts*, between which others are heard.

    Args:
        limits: The limits, which may change meanwhile.
        link: What the stream goes through.
    """

    def __init__(self, limits: Limits, link: Link) -> None:
        self._limits = limits
        self._link = link
        self._burst = 0  # bytes written in this call of the loop
        self._credit = 0
        self._rate = 0  # bytes a second, as the link takes them

    def begin_turn(self) -> None:
        """Allow what one turn may send."""
        self._rate = self._limits.speed
        self._credit = int(self._limits.speed * TICK)

    def begin_burst(self) -> None:
        """Begin to send without a break."""
        self._burst = 0

    def note_written(self, count: int) -> None:
        """Take note of bytes that went to the link."""
        self._burst += count

    @property
    def may_send(self) -> bool:
        """Whether this turn has bytes left, and the link takes some."""
        return self._credit > 0 and self._link.unsent <= MAX_UNSENT

    @property
    def is_long(self) -> bool:
        """Whether it is time for others."""
        return self._burst > MAX_UNSENT

    @property
    def most(self) -> int:
        """Bytes of the next step."""
        return min(self._credit, MAX_UNSENT)

    def spend(self, count: int) -> None:
        """Count bytes of this turn."""
        self._credit -= count

    def note_link(self) -> None:
        """Look whether it is the link that limits."""
        if self._link.unsent > MAX_UNSENT:
            used = int(self._limits.speed * TICK) - self._credit
            self._rate = min(self._rate, int(used / TICK))

    def fits(self, count: int) -> bool:
        """Whether so many bytes go over, behind those that wait for the link.

        That is, whether they do within the downtime that is allowed.
        """
        left = count + self._link.unsent
        return left * 1_000_000_000 <= self._rate * self._limits.downtime
