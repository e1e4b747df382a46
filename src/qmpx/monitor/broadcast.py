"""Events on their way to all sessions of a monitor."""

from typing import TYPE_CHECKING

from qmpx.monitor.outgoing import FLUSH_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qmpx.monitor.session import Session


class Broadcast:
    """Sends events to every session that gets them.

    While a session runs what its client sent, an event takes its place among the
    replies to that client, and is kept for the others. They get what was kept with one
    write, before those replies are sent; or earlier, once there is much of it.

    Args:
        subscribers: Who gets events, in the order in which they came.
    """

    __slots__ = ("_kept", "_size", "_subscribers", "_worker")

    def __init__(self, subscribers: "Mapping[Session, None]") -> None:
        self._subscribers = subscribers
        self._worker: Session | None = None
        self._kept: list[bytes] = []
        self._size = 0  # bytes in _kept

    def send(self, message: bytes) -> None:
        """Send an event to everybody, now or soon."""
        worker, others = self._worker, len(self._subscribers)
        if worker is None:
            for session in list(self._subscribers):
                session.send_event(message)
            return
        if worker in self._subscribers:
            worker.send_event(message)
            others -= 1
        if others:
            self._kept.append(message)
            self._size += len(message)
            if self._size >= FLUSH_SIZE:
                self.flush()

    def turn_to(self, session: "Session | None") -> "Session | None":
        """Note who runs commands from now on, and return who did; ``None``: nobody."""
        if self._kept:  # seldom; this is asked for every read
            self.flush()
        before, self._worker = self._worker, session
        return before

    def flush(self) -> None:
        """Send what was kept."""
        if not self._kept:
            return
        kept, self._kept, self._size = self._kept, [], 0
        text = b"".join(kept)
        for session in list(self._subscribers):
            if session is not self._worker:
                session.send_events(text, kept)
