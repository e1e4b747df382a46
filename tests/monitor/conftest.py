"""A monitor to be served, and clients that are nothing but sockets."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import GenericError
from qmpx.monitor import Monitor
from tests.loops import LOOPS, run_on, settle, short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Run = Callable[[Coroutine[Any, Any, Any]], Any]
Connect = Callable[..., Coroutine[Any, Any, "Peer"]]

NOW = {"seconds": 1, "microseconds": 5}
"""The time of every event of `Stage`'s monitor."""


class Peer:
    """A client that is a plain socket: it reads when it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self.sock = sock
        self._messages: deque[Any] = deque()
        self._partial = b""

    async def send(self, *messages: Any) -> None:
        """Send messages; bytes go as they are."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, b"".join(map(spelled, messages)))

    async def send_fds(self, data: bytes, *fds: int) -> None:
        """Send bytes, and descriptors with them."""
        assert socket.send_fds(self.sock, [data], list(fds)) == len(data)
        await settle()

    async def receive(self, count: int = 1) -> list[Any]:
        """Wait for so many messages."""
        loop = asyncio.get_running_loop()
        while len(self._messages) < count:
            data = await loop.sock_recv(self.sock, 1 << 18)
            assert data, f"closed after {self._messages} and {self._partial!r}"
            self._take(data)
        return [self._messages.popleft() for _ in range(count)]

    async def ask(self, *messages: Any) -> Any:
        """Send messages, and return the reply to the last of them."""
        await self.send(*messages)
        return (await self.receive(len(messages)))[-1]

    async def now(self) -> list[Any]:
        """Return the messages that have come once everybody has come to rest."""
        await settle()
        try:
            while data := self.sock.recv(1 << 18):
                self._take(data)
                await settle()
        except BlockingIOError:
            pass
        messages = list(self._messages)
        self._messages.clear()
        return messages

    async def rest(self) -> list[Any]:
        """Return all messages up to the end of the conversation."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self.sock, 1 << 18):
            self._take(data)
        assert not self._partial, "the conversation ends within a message"
        return list(self._messages)

    def half_close(self) -> None:
        """Send no more."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Go away."""
        self.sock.close()

    def _take(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\r\n")
        self._messages.extend(map(json.loads, lines))


def spelled(message: Any) -> bytes:
    """Return a message as it is sent; bytes are one already."""
    if isinstance(message, bytes):
        return message
    return json.dumps(message).encode() + b"\n"


def command(name: str, id_: Any = None, /, **arguments: Any) -> dict[str, Any]:
    """Return a command; underscores in the arguments' names become hyphens."""
    message: dict[str, Any] = {"execute": name}
    if arguments:
        message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
    if id_ is not None:
        message["id"] = id_
    return message


def out_of_band(name: str, id_: Any = None, /, **arguments: Any) -> dict[str, Any]:
    """Return a command that may overtake."""
    message = command(name, id_, **arguments)
    message["exec-oob"] = message.pop("execute")
    return message


def returned(value: Any, id_: Any = None) -> dict[str, Any]:
    """Return the reply to a command that was done."""
    return {"return": value} | ({} if id_ is None else {"id": id_})


def failed(desc: str, id_: Any = None, error_class: str = "GenericError") -> Any:
    """Return the reply to a command that was refused or went wrong."""
    error = {"error": {"class": error_class, "desc": desc}}
    return error | ({} if id_ is None else {"id": id_})


def happened(name: str, data: Any = None) -> dict[str, Any]:
    """Return an event of `Stage`'s monitor."""
    message: dict[str, Any] = {"timestamp": NOW, "event": name}
    return message if data is None else message | {"data": data}


NEGOTIATE = command("qmp_capabilities")
ENABLE_OOB = command("qmp_capabilities", enable=["oob"])


class Stage:
    """A monitor whose commands wait until the test lets them go on.

    Attributes:
        monitor: It has the commands ``value``, ``wait``, ``hold``, ``emit`` and others.
        began: The gates at which commands have come to wait, in order.
        ended: The gates at which commands stopped waiting, for whatever reason.
    """

    def __init__(self) -> None:
        self.monitor = Monitor("the target", clock=lambda: 1_000_005)
        self.began: list[str] = []
        self.ended: list[str] = []
        self._gates: dict[str, asyncio.Future[Any]] = {}
        monitor = self.monitor

        @monitor.command("value", allow_oob=True)
        def value(*, of: Any = "something") -> Any:
            return of

        @monitor.command("wait")
        async def wait(*, at: str) -> Any:
            return await self.wait(at)

        @monitor.command("wait-oob", allow_oob=True)
        async def wait_oob(*, at: str) -> Any:
            return await self.wait(at)

        @monitor.command("hold", holds_monitor=True)
        async def hold(*, at: str) -> Any:
            return await self.wait(at)

        @monitor.command("emit")
        def emit(*, name: str, data: Any = None) -> str:
            monitor.emit(name, data)
            return "emitted"

        @monitor.command("emit-late")
        async def emit_late(*, at: str, name: str) -> str:
            await self.wait(at)
            monitor.emit(name)
            return "emitted"

        @monitor.command("refuse")
        def refuse() -> None:
            message = "no"
            raise GenericError(message)

        @monitor.command("large", allow_oob=True)
        def large(*, size: int) -> str:
            return "x" * size

    async def wait(self, name: str) -> Any:
        """Wait at a gate."""
        self._gates[name] = asyncio.get_running_loop().create_future()
        self.began.append(name)
        try:
            return await self._gates[name]
        finally:
            self.ended.append(name)

    def open(self, name: str, outcome: Any = "waited") -> None:
        """Let the command at a gate go on, with a value or an exception."""
        if isinstance(outcome, BaseException):
            self._gates[name].set_exception(outcome)
        else:
            self._gates[name].set_result(outcome)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on an event loop of each kind."""
    return functools.partial(run_on, request.param)


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give a directory for sockets."""
    with short_directory() as path:
        yield path


@pytest.fixture
def path(directory: Path) -> str:
    """Name a place for a socket."""
    return str(directory / "q.sock")


@pytest.fixture
def stage() -> Stage:
    """Make a monitor to be served."""
    return Stage()


@pytest.fixture
def connect(path: str) -> Iterator[Connect]:
    """Connect clients, at `path` unless told otherwise; all are closed at the end.

    With *negotiate* (a message) the greeting and that reply have been taken already.
    """
    peers: list[Peer] = []

    async def join(negotiate: Any = None, at: str | tuple[str, int] = path) -> Peer:
        is_unix = isinstance(at, str)
        sock = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        peer = Peer(sock)
        peers.append(peer)
        await asyncio.get_running_loop().sock_connect(sock, at)
        if negotiate is not None:
            await peer.receive()
            assert await peer.ask(negotiate) == returned({})
        return peer

    yield join
    for peer in peers:
        peer.close()


@pytest.fixture(scope="session")
def open_fds() -> Callable[[], int]:
    """Count this process's open descriptors."""
    for name in LOOPS:
        run_on(name, settle())  # the first loop of a kind opens some for ever
    return lambda: len(os.listdir("/proc/self/fd"))
