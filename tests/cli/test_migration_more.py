"""Machines that move from one ``qmpx serve`` to another, while somebody watches."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.programs import SECONDS, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


class Talk:
    """A client of 2010: one request, one reply, and the events in between."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r")
        self.events: list[str] = []
        self._read()
        self.ask("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionError
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self.events.append(message["event"])
        return message

    def ask(self, name: str, **arguments: Any) -> Any:
        """Return what a command returns; its error is a test's end."""
        request = {"execute": name, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode())
        while "event" in (reply := self._read()):
            pass
        return reply["return"]

    def await_event(self, name: str) -> None:
        """Wait for an event, or for what comes instead: the end."""
        while name not in self.events:
            self._read()

    def is_running(self) -> bool:
        """Whether the machine runs."""
        return bool(self.ask("query-status")["running"])

    def await_end(self) -> str:
        """Wait until no migration is under way; return how it went."""
        deadline = time.monotonic() + SECONDS
        while (status := self.ask("query-migrate").get("status")) == "active":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return str(status)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def two_machines(*options: str) -> Iterator[tuple[Served, Served, int]]:
    """Serve a machine that runs, and one that awaits it."""
    port = free_port()
    with ExitStack() as stack:
        source = stack.enter_context(
            serving("--dialect", "2010", "--", "-m", "64", *options, sockets=2)
        )
        incoming = ("-incoming", f"tcp:127.0.0.1:{port}")
        destination = stack.enter_context(
            serving("--dialect", "2010", "--", "-m", "64", *options, *incoming)
        )
        yield source, destination, port


def test_a_machine_moves_over_tcp_while_a_third_session_watches() -> None:
    with two_machines() as (source, destination, port), ExitStack() as stack:
        mover = stack.enter_context(Talk(source.paths[0]))
        watcher = stack.enter_context(Talk(source.paths[1]))
        there = stack.enter_context(Talk(destination.path))
        assert (watcher.is_running(), there.is_running()) == (True, False)
        mover.ask("migrate_set_speed", value=400_000)
        assert mover.ask("migrate", uri=f"tcp:127.0.0.1:{port}") == {}
        seen = []
        while (now := watcher.ask("query-migrate"))["status"] == "active":
            seen.append(now["ram"])
        assert now == {"status": "completed"}
        assert {ram["total"] for ram in seen} == {64 * 2**20 + 8650752}
        sent = [ram["transferred"] for ram in seen]
        assert sent == sorted(sent)
        assert len(set(sent)) > 2
        there.await_event("RESUME")
        assert (watcher.is_running(), there.is_running()) == (False, True)
        watcher.await_event("STOP")


def test_what_was_in_memory_is_there_afterwards(tmp_path: Path) -> None:
    with two_machines("-S") as (source, destination, port), ExitStack() as stack:
        mover = stack.enter_context(Talk(source.paths[0]))
        there = stack.enter_context(Talk(destination.path))
        mover.ask("migrate", uri=f"tcp:127.0.0.1:{port}")
        assert mover.await_end() == "completed"
        for talk, name in ((mover, "a"), (there, "b")):
            talk.ask("pmemsave", val=0, size=2**20, filename=str(tmp_path / name))
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert (mover.is_running(), there.is_running()) == (False, False)
        there.ask("cont")
        assert there.is_running()


def test_a_destination_that_gets_something_else_says_so_and_ends() -> None:
    port = free_port()
    with serving("--dialect", "2010", "--", "-incoming", f"tcp:127.0.0.1:{port}") as d:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as source:
            source.sendall(b"GET / HTTP/1.1\r\n\r\n")
        status, said = d.ended()
    assert status == 1
    assert said.splitlines()[-1] == (
        "qmpx: the machine that was awaited has not come: "
        "this is no stream of a machine: it begins b'GET / HTTP/1.'"
    )


class Wire:
    """A way over TCP that can be cut."""

    def __init__(self, port: int) -> None:
        self._far = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._carry_both, daemon=True).start()

    def _carry_both(self) -> None:
        with suppress(OSError):
            near, _ = self._server.accept()
            far = socket.create_connection(("127.0.0.1", self._far))
            self._ends = [near, far]
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            self._carry(near, far)

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.parametrize("seed", range(80, 120))
def test_whatever_is_killed_whenever_exactly_one_side_owns_the_machine(
    seed: int,
) -> None:
    chance = random.Random(seed)
    victim = ("source", "destination", "wire")[seed % 3]
    is_close = seed % 2 == 0  # near the hand-over, where it is hard
    with two_machines() as (source, destination, port), ExitStack() as stack:
        mover = stack.enter_context(Talk(source.paths[0]))
        watcher = stack.enter_context(Talk(source.paths[1]))
        there = stack.enter_context(Talk(destination.path))
        wire = Wire(port)
        stack.callback(wire.cut)
        way = wire.port if victim == "wire" else port
        mover.ask("migrate_set_speed", value=600_000)
        mover.ask("migrate", uri=f"tcp:127.0.0.1:{way}")
        if is_close:
            watcher.await_event("STOP")
            time.sleep(chance.random() * 0.004)
        else:
            time.sleep(chance.random() * 0.35)
        match victim:
            case "source":
                source.process.send_signal(signal.SIGKILL)
                source.process.wait(SECONDS)
                # It had come whole, or it died with the source and nobody pretends.
                if not await_verdict(destination, there):
                    assert destination.process.returncode == 1
            case "destination":
                destination.process.send_signal(signal.SIGKILL)
                destination.process.wait(SECONDS)
                status = mover.await_end()
                # It was the destination's only if that had said so before it died.
                assert mover.is_running() is (status == "failed")
            case "wire":
                wire.cut()
                status = mover.await_end()
                there_owns = await_verdict(destination, there)
                assert [mover.is_running(), there_owns].count(True) == 1
                assert (status == "completed") is there_owns


def await_verdict(destination: Served, there: Talk) -> bool:
    """Wait until the destination runs the machine, or has ended; tell which."""
    with suppress(ConnectionError):
        there.await_event("RESUME")
        return there.is_running()
    destination.process.wait(SECONDS)
    return False
