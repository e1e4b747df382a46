"""A server spoken by hand, and both clients behind one face.

The server lives in a thread, the asyncio client on a loop in another: tests block.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, Self

import pytest

import qmpx
from tests.loops import LOOPS, loop_factory, run_on, settle, short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

SECONDS = 10.0  # for what takes milliseconds; who waits so long waits for ever

VERSION = {"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": "by hand"}


def greeting(*capabilities: str) -> dict[str, Any]:
    """Return a greeting."""
    return {"QMP": {"version": VERSION, "capabilities": list(capabilities)}}


def event(name: str, data: Any = None, seconds: int = 1) -> dict[str, Any]:
    """Return an event."""
    stamp = {"seconds": seconds, "microseconds": 500_000}
    message: dict[str, Any] = {"event": name, "timestamp": stamp}
    return message if data is None else message | {"data": data}


def reply(command: Any, value: Any = None) -> dict[str, Any]:
    """Return the reply to a command: by default its name."""
    name = command.get("execute", command.get("exec-oob"))
    return {"return": name if value is None else value, "id": command["id"]}


def spelled(message: Any) -> bytes:
    """Return a message as it is sent; bytes are one already."""
    if isinstance(message, bytes):
        return message
    return json.dumps(message).encode() + b"\r\n"


class Conversation:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        self.sock = sock
        self.lines = sock.makefile("rb")

    def send(self, *messages: Any) -> None:
        """Send messages with one write; bytes go as they are."""
        self.sock.sendall(b"".join(map(spelled, messages)))

    def read(self) -> Any:
        """Wait for a command and return it."""
        line = self.lines.readline()
        assert line, "the client closed"
        return json.loads(line)

    def greet(self, *capabilities: str) -> None:
        """Send a greeting."""
        self.send(greeting(*capabilities))

    def negotiate(self, *capabilities: str) -> Any:
        """Greet, and agree to what the client wants; return its command."""
        self.greet(*capabilities)
        command = self.read()
        assert command["execute"] == "qmp_capabilities"
        self.send(reply(command, {}))
        return command

    def answer(self, count: int = 1) -> None:
        """Answer so many commands with their names."""
        for _ in range(count):
            self.send(reply(self.read()))

    def serve(self) -> None:
        """Answer until the client closes."""
        for line in self.lines:
            self.send(reply(json.loads(line)))

    def rest(self) -> bytes:
        """Return what the client still sends until it closes."""
        with contextlib.suppress(ConnectionResetError):
            return self.lines.read()
        return b""

    def close(self) -> None:
        """Close the connection."""
        self.lines.close()
        self.sock.close()


# Ways to go wrong at the beginning.


def hang_up_after_greeting(peer: Conversation) -> None:
    peer.greet()
    peer.close()


def hang_up_in_negotiation(peer: Conversation) -> None:
    peer.greet()
    peer.read()
    peer.close()


def hang_up_within_greeting(peer: Conversation) -> None:
    peer.send(b'{"QMP": ')
    peer.close()


def talk_garbage(peer: Conversation) -> None:
    peer.send(b"garbage\n")


def refuse_negotiation(peer: Conversation) -> None:
    peer.greet()
    error = {"class": "CommandNotFound", "desc": "no"}
    peer.send({"error": error, "id": peer.read()["id"]})


def greet_not(peer: Conversation) -> None:
    peer.send({"return": 1}, event("X"))


class ByHand:
    """A server that speaks by scripts, one connection after the other.

    The last script serves for all further connections. After its script a connection
    stays until the client closes it. What a script raises comes up in the end.
    """

    def __init__(self, path: str, *scripts: Callable[[Conversation], None]) -> None:
        self.path = path
        self.connections = 0
        self._scripts = scripts
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(8)
        self._conversation: Conversation | None = None
        self._faults: list[BaseException] = []
        self._is_over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="by hand")
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                if self._is_over:
                    sock.close()
                    return
                self._conversation = conversation = Conversation(sock)
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            try:
                script(conversation)
                if not conversation.lines.closed:
                    conversation.rest()
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client was quicker
            except BaseException as error:  # noqa: BLE001 - it comes up in the end
                if not self._is_over:
                    self._faults.append(error)
            conversation.close()

    def stop(self) -> None:
        """End all conversations; the socket's file goes too."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        if self._conversation is not None:
            with contextlib.suppress(OSError):
                self._conversation.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "a script does not end"

    def check(self) -> None:
        """Raise what a script raised."""
        for fault in self._faults:
            raise fault


class Events(Protocol):
    """A subscription, of either client."""

    @property
    def dropped(self) -> int: ...
    def get(self, timeout: float | None = None) -> qmpx.Event: ...
    def close(self) -> None: ...
    def __iter__(self) -> Iterator[qmpx.Event]: ...
    def __next__(self) -> qmpx.Event: ...


class Vm(Protocol):
    """A client, whichever it is; calls block, from any thread."""

    @property
    def greeting(self) -> Any: ...
    @property
    def late_replies(self) -> int: ...
    @property
    def is_connected(self) -> bool: ...
    @property
    def execute(self) -> Callable[..., Any]: ...
    @property
    def execute_raw(self) -> Callable[..., Any]: ...
    @property
    def exec_oob(self) -> Callable[..., Any]: ...
    @property
    def execute_many(self) -> Callable[..., list[Any]]: ...
    @property
    def send_fd(self) -> Callable[[int], None]: ...
    @property
    def events(self) -> Callable[..., Any]: ...
    @property
    def run(self) -> Callable[..., Any]: ...
    @property
    def supports(self) -> Callable[..., bool]: ...
    @property
    def schema(self) -> Callable[..., Any]: ...
    def close(self) -> None: ...


