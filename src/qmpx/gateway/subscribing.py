"""Which events a client gets: the commands for that, and who carries them out.

``x-qmpx-subscribe`` narrows what a client gets. With a journal it also has each event
numbered and resumes where the client was: those since that number first, then what
comes, each once.

**At the seam.** A client with numbers has a place: the number of the next event that it
has not been given. It is never given any other than the event at its place, or the
first behind it. While what it lacks is in the file it is read from there, in chunks,
as fast as it reads; once it has all that is on the disk it is given what is committed.
If it does not read it keeps its place and falls behind: nothing is queued for it.
"""

import asyncio
import fnmatch
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from qmpx.errors import GenericError
from qmpx.gateway.client import Client
from qmpx.gateway.journal import Batch, MonitorJournal, Reader, numbered
from qmpx.gateway.journal_file import JournalError, Recorded, now
from qmpx.gateway.observing import Bystander
from qmpx.gateway.passing import UpstreamMessage, spell_event
from qmpx.monitor.session import FLUSH_SIZE, Session
from qmpx.wire.server import event

if TYPE_CHECKING:
    from concurrent.futures import Future

    from qmpx.gateway.sharing import SharedMonitor

MAX_PATTERNS: Final = 64
"""Patterns of one subscription: QEMU has about sixty events."""

MAX_PATTERN: Final = 256
"""Characters of one pattern: many times the longest name."""

MAX_MATCH: Final = 16
"""Members that one subscription compares: more than any event has."""

MAX_REMEMBERED: Final = 1024
"""Names of events of which a subscription remembers whether it wants them."""

LOST: Final = "X_QMPX_EVENTS_LOST"
"""What a client is told that read so late that its place is no longer kept."""


class Subscribed(Struct, rename="kebab", omit_defaults=True):
    """What ``x-qmpx-subscribe`` returns.

    Attributes:
        sequence: The number after which events are given.
        oldest: The number of the oldest event that is kept.
        journal: What tells this journal from another.
    """

    sequence: int | None = None
    oldest: int | None = None
    journal: str | None = None


class Unsubscribed(Struct, rename="kebab", omit_defaults=True):
    """What ``x-qmpx-unsubscribe`` returns.

    Attributes:
        sequence: The number of the last event that the client was past; it can resume
            there.
    """

    sequence: int | None = None


class JournalState(Struct, rename="kebab"):
    """What ``x-qmpx-query-journal`` returns.

    Attributes:
        journal: What tells this journal from another.
        oldest: The number of the oldest event that is kept.
        last: The number of the last event that is on the disk.
        waiting: Events that are not.
        missing: Events that could not be kept, and are not told of yet.
        failure: Why nothing can be written now; empty if it can.
    """

    journal: str
    oldest: int
    last: int
    waiting: int
    missing: int
    failure: str


class Filter:
    """Which events a client wants.

    Args:
        patterns: Of names; ``None``: all.
        match: Members of the data, and what they must be; in a name, dots lead into
            members of members.
    """

    __slots__ = ("_known", "_match", "_patterns")

    def __init__(self, patterns: list[str] | None, match: dict[str, Any]) -> None:
        self._patterns = patterns
        self._match = [(name.split("."), value) for name, value in match.items()]
        self._known: dict[str, bool] = {}

    @property
    def takes_all(self) -> bool:
        """Whether there is nothing to look at."""
        return self._patterns is None and not self._match

    def wants(self, name: str, data: Raw | UnsetType) -> bool:
        """Whether an event is wanted."""
        wanted = self._known.get(name)
        if wanted is None:
            patterns = self._patterns
            wanted = patterns is None or any(
                fnmatch.fnmatchcase(name, pattern) for pattern in patterns
            )
            if len(self._known) < MAX_REMEMBERED:
                self._known[name] = wanted
        return wanted and (not self._match or self._matches(data))

    def _matches(self, data: Raw | UnsetType) -> bool:
        if data is UNSET:
            return False
        try:
            whole = msgspec.json.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return False
        return all(_at(whole, path) == value for path, value in self._match)


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNSET
        value = value[name]
    return value


class Narrowed:
    """A client that gets some events, as they come."""

    def __init__(self, wanted: Filter) -> None:
        self._filter = wanted

    def select(
        self,
        sequence: int,  # noqa: ARG002 - for those who number
        name: str,
        data: Raw | UnsetType,
        message: bytes,
    ) -> bytes | None:
        """Return the event as it is, if it is wanted."""
        return message if self._filter.wants(name, data) else None


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
        self._client.session.send_event(event(LOST, data, now()))


