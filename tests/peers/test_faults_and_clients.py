"""What clients make of faults: both of ours, and QEMU's own."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.testing import ServedMachine
from tests.peers.faces import FACES

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = {"name": "box"}
PATIENCE = 0.2  # seconds for a reply that does not come
SIZE = 1_000_000  # bytes of a message that a client takes here


@pytest.fixture
def machine() -> Iterator[ServedMachine]:
    with ServedMachine(name="box", clock="real") as machine:
        yield machine


# What the first call gives, and whether the connection can be used afterwards.
REPLIES: list[tuple[str, dict[str, Any], type[Exception] | None, bool]] = [
    ("reply-late", {"seconds": 0.4}, qmpx.DeadlineExceeded, True),
    ("reply-lost", {}, qmpx.DeadlineExceeded, True),
    ("reply-twice", {}, None, True),
    ("reply-wrong-id", {}, qmpx.DeadlineExceeded, True),
    ("reply-wrong-id", {"id": 987654}, qmpx.DeadlineExceeded, True),
    ("reply-cut", {"bytes": 5}, qmpx.ConnectionLost, False),
    ("reply-cut", {"bytes": 0}, qmpx.ConnectionLost, False),
    ("reply-dripped", {"bytes": 3}, None, True),
    ("reply-oversized", {"bytes": SIZE // 2}, None, True),
    ("reply-oversized", {"bytes": SIZE * 2}, qmpx.RemoteProtocolError, False),
    ("reply-endless", {"bytes": SIZE * 9}, qmpx.RemoteProtocolError, False),
    ("reply-garbage", {}, qmpx.RemoteProtocolError, False),
    ("command-lost", {}, qmpx.DeadlineExceeded, True),
    ("command-missing", {}, qmpx.CommandError, True),
    ("command-failed", {"class": "NoSuchClass"}, qmpx.CommandError, True),
    ("hang-up", {}, qmpx.ConnectionLost, False),
    ("connection-reset", {}, qmpx.ConnectionLost, False),
    ("mute", {"seconds": 0.4}, qmpx.DeadlineExceeded, True),
    ("event-storm", {"count": 3000}, None, True),
]


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("kind", "details", "error", "goes_on"), REPLIES)
def test_a_call_ends_as_it_should_and_the_next_one_is_right(
    machine: ServedMachine,
    face: str,
    kind: str,
    details: dict[str, Any],
    error: type[Exception] | None,
    *,
    goes_on: bool,
) -> None:
    options = {"max_message_size": SIZE, "timeout": 10.0}
    with closing(FACES[face](machine.path, **options)) as client:
        machine.faults.add_described(
            {"kind": kind, "command": "query-name", "nth": 1, **details}
        )
        timeout = 10.0 if error is None else PATIENCE
        if error in (qmpx.ConnectionLost, qmpx.RemoteProtocolError):
            timeout = 10.0
        if error is None:
            assert client.execute("query-name", timeout=timeout) == NAME
        else:
            with pytest.raises(error):
                client.execute("query-name", timeout=timeout)
        if goes_on:
            assert client.execute("query-status")["status"] == "running"
            assert client.execute("query-name") == NAME
        else:
            with pytest.raises(qmpx.QmpxError):
                client.execute("query-status")


CONNECTIONS: list[tuple[str, dict[str, Any], type[Exception] | None]] = [
    ("client-refused", {}, qmpx.ConnectionLost),
    ("greeting-withheld", {}, qmpx.GreetingTimeout),
    ("greeting-late", {"seconds": 0.1}, None),
    ("greeting-cut", {}, qmpx.ConnectionLost),
    ("greeting-reset", {}, qmpx.ConnectionLost),
    ("greeting-malformed", {"text": "SSH-2.0\r\n"}, qmpx.RemoteProtocolError),
    ("event-before-greeting", {}, None),
    ("event-during-negotiation", {}, None),
    ("slow-drip", {"bytes": 20}, None),
    ("newlines-lost", {}, None),
]


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("kind", "details", "error"), CONNECTIONS)
def test_connecting_ends_as_it_should(
    machine: ServedMachine,
    face: str,
    kind: str,
    details: dict[str, Any],
    error: type[Exception] | None,
) -> None:
    machine.faults.add_described({"kind": kind, "nth": 1, **details})
    timeout = PATIENCE if error is qmpx.GreetingTimeout else 10.0
    if error is None:
        with closing(FACES[face](machine.path, connect_timeout=timeout)) as client:
            assert client.execute("query-name") == NAME
    else:
        with pytest.raises(error):
            FACES[face](machine.path, connect_timeout=timeout)
    with closing(FACES[face](machine.path)) as client:
        assert client.execute("query-name") == NAME


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("kind", "count"), [("events-after-reply", 1), ("event-twice", 2)]
)
def test_events_come_whatever_their_order(
    machine: ServedMachine, face: str, kind: str, count: int
) -> None:
    with closing(FACES[face](machine.path)) as client:
        events = client.events("STOP")
        machine.faults.add(kind)
        client.execute("stop")
        assert [events.get().name for _ in range(count)] == ["STOP"] * count


# QEMU's own client.


@pytest.mark.slow
@pytest.mark.peer("qemu.qmp")
def test_qemu_s_blocking_client_takes_a_late_reply_for_the_next_one(
    machine: ServedMachine,
) -> None:
    legacy = pytest.importorskip("qemu.qmp.legacy")
    machine.faults.add("reply-late", command="query-name", seconds=0.4)
    loop = asyncio.new_event_loop()  # else it makes one, and leaves it open
    asyncio.set_event_loop(loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with legacy.QEMUMonitorProtocol(machine.path) as client:
                client.connect()
                client.settimeout(PATIENCE)
                with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                    client.cmd_raw("query-name")
                client.settimeout(10)
                assert client.cmd_raw("query-status")["return"] == NAME  # another's
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.slow
@pytest.mark.peer("qemu.qmp")
@pytest.mark.parametrize(
    ("kind", "error"),
    [("reply-cut", "DeserializationError"), ("reply-garbage", "UnicodeDecodeError")],
)
def test_qemu_s_client_notices_a_broken_conversation(
    machine: ServedMachine, kind: str, error: str
) -> None:
    qemu_qmp = pytest.importorskip("qemu.qmp")
    machine.faults.add(kind, command="query-name")

    async def talk() -> str:
        client = qemu_qmp.QMPClient("test")
        async with asyncio.timeout(20):
            await client.connect(machine.path)
            try:
                await client.execute("query-name")
            except (qemu_qmp.QMPError, EOFError) as failed:
                said = repr(failed)
            try:
                await client.disconnect()
            except Exception as failed:  # noqa: BLE001 - its kind is the test
                return said + type(failed).__name__
        return said

    assert error in asyncio.run(talk())
