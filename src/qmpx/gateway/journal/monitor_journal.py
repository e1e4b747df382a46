"""What a journal has of one monitor, and who is given it."""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Raw, UnsetType

from qmpx.gateway.journal.file import (
    Place,
    Recorded,
)
from qmpx.gateway.sharing.observing import Bystander
from qmpx.gateway.sharing.own_events import JOURNAL_GAP

if TYPE_CHECKING:
    from concurrent.futures import Future

    from qmpx.gateway.sharing.monitor import SharedMonitor

SEQUENCE: Final = b"x-qmpx-sequence"
"""The member of an event that has its number."""


logger = logging.getLogger("qmpx.gateway")


class Keeper(Protocol):
    """Writes events, and reads them: a `qmpx.gateway.journal.journal.Journal`.

    Attributes:
        id: What tells this journal from any other.
        failure: Why nothing can be written now; empty if it can.
    """

    id: str
    failure: str

    @property
    def waiting(self) -> int:
        """Events that are not on the disk yet, but for those being written."""

    @property
    def has_room(self) -> bool:
        """Whether it can take many more events."""

    @property
    def is_closing(self) -> bool:
        """Whether it gives no more events."""

    def put(self, monitor: int, recorded: Recorded) -> bool:
        """Let an event be written; tell whether there was room."""

    def read(self, monitor: int, first: int) -> "Future[list[Recorded]]":
        """Read a chunk of events of a monitor, from *first* on, in another thread."""


class Reader(Protocol):
    """Is given events with their numbers."""

    def acknowledged(self, batch: "Batch") -> None:
        """Take events that are on the disk now."""


class Batch:
    """Events of one monitor that are on the disk now, in their order.

    Attributes:
        events: The events.
    """

    __slots__ = ("_message", "events")

    def __init__(self, events: list[Recorded]) -> None:
        self.events = events
        self._message = b""

    @property
    def first(self) -> int:
        """The number of the first one."""
        return self.events[0].sequence

    @property
    def message(self) -> bytes:
        """All of them as they are sent, with their numbers; spelled once for all."""
        if not self._message:
            self._message = b"".join(map(numbered, self.events))
        return self._message


def numbered(recorded: Recorded) -> bytes:
    """Return an event as a client has it that asked for numbers."""
    body = recorded.message.rstrip()
    return b'%b, "%b": %d}\r\n' % (body[:-1], SEQUENCE, recorded.sequence)


class MonitorJournal(Bystander):
    """What a journal has of one monitor: an observer of it.

    Attributes:
        journal: The journal.
        name: The monitor's name.
        oldest: The number of the oldest event that is kept, or will be.
        committed: The number of the last event that is on the disk.
        missing: Events that could not be kept, and are not told of yet.
        readers: Who is given events that are on the disk.
    """

    def __init__(
        self, journal: Keeper, monitor: "SharedMonitor", name: str, place: Place
    ) -> None:
        self.journal = journal
        self.name = name
        self.oldest = place.oldest
        self.committed = place.last
        self.missing = 0
        self.readers: dict[Reader, None] = {}
        self._monitor = monitor
        self._number = place.number
        self._awaited: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def issued(self) -> int:
        """The number of the last event that has come."""
        return self._monitor.sequence

    def is_of(self, monitor: "SharedMonitor") -> bool:
        """Whether it keeps the events of *monitor*."""
        return self._monitor is monitor

    def read(self, first: int) -> "Future[list[Recorded]]":
        """Read a chunk of events, from *first* on, in another thread."""
        return self.journal.read(self._number, first)

    async def settled(self) -> None:
        """Wait until all that has come is on the disk, but for what was not kept."""
        if self.committed < self._last_put:
            done = asyncio.get_running_loop().create_future()
            self._awaited.append((self._last_put, done))
            await done

    def acknowledge(self, events: list[Recorded]) -> None:
        """Give events to those who read: they are on the disk."""
        batch = Batch(events)
        self.committed = events[-1].sequence
        for reader in list(self.readers):
            reader.acknowledged(batch)
        while self._awaited and self._awaited[0][0] <= self.committed:
            done = self._awaited.popleft()[1]
            if not done.done():
                done.set_result(None)

    def tell_gap(self) -> None:
        """Tell of events that were not kept, once there is room."""
        if self.missing and self.journal.has_room:
            count, self.missing = self.missing, 0
            self._monitor.emit(JOURNAL_GAP, {"missing": count})

    # What the monitor tells.

    _last_put = 0

    def event(
        self,
        sequence: int,
        name: str,
        data: Raw | UnsetType,  # noqa: ARG002 - the message has them
        message: bytes,
    ) -> None:
        """Keep an event, if there is room."""
        recorded = Recorded(sequence, name, message)
        if self.missing or not self.journal.put(self._number, recorded):
            if not self.missing:
                logger.warning("%s: events are not kept: the disk is slow", self.name)
            self.missing += 1
        else:
            self._last_put = sequence
