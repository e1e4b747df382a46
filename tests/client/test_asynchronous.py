"""The asyncio client: tasks that share it, cancellation at awkward moments."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client import async_conversation
from tests.client.conftest import SECONDS, ByHand, Conversation, event, reply
from tests.loops import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


def talk(peer: Conversation) -> None:
    """Negotiate and answer."""
    peer.negotiate("oob")
    peer.serve()


@pytest.fixture
def monitor() -> qmpx.Monitor:
    """Make a monitor that echoes; it is served on the test's own loop."""
    made = qmpx.Monitor()

    @made.command("echo", allow_oob=True)
    def echo(*, of: Any = None) -> Any:
        return of

    @made.command("tell")
    def tell(*, of: int) -> int:
        made.emit("TOLD", {"of": of})
        return of

    return made


def test_it_is_awaited_or_entered(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)

    async def main() -> None:
        vm = await qmpx.connect_async(path)
        states = [vm.is_connected]
        assert repr(vm) == f"<AsyncClient unix:{path}: connected>"
        async with vm as same:
            assert same is vm
            assert await vm.execute("x") == "x"
        states.append(vm.is_connected)
        async with qmpx.connect_async(path) as other:
            assert await other.execute("x") == "x"
        states.append(other.is_connected)
        await other.close()
        assert states == [True, False, False]

    run(main())


def test_it_makes_no_task(run: Run, path: str, monitor: qmpx.Monitor) -> None:
    async def main() -> None:
        async with monitor.serve(path):
            before = asyncio.all_tasks()
            async with qmpx.connect_async(path) as vm, vm.events() as events:
                assert await vm.execute("tell", of=1) == 1
                assert (await events.get(SECONDS)).name == "TOLD"
                assert asyncio.all_tasks() == before

    run(main())


def test_many_calls_of_many_tasks_are_in_flight_at_once(
    run: Run, path: str, monitor: qmpx.Monitor
) -> None:
    async def main() -> None:
        async with monitor.serve(path), qmpx.connect_async(path) as vm:
            calls = [vm.execute("echo", of=n) for n in range(2000)]
            calls += [vm.exec_oob("echo", of=n) for n in range(2000, 2100)]
            assert await asyncio.gather(*calls) == list(range(2100))

    run(main())


def test_calls_of_one_turn_keep_their_order_whatever_they_are(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    sent: list[str] = []

    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        for _ in range(9):
            command = peer.read()
            sent.append(command.get("execute", command.get("exec-oob")))
            peer.send(reply(command))

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path) as vm:
            await asyncio.gather(
                vm.execute("1"),
                vm.execute("2"),
                vm.execute_many(["3", "4"]),
                vm.execute("5"),
                vm.execute("6", fds=[0]),
                vm.exec_oob("7"),
                vm.execute_raw("8"),
                vm.execute("9"),
            )

    run(main())
    assert sent == [str(n) for n in range(1, 10)]


# Cancellation.


def test_a_cancelled_call_leaves_the_connection_in_step(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        held = [peer.read() for _ in range(4)]
        peer.send(*map(reply, held), reply(peer.read()))

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path) as vm:
            single = asyncio.create_task(vm.execute("slow"))
            raw = asyncio.create_task(vm.execute_raw("slow"))
            batch = asyncio.create_task(vm.execute_many(["slow", "slow"]))
            await settle()
            for task in (single, raw, batch):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await vm.execute("quick") == "quick"
            assert vm.late_replies == 4

    run(main())


@pytest.mark.parametrize("turns", range(4))
def test_a_call_may_be_cancelled_in_any_turn(
    run: Run, path: str, monitor: qmpx.Monitor, turns: int
) -> None:
    async def main() -> None:
        async with monitor.serve(path), qmpx.connect_async(path) as vm:
            for kind in ("single", "crowd", "batch", "oob"):
                match kind:
                    case "single":
                        tasks = [asyncio.create_task(vm.execute("echo"))]
                    case "crowd":
                        tasks = [
                            asyncio.create_task(vm.execute("echo", of=n))
                            for n in range(5)
                        ]
                    case "batch":
                        tasks = [asyncio.create_task(vm.execute_many(["echo"] * 5))]
                    case _:
                        tasks = [asyncio.create_task(vm.exec_oob("echo"))]
                await settle(turns)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                assert await vm.execute("echo", of="next") == "next"
            await settle()
            assert vm._core.pending == {}  # noqa: SLF001

    run(main())


def test_an_outer_timeout_is_the_callers_own(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        held = [peer.read() for _ in range(3)]
        peer.send(*map(reply, held))

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path) as vm:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.01):
                    await vm.execute("slow")
            assert not isinstance(caught.value, qmpx.DeadlineExceeded)
            with pytest.raises(TimeoutError) as caught:
                await asyncio.wait_for(vm.execute("slow"), 0.01)
            assert not isinstance(caught.value, qmpx.DeadlineExceeded)
            assert await vm.execute("quick") == "quick"

    run(main())


