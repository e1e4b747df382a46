"""Events with their numbers, from a place on, each once.

A client with numbers has a place: the number of the next event that it
has not been given. It is never given any other than the event at its place, or the
first behind it. While what it lacks is in the file it is read from there, in chunks,
as fast as it reads; once it has all that is on the disk it is given what is committed.
If it does not read it keeps its place and falls behind: nothing is queued for it.
"""

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, UnsetType, structs

from qmpx.gateway.journal.file import JournalError, Recorded, now
from qmpx.gateway.journal.filtering import Filter
from qmpx.gateway.journal.monitor_journal import Batch, MonitorJournal, Reader, numbered
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.own_events import EVENTS_LOST
from qmpx.gateway.upstreams.passing import UpstreamMessage, spell_event
from qmpx.monitor.outgoing import FLUSH_SIZE
from qmpx.wire.server import event

if TYPE_CHECKING:
    from concurrent.futures import Future


class Resumed(Reader):
    """A client that gets events with their numbers, from a place on.

    Args:
        client: The client.
        journal: Where the events are.
        place: The number of the next one.
        wanted: Which of them.
    """

    def __init__(
        self, client: Client, journal: MonitorJournal, place: int, wanted: Filter
    ) -> None:
        self.place = place
        self._client = client
        self._journal = journal
        self._filter = wanted
        self._is_live = False
        self._reading: Future[list[Recorded]] | None = None
        self._loop = asyncio.get_running_loop()

    def select(
        self, sequence: int, name: str, data: Raw | UnsetType, message: bytes
    ) -> None:
        """Return nothing: events are given once they are on the disk."""

    def start(self) -> None:
        """Give events from now on."""
        self._journal.readers[self] = None
        self._go_on()

    def end(self) -> None:
        """Give no more."""
        self._journal.readers.pop(self, None)
        self._is_live = False
        if self._reading is not None:
            self._reading.cancel()

    def acknowledged(self, batch: Batch) -> None:
        """Give what is on the disk now, if all before it was given."""
        if not self._is_live:
            return
        session, client = self._client.session, self._client
        if session.channel is None or session.channel.is_congested:
            self._fall_behind()
        elif (
            client.role.is_unrestricted
            and self._filter.takes_all
            and batch.first >= self.place
            and len(batch.message) <= FLUSH_SIZE
        ):
            self.place = batch.events[-1].sequence + 1
            session.send_event(batch.message)
        else:
            self._give(batch.events)

    @property
    def _is_over(self) -> bool:
        return self not in self._journal.readers

    def _give(self, events: list[Recorded]) -> None:
        """Give events that are at the place and behind it, as long as they are read."""
        session = self._client.session
        for recorded in events:
            if recorded.sequence < self.place:
                continue
            channel = session.channel
            if channel is None or channel.is_congested:
                self._fall_behind()
                return
            self.place = recorded.sequence + 1
            message = self._seen(recorded)
            if message is not None:
                session.send_event(message)

    def _seen(self, recorded: Recorded) -> bytes | None:
        """Return an event as this client gets it, if it may, and wants it."""
        role, wanted = self._client.role, self._filter
        if role.is_unrestricted and wanted.takes_all:
            return numbered(recorded)
        message = msgspec.json.decode(recorded.message, type=UpstreamMessage)
        data = message.data
        if not role.is_unrestricted:
            seen = role.view_event(recorded.name, data)
            if seen is None:
                return None
            if seen is not data:
                changed = spell_event(structs.replace(message, data=seen))
                recorded, data = recorded._replace(message=changed), seen
        return numbered(recorded) if wanted.wants(recorded.name, data) else None

    def _fall_behind(self) -> None:
        self._is_live = False
        self._client.session.on_drained = self._go_on

    def _go_on(self) -> None:
        """Read what is on the disk and was not given; with nothing left, be live."""
        is_busy = self._reading is not None
        if self._is_over or is_busy or self._journal.journal.is_closing:
            return
        if self.place > self._journal.committed:
            self._is_live = True
            return
        self._is_live = False
        self._reading = self._journal.read(self.place)
        self._reading.add_done_callback(self._have_read)

    def _have_read(self, reading: "Future[list[Recorded]]") -> None:
        if not reading.cancelled():
            self._loop.call_soon_threadsafe(self._take, reading)

    def _take(self, reading: "Future[list[Recorded]]") -> None:
        self._reading = None
        if self._is_over:
            return
        error = reading.exception()
        if isinstance(error, JournalError):
            self._client.disconnect(f"its events cannot be read: {error}")
            return
        events = reading.result()
        if self.place < self._journal.oldest:
            self._tell_lost(self._journal.oldest)
        if not events:
            # Numbers that nobody has: what could not be kept.
            self.place = max(self.place, self._journal.committed + 1)
        self._give(events)
        if self._client.session.on_drained is None:
            self._go_on()

    def _tell_lost(self, oldest: int) -> None:
        """Tell that the place is no longer kept; go on with what is."""
        data = b'{"first": %d, "last": %d}' % (self.place, oldest - 1)
        self.place = oldest
        self._client.session.send_event(event(EVENTS_LOST, data, now()))
