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
from collections.abc import Callable
from typing import Any, Final, Self

from msgspec import Raw, UnsetType

from qmpx.client.core import CONNECT_TIMEOUT
from qmpx.client.events import RECONNECTED
from qmpx.errors import AddressError
from qmpx.gateway.doorkeeper import Doorkeeper
from qmpx.gateway.passing import PassedError
from qmpx.gateway.upstream import Upstream
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
)
from qmpx.transport.channel import Channel
from qmpx.wire.server import OOB

MAX_NAMES: Final = 1024
"""Commands whose entries are kept: more than QEMU has. Others are made each time."""

MAX_CLIENTS: Final = 256
"""Clients of one listener at once: more than ever share a machine, and a quarter of the
descriptors that a process is usually allowed."""


class SharedMonitor(Monitor):
    """Serve many clients, and pass on what they ask to one monitor.

    Args:
        address: Where that monitor is.
        connect_timeout: Seconds for connection, greeting and negotiation together.

    Attributes:
        upstream: The connection to it.

    Raises:
        AddressError: The text is no address.
    """

    def __init__(
        self,
        address: str | os.PathLike[str] | Address,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        place = parse_address(address)
        if isinstance(place, StdioAddress):
            message = "a monitor on standard input cannot be shared"
            raise AddressError(message)
        super().__init__(capabilities=())
        self.interpose = self._let_in
        self._forwarded = _ForwardingEntries(self.commands, self._forward)
        self.upstream = Upstream(
            place,
            on_event=self._broadcast,
            on_restored=self._restored,
            connect_timeout=connect_timeout,
        )

    async def __aenter__(self) -> Self:
        await self.upstream.open()
        self._adopt()
        return self

    async def __aexit__(self, *exception: object) -> None:
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
                doorkeeper looks at.
        """
        server = super().serve(*addresses, **{"max_sessions": MAX_CLIENTS, **options})
        for address in server.addresses:
            if isinstance(address, TelnetAddress):
                message = f"{address}: a shared monitor is for programs: use tcp: there"
                raise AddressError(message)
        return server

    def unsubscribe(self, session: Session) -> None:
        """Forget a client that has gone."""
        super().unsubscribe(session)
        self.upstream.forget(session)

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

    def _let_in(self, session: Session, sock: socket.socket) -> None:
        """Open a client's session; on TCP behind a doorkeeper."""
        is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
        receiver = Doorkeeper(session) if is_tcp else session
        session.open(Channel(self.loop, sock, receiver))

    def _restored(self, seconds: float) -> None:
        was = self.version
        self._adopt()
        data = {"away": round(seconds * 1000), "same-version": self.version == was}
        self.emit(RECONNECTED, data)

    def _forward(
        self, session: Session, name: str, arguments: Raw | UnsetType
    ) -> Deferred:
        return self.upstream.submit(session, name, arguments)


_Forward = Callable[[Session, str, Raw | UnsetType], Deferred]


class _ForwardingEntries(dict[str, Entry]):
    """An entry for every name."""

    def __init__(self, local: CommandRegistry, forward: _Forward) -> None:
        super().__init__(local.entries)
        self._forward = forward

    def get(self, name: Any, default: Any = None) -> Any:
        entry = super().get(name)
        if entry is None:
            if not isinstance(name, str):
                return default  # a message without the member
            entry = _ForwardedEntry(name, self._forward)
            if len(self) < MAX_NAMES:
                self[name] = entry
        return entry


class _ForwardedEntry(Entry):
    """A command that another monitor runs."""

    __slots__ = ()

    def __init__(self, name: str, forward: _Forward) -> None:
        super().__init__(name, forward, allow_oob=True, signature=_Unread())

        def invoke(session: Any, arguments: Raw | UnsetType) -> Deferred:
            return forward(session, name, arguments)

        self.invoke = invoke


class _Unread:
    """What is passed on has no signature of ours."""

    positional: list[Any] = []  # noqa: RUF012 - never written
    members: list[Any] = []  # noqa: RUF012
    is_async = True

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return nothing: see `_ForwardedEntry`."""
        return {"arguments": arguments}

    def encode(self, value: Any) -> bytes:
        """Return the value: it is encoded."""
        return bytes(value)