def test_one_call_that_fails_in_a_group_cancels_the_others_and_no_more(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        held = {}
        for _ in range(3):
            command = peer.read()
            held[command["execute"]] = command
        error = {"class": "GenericError", "desc": "no"}
        peer.send({"error": error, "id": held["bad"]["id"]})
        command = peer.read()
        peer.send(reply(held["slow"]), reply(held["slower"]), reply(command))

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path) as vm:
            with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
                async with asyncio.TaskGroup() as group:
                    for name in ("slow", "bad", "slower"):
                        group.create_task(vm.execute(name))
            assert caught.group_contains(qmpx.CommandError)
            assert await vm.execute("quick") == "quick"
            assert vm.late_replies == 2

    run(main())


def test_waiting_for_an_event_may_be_cancelled_and_none_is_lost(
    run: Run, path: str, monitor: qmpx.Monitor
) -> None:
    async def main() -> None:
        async with monitor.serve(path), qmpx.connect_async(path) as vm:
            events = vm.events()
            got: list[int] = []
            choose = random.Random(1)

            async def watch() -> None:
                while True:
                    got.append((await events.get()).data["of"])

            for n in range(200):
                watching = asyncio.create_task(watch())
                call = asyncio.create_task(vm.execute("tell", of=n))
                await settle(choose.randrange(6))
                watching.cancel()
                await asyncio.wait([watching, call])
            await settle()
            while len(got) < 200:
                got.append((await events.get(SECONDS)).data["of"])
            assert got == list(range(200))

    run(main())


def test_many_tasks_may_wait_each_for_its_own_events(
    run: Run, path: str, monitor: qmpx.Monitor
) -> None:
    async def main() -> None:
        async with monitor.serve(path), qmpx.connect_async(path) as vm:

            async def watch(events: Any) -> list[int]:
                return [(await anext(events)).data["of"] for _ in range(20)]

            watching = [asyncio.create_task(watch(vm.events())) for _ in range(10)]
            await settle()
            for n in range(20):
                await vm.execute("tell", of=n)
            assert await asyncio.gather(*watching) == [list(range(20))] * 10

    run(main())


