"""A monitor served from a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import qmpx

if TYPE_CHECKING:
    from pathlib import Path


def a_monitor() -> qmpx.Monitor:
    monitor = qmpx.Monitor({"runs": True})

    @monitor.command("query-thread")
    def query_thread(target: dict[str, bool]) -> str:
        return threading.current_thread().name if target["runs"] else ""

    @monitor.command("quit")
    def quit_(session: qmpx.Session) -> None:
        session.monitor.shut_down()

    return monitor


def test_handlers_run_in_the_thread_and_it_ends_with_the_statement(
    tmp_path: Path,
) -> None:
    path = tmp_path / "q"
    with a_monitor().serve_in_thread(path), qmpx.connect(path) as client:
        assert client.execute("query-thread") == "qmpx-server"
    assert not path.exists()
    assert "qmpx-server" not in {thread.name for thread in threading.enumerate()}


def test_what_is_called_runs_there_and_its_outcome_comes_back(tmp_path: Path) -> None:
    monitor = a_monitor()
    with (
        monitor.serve_in_thread(tmp_path / "q") as server,
        qmpx.connect(tmp_path / "q") as client,
        client.events() as events,
    ):
        server.call(monitor.emit, "HELLO", {"a": 1})
        assert events.get(timeout=5).data == {"a": 1}
        assert server.call(threading.current_thread).name == "qmpx-server"
        with pytest.raises(ZeroDivisionError):
            server.call(divmod, 1, 0)


def test_an_address_that_cannot_be_had_is_told_on_entering(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "q"
    with (
        pytest.raises(qmpx.AddressError, match="cannot listen"),
        a_monitor().serve_in_thread(missing),
    ):
        pytest.fail("it listens")


def test_a_command_may_end_it_before_the_statement_does(tmp_path: Path) -> None:
    path = tmp_path / "q"
    with a_monitor().serve_in_thread(path) as server, qmpx.connect(path) as client:
        client.execute("quit")
        with client.events() as events, pytest.raises(qmpx.ConnectionLost):
            events.get(timeout=5)
    with pytest.raises(qmpx.LocalProtocolError, match="does not serve"):
        server.call(print)


def test_port_zero_is_filled_in() -> None:
    with a_monitor().serve_in_thread("tcp:127.0.0.1:0") as server:
        (address,) = server.addresses
        with qmpx.connect(address) as client:
            assert client.execute("query-thread") == "qmpx-server"


def test_a_pretty_monitor_spreads_its_messages_over_lines(tmp_path: Path) -> None:
    import socket

    monitor = qmpx.Monitor(None, pretty=True)

    @monitor.command("emit")
    def emit() -> dict[str, int]:
        monitor.emit("HELLO", {"a": [1]})
        return {"b": 2}

    path = tmp_path / "q"
    with monitor.serve_in_thread(path) as server, socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b'{"execute": "qmp_capabilities"}{"execute": "emit", "id": 7}')
        text = b""
        while b'"id": 7' not in text:
            text += raw.recv(4096)
        assert text.count(b"\r\n") == 4
        assert b'{\n    "return": {\n        "b": 2\n    },\n    "id": 7\n}' in text
        with qmpx.connect(path) as client, client.events("HELLO") as events:
            assert client.execute("emit") == {"b": 2}
            assert events.get(timeout=5).data == {"a": [1]}
            server.call(monitor.emit, "HELLO", {"a": []})
            assert events.get(timeout=5).data == {"a": []}
