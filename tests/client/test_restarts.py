"""Servers that go and come back, and clients that are to live with it."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client import RECONNECTED
from tests.client.conftest import (
    SECONDS,
    ByHand,
    Conversation,
    Events,
    Face,
    event,
    greet_not,
    hang_up_after_greeting,
    hang_up_in_negotiation,
    refuse_negotiation,
    reply,
    talk_garbage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor


def talk(peer: Conversation) -> None:
    """Negotiate and answer."""
    peer.negotiate("oob")
    peer.serve()


def answer_once(peer: Conversation) -> None:
    """Negotiate, answer one command and hang up."""
    peer.negotiate("oob")
    peer.answer()
    peer.close()


def wait_until_lost(vm: Any) -> None:
    """Wait until a client has noticed that its connection is lost."""
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("lost")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    for module in ("conversation", "async_conversation"):
        monkeypatch.setattr(f"qmpx.client.{module}.RETRY_FIRST", 0.01)


def test_without_reconnect_a_lost_connection_stays_lost(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    server = by_hand(answer_once, talk)
    vm = face.connect(path)
    vm.execute("x")
    for _ in range(3):
        with pytest.raises(qmpx.ConnectionLost):
            vm.execute("x")
    assert server.connections == 1


def hang_up(peer: Conversation) -> None:
    """Negotiate, take a command and hang up."""
    peer.negotiate("oob")
    peer.read()
    peer.close()


def test_the_call_under_way_fails_and_the_next_ones_go_on(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    server = by_hand(hang_up, hang_up, talk)
    vm = face.connect(path, reconnect=True)
    for _ in range(2):
        with pytest.raises(qmpx.ConnectionLost):
            vm.execute("x")
    assert vm.execute("y") == "y"
    assert vm.execute_many(["a", "b"]) == ["a", "b"]
    assert vm.exec_oob("z") == "z"
    assert server.connections == 3
    assert vm.is_connected


CALLS: dict[str, Callable[[Any], Any]] = {
    "execute": lambda vm: vm.execute("x"),
    "raw": lambda vm: vm.execute_raw("x"),
    "oob": lambda vm: vm.exec_oob("x"),
    "batch": lambda vm: vm.execute_many(["x"]),
    "descriptor": lambda vm: vm.send_fd(0),
    "with descriptor": lambda vm: vm.execute("x", fds=[0]),
}


@pytest.mark.parametrize("kind", list(CALLS))
def test_every_kind_of_call_makes_the_connection_anew(
    face: Face, path: str, by_hand: Callable[..., ByHand], kind: str
) -> None:
    server = by_hand(hang_up, talk)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    CALLS[kind](vm)
    assert vm.execute("y") == "y"
    assert server.connections == 2


@pytest.mark.parametrize("kind", list(CALLS))
def test_every_kind_of_call_waits_for_a_server_that_comes_back(
    face: Face, path: str, by_hand: Callable[..., ByHand], kind: str
) -> None:
    first = by_hand(hang_up)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    first.stop()
    # One try at least finds nothing.
    with pytest.raises(qmpx.QmpxError):
        vm.execute("x", timeout=0.02)
    assert not vm.is_connected
    timer = threading.Timer(0.05, by_hand, [talk])
    timer.start()
    CALLS[kind](vm)
    timer.join()
    assert vm.execute("y") == "y"


def test_calls_in_many_threads_share_the_new_connection(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    server = by_hand(hang_up, talk)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    calls = [pool.submit(vm.execute, f"x{n}") for n in range(16)]
    assert [c.result(SECONDS) for c in calls] == [f"x{n}" for n in range(16)]
    assert server.connections == 2


def test_subscriptions_survive_and_are_told(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def first(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(event("A"), reply(command))
        peer.close()

    def second(peer: Conversation) -> None:
        peer.negotiate()
        command = peer.read()
        peer.send(event("B"), event("OTHER"), reply(command))

    by_hand(first, second)
    vm = face.connect(path, reconnect=True)
    everything, some = vm.events(), vm.events("B")
    watching = pool.submit(lambda: [everything.get(SECONDS).name for _ in range(3)])
    vm.execute("x")
    try:
        vm.execute("x")
    except qmpx.ConnectionLost:  # it met the end of the first conversation
        vm.execute("x")
    assert watching.result(SECONDS) == ["A", RECONNECTED, "B"]
    told = some.get(SECONDS)
    assert (told.name, told.synthetic, told.data) == (RECONNECTED, True, {})
    assert some.get(SECONDS).name == "B"


def test_who_waits_for_events_gets_the_new_connection_without_any_call(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    go_on = threading.Event()

    def first(peer: Conversation) -> None:
        peer.negotiate()
        go_on.wait(SECONDS)
        peer.close()

    def second(peer: Conversation) -> None:
        peer.negotiate()
        peer.send(event("B"))

    by_hand(first, second)
    vm = face.connect(path, reconnect=True)
    subscriptions = [vm.events() for _ in range(3)]

    def watch(events: Events) -> list[str]:
        return [next(events).name for _ in range(2)]

    watching = [pool.submit(watch, each) for each in subscriptions]
    time.sleep(0.02)
    go_on.set()
    for each in watching:
        assert each.result(SECONDS) == [RECONNECTED, "B"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd",
    [
        Conversation.close,
        hang_up_after_greeting,
        hang_up_in_negotiation,
        talk_garbage,
        refuse_negotiation,
        greet_not,
    ],
)
def test_a_try_that_fails_halfway_is_not_the_last(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    odd: Callable[[Conversation], None],
) -> None:
    server = by_hand(hang_up, odd, odd, talk)
    vm = face.connect(path, reconnect=True, connect_timeout=0.1)
    events = vm.events()
    watching = pool.submit(events.get, SECONDS)
    wait_until_lost(vm)
    assert vm.execute("x") == "x"
    assert server.connections == 4
    assert watching.result(SECONDS).name in (RECONNECTED, "X")


def test_garbage_too_is_a_reason_to_begin_anew(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def first(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        peer.send(b"garbage\n")

    by_hand(first, talk)
    vm = face.connect(path, reconnect=True)
    events = vm.events()
    watching = pool.submit(events.get, SECONDS)
    with pytest.raises(qmpx.RemoteProtocolError):
        vm.execute("x")
    assert vm.execute("y") == "y"
    assert watching.result(SECONDS).name == RECONNECTED


def test_nothing_goes_out_before_the_new_negotiation(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    sent: list[str] = []
    negotiating, go_on = threading.Event(), threading.Event()

    def second(peer: Conversation) -> None:
        time.sleep(0.03)
        peer.greet("oob")
        command = peer.read()
        sent.append(command["execute"])
        negotiating.set()
        go_on.wait(SECONDS)
        peer.send(reply(command, {}))
        for _ in range(3):
            command = peer.read()
            sent.append(command.get("execute", command.get("exec-oob")))
            peer.send(reply(command))

    by_hand(hang_up, second)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    calls = [
        pool.submit(vm.execute, "x"),
        pool.submit(vm.execute_many, ["x"]),
        pool.submit(vm.exec_oob, "x"),
    ]
    negotiating.wait(SECONDS)
    assert not vm.is_connected
    go_on.set()
    assert [call.result(SECONDS) for call in calls] == ["x", ["x"], "x"]
    assert sent == ["qmp_capabilities", "x", "x", "x"]


def test_a_deadline_holds_while_the_server_is_away(
    face: Face, path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    server = by_hand(hang_up)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    server.stop()
    patient = pool.submit(vm.execute, "x", timeout=None)
    calls = [pool.submit(vm.execute, "x", timeout=0.03) for _ in range(3)]
    events = pool.submit(vm.events().get, 0.03)
    for call in (*calls, events):
        with pytest.raises((qmpx.DeadlineExceeded, qmpx.ConnectError)):
            call.result(1.0)
    assert not patient.done()
    by_hand(talk)
    assert patient.result(SECONDS) == "x"


def test_a_silent_new_server_does_not_use_up_more_than_the_deadline(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    over = threading.Event()

    def silent(_: Conversation) -> None:
        over.wait(SECONDS)

    by_hand(hang_up, silent)
    vm = face.connect(path, reconnect=True)
    wait_until_lost(vm)
    begin = time.monotonic()
    with pytest.raises(qmpx.QmpxError):
        vm.execute("x", timeout=0.05)
    assert time.monotonic() - begin < 5
    over.set()


@pytest.mark.parametrize("silent", [False, True], ids=["away", "silent"])
def test_closing_ends_the_tries(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    silent: bool,
) -> None:
    server = by_hand(hang_up, lambda _: None)
    vm = face.connect(path, reconnect=True)
    events = vm.events()
    watching = pool.submit(list, events)
    if not silent:
        server.stop()
    else:
        with pytest.raises(qmpx.ConnectionLost):
            vm.execute("x")
    call = pool.submit(vm.execute, "x", timeout=None)
    time.sleep(0.03)
    begin = time.monotonic()
    vm.close()
    with pytest.raises(qmpx.ConnectionLost):
        call.result(SECONDS)
    assert [e.name for e in watching.result(SECONDS)] == []
    assert time.monotonic() - begin < 5
    with pytest.raises(qmpx.QmpxError):
        vm.execute("x")
    with pytest.raises(qmpx.QmpxError):
        vm.events().get(SECONDS)


def test_a_server_that_restarts_on_the_same_path_is_found_again(
    face: Face, path: str
) -> None:
    monitor = qmpx.Monitor()

    @monitor.command("value")
    def value(*, of: int) -> int:
        monitor.emit("ASKED", {"of": of})
        return of

    vm = None
    for n in range(4):
        with monitor.serve_in_thread(path):
            if vm is None:
                vm = face.connect(path, reconnect=True)
                events = vm.events("ASKED")
            else:
                assert events.get(SECONDS).name == RECONNECTED
            assert vm.execute("value", of=n) == n
            assert events.get(SECONDS).data == {"of": n}
        if n < 3:
            with pytest.raises(qmpx.QmpxError):
                vm.execute("value", of=n, timeout=0.01)
    assert not os.path.exists(path)


def test_what_a_server_said_last_is_not_lost(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    subscribed, said = threading.Event(), threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        subscribed.wait(SECONDS)
        peer.send(event("SHUTDOWN"))
        peer.close()
        said.set()

    by_hand(script)
    vm = face.connect(path)
    events = vm.events()
    subscribed.set()
    said.wait(SECONDS)
    # The call finds out first that nobody listens any more.
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("x")
    assert events.get(SECONDS).name == "SHUTDOWN"
    with pytest.raises(qmpx.ConnectionLost):
        events.get(SECONDS)
