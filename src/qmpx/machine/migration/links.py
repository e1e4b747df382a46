"""What a stream runs through: a `Link`, whatever it is made of.

A link calls back and never waits. `Pair` gives two links of one process, joined by
memory and moved by the machine's clock: with a virtual one, the same run twice is the
same in every step.
"""

from collections.abc import Callable
from typing import Protocol

from qmpx.machine.clock import Clock


class LinkOwner(Protocol):
    """Who uses a link, and is told what becomes of it."""

    def link_opened(self) -> None:
        """Take note that it stands; what is written from now on is sent."""

    def link_received(self, data: bytes) -> None:
        """Take what came from the other end."""

    def link_drained(self) -> None:
        """Take note that all is sent that was written."""

    def link_finished(self) -> None:
        """Take note that all was taken, after `Link.finish`; nothing follows."""

    def link_broken(self, reason: str) -> None:
        """Take note that the other end has closed, or something failed.

        Nothing follows, and the link is closed.
        """


class Link(Protocol):
    """A connection, a pipe or a command that takes or gives a stream.

    Attributes:
        answers: Whether the other end can answer through it.
    """

    @property
    def answers(self) -> bool:
        """Whether the other end can answer through it."""

    @property
    def unsent(self) -> int:
        """Bytes that are not yet on their way, or that were lost when it closed."""

    @property
    def local_host(self) -> str | None:
        """Where the other end can reach this host; ``None`` if that is unknown."""

    def start(self, owner: LinkOwner) -> None:
        """Open it, and tell *owner* from now on."""

    def write(self, data: bytes) -> None:
        """Send *data* behind what was written before."""

    def finish(self) -> None:
        """Write no more; the owner is told when all is taken."""

    def close(self) -> None:
        """Close it at once; its owner is told nothing more."""


class MemoryLink:
    """One end of a `pair`: a link that takes no time but a turn of the clock."""

    answers = True
    local_host = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peer: MemoryLink | None = None
        self._owner: LinkOwner | None = None
        self._waiting: list[bytes] = []
        self.is_closed = False

    def join(self, peer: "MemoryLink") -> None:
        """Make *peer* the other end."""
        self._peer = peer

    @property
    def unsent(self) -> int:
        """Nothing: memory takes all at once."""
        return 0

    def start(self, owner: LinkOwner) -> None:
        """Open it, and tell *owner* from now on."""
        self._owner = owner
        self._later(self._open)

    def _open(self) -> None:
        if self._owner is not None:
            self._owner.link_opened()
            waiting, self._waiting = self._waiting, []
            for data in waiting:
                self._receive(data)

    def write(self, data: bytes) -> None:
        """Send *data* behind what was written before."""
        peer = self._peer
        if peer is not None and not self.is_closed:
            self._later(lambda: peer._receive(data))  # noqa: SLF001 - two ends of one

    def _receive(self, data: bytes) -> None:
        if self._owner is None:
            if not self.is_closed:
                self._waiting.append(data)
        else:
            self._owner.link_received(data)

    def finish(self) -> None:
        """Write no more; the owner is told when all is taken."""
        self._later(self._finished)

    def _finished(self) -> None:
        if self._owner is not None:
            self._owner.link_finished()

    def close(self) -> None:
        """Close it at once; the other end is told."""
        self._owner = None
        peer = self._peer
        if peer is not None and not self.is_closed:
            self.is_closed = True
            self._later(lambda: peer._break())  # noqa: SLF001 - two ends of one

    def _break(self) -> None:
        owner, self._owner = self._owner, None
        self.is_closed = True
        if owner is not None:
            owner.link_broken("the other end has closed the connection")

    def _later(self, action: Callable[[], None]) -> None:
        self._clock.call_later(0, action)


def pair(clock: Clock) -> tuple[MemoryLink, MemoryLink]:
    """Return two links, each the other's other end."""
    ends = MemoryLink(clock), MemoryLink(clock)
    ends[0].join(ends[1])
    ends[1].join(ends[0])
    return ends
