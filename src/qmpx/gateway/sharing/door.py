"""Lets clients in: finds out who each is, gives it its role, or turns it away.

Nobody is greeted before it is known, but for those who are to show a token: these can
show it, and do nothing else.
"""

import logging
import math
import socket
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from msgspec import Meta, Struct

from qmpx.errors import GenericError
from qmpx.gateway.access.access import Access
from qmpx.gateway.access.identity import Identity, identify
from qmpx.gateway.access.tokens import MAX_TEXT
from qmpx.gateway.policy import AUTHENTICATE, NOBODY, Role
from qmpx.gateway.settings.access import ListenerSettings
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.doorkeeper import Doorkeeper
from qmpx.gateway.sharing.rates import Sparing
from qmpx.monitor.registry import CommandRegistry
from qmpx.monitor.session import Session
from qmpx.transport.channel import Channel, Receiver, close_fds
from qmpx.transport.tls import TlsChannel

if TYPE_CHECKING:
    import asyncio

TOKEN_TIMEOUT: Final = 30.0
"""Seconds that a client has to show a token: programs do at once, and a person who
pastes one has the time."""

EXPIRY_PAUSE: Final = 10.0
"""Seconds between looks whether a token that expires counts still, at most: that is up
to the host's clock, which may be set, and stands behind one that was suspended."""

MAX_UNKNOWN: Final = 64
"""Clients of one monitor that have yet to show a token; further ones are turned away,
so that they cannot take the places of those who have."""

MAX_HANDSHAKES: Final = 64
"""Handshakes of one monitor at once; who comes meanwhile is turned away. Each costs
some 100 KB and a millisecond."""

TOLD: Final = 20.0
"""Turned away in a second who are told of one by one; more are counted, so that a flood
of connections is none of log lines."""

MAX_ATTEMPTS: Final = 3
"""Wrong tokens until a client is disconnected: a slip or two, and no search."""

logger = logging.getLogger("qmpx.gateway")


class Shown(Struct):
    """Who a client is, now that it has shown a token.

    Attributes:
        identity: Who it is.
        role: Its role.
    """

    identity: str
    role: str


class Behind(Protocol):
    """What a door leads to: a `qmpx.gateway.sharing.monitor.SharedMonitor`.

    Attributes:
        local: Commands that the gateway runs itself.
    """

    local: CommandRegistry

    @property
    def loop(self) -> "asyncio.AbstractEventLoop":
        """The loop that it serves on."""

    @property
    def clients(self) -> list[Client]:
        """Who is connected."""

    def client_of(self, session: Session) -> Client:
        """Return who speaks in *session*."""

    def admit(self, client: Client) -> bool:
        """Count a client among those who are here; whether nobody objects."""

    def tell(self, method: str, *told: Any) -> None:
        """Call that method of each observer that has it."""


