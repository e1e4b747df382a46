"""Events to all sessions: when each gets them, and with how many writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from qmpx.monitor.broadcast import Broadcast
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.outgoing import FLUSH_SIZE
from tests.loops import settle
from tests.monitor.conftest import NEGOTIATE, command, happened, returned

if TYPE_CHECKING:
    from qmpx.monitor import Session
    from tests.monitor.conftest import Connect, Run, Stage


class Listener:
    """Stands for a session: what it was told, one call after the other."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def send_event(self, message: bytes) -> None:
        self.told.append(message)

    def send_events(self, text: bytes, messages: list[bytes]) -> None:
        assert text == b"".join(messages)
        self.told.append(messages)


def crowd(*listeners: Listener) -> Broadcast:
    return Broadcast(dict.fromkeys(map(as_session, listeners)))


def as_session(listener: Listener) -> Session:
    return cast("Session", listener)


def test_while_nobody_works_each_event_is_sent_at_once() -> None:
    one, other = Listener(), Listener()
    broadcast = crowd(one, other)
    broadcast.send(b"A")
    assert one.told == other.told == [b"A"]
    broadcast.send(b"B")
    assert one.told == other.told == [b"A", b"B"]


def test_what_happens_while_one_works_is_sent_to_the_others_together() -> None:
    worker, other = Listener(), Listener()
    broadcast = crowd(worker, other)
    before = broadcast.turn_to(as_session(worker))
    broadcast.send(b"A")
    broadcast.send(b"B")
    assert (worker.told, other.told) == ([b"A", b"B"], [])
    broadcast.turn_to(before)
    assert (worker.told, other.told) == ([b"A", b"B"], [[b"A", b"B"]])
    broadcast.send(b"C")
    assert (worker.told, other.told) == ([b"A", b"B", b"C"], [[b"A", b"B"], b"C"])


def test_a_turn_within_a_turn_leaves_the_order_of_events_to_everybody() -> None:
    outer, inner, other = Listener(), Listener(), Listener()
    broadcast = crowd(outer, inner, other)
    broadcast.turn_to(as_session(outer))
    broadcast.send(b"A")
    before = broadcast.turn_to(as_session(inner))
    broadcast.send(b"B")
    broadcast.turn_to(before)
    broadcast.send(b"C")
    broadcast.turn_to(None)
    assert outer.told == [b"A", [b"B"], b"C"]
    assert inner.told == [[b"A"], b"B", [b"C"]]
    assert other.told == [[b"A"], [b"B"], [b"C"]]


def test_much_is_not_kept_until_the_work_is_done() -> None:
    worker, other = Listener(), Listener()
    broadcast = crowd(worker, other)
    broadcast.turn_to(as_session(worker))
    half = b"x" * (FLUSH_SIZE // 2)
    broadcast.send(half)
    assert other.told == []
    broadcast.send(half)
    assert other.told == [[half, half]]
    broadcast.send(b"A")
    broadcast.flush()
    broadcast.flush()
    assert other.told == [[half, half], [b"A"]]


def test_who_works_without_wanting_events_gets_none() -> None:
    worker, other = Listener(), Listener()
    broadcast = crowd(other)
    broadcast.turn_to(as_session(worker))
    broadcast.send(b"A")
    broadcast.turn_to(None)
    assert (worker.told, other.told) == ([], [[b"A"]])


def test_the_others_have_the_events_before_their_cause_is_answered(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            other = await connect(NEGOTIATE)
            peer = await connect(NEGOTIATE)
            await peer.send(
                command("emit", 1, name="A"),
                command("value", 2),
                command("emit", 3, name="B"),
            )
            assert await peer.receive() == [happened("A")]
            assert other.sock.recv(1 << 18).count(b'"event"') == 2
            assert await peer.receive(4) == [
                returned("emitted", 1),
                returned("something", 2),
                happened("B"),
                returned("emitted", 3),
            ]

    run(main())


def test_a_reply_that_another_client_settles_stands_between_its_events(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    deferred: list[Deferred] = []
    monitor = stage.monitor

    def wait(*_: Any) -> Deferred:
        deferred.append(Deferred())
        return deferred[-1]

    @monitor.command("settle")
    def end_the_wait() -> None:
        monitor.emit("A")
        deferred.pop().set_result("settled")
        monitor.emit("B")

    async def main() -> None:
        monitor.entries["wait"].invoke = wait
        async with monitor.serve(path):
            waiting = await connect(NEGOTIATE)
            peer = await connect(NEGOTIATE)
            await waiting.send(command("wait", 1, at="here"))
            await settle()
            assert len(deferred) == 1
            assert await peer.ask(command("settle", 2)) == happened("A")
            assert await peer.receive(2) == [happened("B"), returned({}, 2)]
            assert await waiting.receive(3) == [
                happened("A"),
                returned("settled", 1),
                happened("B"),
            ]

    run(main())
