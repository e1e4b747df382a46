"""How much one client, and all clients of one identity, may ask for.

What is too fast waits: the client is not read meanwhile, so it is held back where it
is. Or it is refused, if the settings say so. A client that does not read what it asked
for is disconnected, with a reason; the others do not notice.
"""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Final

from msgspec import Raw, UnsetType

from qmpx.gateway.policy import Decision
from qmpx.gateway.settings.bounds import LimitsSettings
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Bystander
from qmpx.gateway.sharing.rates import TokenBucket
from qmpx.monitor.deferred import Deferred

if TYPE_CHECKING:
    from collections.abc import Hashable

    from qmpx.gateway.sharing.monitor import SharedMonitor


SWEEP: Final = 1.0
"""Seconds between two looks at who does not read; between them a client may exceed
`MAX_UNREAD` by what is sent meanwhile."""

MAX_PEERS: Final = 4096
"""Peers and identities whose rate is remembered; the one that came longest ago is
forgotten, which is to its advantage."""

logger = logging.getLogger("qmpx.gateway")


class Share:
    """What is counted for one client, or for one identity.

    Attributes:
        in_flight: Commands that are not answered.
        most: How many there may be; 0: any number.
        bucket: Its rate, if it has one.
        waiting: Commands that wait until one is answered.
    """

    __slots__ = ("bucket", "in_flight", "most", "waiting")

    def __init__(self, most: int, bucket: TokenBucket | None) -> None:
        self.in_flight = 0
        self.most = most
        self.bucket = bucket
        self.waiting: deque[tuple[Client, Deferred]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether no more may be in flight."""
        return bool(self.most) and self.in_flight >= self.most


class Limits(Bystander):
    """The limits of the clients of shared monitors.

    One serves all monitors of a gateway, so that a client does not get more by asking
    several.

    Args:
        settings: The limits.

    Attributes:
        dropped: Clients that were disconnected because they did not read.
    """

    def __init__(self, settings: LimitsSettings) -> None:
        self.settings = settings
        self.dropped = 0
        self._identities: dict[Hashable, Share] = {}
        self._clients: dict[Client, Share] = {}
        self._of_identity: Counter[Hashable] = Counter()
        self._known_as: dict[Client, Hashable] = {}
        self._peers: OrderedDict[Hashable, TokenBucket] = OrderedDict()
        self._stalled: dict[Client, tuple[int, float]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def attach(self, monitor: "SharedMonitor") -> None:
        """Hold the clients of *monitor* to the limits, those who are there too.

        It is the first gate: what waits at others is within the limits.
        """
        monitor.observers.append(self)
        monitor.gates.insert(0, self)
        for client in monitor.clients:
            self._meet(client)

    def detach(self, monitor: "SharedMonitor") -> None:
        """Hold the clients of *monitor* to nothing any more."""
        monitor.gates.remove(self)
        monitor.observers.remove(self)
        for client in monitor.clients:
            for deferred in self._forget(client):
                deferred.set_result(None)

    def adapt(self, settings: LimitsSettings) -> None:
        """Hold clients to other limits from now on.

        What waits goes on as soon as these let it. Rates begin anew. Who is there
        stays, also where there may be fewer now.
        """
        was, self.settings = self.settings, settings
        now = asyncio.get_running_loop().time()
        rate, burst = settings.rate, settings.burst
        if (was.rate, was.burst) != (rate, burst):
            for share in self._clients.values():
                share.bucket = _bucket(rate, burst, now)
        rate, burst = settings.identity_rate, settings.identity_burst
        if (was.identity_rate, was.identity_burst) != (rate, burst):
            for share in self._identities.values():
                share.bucket = _bucket(rate, burst, now)
        peers = was.connections, was.connection_burst
        if peers != (settings.connections, settings.connection_burst):
            self._peers.clear()
        for share in self._clients.values():
            share.most = settings.in_flight
        for share in self._identities.values():
            share.most = settings.identity_in_flight
        for share in [*self._clients.values(), *self._identities.values()]:
            self._let_go_on(share)
        if self._known_as:
            self._watch()

    def close(self) -> None:
        """Look after nobody any more."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # Who may come.

    def connected(self, client: Client) -> None:
        """Turn away a client that comes too soon, or is one too many."""
        identity = self._meet(client)
        now = asyncio.get_running_loop().time()
        reason = self._why_not(client, identity, now)
        if reason:
            logger.warning("client %d is turned away: %s", client.number, reason)
            client.disconnect(reason)

    def _meet(self, client: Client) -> "Hashable":
        """Count a client among those of its identity; return that."""
        self._watch()
        identity = client.identity.kind, client.identity.name, client.identity.uid
        self._known_as[client] = identity
        self._of_identity[identity] += 1
        return identity

    def _watch(self) -> None:
        """Look from time to time who does not read, if that is limited."""
        if self._sweeper is None and (self.settings.max_unread or self.settings.stall):
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(SWEEP, self._sweep)

    def _why_not(self, client: Client, identity: "Hashable", now: float) -> str:
        settings = self.settings
        if settings.clients and self._of_identity[identity] > settings.clients:
            return f"there are {settings.clients} clients of {_name(client)} already"
        if not settings.connections:
            return ""
        bucket = self._peers.pop(identity, None)
        if bucket is None:
            bucket = TokenBucket(settings.connections, settings.connection_burst, now)
        self._peers[identity] = bucket
        if len(self._peers) > MAX_PEERS:
            self._peers.popitem(last=False)
        if bucket.try_take(now):
            return ""
        return f"more than {settings.connections:g} connections a second"

    def disconnected(self, client: Client, reason: str) -> None:  # noqa: ARG002
        """Forget a client that has gone."""
        for deferred in self._forget(client):
            deferred.cancel()

    def _forget(self, client: Client) -> list[Deferred]:
        """Count a client no more; return what of it waits."""
        self._stalled.pop(client, None)
        identity = self._known_as.pop(client, None)
        if identity is not None:
            self._of_identity[identity] -= 1
            if self._of_identity[identity] <= 0:
                del self._of_identity[identity]
        own, shared = self._clients.pop(client, None), self._identities.get(identity)
        waited = []
        for share in (own, shared):
            if share is None:
                continue
            for each in [each for each in share.waiting if each[0] is client]:
                share.waiting.remove(each)
                waited.append(each[1])
        return waited

    def identified(self, client: Client) -> None:
        """Count a client under another identity: it has shown only now who it is."""
        if client in self._known_as:
            self.disconnected(client, "")
            self.connected(client)

    # What it may ask.

    def check(
        self,
        client: Client,
        name: str,  # noqa: ARG002 - all commands count alike
        arguments: Raw | UnsetType,  # noqa: ARG002
    ) -> Decision | Deferred | None:
        """Let a command wait, or refuse it, if it is too much."""
        return self._look(client)

    def _look(self, client: Client) -> Decision | Deferred | None:
        own, shared = self._shares_of(client)
        may_wait = self.settings.excess == "pause"
        for share in (own, shared):
            if share.is_full:
                if not may_wait:
                    reason = f"{share.most} commands are not answered yet"
                    return Decision("deny", "limits", reason)
                deferred = Deferred()
                share.waiting.append((client, deferred))
                return deferred
        return self._check_rate(own, shared, may_wait=may_wait)

    def _check_rate(
        self, own: Share, shared: Share, *, may_wait: bool
    ) -> Decision | Deferred | None:
        loop = asyncio.get_running_loop()
        now, pause = loop.time(), 0.0
        for share in (own, shared):
            if share.bucket is None:
                continue
            if may_wait:
                pause = max(pause, share.bucket.take(now))
            elif not share.bucket.try_take(now):
                return Decision("deny", "limits", "that is too many in a short time")
        if not pause:
            return None
        deferred = Deferred()
        loop.call_later(pause, deferred.set_result, None)
        return deferred

    def decided(
        self,
        client: Client,
        name: str,  # noqa: ARG002
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: Decision,
    ) -> None:
        """Count a command that goes on its way."""
        if decision.is_allowed:
            for share in self._shares_of(client):
                share.in_flight += 1

    def answered(
        self,
        client: Client,
        name: str,  # noqa: ARG002
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: Decision,  # noqa: ARG002
        outcome: str,  # noqa: ARG002
        seconds: float,  # noqa: ARG002
    ) -> None:
        """Let the next one go that waits."""
        own = self._clients.get(client)
        shared = self._identities.get(self._known_as.get(client))
        for share in (own, shared):
            if share is None:
                continue
            share.in_flight = max(0, share.in_flight - 1)
            self._let_go_on(share)

    def _let_go_on(self, share: Share) -> None:
        """Let what waits go on, or be refused, as far as it may."""
        may_wait = self.settings.excess == "pause"
        while share.waiting and not (share.is_full and may_wait):
            waiting, deferred = share.waiting.popleft()
            deferred.set_result(self._look(waiting))

    def _shares_of(self, client: Client) -> tuple[Share, Share]:
        own = self._clients.get(client)
        identity = self._known_as.get(client)
        shared = self._identities.get(identity)
        if own is None or shared is None:
            settings, now = self.settings, asyncio.get_running_loop().time()
            if own is None:
                bucket = _bucket(settings.rate, settings.burst, now)
                own = self._clients[client] = Share(settings.in_flight, bucket)
            if shared is None:
                rate, burst = settings.identity_rate, settings.identity_burst
                bucket = _bucket(rate, burst, now)
                shared = Share(settings.identity_in_flight, bucket)
                self._identities[identity] = shared
                self._forget_identities()
        return own, shared

    def _forget_identities(self) -> None:
        """Forget identities of which nobody is here, if there are many."""
        if len(self._identities) <= MAX_PEERS:
            return
        for identity, share in list(self._identities.items())[:-1]:
            is_idle = not share.in_flight and not share.waiting
            if is_idle and identity not in self._of_identity:
                del self._identities[identity]

    # Who does not read.

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = None
        if self._known_as:
            self._watch()
        for client in list(self._known_as):
            channel = client.session.channel
            if channel is None or not channel.is_congested:
                self._stalled.pop(client, None)
                continue
            reason = self._why_drop(client, channel.unsent, loop.time())
            if reason:
                self.dropped += 1
                logger.warning("client %d is disconnected: %s", client.number, reason)
                client.disconnect(reason)

    def _why_drop(self, client: Client, unsent: int, now: float) -> str:
        settings = self.settings
        unread = unsent + client.session.held_back
        if settings.max_unread and unread > settings.max_unread:
            return f"it does not read: {unread} bytes wait for it"
        was = self._stalled.get(client)
        if was is None or unsent < was[0]:
            self._stalled[client] = unsent, now
        elif settings.stall and now - was[1] >= settings.stall:
            return f"it has read nothing for {settings.stall:g} s"
        return ""


def _bucket(rate: float, burst: float, now: float) -> TokenBucket | None:
    return TokenBucket(rate, burst, now) if rate else None


def _name(client: Client) -> str:
    return f"{client.identity.kind}:{client.identity.name}"
