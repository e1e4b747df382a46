"""The blocking clients that are compared, in the process that measures itself.

Subjects: ``qmpx-sync``, ``qemu.qmp-legacy`` (its blocking wrapper) and ``raw``, a
socket, ``json`` and nothing else: what a script without a library would do.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Protocol

from benchmarks.measure import rss_bytes
from benchmarks.stopwatch import BATCH, BURST, STATUS, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class BlockingClient(Protocol):
    """What all the blocking clients can do."""

    def execute(self, command: str, /) -> object:
        """Send one command and return what it returned."""

    def close(self) -> None:
        """End the connection."""


class FullClient(BlockingClient, Protocol):
    """What only ours can do."""

    def execute_many(self, commands: Sequence[str], /) -> object:
        """Send several commands and return what they returned."""

    def execute_raw(self, command: str, /) -> object:
        """Send one command and return its reply undecoded."""

    def execute(
        self, command: str, arguments: Mapping[str, object] | None = None, /
    ) -> object:
        """Send one command and return what it returned."""

    def events(self) -> Iterable[object]:
        """Subscribe to all events."""


class RawClient:
    """A socket and json; its ids are integers, as ours are."""

    def __init__(self, address: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(30)
        self._sock.connect(address)
        self._file = self._sock.makefile("rb")
        self._ids = itertools.count()
        self._file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command: str, /) -> object:
        """Send one command and return what it returned."""
        request = {"execute": command, "id": next(self._ids)}
        self._sock.sendall(json.dumps(request).encode())
        while True:
            reply = json.loads(self._file.readline())
            if reply.get("id") == request["id"]:
                return reply["return"]

    def close(self) -> None:
        """End the connection."""
        self._sock.close()


class Legacy:
    """The blocking wrapper of ``qemu.qmp``."""

    def __init__(self, address: str) -> None:
        from qemu.qmp.legacy import QEMUMonitorProtocol

        client = QEMUMonitorProtocol(address)
        client.connect()
        self.execute: Callable[[str], object] = client.cmd
        self.close: Callable[[], None] = client.close


def connect(subject: str, address: str) -> BlockingClient:
    """Return a connected client of the library of *subject*."""
    match subject:
        case "qmpx-sync":
            return connect_ours(address)
        case "qemu.qmp-legacy":
            return Legacy(address)
        case "raw":
            return RawClient(address)
    sys.exit(f"no such client: {subject}")


def connect_ours(address: str) -> FullClient:
    """Return a connected client of ours."""
    import qmpx

    return qmpx.connect(f"unix:{address}")


def repeat(ops: int, work: Callable[[], object], each: int = 1) -> None:
    """Do *work*, which is *each* operations, until *ops* are done."""
    rounds = max(1, ops // each)
    for _ in range(min(20, rounds)):
        work()
    watch = Stopwatch()
    watch.start()
    for _ in range(rounds):
        work()
    watch.stop(rounds * each)


def sequential(execute: Callable[[str], object], ops: int) -> None:
    """One request at a time."""
    for _ in range(100):
        execute(STATUS)
    watch, times = Stopwatch(), []
    watch.start()
    for _ in range(ops):
        begun = time.perf_counter_ns()
        execute(STATUS)
        times.append(time.perf_counter_ns() - begun)
    watch.stop(ops, p50_ns=sorted(times)[ops // 2])


def events(client: FullClient, ops: int) -> None:
    """Events in bursts, each taken by one consumer."""
    subscription = client.events()

    def burst() -> None:
        client.execute("burst")
        for number, _ in enumerate(subscription, 1):
            if number == BURST:
                return

    repeat(ops, burst, BURST)


def memory(subject: str, address: str, count: int) -> None:
    """*count* connections at once, and each used once."""
    first = connect(subject, address)
    first.execute(STATUS)
    gc.collect()
    before = rss_bytes(os.getpid())
    watch = Stopwatch()
    watch.start()
    clients = [connect(subject, address) for _ in range(count)]
    gc.collect()
    idle = rss_bytes(os.getpid()) - before
    for client in clients:
        client.execute(STATUS)
    used = rss_bytes(os.getpid()) - before
    watch.stop(count, idle_kb=idle / count / 1000, used_kb=used / count / 1000)
    for client in [*clients, first]:
        client.close()


def work_blocking(subject: str, work: str, address: str, ops: int) -> None:
    """Do *work* as *subject* and print what it took."""
    match work:
        case "memory":
            memory(subject, address, ops)
        case "churn":
            repeat(ops, lambda: connect(subject, address).close())
        case "seq":
            sequential(connect(subject, address).execute, ops)
        case _:
            work_ours(connect_ours(address), work, ops)


def work_ours(client: FullClient, work: str, ops: int) -> None:
    """Do *work*, which no other blocking client is asked to do."""
    match work:
        case "batch64":
            commands = [STATUS] * BATCH
            repeat(ops, lambda: client.execute_many(commands), BATCH)
        case "events":
            events(client, ops)
        case "schema":
            repeat(ops, lambda: client.execute("query-qmp-schema"))
        case "schema-raw":
            repeat(ops, lambda: client.execute_raw("query-qmp-schema"))
        case "errors":
            repeat(ops, lambda: fail(client))
        case "echo64k":
            arguments = {"data": "x" * 65_536}
            repeat(ops, lambda: client.execute("echo", arguments))
        case _:
            sys.exit(f"no such work for a blocking client: {work}")


def fail(client: FullClient) -> None:
    """Get an error reply, raised and caught."""
    import qmpx

    try:
        client.execute("fail")
    except qmpx.CommandError:
        return
    sys.exit("no error came")
