"""A monitor served from a thread, for programs that have no loop."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import AddressError, LocalProtocolError
from qmpx.monitor import Monitor
from tests.monitor.conftest import NEGOTIATE, command, happened, returned, spelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Caller:
    """A client that blocks."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.lines = self.sock.makefile("rb")
        assert self.lines.readline().startswith(b'{"QMP"')
        assert self.ask(NEGOTIATE) == returned({})

    def ask(self, message: Any) -> Any:
        """Send a command and return what comes next."""
        self.sock.sendall(spelled(message))
        return self.next()

    def next(self) -> Any:
        """Return what comes next, or ``None`` at the end."""
        import json

        line = self.lines.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self.lines.close()
        self.sock.close()


@pytest.fixture
def monitor() -> Monitor:
    made = Monitor("target", clock=lambda: 1_000_005)

    @made.command("where")
    def where() -> str:
        return threading.current_thread().name

    @made.command("quit")
    def leave() -> None:
        made.shut_down()

    @made.command("wait")
    async def wait() -> None:
        await asyncio.sleep(60)

    return made


def test_handlers_run_in_its_thread(monitor: Monitor, path: str) -> None:
    with monitor.serve_in_thread(path) as served, closing(Caller(path)) as caller:
        assert [str(a) for a in served.addresses] == [f"unix:{path}"]
        assert caller.ask(command("where")) == returned("qmpx-server")
    assert not os.path.exists(path)
    assert "qmpx-server" not in [t.name for t in threading.enumerate()]


def test_calls_from_outside_are_carried_into_it(monitor: Monitor, path: str) -> None:
    with monitor.serve_in_thread(path) as served, closing(Caller(path)) as caller:
        served.call(monitor.emit, "STOP", {"a": 1})
        assert caller.next() == happened("STOP", {"a": 1})
        assert served.call(lambda: threading.current_thread().name) == "qmpx-server"
        with pytest.raises(ZeroDivisionError):
            served.call(lambda: 1 // 0)
        assert caller.ask(command("where")) == returned("qmpx-server")


def test_it_serves_only_within_the_statement(monitor: Monitor, path: str) -> None:
    served = monitor.serve_in_thread(path)
    with pytest.raises(LocalProtocolError, match=r"^this monitor does not serve"):
        served.call(int)
    with served:
        assert served.call(int) == 0
    with pytest.raises(LocalProtocolError, match=r"^this monitor does not serve"):
        served.call(int)


def test_an_address_that_cannot_be_had_is_told_to_who_enters(
    monitor: Monitor, directory: Path, path: str
) -> None:
    (directory / "file").touch()
    served = monitor.serve_in_thread(path, directory / "file")
    with pytest.raises(AddressError, match=r"it exists and is no socket$"), served:
        pytest.fail("it serves")
    assert os.listdir(directory) == ["file"]
    with pytest.raises(AddressError):
        monitor.serve_in_thread("ftp://x")


def test_a_command_may_end_it(monitor: Monitor, path: str) -> None:
    with monitor.serve_in_thread(path) as served, closing(Caller(path)) as caller:
        assert caller.ask(command("quit")) == returned({})
        assert caller.next() is None
        while "qmpx-server" in [t.name for t in threading.enumerate()]:
            pass
        # There is nobody left who could run it.
        with pytest.raises(LocalProtocolError):
            served.call(int)


def test_a_call_that_meets_the_end_does_not_wait_for_ever(
    monitor: Monitor, path: str
) -> None:
    for _ in range(20):
        with monitor.serve_in_thread(path) as served:
            served.call(monitor.shut_down)
            for _ in range(1000):
                try:
                    served.call(int)
                except LocalProtocolError:
                    break
            else:
                pytest.fail("it never ends")


def test_leaving_cancels_what_does_not_end(monitor: Monitor, path: str) -> None:
    with monitor.serve_in_thread(path, grace=0.02):
        caller = Caller(path)
        caller.sock.sendall(spelled(command("wait")))
    assert caller.next() is None
    caller.close()


def test_it_can_be_entered_again_and_with_others_at_once(
    monitor: Monitor, directory: Path, open_fds: Callable[[], int]
) -> None:
    first, second = str(directory / "1"), str(directory / "2")
    before = open_fds()
    for _ in range(2):
        with (
            monitor.serve_in_thread(first),
            Monitor().serve_in_thread(second),
            closing(Caller(first)) as caller,
            closing(Caller(second)),
        ):
            assert caller.ask(command("where")) == returned("qmpx-server")
    assert open_fds() == before
