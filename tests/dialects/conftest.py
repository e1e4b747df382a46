"""A machine that is served in this process, and a client that drives it."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine, Medium
from tests.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Box:
    """A machine, its monitor and a client of it.

    Attributes:
        machine: Use it in the loop's thread only: see `do`.
        monitor: Its monitor.
        client: A client, which keeps all events.
        address: Where the monitor is.
    """

    machine: Machine
    monitor: qmpx.Monitor
    client: qmpx.Client
    address: str
    _thread: LoopThread
    _events: qmpx.Subscription

    def run(self, name: str, /, **arguments: Any) -> Any:
        """Run a command; its arguments have underscores for hyphens."""
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self.client.execute(name, named, timeout=10.0)

    def refusal(self, name: str, /, **arguments: Any) -> tuple[str, str]:
        """Run a command that is refused; return the error's class and text."""
        with pytest.raises(qmpx.CommandError) as caught:
            self.run(name, **arguments)
        return caught.value.error_class, caught.value.desc

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what has happened since the last time: names and data."""
        self.run("query-status")  # events come before the reply
        return self.last_events()

    def last_events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what has been told so far, without asking for anything."""
        happened: list[tuple[str, dict[str, Any]]] = []
        while True:
            try:
                event = self._events.get(0)
            except (qmpx.DeadlineExceeded, qmpx.ConnectionLost):
                return happened
            happened.append((event.name, event.data))

    def do(self, function: Callable[[], Any]) -> Any:
        """Do something to the machine, in the thread that it lives in."""
        return self._thread.run(function)


@contextmanager
def boxed(machine: Machine) -> Iterator[Box]:
    """Serve a machine, and connect a client, until the end of the block."""
    monitor = modern_monitor(machine, check=True)
    # pytest's own tmp_path is too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder, LoopThread() as thread:
        address = f"unix:{folder}/qmp"
        server = monitor.serve(address)
        thread.wait_for(server.__aenter__())
        try:
            with qmpx.connect(address) as client, client.events() as events:
                yield Box(machine, monitor, client, address, thread, events)
        finally:
            thread.wait_for(server.close())


@pytest.fixture
def box() -> Iterator[Box]:
    """Serve a paused machine with a disk, a CD-ROM drive and an empty slot."""
    machine = Machine("box")
    disk = Medium("disk.img", size=1024 * 1024, node_name="disk-node")
    machine.drives.add("disk0", id="/dev/disk", medium=disk)
    cd = Medium("cd.iso", size=2048, read_only=True, node_name="cd-node")
    options: Any = {"removable": True, "has_tray": True}
    machine.drives.add("cd0", id="/dev/cd", medium=cd, **options)
    machine.drives.add("slot0", id="/dev/slot", removable=True)
    with boxed(machine) as served:
        yield served
