"""One client of a shared monitor: who it is, what it may do, what it is owed."""

import itertools
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Raw, UnsetType

from qmpx.gateway.access.identity import UNKNOWN, Identity
from qmpx.gateway.policy import EVERYTHING, Role

if TYPE_CHECKING:
    import asyncio

    from qmpx.monitor.session import Session

_numbers: Final = itertools.count(1)


class Subscription(Protocol):
    """Which events one client wants (`Client.subscription`)."""

    def select(
        self, sequence: int, name: str, data: Raw | UnsetType, message: bytes
    ) -> bytes | None:
        """Return what to send for an event, or ``None``.

        Args:
            sequence: Its number.
            name: Its name.
            data: Its data, unread, as the client's role may see them.
            message: The whole, encoded, likewise.
        """


class Client:
    """One connection's state.

    Args:
        session: The conversation.
        identity: Who it is; may become known later.
        role: What it may do.
        listener: Where it came in: the address as text.

    Attributes:
        number: Which one it is, of all since the process began; from 1.
        since: When it came: seconds since 1970.
        subscription: Which events it wants beyond what its role lets it see; ``None``:
            all of these.
        limits: What holds it to its rate, and to so many commands at once.
        attempts: How many wrong tokens it has shown.
        farewell: Why we ended its connection; empty: it went by itself.
    """

    __slots__ = (
        "_timer",
        "attempts",
        "farewell",
        "identity",
        "limits",
        "listener",
        "number",
        "role",
        "session",
        "since",
        "subscription",
    )

    def __init__(
        self,
        session: "Session",
        identity: Identity = UNKNOWN,
        role: Role = EVERYTHING,
        listener: str = "",
    ) -> None:
        self.session = session
        self.identity = identity
        self.role = role
        self.listener = listener
        self.number = next(_numbers)
        self.since = time.time()
        self.subscription: Subscription | None = None
        self.limits: Any = None
        self.attempts = 0
        self.farewell = ""
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Client {self.number} {self.identity} as {self.role.name}>"

    def expire(self, timer: "asyncio.TimerHandle | None") -> None:
        """Let *timer* end its connection, and no other; ``None``: nothing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def disconnect(self, reason: str) -> None:
        """End its connection now; observers are told the reason."""
        self.farewell = reason
        if self.session.channel is not None:
            self.session.channel.abort()
