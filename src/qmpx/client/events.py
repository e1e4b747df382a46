"""Events on their way to a subscriber: a bounded buffer with a stated policy."""

import re
from collections import deque
from collections.abc import Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import UNSET, Struct

from qmpx.errors import EventsLost, QmpxError
from qmpx.wire.messages import ServerMessage

if TYPE_CHECKING:
    from qmpx.client.typed_events import EventTypes

RECONNECTED: Final = "X_QMPX_RECONNECTED"
"""A synthetic event: the connection was lost and is back; events may be missing.

All subscriptions get it, whatever their patterns.
"""

MAX_EVENTS: Final = 4096
"""Events that a subscription keeps until they are taken: a long burst, some 2 MB."""

Overflow = Literal["drop-oldest", "drop-newest", "error"]


class Event(Struct, frozen=True, gc=False):
    """Something that happened on the other side.

    Attributes:
        name: In capitals, such as ``STOP``.
        data: Its data; empty if it has none.
        seconds: When it happened, in the peer's time since 1970; -1 if unknown.
        microseconds: The rest of that.
        synthetic: Whether qmpx itself made it; see `RECONNECTED`.
        sequence: Its number in a gateway's journal, for a client that subscribed there
            with ``x-qmpx-subscribe``; else ``None``.
    """

    name: str
    data: dict[str, Any]
    seconds: int = -1
    microseconds: int = 0
    synthetic: bool = False
    sequence: int | None = None

    @property
    def timestamp(self) -> float:
        """When it happened, in seconds since 1970 by the peer's clock."""
        return self.seconds + self.microseconds / 1_000_000

    @classmethod
    def of(cls, message: ServerMessage) -> "Event":
        """Return the event that a message tells of."""
        stamp, sequence = message.timestamp, message.sequence
        return cls(
            str(message.event),
            message.data if isinstance(message.data, dict) else {},
            -1 if stamp is UNSET else stamp.seconds,
            0 if stamp is UNSET else stamp.microseconds,
            sequence=sequence if isinstance(sequence, int) else None,
        )


class EventBuffer:
    """What one subscriber has not taken yet.

    Args:
        patterns: Names, with ``*`` and ``?`` as wildcards; none means all events.
        limit: How many events it keeps.
        overflow: What happens to those beyond: the oldest or the newest are dropped and
            counted, or the subscriber gets `EventsLost` once it has taken the rest.

    Attributes:
        dropped: How many were dropped.
        failure: Why no more will come.
        is_closed: Whether the subscriber wants no more.
    """

    def __init__(
        self,
        patterns: tuple[str, ...],
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> None:
        if limit < 1:
            message = (
                f"a subscription of {limit} events holds none: limit is at least 1"
            )
            raise ValueError(message)
        if overflow not in ("drop-oldest", "drop-newest", "error"):
            message = (
                f"no overflow policy {overflow!r}: there are 'drop-oldest', "
                "'drop-newest' and 'error'"
            )
            raise ValueError(message)
        self.dropped = 0
        self.failure: QmpxError | None = None
        self.is_closed = False
        self._events: deque[Event] = deque()
        self._limit = limit
        self._overflow = overflow
        self._matches = (
            re.compile("|".join(map(translate, patterns))).match if patterns else None
        )

    def offer(self, event: Event, *, wanted: bool = False) -> bool:
        """Keep *event* if it is wanted and there is room; tell whether it was kept.

        Args:
            event: What happened.
            wanted: Whether it is to be kept whatever the patterns say.
        """
        is_other = self._matches and not wanted and not self._matches(event.name)
        if self.is_closed or is_other:
            return False
        if len(self._events) >= self._limit:
            self.dropped += 1
            if self._overflow != "drop-oldest":
                return False
            self._events.popleft()
        self._events.append(event)
        return True

    def take(self) -> Event | None:
        """Return the oldest event, or ``None`` if there is none now.

        Raises:
            EventsLost: Some were dropped, and the subscriber asked to be told.
            QmpxError: No more will come, for this reason.
            StopIteration: No more will come: the subscription or client was closed.
        """
        if self._events:
            return self._events.popleft()
        if self.dropped and self._overflow == "error":
            lost, self.dropped = self.dropped, 0
            raise EventsLost(lost)
        if self.failure is not None and not self.is_closed:
            raise self.failure
        if self.is_closed:
            raise StopIteration
        return None

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something to say."""
        return bool(
            self._events
            or self.is_closed
            or self.failure is not None
            or (self.dropped and self._overflow == "error")
        )


def split_patterns(
    patterns: Sequence[Any],
) -> "tuple[tuple[str, ...], EventTypes[Any] | None]":
    """Return the names to subscribe to, and what makes typed events of them, if any.

    Raises:
        TypeError: There are types, and something that is no type of an event.
    """
    if all(isinstance(each, str) for each in patterns):
        return tuple(patterns), None
    # Imported when needed: most programs do without types.
    from qmpx.client.typed_events import EventTypes

    types: EventTypes[Any] = EventTypes(patterns)
    return types.names, types