class Subscriptions(Bystander):
    """The commands that narrow and resume, at one monitor.

    Args:
        monitor: The monitor; the commands are entered there.
        journal: Its journal, if it has one.
    """

    def __init__(
        self, monitor: "SharedMonitor", journal: MonitorJournal | None = None
    ) -> None:
        self._monitor = monitor
        self._journal = journal
        command = monitor.local.command
        command("x-qmpx-subscribe")(self.subscribe)
        command("x-qmpx-unsubscribe")(self.unsubscribe)
        if journal is not None:
            command("x-qmpx-query-journal")(self.query_journal)
        monitor.observers.append(self)

    async def subscribe(
        self,
        session: Session,
        *,
        since: int | None = None,
        events: list[str] | None = None,
        match: dict[str, Any] | None = None,
        journal: str | None = None,
    ) -> Subscribed:
        """Get certain events only; with a journal, numbered, and those since a number.

        Args:
            session: Who asks.
            since: The number of the last event that the client has; 0: it has none.
            events: Patterns of the names that it wants, such as ``BLOCK_*``.
            match: Members of the data, and what they must be.
            journal: The journal that the number is of, as an earlier call returned it.

        Raises:
            GenericError: The number is of another journal, or no longer kept, or there
                is no journal; or there are too many patterns.
        """
        wanted = _filter(events, match or {})
        client = self._monitor.client_of(session)
        if self._journal is None:
            if since is not None or journal is not None:
                message = "This gateway keeps no journal: there is nothing to resume"
                raise GenericError(message)
            client.subscription = Narrowed(wanted)
            return Subscribed()
        _check_place(self._journal, since, journal)
        self._end(client)
        place = self._journal.issued if since is None else since
        resumed = Resumed(client, self._journal, place + 1, wanted)
        client.subscription = resumed
        if since is None:
            # The number that is told must not be given to another event after a crash.
            await self._journal.settled()
        if session.channel is not None and client.subscription is resumed:
            self._soon(resumed)
        return Subscribed(place, self._journal.oldest, self._journal.journal.id)

    def unsubscribe(self, session: Session) -> Unsubscribed:
        """Get all events again, as they come, and without numbers."""
        client = self._monitor.client_of(session)
        place = self._end(client)
        return Unsubscribed(None if place is None else place - 1)

    def query_journal(self) -> JournalState:
        """Return which events are kept."""
        of = self._journal
        if of is None:
            message = "This gateway keeps no journal"
            raise GenericError(message)
        return JournalState(
            of.journal.id,
            of.oldest,
            of.committed,
            of.journal.waiting,
            of.missing,
            of.journal.failure,
        )

    def disconnected(self, client: Client, reason: str) -> None:  # noqa: ARG002
        """Forget what the client wanted."""
        self._end(client)

    def _end(self, client: Client) -> int | None:
        subscription, client.subscription = client.subscription, None
        if not isinstance(subscription, Resumed):
            return None
        subscription.end()
        return subscription.place

    def _soon(self, resumed: Resumed) -> None:
        """Start it once the reply is sent, which is in the turn after the next."""
        loop = self._monitor.loop
        loop.call_soon(loop.call_soon, resumed.start)


def _filter(events: list[str] | None, match: dict[str, Any]) -> Filter:
    if events is not None and len(events) > MAX_PATTERNS:
        message = f"Parameter 'events' has more than {MAX_PATTERNS} patterns"
        raise GenericError(message)
    if any(len(pattern) > MAX_PATTERN for pattern in events or ()):
        message = f"Parameter 'events' has a pattern of more than {MAX_PATTERN}"
        raise GenericError(f"{message} characters")
    if len(match) > MAX_MATCH:
        message = f"Parameter 'match' has more than {MAX_MATCH} members"
        raise GenericError(message)
    return Filter(events, match)


def _check_place(of: MonitorJournal, since: int | None, journal: str | None) -> None:
    """Look whether events can be given from a number on.

    Raises:
        GenericError: They cannot, and why.
    """
    if journal is not None and journal != of.journal.id:
        message = f"This is another journal: {of.journal.id}; its numbers are others"
        raise GenericError(message)
    if since is None:
        return
    if since > of.committed or since < 0:
        message = f"There is no event {since}: the last one is {of.committed}"
        raise GenericError(message)
    if since + 1 < of.oldest:
        message = (
            f"Events after {since} are no longer kept: the oldest is {of.oldest}. "
            f"Look at the state, and subscribe with since={of.oldest - 1}"
        )
        raise GenericError(message)
