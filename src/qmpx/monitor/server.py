"""The listeners and the clients of a monitor, from first to last."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self, Union

from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.session import Session
from qmpx.transport.address import ListenAddress, TelnetAddress
from qmpx.transport.channel import Channel
from qmpx.transport.listener import Listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from qmpx.monitor.human.session import HumanSession
    from qmpx.monitor.monitor import Monitor

AnySession = Union[Session, "HumanSession"]

GRACE: Final = 10.0
"""Seconds that a closing server waits for commands that still run."""


class Server:
    """The listeners and the clients of one call of `Monitor.serve`.

    Attributes:
        addresses: Where it listens, ports filled in.
        sessions: The clients that are connected.
        label: What its listeners are called among the character devices; empty: the
            names that QEMU gives to monitors of its ``-qmp`` option.
        place: Where they are, as ``query-chardev`` shows it; empty: their addresses.
        first: A client that came before the server was made.
        is_greeted: Whether the first client of each listener was greeted already.
        wrap: Makes what is sent through of a client's socket, if anything does.
    """

    def __init__(
        self,
        monitor: "Monitor",
        addresses: list[ListenAddress],
        human: list[ListenAddress],
        *,
        max_sessions: int,
        backlog: int,
        allow_remote: bool,
        grace: float,
    ) -> None:
        self.monitor = monitor
        self.addresses = addresses
        self._places = [
            *((address, Mode.CONTROL) for address in addresses),
            *((address, Mode.READLINE) for address in human),
        ]
        self.sessions: dict[AnySession, Listener] = {}
        self.label = self.place = ""
        self.first: socket.socket | None = None
        self.is_greeted = False
        self.wrap: Callable[[Any], Any] | None = None
        self.is_stopping = False
        self._options: dict[str, Any] = {
            "max_sessions": max_sessions,
            "backlog": backlog,
            "allow_remote": allow_remote,
        }
        self._listeners: dict[Listener, Frontend] = {}
        self._closed: asyncio.Future[None] | None = None
        self._grace = grace
        self._patience: asyncio.TimerHandle | None = None
        self._is_looking = False

    async def __aenter__(self) -> Self:
        self.monitor.attach(self)
        loop = self.monitor.loop
        self._closed = loop.create_future()
        try:
            for address, mode in self._places:
                is_raw = mode is Mode.READLINE
                listener = Listener(
                    loop, address, self._accept, is_raw=is_raw, **self._options
                )
                self._listeners[listener] = Frontend(mode)
        except BaseException:
            self._close()
            raise
        self.addresses = [listener.address for listener in self._listeners]
        for listener in self._listeners:
            if self.first is not None:
                listener.take_in_first(self.first)
                self.first = None
            listener.start()
        self.is_greeted = False
        try:
            self.monitor.opened(self)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    @property
    def frontends(self) -> dict[Listener, Frontend]:
        """What it listens on, and what belongs to each."""
        return self._listeners

    @property
    def listeners(self) -> list[Listener]:
        """What it listens on."""
        return list(self._listeners)

    def break_off(self, listener: Listener) -> None:
        """Close the connections of *listener* at once."""
        for session, origin in list(self.sessions.items()):
            if origin is listener and session.channel is not None:
                session.channel.abort()

    async def close(self, grace: float | None = None) -> None:
        """Take no more clients, answer what is being answered, and close.

        Args:
            grace: Seconds to wait for commands that run; then they are cancelled. What
                `Monitor.serve` was told, unless given.
        """
        self.stop(grace)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until the server is closed, by `close`, `stop` or a command."""
        if self._closed is not None:
            await asyncio.shield(self._closed)

    def stop(self, grace: float | None = None) -> None:
        """Begin to close; see `close`. Returns at once.

        Who asks again may give less time, but not more.
        """
        if self._closed is None or self._closed.done():
            return
        loop = self.monitor.loop
        grace = self._grace if grace is None else grace
        if self._patience is not None:
            if loop.time() + grace >= self._patience.when():
                return
            self._patience.cancel()
        self._patience = loop.call_later(grace, self._cancel)
        if self.is_stopping:
            return
        self.is_stopping = self.monitor.is_stopping = True
        for listener in self._listeners:
            listener.close()
        loop.call_soon(self.look)

    def look(self) -> None:
        """Close if nothing is being answered any more."""
        if not self.is_stopping or self._is_looking:
            return
        if any(session.is_busy for session in self.sessions):
            return
        self._is_looking = True  # each session that closes comes here
        for session in list(self.sessions):
            if session.channel is not None:
                session.channel.close()
        self._is_looking = False
        if not self.sessions:
            self._close()

    def _cancel(self) -> None:
        """End what did not end in time."""
        is_last = len(self.monitor.servers) == 1
        for task, session in list(self.monitor.tasks.items()):
            if is_last or session in self.sessions:
                task.cancel()
        for session in list(self.sessions):
            if session.channel is not None:
                session.channel.abort()
        self._close()

    def _close(self) -> None:
        for listener, frontend in self._listeners.items():
            listener.close()
            frontend.close()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.is_stopping = False
        self.monitor.detach(self)
        self.monitor.is_stopping = any(s.is_stopping for s in self.monitor.servers)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def _accept(self, sock: Any, listener: Listener) -> None:
        if self.wrap is not None:
            sock = self.wrap(sock)
        frontend = self._listeners[listener]
        session = self._session_for(frontend)
        self.sessions[session] = listener
        if isinstance(listener.address, TelnetAddress):
            from qmpx.transport.telnet import open_telnet  # hardly anybody does

            session.open(open_telnet(self.monitor.loop, sock, session))
        elif self.monitor.interpose is not None and isinstance(session, Session):
            self.monitor.interpose(session, sock)
        elif self.is_greeted and isinstance(session, Session):
            session.open(Channel(self.monitor.loop, sock, session), is_greeted=True)
        else:
            session.open(Channel(self.monitor.loop, sock, session))

    def _session_for(self, frontend: Frontend) -> AnySession:
        if frontend.mode is Mode.CONTROL:
            return Session(self.monitor, frontend, self._closed_one)
        from qmpx.monitor.human.session import HumanSession

        return HumanSession(self.monitor, frontend, self._closed_one)

    def _closed_one(self, session: AnySession) -> None:
        listener = self.sessions.pop(session)
        if not self.sessions and self.monitor.on_idle is not None:
            self.monitor.on_idle()
        if self.is_stopping:
            self.look()
            return
        listener.release()
        if not self.sessions and not any(x.is_listening for x in self._listeners):
            self.stop()  # standard input has ended, say: nobody can come any more