class Face(Protocol):
    """One of the two clients."""

    name: str

    def connect(self, address: Any = None, **options: Any) -> Vm:
        """Connect; the client is closed in the end, if it is not by then."""

    def close(self) -> None:
        """Close all clients."""


class BlockingFace:
    """The blocking client as it is."""

    def __init__(self) -> None:
        self.name = "blocking"
        self._opened: list[qmpx.Client] = []

    def connect(self, address: Any = None, **options: Any) -> Vm:
        self._opened.append(qmpx.connect(address, **options))
        return self._opened[-1]

    def close(self) -> None:
        for client in self._opened:
            client.close()


class AsyncFace:
    """The asyncio client on a loop in a thread."""

    def __init__(self, kind: str) -> None:
        self.name = kind
        self.loop = loop_factory(kind)()
        self._faults: list[dict[str, Any]] = []
        self._opened: list[qmpx.AsyncClient] = []
        self.loop.set_exception_handler(lambda _, what: self._faults.append(what))
        self._thread = threading.Thread(target=self.loop.run_forever, name=kind)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a plain function on the loop."""

        async def run() -> Any:
            return function()

        return self.start(run()).result(SECONDS)

    def connect(self, address: Any = None, **options: Any) -> Vm:
        async def run() -> qmpx.AsyncClient:
            return await qmpx.connect_async(address, **options)

        self._opened.append(self.start(run()).result(SECONDS))
        return AsyncVm(self._opened[-1], self)

    def close(self) -> None:
        async def end() -> set[asyncio.Task[Any]]:
            for client in self._opened:
                await client.close()
            await settle()
            return asyncio.all_tasks() - {asyncio.current_task()}

        left = self.start(end()).result(SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(SECONDS)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        assert not left, f"tasks left behind: {left}"
        assert not self._faults, f"exceptions in callbacks: {self._faults}"


class AsyncVm:
    """The asyncio client, called from other threads."""

    def __init__(self, client: qmpx.AsyncClient, face: AsyncFace) -> None:
        self.client = client
        self.face = face

    @property
    def greeting(self) -> Any:
        return self.client.greeting

    @property
    def late_replies(self) -> int:
        return self.client.late_replies

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.face.start(coroutine).result(SECONDS)

    def execute(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        return self._wait(self.client.execute(name, *arguments, **options))

    def execute_raw(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        return self._wait(self.client.execute_raw(name, *arguments, **options))

    def exec_oob(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        return self._wait(self.client.exec_oob(name, *arguments, **options))

    def execute_many(self, commands: Any, **options: Any) -> list[Any]:
        values: list[Any] = self._wait(self.client.execute_many(commands, **options))
        return values

    def send_fd(self, fd: int) -> None:
        self._wait(self.client.send_fd(fd))

    def run(self, call: Any, /, **options: Any) -> Any:
        return self._wait(self.client.run(call, **options))

    def supports(self, *command: str, **options: Any) -> bool:
        answer: bool = self._wait(self.client.supports(*command, **options))
        return answer

    def schema(self, **options: Any) -> Any:
        return self._wait(self.client.schema(**options))

    def events(self, *patterns: Any, **options: Any) -> Events:
        made: Any = self.face.call(lambda: self.client.events(*patterns, **options))
        return AsyncEvents(made, self.face)

    def close(self) -> None:
        self._wait(self.client.close())


class AsyncEvents:
    """A subscription of the asyncio client, iterated from other threads."""

    def __init__(self, events: qmpx.client.AsyncSubscription, face: AsyncFace) -> None:
        self._events = events
        self._face = face

    @property
    def dropped(self) -> int:
        return self._events.dropped

    def get(self, timeout: float | None = None) -> qmpx.Event:
        got: qmpx.Event = self._face.start(self._events.get(timeout)).result(SECONDS)
        return got

    def close(self) -> None:
        self._face.call(self._events.close)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> qmpx.Event:
        async def step() -> qmpx.Event | None:
            return await anext(self._events, None)

        following: qmpx.Event | None = self._face.start(step()).result(SECONDS)
        if following is None:
            raise StopIteration
        return following


@pytest.fixture(params=["blocking", *LOOPS])
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    """Give each client in its turn."""
    made: Face = (
        BlockingFace() if request.param == "blocking" else AsyncFace(request.param)
    )
    yield made
    made.close()


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine on an event loop of each kind."""
    return lambda main: run_on(request.param, main)


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
def by_hand(path: str) -> Iterator[Callable[..., ByHand]]:
    """Start servers that speak by scripts, at `path`; they are ended in the end."""
    started: list[ByHand] = []

    def start(*scripts: Callable[[Conversation], None]) -> ByHand:
        started.append(ByHand(path, *scripts))
        return started[-1]

    yield start
    for server in started:
        server.stop()
    for server in started:
        server.check()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads, for calls that overlap."""
    with ThreadPoolExecutor(32) as threads:
        yield threads


@pytest.fixture(scope="session")
def open_fds() -> Callable[[], int]:
    """Count this process's open descriptors."""
    for name in LOOPS:
        run_on(name, settle())  # the first loop of a kind opens some for ever
    return lambda: len(os.listdir("/proc/self/fd"))