@pytest.mark.parametrize("moment", ["at once", "greeting", "negotiation", "diagnosis"])
def test_connecting_may_be_cancelled_and_leaves_nothing_open(
    run: Run,
    path: str,
    by_hand: Callable[..., ByHand],
    open_fds: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def script(peer: Conversation) -> None:
        if moment == "negotiation":
            peer.greet()
            peer.read()
        if moment != "diagnosis":
            reached.set()

    def explain(*_: Any) -> qmpx.GreetingTimeout:
        reached.set()
        go_on.wait(SECONDS)
        return qmpx.GreetingTimeout("here", "silent")

    monkeypatch.setattr(async_conversation, "explain_silence", explain)
    server = by_hand(script)

    async def main() -> None:
        timeout = 0.01 if moment == "diagnosis" else SECONDS

        async def connect() -> None:
            await qmpx.connect_async(path, connect_timeout=timeout)

        connecting = asyncio.create_task(connect())
        await settle(0 if moment == "at once" else 2)
        if moment != "at once":
            await asyncio.to_thread(reached.wait, SECONDS)
            await settle()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        go_on.set()

    run(main())  # so that threads and loops have their descriptors
    reached.clear()
    go_on.clear()
    before = open_fds()
    run(main())
    server.stop()
    gc.collect()
    assert open_fds() <= before


def test_closing_while_calls_wait_and_others_come(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.rest()

    by_hand(script)

    async def main() -> None:
        vm = await qmpx.connect_async(path)
        calls = [asyncio.create_task(vm.execute(f"x{n}")) for n in range(5)]
        batch = asyncio.create_task(vm.execute_many(["a", "b"]))
        await settle()
        late = [asyncio.create_task(vm.execute("y")) for _ in range(3)]
        closing = [asyncio.create_task(vm.close()) for _ in range(2)]
        for task in (*calls, batch, *late):
            with pytest.raises(qmpx.ConnectionLost, match=r"^this client was closed$"):
                await task
        await asyncio.gather(*closing)

    run(main())


def test_an_iteration_ends_with_its_client_or_its_subscription(
    run: Run, path: str, monitor: qmpx.Monitor
) -> None:
    async def main() -> None:
        async with monitor.serve(path):
            async with qmpx.connect_async(path) as vm:

                async def watch(events: Any) -> list[int]:
                    return [e.data["of"] async for e in events]

                first, second = vm.events(), vm.events()
                watching = [asyncio.create_task(watch(e)) for e in (first, second)]
                await vm.execute("tell", of=1)
                await settle()
                first.close()
                await vm.execute("tell", of=2)
                assert await watching[0] == [1]
            assert await watching[1] == [1, 2]

    run(main())


def test_a_loop_that_ends_without_closing_the_client_says_so(
    path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)

    async def main() -> None:
        vm = await qmpx.connect_async(path)
        assert await vm.execute("x") == "x"

    def leave() -> None:
        asyncio.run(main())
        gc.collect()

    with pytest.warns(ResourceWarning):
        leave()


def test_calls_wait_for_room_and_go_on_when_there_is(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    go_on = threading.Event()

    def script(peer: Conversation) -> None:
        peer.negotiate()
        go_on.wait(SECONDS)
        peer.serve()

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path) as vm:
            big = {"a": "x" * 500_000}
            calls = [asyncio.create_task(vm.execute(f"{n}", big)) for n in range(8)]
            await asyncio.sleep(0.02)
            # A call that comes now finds no room, and gives up in time.
            with pytest.raises(qmpx.DeadlineExceeded):
                await vm.execute("hasty", timeout=0.02)
            go_on.set()
            assert await asyncio.gather(*calls) == [str(n) for n in range(8)]
            assert await vm.execute("next") == "next"
            # The hasty one never went out.
            assert vm.late_replies == 0

    run(main())


@pytest.mark.slow
def test_deadlines_of_many_calls_are_kept_by_one_timer(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.rest()

    by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path, timeout=0.02) as vm:
            ended: list[int] = []

            async def call(n: int) -> None:
                with pytest.raises(qmpx.DeadlineExceeded):
                    await vm.execute("x", timeout=0.02 + n % 3 * 0.15)
                ended.append(n % 3)

            await asyncio.gather(*map(call, range(30)))
            assert ended == sorted(ended)
            with pytest.raises(qmpx.DeadlineExceeded):
                await vm.execute("y")

    run(main())


# A lost connection, made anew.


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(async_conversation, "RETRY_FIRST", 0.005)


def hang_up(peer: Conversation) -> None:
    """Negotiate and hang up."""
    peer.negotiate("oob")
    peer.close()


@pytest.mark.usefixtures("quick")
def test_the_connection_is_made_anew_without_any_call(
    run: Run, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(hang_up, hang_up, talk)

    async def main() -> None:
        async with qmpx.connect_async(path, reconnect=True) as vm:
            events = vm.events()
            names = [(await events.get(SECONDS)).name for _ in range(2)]
            assert names == [qmpx.client.RECONNECTED] * 2
            assert vm.is_connected
            assert await vm.execute("x") == "x"

    run(main())


@pytest.mark.usefixtures("quick")
def test_a_call_that_waits_for_the_new_connection_may_be_cancelled(
    run: Run, directory: Path, monitor: qmpx.Monitor
) -> None:
    path = str(directory / "q.sock")

    async def main() -> None:
        async with monitor.serve(path):
            vm = await qmpx.connect_async(path, reconnect=True)
        await settle()
        async with vm:
            calls = [asyncio.create_task(vm.execute("echo", of=n)) for n in range(3)]
            await settle()
            calls[1].cancel()
            async with monitor.serve(path):
                assert await calls[0] == 0
                assert await calls[2] == 2
                with pytest.raises(asyncio.CancelledError):
                    await calls[1]

    run(main())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_a_server_that_keeps_vanishing_under_many_tasks(
    run: Run, path: str, by_hand: Callable[..., ByHand], seed: int
) -> None:
    over = threading.Event()
    choose = random.Random(seed)

    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        left = choose.randrange(1, 40)
        for line in peer.lines:
            command = json.loads(line)
            peer.send(event("TICK"), reply(command, command["arguments"]["of"]))
            left -= 1
            if not left and not over.is_set():
                peer.close()
                return

    server = by_hand(script)

    async def main() -> None:
        async with qmpx.connect_async(path, reconnect=True) as vm:
            stop = False

            async def work(task: int) -> int:
                done = n = 0
                while not stop:
                    n += 1
                    of = f"{task}/{n}" if n % 7 else f"{task}/{n}" + "x" * 100_000
                    try:
                        assert await vm.execute("echo", of=of) == of
                        done += 1
                    except qmpx.ConnectionLost:
                        pass
                return done

            async def watch() -> int:
                count = 0
                while not stop:
                    try:
                        await events.get(0.05)
                        count += 1
                    except qmpx.DeadlineExceeded:
                        pass
                return count

            events = vm.events()
            tasks = [asyncio.create_task(work(n)) for n in range(8)]
            watching = asyncio.create_task(watch())
            await asyncio.sleep(0.7)
            over.set()
            await asyncio.sleep(0.1)
            stop = True
            assert all(n > 0 for n in await asyncio.gather(*tasks))
            assert await watching > 0
            assert await vm.execute("echo", of="end") == "end"

    run(main())
    assert server.connections > 3
