"""Which events a client gets: the commands for that.

``x-qmpx-subscribe`` narrows what a client gets. With a journal it also has each event
numbered and resumes where the client was: those since that number first, then what
comes, each once.
"""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from qmpx.errors import GenericError
from qmpx.gateway.journal.filtering import Narrowed, filter_for
from qmpx.gateway.journal.monitor_journal import MonitorJournal
from qmpx.gateway.journal.resuming import Resumed
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Bystander
from qmpx.monitor.session import Session

if TYPE_CHECKING:
    from qmpx.gateway.sharing.monitor import SharedMonitor


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
        self._journal: MonitorJournal | None = None
        command = monitor.local.command
        command("x-qmpx-subscribe")(self.subscribe)
        command("x-qmpx-unsubscribe")(self.unsubscribe)
        monitor.observers.append(self)
        if journal is not None:
            self.resume_by(journal)

    def resume_by(self, journal: MonitorJournal) -> None:
        """Let clients resume from now on: there is a journal of the monitor."""
        self._journal = journal
        self._monitor.local.command("x-qmpx-query-journal")(self.query_journal)

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
        wanted = filter_for(events, match or {})
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
