"""The blocking client: threads that share a connection, and one that reads for all."""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import signal
import socket
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client import conversation
from tests.client.conftest import SECONDS, ByHand, Conversation, event, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor


def talk(peer: Conversation) -> None:
    """Negotiate and answer."""
    peer.negotiate("oob")
    peer.serve()


@pytest.fixture
def echo(path: str) -> Iterator[qmpx.Monitor]:
    """Serve a monitor that echoes."""
    monitor = qmpx.Monitor()

    @monitor.command("echo", allow_oob=True)
    def echo(*, of: Any) -> Any:
        return of

    @monitor.command("tell")
    def tell(*, of: int) -> int:
        monitor.emit("TOLD", {"of": of})
        return of

    with monitor.serve_in_thread(path):
        yield monitor


def test_it_makes_no_thread_and_no_loop(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)
    threads = threading.active_count()
    with qmpx.connect(path) as vm, vm.events() as events:
        vm.execute("x")
        with pytest.raises(qmpx.DeadlineExceeded):
            events.get(0.001)
        assert threading.active_count() == threads


def test_it_shows_where_it_leads_and_whether_it_still_does(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        peer.close()

    by_hand(script)
    vm = qmpx.connect(path)
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("x")
    assert repr(vm) == f"<Client unix:{path}: lost>"
    vm.close()
    assert repr(vm) == f"<Client unix:{path}: closed>"


def test_it_is_a_context_manager_that_closes_it(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)
    with qmpx.connect(path) as vm:
        assert vm.is_connected
        with vm.events() as events:
            assert events.dropped == 0
        with pytest.raises(qmpx.LocalProtocolError):
            events.get()
    assert not vm.is_connected


def test_one_that_is_dropped_unclosed_says_so(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        qmpx.connect(path)
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning]


@pytest.mark.slow
@pytest.mark.usefixtures("echo")
def test_eight_threads_each_get_their_own_replies_while_one_waits_for_events(
    path: str, pool: ThreadPoolExecutor
) -> None:
    with qmpx.connect(path) as vm:
        events = vm.events("TOLD", limit=10_000)

        def work(seed: int) -> None:
            choose = random.Random(seed)
            for n in range(200):
                value = f"{seed}/{n}"
                match choose.randrange(4):
                    case 0:
                        assert vm.execute("echo", of=value) == value
                    case 1:
                        assert vm.exec_oob("echo", {"of": value}) == value
                    case 2:
                        batch = [("echo", {"of": f"{value}/{m}"}) for m in range(5)]
                        expected = [f"{value}/{m}" for m in range(5)]
                        assert vm.execute_many(batch) == expected
                    case 3:
                        assert vm.execute("tell", of=seed * 1000 + n) == seed * 1000 + n

        def watch() -> list[int]:
            got = []
            while (of := events.get(SECONDS).data["of"]) >= 0:
                got.append(of)
            return got

        watching = pool.submit(watch)
        for each in [pool.submit(work, seed) for seed in range(8)]:
            each.result(60)
        vm.execute("tell", of=-1)
        got = watching.result(SECONDS)
        for seed in range(8):
            mine = [of for of in got if of // 1000 == seed]
            assert mine == sorted(mine)
        assert vm.late_replies == 0


@pytest.mark.slow
def test_threads_that_give_up_all_the_time_do_not_confuse_the_others(
    path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        choose = random.Random(1)
        held: list[Any] = []
        while line := peer.lines.readline():
            command = json.loads(line)
            if command["execute"] == "slow":
                held.append(command)
                choose.shuffle(held)
                while len(held) > 3:
                    late = held.pop()
                    peer.send(reply(late, late["arguments"]["of"]))
            else:
                peer.send(event("TICK"), reply(command, command["arguments"]["of"]))

    by_hand(script)
    with qmpx.connect(path) as vm:

        def hurry(seed: int) -> None:
            choose = random.Random(seed)
            for n in range(60):
                of = f"{seed}/{n}"
                try:
                    timeout = choose.choice([0, 0.001, 0.003])
                    assert vm.execute("slow", {"of": of}, timeout=timeout) == of
                except qmpx.DeadlineExceeded:
                    pass

        def work(seed: int) -> None:
            for n in range(200):
                of = f"{seed}/{n}"
                assert vm.execute("quick", {"of": of}) == of

        jobs = [pool.submit(hurry, n) for n in range(4)]
        jobs += [pool.submit(work, n) for n in range(4, 8)]
        for job in jobs:
            job.result(60)
        assert vm.is_connected


def test_who_reads_hands_over_when_it_has_what_it_wants(
    path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    steps = [threading.Event() for _ in range(3)]

    def script(peer: Conversation) -> None:
        peer.negotiate()
        commands = {}
        for _ in range(3):
            command = peer.read()
            commands[command["execute"]] = command
        for n, step in enumerate(steps):
            step.wait(SECONDS)
            peer.send(reply(commands[f"x{n}"]))

    by_hand(script)
    with qmpx.connect(path) as vm:
        calls = [pool.submit(vm.execute, f"x{n}", timeout=None) for n in range(3)]
        for n, step in enumerate(steps):
            time.sleep(0.01)
            assert [call.done() for call in calls] == [m < n for m in range(3)]
            step.set()
            assert calls[n].result(SECONDS) == f"x{n}"


def test_who_reads_leaves_at_its_deadline_and_another_goes_on(
    path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        first, second = peer.read(), peer.read()
        go_on.wait(SECONDS)
        peer.send(reply(first), reply(second))

    by_hand(script)
    with qmpx.connect(path) as vm:
        reader = pool.submit(vm.execute, "reads", timeout=0.05)
        time.sleep(0.01)
        follower = pool.submit(vm.execute, "follows", timeout=SECONDS)
        with pytest.raises(qmpx.DeadlineExceeded):
            reader.result(SECONDS)
        go_on.set()
        assert follower.result(SECONDS) == "follows"
        assert vm.late_replies == 1


def test_events_that_lie_in_the_socket_are_there_without_waiting(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    sent, subscribed = threading.Event(), threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        subscribed.wait(SECONDS)
        peer.send(event("A"), event("B"))
        sent.set()

    by_hand(script)
    with qmpx.connect(path) as vm, vm.events() as events:
        subscribed.set()
        sent.wait(SECONDS)
        assert [events.get(timeout=0).name for _ in range(2)] == ["A", "B"]
        with pytest.raises(qmpx.DeadlineExceeded):
            events.get(timeout=0)


def test_a_flood_of_events_does_not_put_a_deadline_off(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        try:
            while True:
                peer.send(*[event("TICK")] * 100)
        except (BrokenPipeError, ConnectionResetError):
            pass

    by_hand(script)
    with qmpx.connect(path) as vm, vm.events("STOP") as events:
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("x", timeout=0.05)
        with pytest.raises(qmpx.DeadlineExceeded):
            events.get(0.05)


def test_closing_a_subscription_wakes_only_who_iterates_over_it(
    path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        go_on.wait(SECONDS)
        peer.send(event("A"))

    by_hand(script)
    with qmpx.connect(path) as vm:
        subscriptions = [vm.events() for _ in range(6)]
        watching = [pool.submit(next, each, None) for each in subscriptions]
        time.sleep(0.02)
        for n in (0, 2, 4):
            subscriptions[n].close()
            assert watching[n].result(SECONDS) is None
        assert not any(watching[n].done() for n in (1, 3, 5))
        go_on.set()
        for n in (1, 3, 5):
            woken = watching[n].result(SECONDS)
            assert woken is not None
            assert woken.name == "A"


@pytest.mark.usefixtures("echo")
def test_subscriptions_that_open_and_close_all_the_time(
    path: str, pool: ThreadPoolExecutor
) -> None:
    with qmpx.connect(path) as vm:

        def come_and_go(seed: int) -> None:
            choose = random.Random(seed)
            for _ in range(40):
                events = vm.events()
                watching = pool.submit(list, events)
                if choose.random() < 0.5:
                    vm.execute("tell", of=1)
                events.close()
                watching.result(SECONDS)

        for each in [pool.submit(come_and_go, seed) for seed in range(4)]:
            each.result(30)
        assert vm._core.buffers == []  # noqa: SLF001


@pytest.mark.usefixtures("echo")
def test_descriptors_beyond_a_thousand_are_as_good_as_others(path: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with qmpx.connect(path) as vm, vm.events() as events:
            assert vm.execute_many([("echo", {"of": "x" * 1000})] * 1000)
            vm.execute("tell", of=1)
            assert events.get(SECONDS).data == {"of": 1}
            with pytest.raises(qmpx.DeadlineExceeded):
                events.get(0.01)
    finally:
        for fd in filler:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_command_of_which_only_a_part_went_out_ends_the_conversation(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    over = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        over.wait(SECONDS)

    by_hand(script)
    with qmpx.connect(path) as vm:
        with pytest.raises(qmpx.DeadlineExceeded):
            vm.execute("x", {"a": "x" * 5_000_000}, timeout=0.05)
        with pytest.raises(
            qmpx.ConnectionLost,
            match=r"^the connection was given up: it took only a part of a command",
        ):
            vm.execute("y")
    over.set()


def interrupt_soon(seconds: float) -> threading.Timer:
    """Send SIGINT to the main thread, in a while."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(seconds, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    return timer


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, whatever the test runner makes of it."""
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, was)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("what", ["execute", "events"])
def test_an_interrupted_wait_leaves_the_connection_in_step(
    path: str, by_hand: Callable[..., ByHand], what: str
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        if what == "execute":
            late = peer.read()
            go_on.wait(SECONDS)
            peer.send(reply(late, "late"))
        peer.serve()

    by_hand(script)
    with qmpx.connect(path) as vm, vm.events() as events:
        timer = interrupt_soon(0.05)
        # A wait that the signal does not end would last until the deadline.
        wait = partial(vm.execute, "slow", timeout=5)
        with pytest.raises(KeyboardInterrupt):
            wait() if what == "execute" else events.get(5)
        timer.join()
        go_on.set()
        assert vm.execute("x") == "x"


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_half_sent_command_ends_the_conversation(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    over = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        over.wait(SECONDS)

    by_hand(script)
    with qmpx.connect(path) as vm:
        timer = interrupt_soon(0.05)
        with pytest.raises(KeyboardInterrupt):
            vm.execute("x", {"a": "x" * 5_000_000}, timeout=5)
        timer.join()
        with pytest.raises(qmpx.ConnectionLost, match="was interrupted"):
            vm.execute("y", timeout=0.1)
    over.set()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_keeps_vanishing_under_many_threads(
    path: str,
    by_hand: Callable[..., ByHand],
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(conversation, "RETRY_FIRST", 0.001)
    over = threading.Event()
    choose = random.Random(seed)

    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        left = choose.randrange(1, 30)
        partial = b""
        while data := peer.sock.recv(65536):
            *lines, partial = (partial + data).split(b"\n")
            for line in lines:
                command = json.loads(line)
                of = command.get("arguments", {}).get("of")
                if of and of[-1] == "x":  # a part of a big one
                    of = of[:20]
                peer.send(event("TICK"), reply(command, of))
                left -= 1
                if not left and not over.is_set():
                    peer.close()
                    return

    server = by_hand(script)
    with qmpx.connect(path, reconnect=True) as vm:
        stop = threading.Event()

        def work(thread: int) -> int:
            done = 0
            n = 0
            while not stop.is_set():
                n += 1
                of = f"{thread}/{n}".ljust(20, ".")
                try:
                    if n % 7:
                        assert vm.execute("echo", of=of, timeout=SECONDS) == of
                    else:
                        big = of + "x" * 300_000
                        got = vm.execute("echo", of=big, timeout=SECONDS)
                        assert got == of
                    done += 1
                except (qmpx.ConnectionLost, qmpx.ConnectError):
                    pass
            return done

        def watch() -> int:
            count = 0
            while not stop.is_set():
                try:
                    events.get(0.05)
                    count += 1
                except (qmpx.DeadlineExceeded, qmpx.ConnectError):
                    pass
            return count

        events = vm.events()
        workers = [pool.submit(work, n) for n in range(5)]
        watchers = [pool.submit(watch)]
        time.sleep(1.0)
        over.set()
        stop.set()
        assert all(worker.result(30) > 0 for worker in workers)
        assert watchers[0].result(30) > 0
        for _ in range(3):
            try:
                assert vm.execute("echo", of="end") == "end"
                break
            except qmpx.ConnectionLost:
                continue
        else:
            pytest.fail("no new connection")
    assert server.connections > 3


def test_stale_ends_do_not_end_the_new_connection(
    path: str, by_hand: Callable[..., ByHand], pool: ThreadPoolExecutor
) -> None:
    """Who was reading the old connection has yet to learn that it is over."""
    over = threading.Event()

    def first(peer: Conversation) -> None:
        peer.negotiate()
        peer.read()
        over.wait(SECONDS)

    by_hand(first, talk)
    with qmpx.connect(path, reconnect=True) as vm:
        reader = pool.submit(vm.execute, "waits", timeout=None)
        while not vm._core.pending:  # noqa: SLF001
            time.sleep(0.001)
        time.sleep(0.01)
        # As when sending finds out before reading does.
        with vm._traffic.lock:  # noqa: SLF001
            vm._core.lose(qmpx.ConnectionLost("found out"))  # noqa: SLF001
        over.set()
        vm._traffic.stream.sock.shutdown(socket.SHUT_WR)  # noqa: SLF001
        assert vm.execute("x") == "x"
        with pytest.raises(qmpx.ConnectionLost, match=r"^found out$"):
            reader.result(SECONDS)
        assert vm.execute("x") == "x"
