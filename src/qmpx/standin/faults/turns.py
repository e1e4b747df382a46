"""Messages that wait for their turn to be sent, and how much of them there is.

Replies go out in their order: one that waits holds those behind it, as in a QEMU that
is slow. What may be overtaken is set aside instead, and counts all the same.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from qmpx.standin.faults.fault import Fault

MESSAGE_COST: Final = 1536
"""Bytes of memory that a message takes beside its text while it waits, its timer and
what is known of its command included."""

_NO_FAULTS: Final[Mapping[str, Fault]] = {}


class Held:
    """A message that waits for its turn to be sent.

    Args:
        message: The message.
        faults: What is to happen to its bytes, by the names of the faults.

    Attributes:
        message: The same.
        faults: The same.
        waits: For how many things it waits.
        awaits: For which event; empty if for none.
    """

    __slots__ = ("awaits", "faults", "message", "waits")

    def __init__(
        self, message: bytes, faults: Mapping[str, Fault] = _NO_FAULTS
    ) -> None:
        self.message = message
        self.faults = faults
        self.waits = 0
        self.awaits = ""

    @property
    def cost(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.message) + MESSAGE_COST


class Turns:
    """The messages of one client that wait.

    Attributes:
        cost: Bytes of memory that they take.
    """

    __slots__ = ("_line", "cost")

    def __init__(self) -> None:
        self._line: deque[Held] = deque()
        self.cost = 0

    def __len__(self) -> int:
        return len(self._line)

    def queue(self, held: Held) -> None:
        """Put a message behind the others."""
        self._line.append(held)
        self.cost += held.cost

    def take(self) -> Held | None:
        """Return the message whose turn it is; ``None`` while it waits."""
        if not self._line or self._line[0].waits:
            return None
        held = self._line.popleft()
        self.cost -= held.cost
        return held

    def set_aside(self, held: Held) -> None:
        """Count a message that somebody else keeps, and that others overtake."""
        self.cost += held.cost

    def put_back(self, held: Held) -> None:
        """Count a message no longer that was set aside."""
        self.cost -= held.cost

    def has_come(self, event: str) -> None:
        """Let nothing wait for an event of this name any more."""
        for held in self._line:
            if held.awaits == event:
                held.awaits = ""
                held.waits -= 1

    def clear(self) -> None:
        """Drop all that wait in line."""
        self.cost -= sum(held.cost for held in self._line)
        self._line.clear()
