"""Times, as the gateway writes them."""

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""What counts on while the host sleeps, and cannot be set."""


class SteadyTime:
    """The time since 1970, but for what somebody makes of the host's clock meanwhile.

    It never goes back, nor does it leap: it is looked up once, and counted on.

    Args:
        latest: Microseconds since 1970 of what was written before: it is later.
    """

    __slots__ = ("_offset",)

    def __init__(self, latest: int = 0) -> None:
        began = max(time.time_ns() // 1000, latest)
        self._offset = began - self._counted()

    def now(self) -> int:
        """Return it in microseconds."""
        return self._offset + self._counted()

    @staticmethod
    def _counted() -> int:
        return time.clock_gettime_ns(_CLOCK) // 1000


def stamp(seconds: float) -> str:
    """Return a time since 1970 by RFC 3339, in UTC, with microseconds."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{micro:06d}Z"
