"""Events that come while a monitor is asked how it is, before clients have it back."""

import logging
from collections import deque
from typing import Final

from qmpx.gateway.upstreams.passing import UpstreamMessage

MAX_EARLY: Final = 1024
"""Events kept while the monitor is asked for its state, before clients are told that it
is back: as many as a client may have unread."""

logger = logging.getLogger("qmpx.gateway")


class EarlyEvents:
    """Keeps events for a while, the latest if they are too many.

    Args:
        whose: What the monitor is called in the log.

    Attributes:
        are_kept: Whether events are to be kept now.
    """

    __slots__ = ("_kept", "_whose", "are_kept")

    def __init__(self, whose: object) -> None:
        self.are_kept = False
        self._whose = whose
        self._kept: deque[UpstreamMessage] = deque()

    def begin(self) -> None:
        """Keep them from now on."""
        self.are_kept = True

    def keep(self, event: UpstreamMessage) -> None:
        """Keep one."""
        if len(self._kept) == MAX_EARLY:
            logger.warning("%s: an event was dropped at its return", self._whose)
            self._kept.popleft()
        self._kept.append(event)

    def end(self) -> deque[UpstreamMessage]:
        """Return those that were kept, and keep no more."""
        self.are_kept = False
        kept, self._kept = self._kept, deque()
        return kept
