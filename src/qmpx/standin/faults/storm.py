"""A storm of events: as many as are asked for, as fast as they are read."""

from typing import TYPE_CHECKING, Final

from qmpx.standin.faults import rewriting
from qmpx.standin.faults.fault import Fault

if TYPE_CHECKING:
    from qmpx.machine.clock import Clock
    from qmpx.standin.faults.channel import FaultyChannel

STORM_PIECE: Final = 64
"""Events of a storm that are sent before others have their turn."""

PAUSE: Final = 0.02
"""Seconds between two looks whether a client has read what a storm has sent."""


class Storm:
    """Events without end.

    Args:
        fault: What it is made of.
        channel: Where it rages.
        clock: Whose time the events are stamped with.
    """

    def __init__(self, fault: Fault, channel: "FaultyChannel", clock: "Clock") -> None:
        self._fault = fault
        self._channel = channel
        self._clock = clock
        self._left: int = fault["count"]

    def go_on(self) -> None:
        """Send the next events, as many as may be sent now."""
        channel, seconds = self._channel, self._fault["seconds"]
        if not channel.is_open or not self._left:
            return
        is_held_up = channel.is_congested or not channel.is_served
        piece = 1 if seconds else 0 if is_held_up else min(self._left, STORM_PIECE)
        self._left -= piece
        message = rewriting.event_of(self._fault, self._clock.microseconds())
        for _ in range(0 if is_held_up else piece):
            channel.emit(message)
        if seconds:
            channel.later(seconds, self.go_on)
        else:
            # By the loop's time: a storm is as fast as it is read.
            channel.loop.call_later(0.0 if piece else PAUSE, self.go_on)
