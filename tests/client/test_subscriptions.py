"""Subscriptions at their ends, and across a new connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.client import RECONNECTED

if TYPE_CHECKING:
    from pathlib import Path


def test_a_closed_subscription_ends_an_iteration_and_refuses_get(
    tmp_path: Path,
) -> None:
    monitor = qmpx.Monitor(None)
    with (
        monitor.serve_in_thread(tmp_path / "q"),
        qmpx.connect(tmp_path / "q") as client,
    ):
        events = client.events()
        events.close()
        assert list(events) == []
        with pytest.raises(qmpx.LocalProtocolError, match="closed"):
            events.get()


def test_an_event_that_does_not_come_is_named_in_the_error(tmp_path: Path) -> None:
    monitor = qmpx.Monitor(None)
    with (
        monitor.serve_in_thread(tmp_path / "q"),
        qmpx.connect(tmp_path / "q") as client,
        client.events() as events,
        pytest.raises(qmpx.DeadlineExceeded, match=r"^no event within 0\.01 s$"),
    ):
        events.get(timeout=0.01)


def test_an_iteration_outlasts_a_restart_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "q"
    first, second = qmpx.Monitor(None), qmpx.Monitor(None)
    names: list[str] = []
    server = first.serve_in_thread(path)
    server.__enter__()
    with (
        qmpx.connect(path, reconnect=True) as client,
        client.events("HELLO") as events,
    ):

        def watch() -> None:
            for event in events:
                names.append(event.name)
                if event.name == RECONNECTED:
                    back.set()

        back = threading.Event()
        watcher = threading.Thread(target=watch)
        watcher.start()
        server.__exit__()
        with second.serve_in_thread(path) as again:
            assert back.wait(10)
            again.call(second.emit, "OTHER")
            again.call(second.emit, "HELLO")
            while "HELLO" not in names:
                watcher.join(0.01)
            client.close()
        watcher.join(10)
    assert names == [RECONNECTED, "HELLO"]
