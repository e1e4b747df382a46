"""A monitor whose commands are those of another, real one.

::

    async with SharedMonitor("unix:/run/vm/qmp.sock") as monitor:
        async with monitor.serve("unix:/run/vm/shared.sock") as server:
            await server.wait_closed()

Greeting, negotiation, ids, faults in what a client sends, and the order of its replies
are the affair of each client's `Session`, as for any monitor of ours; everything else
is passed on.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from msgspec import Raw, UnsetType

from qmpx.client.deadlines import CONNECT_TIMEOUT
from qmpx.client.events import RECONNECTED
from qmpx.errors import AddressError
from qmpx.gateway.access.identity import identify
from qmpx.gateway.policy import SHOWN
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.doorkeeper import Doorkeeper
from qmpx.gateway.sharing.entries import (
    LOCAL,
    ForwardingEntries,
    LocalEntry,
    PassingEntry,
)
from qmpx.gateway.sharing.fan_out import FanOut
from qmpx.gateway.sharing.hoarding import Hoards
from qmpx.gateway.sharing.observing import Observers
from qmpx.gateway.sharing.pipeline import Pipeline
from qmpx.gateway.upstreams.link import Link
from qmpx.gateway.upstreams.passing import PassedError, UpstreamMessage, spell_event
from qmpx.gateway.upstreams.upstream import Upstream
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.monitor import Monitor
from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.monitor.server import Server
from qmpx.monitor.session import Session
from qmpx.transport.address import (
    Address,
    ListenAddress,
    StdioAddress,
    TelnetAddress,
    parse_address,
    parse_listen_address,
)
from qmpx.transport.channel import Channel
from qmpx.wire.server import OOB, event

if TYPE_CHECKING:
    from qmpx.gateway.access.access import Access
    from qmpx.gateway.sharing.door import Door
    from qmpx.gateway.sharing.observing import Answers, Gate
    from qmpx.qapi.introspection import SchemaInfo


MAX_CLIENTS: Final = 256
"""Clients of one listener at once: more than ever share a machine, and a quarter of the
descriptors that a process is usually allowed."""


class SharedMonitor(Monitor):
    """Serve many clients, and pass on what they ask to one monitor.

    Args:
        address: Where that monitor is.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        dial: Makes each connection to it, if not by dialling *address*.

    Attributes:
        upstream: The connection to it.
        local: Commands that the gateway runs itself, of names ``x-qmpx-...``. None,
            unless something that was asked for brings some.
        observers: Who is told what happens.
        gates: What may refuse what the roles allow, in this order.
        answers: What knows replies beforehand.
        remembered: The commands whose replies these may know; ``None``: any.
        sequence: The number of the last event.
        what_changed: Says what is different after the monitor was away, for the event
            that tells clients that it is back.

    Raises:
        AddressError: The text is no address.
    """

    def __init__(
        self,
        address: str | os.PathLike[str] | Address,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        dial: Callable[[], Awaitable[Link]] | None = None,
    ) -> None:
        place = parse_address(address)
        if isinstance(place, StdioAddress):
            message = "a monitor on standard input cannot be shared"
            raise AddressError(message)
        super().__init__(capabilities=())
        self.interpose = self._let_in
        self.local = CommandRegistry()
        self.observers = Observers()
        self.gates: list[Gate] = []
        self.answers: list[Answers] = []
        self.remembered: Collection[str] | None = None
        self.sequence = 0
        self.what_changed: Callable[[], dict[str, Any]] = dict
        self._clients: dict[Session, Client] = {}
        self._door: Door | None = None
        self._local_schema: tuple[int, tuple[SchemaInfo, ...]] | None = None
        self._hoards = Hoards(self._clients.values())
        self._forwarded = ForwardingEntries(self.commands, self._entry_for)
        self.upstream = Upstream(
            place,
            on_event=self._deliver,
            on_restored=self._restored,
            on_lost=self._lost,
            connect_timeout=connect_timeout,
            dial=dial,
        )
        self._pipeline = Pipeline(
            self.upstream,
            self.observers,
            self.gates,
            self.answers,
            lambda: self.local_schema,
        )
        self._fan_out = FanOut(self._subscribers, self._clients, self.upstream.traffic)
        self.upstream.before_reply = self._fan_out.before_reply
        self.upstream.on_read = self._fan_out.flush

    async def __aenter__(self) -> Self:
        await self.upstream.open()
        self._adopt()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._hoards.close()
        await self.upstream.close()

    @property
    def entries(self) -> dict[str, Entry]:
        """The commands by name: there is one for every name, for most to pass on."""
        return self._forwarded

    def serve(
        self, *addresses: str | os.PathLike[str] | ListenAddress, **options: Any
    ) -> Server:
        """Return a server, to be used in ``async with``.

        Args:
            addresses: Where to listen.
            options: See `Monitor.serve`; `max_sessions` is `MAX_CLIENTS` unless given.

        Raises:
            AddressError: A text is no address, or one of telnet, whose bytes no
                doorkeeper looks at, or the configuration does not allow it.
        """
        options = {"max_sessions": MAX_CLIENTS, **options}
        if self._door is not None:
            places = [parse_listen_address(address) for address in addresses]
            # On TCP these speak TLS, or are of this host only: both was looked at.
            by_tls = [self._door.access.check_place(place) for place in places]
            options["allow_remote"] = any(by_tls)
        server = super().serve(*addresses, **options)
        for address in server.addresses:
            if isinstance(address, TelnetAddress):
                message = f"{address}: a shared monitor is for programs: use tcp: there"
                raise AddressError(message)
        return server

    @property
    def local_schema(self) -> "tuple[SchemaInfo, ...]":
        """What introspection tells of the gateway's own commands."""
        if not self.local:
            return ()
        from qmpx.gateway.sharing.local_schema import local_schema

        if self._local_schema is None or self._local_schema[0] != len(self.local):
            told = local_schema(self.local.values())
            self._local_schema = len(self.local), told
        return self._local_schema[1]

    def client_of(self, session: Session) -> Client:
        """Return who speaks in *session*.

        Raises:
            KeyError: Its client has gone.
        """
        return self._clients[session]

    @property
    def clients(self) -> list[Client]:
        """Who is connected, in the order in which they came."""
        return list(self._clients.values())

    def unsubscribe(self, session: Session) -> None:
        """Forget a client that has gone."""
        super().unsubscribe(session)
        self.upstream.forget(session)
        client = self._clients.pop(session, None)
        if client is not None:
            client.expire(None)
            self.tell("disconnected", client, client.farewell)

    def tell(self, method: str, *told: Any) -> None:
        """Call that method of each observer that has it; a defect of one is logged."""
        self.observers.tell(method, *told)

    def emit(
        self, name: str, data: Any = None, *, only_subscribed: bool = False
    ) -> None:
        """Send an event of the gateway's own to every client that may see it.

        Args:
            name: Its name, in capitals.
            data: Its data, an object, or ``None`` if the event has none.
            only_subscribed: Whether it is for those only who said what they want.
        """
        body = None if data is None else self.rules.json.encode(data)
        text = event(name, body, self._clock())
        message = msgspec.json.decode(text, type=UpstreamMessage)
        self._deliver(message, only_subscribed=only_subscribed)

    def encode_error(self, error: BaseException) -> bytes:
        """Return an error; one of the monitor's as it came."""
        if isinstance(error, PassedError):
            return error.body
        return super().encode_error(error)

    def _adopt(self) -> None:
        """Greet clients as the monitor greets."""
        greeting = self.upstream.greeting
        self.capabilities = (OOB,) if OOB in greeting.capabilities else ()
        self.announce(greeting.version)

    @property
    def access(self) -> "Access | None":
        """Who may come in, and as what; ``None``: whoever may connect may do all.

        Set it before clients come. Set anew it is in force for those who are in, too:
        they have the roles that it gives them, or are disconnected.
        """
        return None if self._door is None else self._door.access

    @access.setter
    def access(self, access: "Access") -> None:
        from qmpx.gateway.sharing.door import Door  # most monitors have none, nor TLS

        if self._door is None:
            self._door = Door(self, access)
        self._door.adapt(access)  # those who came while there was no policy, too

    def opened(self, server: Server) -> None:
        """Give the sockets of a server that listens now their modes and owners."""
        if self._door is not None:
            for listener in server.listeners:
                self._door.access.prepare(listener.address)

    def admit(self, client: Client) -> bool:
        """Count a client among those who are here; whether nobody objects."""
        self._clients[client.session] = client
        self._hoards.watch()
        self.tell("connected", client)
        return not client.farewell

    def _let_in(self, session: Session, sock: socket.socket) -> None:
        """Open a client's session; on TCP behind a doorkeeper."""
        if self._door is not None:
            self._door.let_in(session, sock, self._listener_of(session))
            return
        listener = self._listener_of(session)
        client = Client(session, identify(sock), listener=listener)
        if not self.admit(client):
            sock.close()
            session.connection_lost(None)
            return
        is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
        receiver = Doorkeeper(session, None, client.disconnect) if is_tcp else session
        session.open(Channel(self.loop, sock, receiver))

    def _listener_of(self, session: Session) -> str:
        for server in self.servers:
            if session in server.sessions:
                return str(server.sessions[session].address)
        return ""

    def found(self) -> None:
        """Greet clients as the monitor does, which is there for the first time."""
        self._adopt()
        self.tell("upstream_changed", "open", "")

    def _restored(self, seconds: float) -> None:
        was = self.version
        self._adopt()
        data = {"away": round(seconds * 1000), "same-version": self.version == was}
        data |= self.what_changed()
        self.tell("upstream_changed", "open", "")
        self.emit(RECONNECTED, data)

    def _lost(self, reason: str) -> None:
        self.tell("upstream_changed", "away", reason)

    def _deliver(
        self, message: UpstreamMessage, *, only_subscribed: bool = False
    ) -> None:
        """Send an event to every client that has negotiated, as each may see it.

        It is sent with what else is read at once, with one write for each client.
        """
        self.sequence = sequence = self.sequence + 1
        name, data, text = str(message.event), message.data, spell_event(message)
        if self.observers:
            self.tell("event", sequence, name, data, text)
        self._fan_out.deliver(sequence, message, text, only_subscribed=only_subscribed)

    def _entry_for(self, name: str) -> tuple[Entry, bool]:
        """Return an entry for any name, and whether it may be kept."""
        local = self.local.get(name)
        if local is None:
            return PassingEntry(name, self._forward), not name.startswith(LOCAL)
        return LocalEntry(local, self._run_local), False

    def _forward(
        self, session: Session, name: str, arguments: Raw | UnsetType
    ) -> Deferred:
        client = self._clients[session]
        if client.role.is_unrestricted and not (
            self.gates
            or self.observers.watch_commands
            or (self.answers and self._may_know(name))
            or (self.local and name in SHOWN)
        ):
            return self.upstream.submit(
                session, name, arguments, is_out_of_band=session.is_out_of_band
            )
        return self._pipeline.run(client, name, arguments)

    def _may_know(self, name: str) -> bool:
        return self.remembered is None or name in self.remembered

    def _run_local(
        self, session: Session, entry: Entry, arguments: Raw | UnsetType
    ) -> Any:
        return self._pipeline.run_local(self._clients[session], entry, arguments)
