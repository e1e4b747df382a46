"""Whatever goes wrong at once, the monitor goes on, and without an exception."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.standin.faults import FAULTS, Point
from qmpx.testing import ServedMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = [
    kind
    for kind in FAULTS.values()
    if kind.point is not Point.LISTENING and kind.name not in ("crash", "hang-then-die")
]
SENT = [
    b'{"execute": "stop", "id": 1}',
    b'{"execute": "cont"}\n',
    b'{"execute": "query-status", "id": {"a": 1}}\n' * 5,
    b'{"execute": "device_del", "arguments": {"id": 3}}',
    b'{"execute": "device_del", "arguments": {"id": "x"}}',
    b"garbage",
    b"\xff",
]


def some_faults(chance: random.Random) -> Iterator[dict[str, Any]]:
    for kind in chance.choices(KINDS, k=chance.randint(1, 6)):
        fault: dict[str, Any] = {"kind": kind.name}
        if kind.name == "reply-after-event":
            fault["event"] = chance.choice(["STOP", "X"])
        if kind.name == "reply-patched":
            fault |= {"set": {"a.b": 1, "": 2, "status": None}, "remove": ["x", "0"]}
        if chance.random() < 0.5:
            fault["probability"] = chance.random()
        if chance.random() < 0.2:
            fault["at"] = chance.random() * 5
        for name in kind.parameters.keys() & {"seconds", "bytes", "count"}:
            fault[name] = chance.choice([0, 1, 50])
        yield fault


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_the_monitor_outlives_all_of_it(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    dialect = chance.choice(["modern", "2010"])
    faults: list[dict[str, Any]] = []  # exceptions in callbacks
    with ServedMachine(dialect=dialect) as machine:
        loop = machine.monitor.loop
        machine.call(loop.set_exception_handler, lambda _, x: faults.append(x))
        for fault in some_faults(chance):
            machine.faults.add_described(fault)
        clients: list[socket.socket] = []
        for _ in range(30):
            match chance.choice(["come", "say", "say", "say", "hear", "wait", "go"]):
                case "come":
                    client = socket.socket(socket.AF_UNIX)
                    clients.append(client)
                    client.connect(machine.path)
                    client.settimeout(0)
                    say(client, b'{"execute": "qmp_capabilities"}\n')
                case "say" if clients:
                    say(chance.choice(clients), chance.choice(SENT))
                case "hear" if clients:
                    hear(chance.choice(clients))
                case "wait":
                    machine.clock.advance(chance.random() * 3)
                    machine.emit("X")
                case "go" if clients:
                    clients.pop().close()
        machine.faults.clear()
        machine.clock.advance(1000)
        with machine.connect(timeout=10.0) as vm:
            vm.execute("query-status")
        for each in clients:
            each.close()
    assert faults == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def say(client: socket.socket, data: bytes) -> None:
    try:
        client.sendall(data)
    except OSError:
        return  # it is over


def hear(client: socket.socket) -> None:
    try:
        client.recv(65536)
    except OSError:
        return  # nothing, or over
