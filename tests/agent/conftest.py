"""An agent that does as its script says, and both clients behind one face."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from qmpx import agent
from tests.loop_thread import LoopThread
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 10.0  # for what takes milliseconds
DELIMITER = b"\xff"


class Peer:
    """The agent's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        self.sock = sock
        self._lines = sock.makefile("rb")

    def read(self) -> Any:
        """Return the next command, and skip the delimiter before it."""
        line = self._lines.readline()
        if not line:
            raise EOFError
        return json.loads(line.lstrip(DELIMITER))

    def send(self, message: Any) -> None:
        """Send a message."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")

    def sync(self) -> None:
        """Take a command that is to bring both into step, and answer it."""
        command = self.read()
        assert command["execute"] == "guest-sync-delimited"
        self.answer_sync(command)

    def answer_sync(self, command: Any) -> None:
        """Answer what brings both into step."""
        reply = json.dumps({"return": command["arguments"]["id"]}).encode()
        self.sock.sendall(DELIMITER + reply + b"\n")

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self.sock.close()

    def serve(self, **replies: Any) -> None:
        """Answer until the client closes: by name a reply, or what returns one."""
        while True:
            command = self.read()
            name = command["execute"].removeprefix("guest-").replace("-", "_")
            if name == "sync_delimited":
                self.answer_sync(command)
                continue
            reply = replies[name]
            if callable(reply):
                reply = reply(command.get("arguments"))
            if isinstance(reply, dict) and "error" in reply:
                self.send(reply)
            elif reply is not None:
                self.send({"return": reply})


class ByScript:
    """An agent that serves one connection after the other; the last script stays."""

    def __init__(self, path: str, *scripts: Callable[[Peer], None]) -> None:
        self.path = path
        self.connections = 0
        self._scripts = scripts
        self._faults: list[BaseException] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(8)
        self._open: list[Peer] = []
        self._thread = threading.Thread(target=self._run, name="agent by script")
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            peer = Peer(sock)
            self._open.append(peer)
            try:
                script(peer)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                pass  # the client has closed
            except BaseException as error:  # noqa: BLE001 - it comes up in the end
                self._faults.append(error)
            peer.close()

    def stop(self) -> None:
        """End, and raise what a script raised."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for peer in self._open:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "a script does not end"
        for fault in self._faults:
            raise fault


class BlockingFace:
    """The client that blocks."""

    def __init__(self, address: str | Path, **options: Any) -> None:
        self.agent: Any = agent.connect(address, **options)

    def call(self, method: str, /, *words: Any, **options: Any) -> Any:
        """Call a method."""
        return getattr(self.agent, method)(*words, **options)

    def frozen(self, inside: Callable[[int], Any], *words: Any) -> Any:
        """Call *inside* while file systems are frozen."""
        with self.agent.frozen(*words) as count:
            return inside(count)

    def close(self) -> None:
        """Close the client."""
        self.agent.close()


class AsyncFace:
    """The asyncio client, on a loop in a thread."""

    def __init__(self, address: str | Path, **options: Any) -> None:
        async def connect() -> Any:
            return await agent.connect_async(address, **options)

        with ExitStack() as stack:
            self._thread = stack.enter_context(LoopThread())
            self.agent: Any = self._thread.wait_for(connect())
            self._undo = stack.pop_all()

    def call(self, method: str, /, *words: Any, **options: Any) -> Any:
        """Call a method."""
        return self._thread.wait_for(getattr(self.agent, method)(*words, **options))

    def frozen(self, inside: Callable[[int], Any], *words: Any) -> Any:
        """Call *inside* while file systems are frozen."""

        async def run() -> Any:
            async with self.agent.frozen(*words) as count:
                return inside(count)

        return self._thread.wait_for(run())

    def close(self) -> None:
        """Close the client."""
        with self._undo:
            self.call("close")


FACES: dict[str, Callable[..., Any]] = {
    "blocking": BlockingFace,
    "asyncio": AsyncFace,
}


@pytest.fixture
def path() -> Iterator[str]:
    """Return where a socket may be."""
    with short_directory() as folder:
        yield os.path.join(folder, "agent")


@pytest.fixture
def by_script(path: str) -> Iterator[Callable[..., ByScript]]:
    """Start an agent; what its scripts raise comes up in the end."""
    with ExitStack() as agents:

        def start(*scripts: Callable[[Peer], None]) -> ByScript:
            started = ByScript(path, *scripts)
            agents.callback(started.stop)
            return started

        yield start


@pytest.fixture(params=sorted(FACES))
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Connect one of the two clients; each test is run with either."""
    with ExitStack() as clients:

        def connect(address: str | Path, **options: Any) -> Any:
            face = FACES[request.param](address, **options)
            return clients.enter_context(contextlib.closing(face))

        yield connect


def base64_of(data: bytes) -> str:
    """Return bytes as the agent writes them."""
    return base64.b64encode(data).decode()


def refusal(text: str, kind: str = "GenericError") -> Any:
    """Return an error as the agent tells of it."""
    return {"error": {"class": kind, "desc": text}}
