"""Events on their way to all clients: encoded once, with one write for each client.

What the monitor says at once is sent at once. Most clients get all events as they are:
for these an event is one look, and what was said together is put together once.
"""

import asyncio
from typing import TYPE_CHECKING

from msgspec import Raw, UnsetType, structs

from qmpx.gateway.upstreams.passing import UpstreamMessage, spell_event

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from qmpx.gateway.policy import Role
    from qmpx.gateway.sharing.client import Client
    from qmpx.gateway.upstreams.traffic import Traffic
    from qmpx.monitor.session import Session

View = tuple[Raw | UnsetType, bytes]


class FanOut:
    """The events of one monitor, on their way to its clients.

    Args:
        subscribers: The sessions that get events.
        clients: Whose they are.
        traffic: Says whether more is about to be handed on, and then `flush` called.
    """

    def __init__(
        self,
        subscribers: "Collection[Session]",
        clients: "Mapping[Session, Client]",
        traffic: "Traffic",
    ) -> None:
        self._subscribers = subscribers
        self._clients = clients
        self._traffic = traffic
        self._burst: list[bytes] = []  # what was said at once
        self._all: list[Session] = []  # who gets all of it, as it is
        self._some: list[Session] = []  # the others
        self._gathering: list[Session] = []  # who has something to be sent
        self._will_flush = False

    def deliver(
        self,
        sequence: int,
        message: UpstreamMessage,
        text: bytes,
        *,
        only_subscribed: bool = False,
    ) -> None:
        """Send an event to every client, as each may see it.

        Args:
            sequence: Its number.
            message: The event.
            text: The whole, encoded.
            only_subscribed: Whether it is for those only who said what they want.
        """
        if self._traffic.is_reading and not only_subscribed:
            if not self._burst:
                self._look_at_clients()
            self._burst.append(text)
            if self._some:
                self._deliver_each(self._some, sequence, message, text)
            return
        sessions = list(self._subscribers)
        self._deliver_each(
            sessions, sequence, message, text, only_subscribed=only_subscribed
        )
        if self._gathering and not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_soon(self.flush)

    def before_reply(self) -> None:
        """Give the clients what was said before a reply, and send it with that."""
        if self._burst:
            burst, self._burst = self._burst, []
            for session in self._all:
                for text in burst:
                    if session.gather_event(text):
                        self._gathering.append(session)

    def flush(self) -> None:
        """Send all that was gathered."""
        if self._burst:
            burst, self._burst = self._burst, []
            text = burst[0] if len(burst) == 1 else b"".join(burst)
            for session in self._all:
                session.send_events(text, burst)
        gathered, self._gathering = self._gathering, []
        self._will_flush = False
        for session in gathered:
            session.flush()

    def _look_at_clients(self) -> None:
        """Note who gets all. Until a reply or the end of a burst nobody changes."""
        self._all, self._some = [], []
        clients = self._clients
        for session in self._subscribers:
            client = clients[session]
            is_plain = client.subscription is None and client.role.is_unrestricted
            (self._all if is_plain else self._some).append(session)

    def _deliver_each(
        self,
        sessions: "list[Session]",
        sequence: int,
        message: UpstreamMessage,
        text: bytes,
        *,
        only_subscribed: bool = False,
    ) -> None:
        name = str(message.event)
        views: dict[Role, View | None] = {}
        for session in sessions:
            client = self._clients.get(session)
            if client is None:
                continue  # it has gone since the burst began
            role, subscription = client.role, client.subscription
            wanted: bytes | None = text
            if subscription is not None or not role.is_unrestricted or only_subscribed:
                if role not in views:
                    views[role] = _view(role, message, text)
                view = views[role]
                if view is None or (only_subscribed and subscription is None):
                    continue
                wanted = view[1]
                if subscription is not None:
                    wanted = subscription.select(sequence, name, *view)
            if wanted is not None and session.gather_event(wanted):
                self._gathering.append(session)


def _view(role: "Role", message: UpstreamMessage, text: bytes) -> View | None:
    """Return an event's data, and the whole encoded, as a role may see them."""
    data = message.data
    seen = data if role.is_unrestricted else role.view_event(str(message.event), data)
    if seen is None or seen is data:
        return None if seen is None else (data, text)
    return seen, spell_event(structs.replace(message, data=seen))
