"""What goes out to one client of a monitor: replies and events, in their order.

Replies are gathered while a session works, and are sent together. An event takes its
place among them; while the client does not read, events are held back.

Source: observed on QEMU 7.2 (facts 63 to 76 of the conformance notes).
"""

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from qmpx.wire.encode import indent

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor
    from qmpx.transport.channel import Channel

MAX_EVENTS: Final = 1024
"""Events kept for a client that does not read; then the oldest are dropped.

At some 200 bytes each that is a fifth of a megabyte for a client that may never read.
"""

FLUSH_SIZE: Final = 64 * 1024
"""Bytes of replies after which they are sent, and the client may have to wait."""

logger = logging.getLogger("qmpx.monitor")


class Outgoing:
    """The half of a session that writes.

    Args:
        monitor: What it is a session of.

    Attributes:
        monitor: The same.
        events_dropped: Events that this client was too slow to get.
    """

    __slots__ = (
        "_channel",
        "_events",
        "_out",
        "_size",
        "_working",
        "events_dropped",
        "monitor",
    )

    def __init__(self, monitor: "Monitor") -> None:
        self.monitor = monitor
        self.events_dropped = 0
        self._channel: Channel | None = None
        self._events: deque[bytes] | None = None
        self._out: list[bytes] = []
        self._size = 0  # bytes in _out
        self._working = False  # what is put out now is sent when that is over

    def send_event(self, message: bytes) -> None:
        """Send an event in its place among the replies."""
        channel = self._channel
        if channel is None:
            return
        if self._working or self._out:  # behind what is gathered
            self._out.append(message)
            self._size += len(message)
        elif not channel.is_congested:
            self._write(message)
        else:
            if self._events is None:
                self._events = deque(maxlen=MAX_EVENTS)
            if len(self._events) == MAX_EVENTS:
                if not self.events_dropped:
                    logger.warning(
                        "a client does not read: its oldest events are dropped"
                    )
                self.events_dropped += 1
            self._events.append(message)

    def gather_event(self, message: bytes) -> bool:
        """Put an event in its place; it is sent with what is sent next.

        Returns:
            Whether somebody has to call `flush` soon: nothing else may be sent.
        """
        channel = self._channel
        if self._working or channel is None or channel.is_congested:
            self.send_event(message)
            return False
        out = self._out
        out.append(message)
        self._size += len(message)
        return len(out) == 1

    def send_events(self, text: bytes, messages: list[bytes]) -> None:
        """Send events in their place among the replies.

        Args:
            text: All of them.
            messages: Each.
        """
        channel = self._channel
        if channel is None:
            return
        if self._working or self._out or channel.is_congested or self.monitor.pretty:
            for message in messages:
                self.send_event(message)
        else:
            channel.write(text)

    def flush(self) -> None:
        """Send what was gathered."""
        out, channel = self._out, self._channel
        if self._working or not out:
            return
        if len(out) > 1 or channel is None or self._events or self.monitor.pretty:
            self._flush()
            return
        self._size = 0
        channel.write(out.pop())

    @property
    def held_back(self) -> int:
        """Bytes of events that wait until the client reads."""
        return sum(map(len, self._events)) if self._events else 0

    # For the half that runs commands.

    def _is_stuck(self) -> bool:
        """Send what has gathered if it is much; tell whether the client must read."""
        channel = self._channel
        if channel is None:
            return True
        if self._size >= FLUSH_SIZE:
            self._flush()
        return channel.is_congested

    def _flush(self) -> None:
        out = self._out
        if out:
            if self._events:
                # They happened before: what was held back keeps its place.
                out[:0] = self._events
                self._events.clear()
            self._write(b"".join(out))
            out.clear()
            self._size = 0

    def _write(self, messages: bytes) -> None:
        if self.monitor.pretty:
            messages = b"".join(map(indent, messages.splitlines()))
        if self._channel is not None:
            self._channel.write(messages)

    def _put(self, *pieces: bytes) -> None:
        self._out += pieces
        self._size += sum(map(len, pieces))