class Door:
    """Where clients of one shared monitor come in.

    Args:
        monitor: The monitor.
        access: Who may.
    """

    def __init__(self, monitor: Behind, access: Access) -> None:
        self._monitor = monitor
        self._handshakes = 0
        self._spared = Sparing(TOLD)
        self.access = access

    def let_in(self, session: Session, sock: socket.socket, listener: str) -> None:
        """Let a client in, now or when it is known; or turn it away.

        Args:
            session: What is to be its conversation.
            sock: Its connection.
            listener: Where it came in.
        """
        settings = self.access.listener_for(listener)
        identity = identify(sock)
        if settings is None:
            reason = "its place is not configured"
            self._turn_away(session, sock, identity, listener, reason)
            return
        context = self.access.context_for(settings)
        if context is None:
            self._enter(session, sock, identity, listener, settings)
            return
        if self._handshakes >= MAX_HANDSHAKES:
            reason = "too many handshakes are under way"
            self._turn_away(session, sock, identity, listener, reason)
            return
        entrance = _Entrance(self, session, identity, listener, settings)
        self._handshakes += 1
        entrance.channel = TlsChannel(
            self._monitor.loop, sock, entrance, context, entrance.opened
        )

    def shaken(self) -> None:
        """Note that a handshake is over."""
        self._handshakes -= 1

    def adapt(self, access: Access) -> None:
        """Put another configuration in force, for those who are in, too."""
        if access.takes_tokens and AUTHENTICATE not in self._monitor.local:
            self._monitor.local.command(AUTHENTICATE)(self.authenticate)
        self.access = access
        for client in self._monitor.clients:
            settings = access.listener_for(client.listener)
            role = None
            if settings is not None and access.still_counts(client.identity):
                role = self._role_of(client.identity, client.listener, settings)
            if role is None:
                client.disconnect("the configuration has changed")
                continue
            was, client.role = client.role, role
            if role is not NOBODY:  # it need show no token, or another end may hold
                client.expire(None)
                self._watch(client)
            elif was is not NOBODY:
                self._await_token(client)

    def authenticate(
        self, session: Session, *, token: Annotated[str, Meta(max_length=MAX_TEXT)]
    ) -> Shown:
        """Show a token, and get the role that goes with it."""
        client = self._monitor.client_of(session)
        settings = self.access.listener_for(client.listener)
        found = self.access.token_of(token)
        role = None
        if found is not None and settings is not None and settings.tokens:
            identity = Identity("token", found.name, digest=found.sha256.lower())
            role = self.access.role_for(identity, client.listener, settings)
        if found is None or role is None:
            client.attempts += 1
            logger.warning("%s has shown a token that does not count", client)
            if client.attempts >= MAX_ATTEMPTS:
                loop = self._monitor.loop
                loop.call_soon(client.disconnect, "it has shown too many wrong tokens")
            message = "the token does not count here"
            raise GenericError(message)
        client.identity, client.role = identity, role
        client.expire(None)
        self._watch(client)
        self._monitor.tell("identified", client)
        return Shown(str(identity), role.name)

    def _watch(self, client: Client) -> None:
        """End a connection once its token counts no more, however clocks are set."""
        seconds = self.access.time_left(client.identity)
        if seconds <= 0:
            client.disconnect("its token has expired")
        elif seconds < math.inf:
            pause = min(seconds, EXPIRY_PAUSE)
            client.expire(self._monitor.loop.call_later(pause, self._watch, client))

    # How one comes in.

    def _role_of(
        self, identity: Identity, listener: str, settings: ListenerSettings
    ) -> Role | None:
        role = self.access.role_for(identity, listener, settings)
        return NOBODY if role is None and settings.tokens else role

    def _enter(
        self,
        session: Session,
        sock: socket.socket,
        identity: Identity,
        listener: str,
        settings: ListenerSettings,
    ) -> None:
        """Let in a client whose connection is plain."""
        client = self.client_for(session, identity, listener, settings)
        if client is None:
            self._turn_away(session, sock, identity, listener, self.why_not(settings))
            return
        if not self._monitor.admit(client):
            sock.close()
            session.connection_lost(None)
            return
        loop = self._monitor.loop
        receiver: Receiver = _Sieve(client, session)
        is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
        if is_tcp or settings.hold_greeting:
            keeper = Doorkeeper(session, receiver, client.disconnect)
            channel = Channel(loop, sock, keeper)
            if settings.hold_greeting:
                keeper.hold(channel, loop, settings.hold_greeting)
                return
        else:
            channel = Channel(loop, sock, receiver)
        session.open(channel)

    def client_for(
        self,
        session: Session,
        identity: Identity,
        listener: str,
        settings: ListenerSettings,
    ) -> Client | None:
        """Return a client with its role; ``None``: it has none."""
        role = self._role_of(identity, listener, settings)
        if role is None:
            return None
        if role is NOBODY and self._unknown >= MAX_UNKNOWN:
            return None
        client = Client(session, identity, role, listener)
        if role is NOBODY:
            self._await_token(client)
        return client

    def _await_token(self, client: Client) -> None:
        text = "it has not shown a token in time"
        loop = self._monitor.loop
        client.expire(loop.call_later(TOKEN_TIMEOUT, client.disconnect, text))

    def why_not(self, settings: ListenerSettings) -> str:
        """Return why a client was not let in for whom there is no role."""
        if settings.tokens and self._unknown >= MAX_UNKNOWN:
            return "too many have yet to show a token"
        return "it has no role"

    @property
    def _unknown(self) -> int:
        return sum(each.role is NOBODY for each in self._monitor.clients)

    def tell(self, identity: Identity, listener: str, reason: str) -> None:
        """Tell that somebody was not let in."""
        if self._spared.take(self._monitor.loop.time()):
            more = self._spared.omitted()
            logger.warning(
                "%s was turned away at %s: %s%s",
                identity,
                listener,
                reason,
                f" (and {more} before)" if more else "",
            )
        self._monitor.tell("turned_away", identity, listener, reason)

    def _turn_away(
        self,
        session: Session,
        sock: socket.socket,
        identity: Identity,
        listener: str,
        reason: str,
    ) -> None:
        self.tell(identity, listener, reason)
        sock.close()
        session.connection_lost(None)

    def enter_by_tls(self, entrance: "_Entrance", names: tuple[str, ...]) -> None:
        """Let in a client whose handshake is done."""
        session, channel = entrance.session, entrance.channel
        if channel is None:
            return
        identity = entrance.identity
        if names:
            identity = Identity("tls", names[0], names=names)
        client = self.client_for(
            session, identity, entrance.listener, entrance.settings
        )
        if client is None:
            reason = self.why_not(entrance.settings)
            self.tell(identity, entrance.listener, reason)
            channel.abort()
        elif not self._monitor.admit(client):
            channel.abort()
        else:
            session.open(channel)


class _Entrance:
    """Stands between a connection that speaks TLS and the session."""

    def __init__(
        self,
        door: Door,
        session: Session,
        identity: Identity,
        listener: str,
        settings: ListenerSettings,
    ) -> None:
        self.session = session
        self.identity = identity
        self.listener = listener
        self.settings = settings
        self.channel: TlsChannel | None = None
        self._door = door
        self._is_shaking = True
        self.data_received = session.data_received
        self.eof_received = session.eof_received
        self.drained = session.drained

    def opened(self, channel: TlsChannel) -> None:
        """Go in: the handshake is done."""
        self._is_shaking = False
        self._door.shaken()
        self._door.enter_by_tls(self, channel.certificate_names)

    def connection_lost(self, error: OSError | None) -> None:
        """Pass it on."""
        if self._is_shaking:
            self._is_shaking = False
            self._door.shaken()
            reason = self.channel.failure if self.channel is not None else ""
            told = f"its handshake failed: {reason or 'it went'}"
            self._door.tell(self.identity, self.listener, told)
        self.channel = None
        self.session.connection_lost(error)


class _Sieve:
    """Closes the descriptors of clients whose role may not hand over any."""

    def __init__(self, client: Client, session: Session) -> None:
        self._client = client
        self._session = session
        self.eof_received = session.eof_received
        self.drained = session.drained
        self.connection_lost = session.connection_lost

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Pass on the bytes, and perhaps the descriptors."""
        if fds and not self._client.role.takes_descriptors:
            logger.warning(
                "%s handed over descriptors, which were closed", self._client
            )
            close_fds(fds)
            fds = []
        self._session.data_received(data, fds)
