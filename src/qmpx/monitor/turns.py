"""Whose turn it is: a command that holds the monitor lets those of others wait."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qmpx.monitor.session import Session


class Turns:
    """The session that holds a monitor, and those that wait for it.

    Attributes:
        holder: That session; ``None`` if none does.
    """

    def __init__(self) -> None:
        self.holder: Session | None = None
        self._held: deque[Session] = deque()

    def is_held_against(self, session: "Session") -> bool:
        """Whether a command of another session holds the monitor.

        The session is then told to advance when that is over.
        """
        if self.holder is None or self.holder is session:
            return False
        if session not in self._held:
            self._held.append(session)
        return True

    def hold(self, session: "Session") -> None:
        """Let no other session run in-band commands."""
        self.holder = session

    def release(self, session: "Session") -> None:
        """Let the others go on, in the order in which they came to wait."""
        if self.holder is session:
            self.holder = None
            held, self._held = self._held, deque()
            for waiting in held:
                waiting.advance()
