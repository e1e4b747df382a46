"""Monitors that connect to us: QEMU's ``-qmp unix:PATH`` without ``server=on``.

Whoever starts a QEMU can so be listening before it runs, and needs not wait for its
socket to appear; one place can take in many machines, and those that come back
(``reconnect=`` of a character device).
"""

import asyncio
import os
import select
import socket
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

from qmpx.client.blocking import Client
from qmpx.client.deadlines import CONNECT_TIMEOUT
from qmpx.client.terms import StreamTerms, Terms
from qmpx.errors import ConnectError
from qmpx.transport.address import FdAddress, ListenAddress, parse_listen_address
from qmpx.transport.dial import Alive
from qmpx.transport.listening import BACKLOG, ListeningSockets

if TYPE_CHECKING:
    from qmpx.client.asynchronous import AsyncClient

ACCEPT_WAIT: Final = 30.0
"""Seconds until somebody has connected: a QEMU with much memory takes its time."""

LOOK: Final = 0.1
"""Seconds between looks whether the program that is to connect still runs."""


class Listening:
    """A place where monitors connect to us; `qmpx.listen` makes one.

    It is a context manager, which closes it; clients that it gave go on. Threads may
    call `accept` at the same time, and each gets a monitor of its own.

    Attributes:
        address: Where; a port that was 0 is the one that it got.
    """

    def __init__(
        self, address: ListenAddress, *, backlog: int, allow_remote: bool
    ) -> None:
        self._sockets = ListeningSockets(
            address, backlog=backlog, allow_remote=allow_remote
        )
        self.address = self._sockets.address

    def accept(
        self,
        *,
        wait: float | None = ACCEPT_WAIT,
        alive: Alive | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        **options: Unpack[StreamTerms],
    ) -> Client:
        """Wait for the next monitor, and return a client of it.

        Args:
            wait: Seconds until it has connected; ``None`` for ever.
            alive: Tells whether the program that is to connect still runs.
            connect_timeout: Seconds for greeting and negotiation together.
            options: As for `qmpx.connect`: ``timeout``, ``deadlines``,
                ``capabilities``, ``max_message_size``, ``record``. Who connected has
                to come back by itself, to another `accept`.

        Raises:
            ConnectError: Nobody came in time, or the program has ended.
            GreetingTimeout: Who came did not greet.
        """
        deadline = None if wait is None else time.monotonic() + wait
        while (sock := self._take_in()) is None:
            left = self._left(deadline, wait, alive)
            select.select(self._sockets.listening, (), (), left)
        with sock:
            address = FdAddress(sock.fileno())
            terms = Terms(address, connect_timeout=connect_timeout, **options)
            return Client(terms)

    async def accept_async(
        self,
        *,
        wait: float | None = ACCEPT_WAIT,
        alive: Alive | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        **options: Unpack[StreamTerms],
    ) -> "AsyncClient":
        """Do what `accept` does, for asyncio; to be closed by ``await close()``.

        A cancelled call takes in nobody.
        """
        # Imported when needed: the blocking client does without asyncio.
        from qmpx.client.asynchronous import AsyncClient

        deadline = None if wait is None else time.monotonic() + wait
        while (sock := self._take_in()) is None:
            left = self._left(deadline, wait, alive)
            listening = self._sockets.listening
            await asyncio.to_thread(select.select, listening, (), (), left)
        with sock:
            address = FdAddress(sock.fileno())
            terms = Terms(address, connect_timeout=connect_timeout, **options)
            client = AsyncClient(terms)
            await client.open()
            return client

    def close(self) -> None:
        """Take in no more, and remove a unix socket."""
        self._sockets.close()

    def _take_in(self) -> socket.socket | None:
        if not self._sockets.listening:
            raise ConnectError(str(self.address), "nobody listens there any more")
        for listening in self._sockets.listening:
            try:
                return listening.accept()[0]
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
        return None

    def _left(
        self, deadline: float | None, wait: float | None, alive: Alive | None
    ) -> float:
        """Return for how long to wait before looking again."""
        if alive is not None and not alive():
            reason = "the program that was to connect has ended"
            raise ConnectError(str(self.address), reason)
        if deadline is None:
            return LOOK
        left = deadline - time.monotonic()
        if left <= 0:
            reason = f"no monitor connected within {wait:g} s"
            raise ConnectError(str(self.address), reason)
        return min(left, LOOK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def listen(
    address: str | os.PathLike[str],
    *,
    backlog: int = BACKLOG,
    allow_remote: bool = False,
) -> Listening:
    """Listen for monitors that connect to us.

    ::

        with qmpx.listen("/run/vm/dial-in.sock") as listening:
            with listening.accept() as vm:
                print(vm.execute("query-name"))

    Args:
        address: Where: a path, ``unix:PATH`` or ``tcp:HOST:PORT``; port 0 takes any.
        backlog: How many may wait to be taken in.
        allow_remote: Whether others than this host may connect. Whoever can connect
            can pretend to be a machine.

    Raises:
        AddressError: That is no address, or one cannot listen there.
    """
    place = parse_listen_address(address)
    return Listening(place, backlog=backlog, allow_remote=allow_remote)
