"""One session: order, out-of-band, faults, flow control, the end."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.monitor import Encoded, Session
from qmpx.monitor.outgoing import MAX_EVENTS
from qmpx.monitor.session import MAX_QUEUED
from qmpx.transport.channel import HIGH_WATER
from tests.loops import settle
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    happened,
    out_of_band,
    returned,
    spelled,
)

if TYPE_CHECKING:
    from tests.monitor.conftest import Connect, Run, Stage

UNDEFINED = failed("An undefined error has occurred")

# Order, without and with out-of-band execution.


def test_replies_come_in_the_order_of_the_commands(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(*(command("value", n, of=n) for n in range(200)))
            assert await peer.receive(200) == [returned(n, n) for n in range(200)]

    run(main())


def test_events_stand_before_the_reply_of_the_command_that_caused_them(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(
                command("value", 1),
                command("emit", 2, name="STOP"),
                command("emit", 3, name="EJECT", data={"a": 1}),
                command("value", 4),
            )
            assert await peer.receive(6) == [
                returned("something", 1),
                happened("STOP"),
                returned("emitted", 2),
                happened("EJECT", {"a": 1}),
                returned("emitted", 3),
                returned("something", 4),
            ]

    run(main())


def test_a_batch_that_was_read_at_once_is_answered_with_one_write(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(command("value", 1), command("emit", 2, name="A"))
            await settle()
            expected = (
                b'{"return": "something", "id": 1}\r\n'
                b'{"timestamp": {"seconds": 1, "microseconds": 5}, "event": "A"}\r\n'
                b'{"return": "emitted", "id": 2}\r\n'
            )
            assert peer.sock.recv(4096) == expected

    run(main())


def test_a_command_that_waits_holds_up_those_behind_it(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(
                command("value", 1),
                command("wait", 2, at="first"),
                command("wait", 3, at="second"),
                command("value", 4),
            )
            assert await peer.now() == [returned("something", 1)]
            assert stage.began == ["first"]
            stage.open("first")
            assert await peer.now() == [returned("waited", 2)]
            assert stage.began == ["first", "second"]
            stage.open("second")
            assert await peer.receive(2) == [
                returned("waited", 3),
                returned("something", 4),
            ]

    run(main())


def test_a_handler_that_does_not_wait_costs_no_task(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    made: list[Any] = []

    @stage.monitor.command("quick")
    async def quick() -> str:
        made.extend(asyncio.all_tasks())
        return "done"

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            before = asyncio.all_tasks()
            assert await peer.ask(command("quick")) == returned("done")
            assert set(made) == before

    run(main())


def test_a_command_waiting_in_one_session_does_not_hold_up_another(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            first, second = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await first.send(command("wait", at="gate"))
            assert await first.now() == []
            assert await second.ask(command("value")) == returned("something")
            stage.open("gate")
            assert await first.receive() == [returned("waited")]

    run(main())


def test_without_oob_nothing_is_read_while_a_command_runs(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"))
            assert await peer.now() == []
            # Not even a refusal comes, of what is malformed or may not be at all.
            await peer.send(b"?\n", out_of_band("value"))
            assert await peer.now() == []
            stage.open("gate")
            assert await peer.receive(3) == [
                returned("waited"),
                failed("JSON parse error, stray '?'"),
                failed("QMP input member 'exec-oob' is unexpected"),
            ]

    run(main())


def test_an_event_comes_while_a_command_runs(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"))
            await settle()
            stage.monitor.emit("STOP")
            assert await peer.now() == [happened("STOP")]
            stage.open("gate")
            assert await peer.receive() == [returned("waited")]

    run(main())


def test_an_event_comes_in_the_midst_of_a_command_that_is_still_being_sent(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(b'{"execute": "val')
            await settle()
            stage.monitor.emit("STOP")
            assert await peer.now() == [happened("STOP")]
            assert await peer.ask(b'ue"}') == returned("something")

    run(main())


def test_an_event_of_a_delayed_command_stands_before_its_reply(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(command("emit-late", at="gate", name="STOP"))
            await settle()
            stage.open("gate")
            assert await peer.receive(2) == [happened("STOP"), returned("emitted")]

    run(main())


def test_an_out_of_band_command_overtakes(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(
                command("wait", 1, at="gate"),
                command("value", 2),
                out_of_band("value", 3, of="first"),
                out_of_band("value", of="no id"),
            )
            assert await peer.now() == [returned("first", 3), returned("no id")]
            stage.open("gate")
            assert await peer.receive(2) == [
                returned("waited", 1),
                returned("something", 2),
            ]

    run(main())


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (out_of_band("wait", 3), failed("The command wait does not support OOB", 3)),
        (
            out_of_band("no-such", 3),
            failed(
                "The command no-such has not been found",
                3,
                error_class="CommandNotFound",
            ),
        ),
        (
            {"exec-oob": 1, "id": 3},
            failed("QMP input member 'exec-oob' must be a string", 3),
        ),
        (
            {"exec-oob": "value", "what": 1, "id": 3},
            failed("QMP input member 'what' is unexpected", 3),
        ),
        (
            {"exec-oob": "value", "arguments": {"no": 1}, "id": 3},
            failed("Parameter 'no' is unexpected", 3),
        ),
    ],
    ids=["not out of band", "unknown", "no name", "member", "argument"],
)
def test_refused_out_of_band_commands_overtake_too(
    run: Run, stage: Stage, path: str, connect: Connect, request_: Any, reply: Any
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(command("wait", at="gate"), request_)
            assert await peer.now() == [reply]
            stage.open("gate")
            assert await peer.receive() == [returned("waited")]

    run(main())


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"?\n", failed("JSON parse error, stray '?'")),
        ({}, failed("QMP input lacks member 'execute'")),
        (
            {"execute": "value", "exec-oob": "value"},
            failed("QMP input member 'execute' clashes with 'exec-oob'"),
        ),
        (command("value"), returned("something")),
    ],
    ids=["malformed", "empty", "both", "in-band"],
)
def test_everything_else_waits_in_the_queue(
    run: Run, stage: Stage, path: str, connect: Connect, request_: Any, reply: Any
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(command("wait", at="gate"), request_)
            assert await peer.now() == []
            stage.open("gate")
            assert await peer.receive(2) == [returned("waited"), reply]

    run(main())


@pytest.mark.parametrize("filling", [command("value"), b"?\n"], ids=["good", "bad"])
@pytest.mark.parametrize("separately", [False, True])
def test_with_seven_queued_an_out_of_band_command_overtakes(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    filling: Any,
    separately: bool,
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(command("wait", at="gate"), *[filling] * (MAX_QUEUED - 1))
            if separately:
                await settle()
            await peer.send(out_of_band("value", "overtakes"))
            assert await peer.now() == [returned("something", "overtakes")]
            stage.open("gate")
            assert len(await peer.receive(MAX_QUEUED)) == MAX_QUEUED

    run(main())


@pytest.mark.parametrize("filling", [command("value"), b"?\n"], ids=["good", "bad"])
@pytest.mark.parametrize("separately", [False, True])
def test_with_eight_queued_an_out_of_band_command_waits(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    filling: Any,
    separately: bool,
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(command("wait", 0, at="gate"), *[filling] * MAX_QUEUED)
            if separately:
                await settle()
            await peer.send(out_of_band("value", "waits"), command("value", "last"))
            assert await peer.now() == []
            stage.open("gate")
            replies = await peer.receive(MAX_QUEUED + 3)
            assert replies[0] == returned("waited", 0)
            assert replies[-2:] == [
                returned("something", "waits"),
                returned("something", "last"),
            ]

    run(main())


def test_a_queue_that_was_full_is_refilled(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(
                command("wait", at="first"),
                command("value", 1),
                command("wait", 2, at="second"),
                *(command("value", n) for n in range(3, 12)),
                out_of_band("value", "overtakes"),
            )
            assert await peer.now() == []
            stage.open("first")
            # Two have left the queue, two have come in: it is full again, and the
            # command behind it unseen.
            assert await peer.now() == [returned("waited"), returned("something", 1)]
            stage.open("second")
            assert await peer.receive(11) == [
                returned("waited", 2),
                *(returned("something", n) for n in range(3, 12)),
                returned("something", "overtakes"),
            ]

    run(main())


def test_an_out_of_band_command_may_wait_and_holds_up_nothing(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(
                out_of_band("wait-oob", 1, at="slow"),
                out_of_band("value", 2),
                command("value", 3),
            )
            assert await peer.now() == [
                returned("something", 2),
                returned("something", 3),
            ]
            stage.open("slow")
            assert await peer.receive() == [returned("waited", 1)]

    run(main())


def test_out_of_band_execution_must_be_enabled(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(out_of_band("value", 1)) == failed(
                "QMP input member 'exec-oob' is unexpected", 1
            )

    run(main())


# Handlers that go wrong, each in its own way.


class Oops(BaseException):
    """An exception that `except Exception` does not catch."""


FAULTS = [
    (GenericError("it is closed"), failed("it is closed")),
    (
        DeviceNotFound(device="x"),
        failed("Device 'x' not found", error_class="DeviceNotFound"),
    ),
    (RuntimeError("a defect"), UNDEFINED),
    (StopIteration(), UNDEFINED),
    (StopAsyncIteration(), UNDEFINED),
    (RecursionError(), UNDEFINED),
    (TimeoutError(), UNDEFINED),
    (ConnectionResetError(), UNDEFINED),
    (GenericError("no such file: \udcff"), UNDEFINED),
    (GeneratorExit(), UNDEFINED),
    (Oops("base"), UNDEFINED),
]


@pytest.mark.parametrize(
    ("error", "reply"), FAULTS, ids=[type(e).__name__ for e, _ in FAULTS]
)
@pytest.mark.parametrize("how", ["plain", "async", "waiting"])
@pytest.mark.filterwarnings("ignore:coroutine method:RuntimeWarning")
def test_whatever_a_handler_raises_is_answered_and_the_session_goes_on(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    how: str,
    error: BaseException,
    reply: Any,
) -> None:
    @stage.monitor.command("plain")
    def plain() -> None:
        raise error

    @stage.monitor.command("async")
    async def fail_at_once() -> None:
        raise error

    @stage.monitor.command("waiting")
    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise error

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(command("value", 1), command(how), command("value", 2))
            assert await peer.receive(3) == [
                returned("something", 1),
                reply,
                returned("something", 2),
            ]

    run(main())


def test_a_defect_of_a_handler_is_logged_with_its_trace(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @stage.monitor.command("broken")
    def broken() -> None:
        message = "a defect"
        raise RuntimeError(message)

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.ask(command("broken"))
            await peer.ask(command("refuse"))

    run(main())
    # A refusal is no defect, and is not logged.
    [record] = caplog.records
    assert (record.name, record.getMessage()) == (
        "qmpx.monitor",
        "command broken failed",
    )
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "RuntimeError('a defect')"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (OSError(errno.ENOMEM, "x"), "Cannot allocate memory"),
        (MemoryError(), "Cannot allocate memory"),
    ],
    ids=["no descriptor left", "no memory left", "no memory for Python"],
)
def test_what_is_used_up_is_said_without_a_trace(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    reason: str,
) -> None:
    @stage.monitor.command("hungry")
    def hungry() -> None:
        raise error

    async def main() -> Any:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            return await peer.ask(command("hungry"))

    desc = f"The command hungry failed: {reason}"
    assert run(main()) == {"error": {"class": "GenericError", "desc": desc}}
    [record] = caplog.records
    assert record.getMessage() == f"command hungry failed: {reason}"
    assert record.exc_info is None


@pytest.mark.parametrize("value", [object(), {1, object()}, "\ud800", {(1, 2): 3}])
@pytest.mark.parametrize("how", ["plain", "async", "waiting"])
def test_what_is_no_json_cannot_be_returned(
    run: Run, stage: Stage, path: str, connect: Connect, how: str, value: Any
) -> None:
    @stage.monitor.command("plain")
    def plain() -> Any:
        return value

    @stage.monitor.command("async")
    async def give_at_once() -> Any:
        return value

    @stage.monitor.command("waiting")
    async def give_later() -> Any:
        await asyncio.sleep(0)
        return value

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command(how)) == UNDEFINED
            assert await peer.ask(command("value")) == returned("something")

    run(main())


@pytest.mark.parametrize("wait_first", [False, True])
def test_a_handler_that_was_cancelled_is_answered(
    run: Run, stage: Stage, path: str, connect: Connect, wait_first: bool
) -> None:
    @stage.monitor.command("cancelled")
    async def cancelled() -> None:
        if wait_first:
            await asyncio.sleep(0)
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("cancelled", 1)) == failed(
                "The command cancelled was cancelled", 1
            )
            assert await peer.ask(command("value")) == returned("something")

    run(main())


def test_none_is_returned_as_an_empty_object_and_encoded_values_as_they_are(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    kept = Encoded.of({"kept": [1, 2.5]})

    @stage.monitor.command("nothing")
    def nothing() -> None:
        pass

    @stage.monitor.command("encoded")
    def encoded() -> Encoded[Any]:
        return kept

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("nothing")) == returned({})
            assert await peer.ask(command("encoded")) == returned({"kept": [1, 2.5]})

    run(main())


# A client that does not read.


@pytest.mark.parametrize(
    "size", [pytest.param(1, marks=pytest.mark.slow), 5_000, 200_000]
)
@pytest.mark.parametrize("enable", [NEGOTIATE, ENABLE_OOB], ids=["plain", "oob"])
def test_a_client_that_reads_nothing_is_held_back_and_then_gets_all_in_order(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    size: int,
    enable: Any,
) -> None:
    count = max(4_000_000 // (size + 40), 40) if size > 1 else 20_000
    most = 0

    async def main() -> None:
        nonlocal most
        async with stage.monitor.serve(path) as server:
            peer, other = await connect(enable), await connect(NEGOTIATE)
            [held_back] = [s for s, _ in list(server.sessions.items())[:1]]
            requests = b"".join(
                spelled(command("large", n, size=size)) for n in range(count)
            )
            sending = asyncio.create_task(peer.send(requests))
            for _ in range(20):
                assert await other.ask(command("value")) == returned("something")
                assert held_back.channel is not None
                most = max(most, held_back.channel.unsent)
            for n, reply in enumerate(await peer.receive(count)):
                assert reply == returned("x" * size, n)
            await sending

    run(main())
    # What was made when the kernel's buffer was found full, and one batch more.
    assert HIGH_WATER < most < 3 * HIGH_WATER + size


def test_events_for_a_client_that_does_not_read_are_bounded_and_counted(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            slow, quick = await connect(NEGOTIATE), await connect(NEGOTIATE)
            session = next(iter(server.sessions))
            assert isinstance(session, Session)
            names = [f"EVENT_{n:05}" for n in range(6000)]
            for name in names:
                stage.monitor.emit(name, {"padding": "x" * 200})
                [event] = await quick.receive()
                assert event["event"] == name
            assert session.channel is not None
            assert session.channel.unsent < 2 * HIGH_WATER
            kept = [event["event"] for event in await slow.now()]
            # The last ones are there, the first ones too; those between were dropped.
            assert kept[-MAX_EVENTS:] == names[-MAX_EVENTS:]
            first = len(kept) - MAX_EVENTS
            assert kept[:first] == names[:first]
            assert session.events_dropped == len(names) - len(kept)
            assert session.events_dropped > 0
            assert await slow.ask(command("value")) == returned("something")

    run(main())
    messages = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert messages == ["a client does not read: its oldest events are dropped"]


def test_a_slow_client_too_gets_an_event_before_the_reply_of_its_command(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            slow = await connect(ENABLE_OOB)
            session = next(iter(server.sessions))
            await slow.send(command("emit-late", 1, at="gate", name="STOP"))
            await settle()
            sent = 0
            while session.channel is not None and not session.channel.is_congested:
                stage.monitor.emit("FILL", "x" * 2000)
                sent += 1
            stage.open("gate")
            await settle()
            messages = await slow.receive(sent + 2)
            assert [m["event"] for m in messages[:-2]] == ["FILL"] * sent
            assert messages[-2:] == [happened("STOP"), returned("emitted", 1)]

    run(main())


# The end of a conversation.


def test_a_client_that_sends_no_more_gets_its_replies_and_then_the_end(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(
                command("value", 1), command("wait", 2, at="gate"), command("value", 3)
            )
            await peer.send(b'{"execute": "half')
            peer.half_close()
            assert await peer.now() == [returned("something", 1)]
            stage.open("gate")
            assert await peer.rest() == [
                returned("waited", 2),
                returned("something", 3),
            ]

    run(main())


def test_a_half_closed_client_gets_the_replies_to_all_its_garbage(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            # More than is looked at in one turn, and than is written at once.
            sending = asyncio.create_task(peer.send(b"\xff" * 20_000))
            sending.add_done_callback(lambda _: peer.half_close())
            replies = await peer.rest()
            assert replies == [failed("JSON parse error, stray '\ufffd'")] * 20_000
            await sending

    run(main())


def test_a_half_closed_client_gets_the_replies_of_what_is_queued(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(command("wait", 0, at="gate"))
            await peer.send(*(command("value", n) for n in range(1, 20)))
            peer.half_close()
            assert await peer.now() == []
            stage.open("gate")
            assert await peer.rest() == [
                returned("waited", 0),
                *(returned("something", n) for n in range(1, 20)),
            ]

    run(main())


def test_a_half_closed_client_gets_the_reply_of_an_out_of_band_command(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            await peer.send(out_of_band("wait-oob", 1, at="gate"))
            peer.half_close()
            await settle()
            stage.open("gate")
            assert await peer.rest() == [returned("waited", 1)]

    run(main())


@pytest.mark.parametrize("enable", [NEGOTIATE, ENABLE_OOB], ids=["plain", "oob"])
def test_a_command_is_carried_through_when_its_client_goes_away(
    run: Run, stage: Stage, path: str, connect: Connect, enable: Any
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer, other = await connect(enable), await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"), command("value"))
            await settle()
            peer.close()
            assert await other.ask(command("value")) == returned("something")
            assert stage.ended == []
            stage.open("gate")
            assert await other.now() == []
            assert stage.ended == ["gate"]
            assert len(server.sessions) == 1

    run(main())


def test_a_client_that_goes_away_leaves_nothing_behind(
    run: Run, stage: Stage, path: str, connect: Connect, open_fds: Any
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            before = open_fds()
            for sent in (b"", spelled(NEGOTIATE), b'{"execute', b"\xff" * 1000):
                peer = await connect()
                await peer.send(sent)
                peer.close()
                await settle()
            assert server.sessions == {}
            assert open_fds() == before
            stage.monitor.emit("STOP")

    run(main())


@pytest.mark.parametrize("sent", [b"", b" ", b'{"exec', spelled(command("value"))])
def test_a_client_that_goes_away_without_reading_is_forgotten(
    run: Run, stage: Stage, path: str, connect: Connect, sent: bytes
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            stage.monitor.emit("STOP")
            # Its last words and its reset are seen at the same time.
            peer.sock.send(sent)
            peer.close()
            await settle()
            assert server.sessions == {}

    run(main())


def test_a_client_that_went_away_while_its_command_ran_is_forgotten(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"), b'{"exec')
            await settle()
            await peer.send(b'ute": "value"}{')
            peer.close()
            await settle()
            assert len(server.sessions) == 1
            stage.open("gate")
            await settle()
            assert server.sessions == {}

    run(main())


def test_a_handler_may_ask_for_its_session(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    @stage.monitor.command("who")
    def who(target: object, session: Session, *, what: str) -> list[Any]:
        return [target, what, session.channel is not None]

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("who", what="x")) == returned(
                ["the target", "x", True]
            )

    run(main())


def test_a_handler_may_close_the_connection_it_was_called_from(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    @stage.monitor.command("hang-up")
    def hang_up(session: Session) -> None:
        assert session.channel is not None
        session.channel.abort()

    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            await peer.send(command("hang-up"), command("value"))
            assert await peer.rest() == []
            assert server.sessions == {}

    run(main())


# What is sent for others: gathered, and held back.


def test_gathered_events_are_sent_with_what_is_sent_next(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    events = [spelled(happened(name)).strip() + b"\r\n" for name in ("A", "B")]

    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            (session,) = server.sessions
            assert isinstance(session, Session)
            assert [session.gather_event(each) for each in events] == [True, False]
            assert await peer.now() == []
            session.flush()
            assert await peer.now() == [happened("A"), happened("B")]
            assert session.gather_event(events[0])
            assert await peer.ask(command("value", 1)) == happened("A")
            assert await peer.receive() == [returned("something", 1)]
            assert session.gather_event(events[0])
            session.send_event(events[1])
            session.flush()
            assert await peer.now() == [happened("A"), happened("B")]
            assert session.gather_event(events[1])
            session.flush()
            assert await peer.now() == [happened("B")]

    run(main())


def test_what_waits_for_a_client_is_told_and_when_it_reads_again(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    event = spelled(happened("A")).strip() + b"\r\n"
    drained: list[str] = []

    async def main() -> None:
        drained.clear()
        async with stage.monitor.serve(path) as server:
            deaf = await connect(NEGOTIATE)
            (session,) = server.sessions
            assert isinstance(session, Session)
            await deaf.send(command("large", 1, size=1 << 20))
            await settle()
            assert session.held_back == 0
            assert not session.gather_event(event)
            assert session.held_back == len(event)
            session.on_drained = lambda: drained.append("again")
            await deaf.receive(2)
            assert (drained, session.held_back) == (["again"], 0)

    run(main())
