"""Many sessions: events for all, the whole monitor held, shutting down."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import AddressError, CommandError, GenericError, LocalProtocolError
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.loop import loop_factory
from qmpx.wire.framing import CommandReader
from tests.loops import settle, silenced
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    Peer,
    command,
    failed,
    happened,
    out_of_band,
    returned,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run, Stage


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow this process as many open files as the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def names_in(path: str) -> list[str]:
    """Return what there is in the directory of a socket."""
    return os.listdir(os.path.dirname(path))


# The greeting, and events.


def test_a_client_is_greeted_with_version_and_capabilities(
    run: Run, path: str, connect: Connect
) -> None:
    version = {"qemu": {"major": 9, "minor": 1, "micro": 2}, "package": "test"}

    async def main() -> None:
        async with Monitor(version=version).serve(path):
            peer = await connect()
            assert await peer.receive() == [
                {"QMP": {"version": version, "capabilities": ["oob"]}}
            ]

    run(main())


def test_a_monitor_may_offer_no_capabilities(
    run: Run, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with Monitor(capabilities=()).serve(path):
            peer = await connect()
            [greeting] = await peer.receive()
            assert greeting["QMP"]["capabilities"] == []
            assert await peer.ask(ENABLE_OOB) == failed(
                "Parameter 'null' does not accept value 'oob'"
            )

    run(main())


def test_what_is_sent_before_the_greeting_is_read_is_answered_in_order(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect()
            await peer.send(command("value"), NEGOTIATE, command("value"), NEGOTIATE)
            [greeting, *replies] = await peer.receive(5)
            assert "QMP" in greeting
            assert replies == [
                failed(
                    "Expecting capabilities negotiation with 'qmp_capabilities'",
                    error_class="CommandNotFound",
                ),
                returned({}),
                returned("something"),
                failed(
                    "Capabilities negotiation is already complete, command ignored",
                    error_class="CommandNotFound",
                ),
            ]

    run(main())


def test_events_go_to_every_negotiated_session_of_every_listener(
    run: Run, stage: Stage, directory: Path, connect: Connect
) -> None:
    first, second = str(directory / "1"), str(directory / "2")

    async def main() -> None:
        async with (
            stage.monitor.serve(first, "tcp:127.0.0.1:0") as server,
            stage.monitor.serve(second),
        ):
            port = server.addresses[1].port  # type: ignore[union-attr]
            places: list[Any] = [first, first, second, ("127.0.0.1", port)]
            peers = [await connect(NEGOTIATE, at=at) for at in places]
            greeted = await connect(at=first)
            await greeted.receive()
            stage.monitor.emit("STOP")
            for peer in peers:
                assert await peer.receive() == [happened("STOP")]
            assert await greeted.now() == []

    run(main())


def test_a_session_gets_events_from_the_reply_to_its_negotiation_on(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect()
            await peer.receive()
            stage.monitor.emit("TOO_EARLY")
            assert (await peer.ask(command("qmp_capabilities", enable=["x"])))["error"]
            stage.monitor.emit("STILL_TOO_EARLY")
            await peer.send(NEGOTIATE, command("emit", name="AFTER"))
            assert await peer.receive(3) == [
                returned({}),
                happened("AFTER"),
                returned("emitted"),
            ]

    run(main())


def test_an_event_from_a_handler_reaches_the_others_at_once(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            first, second = await connect(NEGOTIATE), await connect(NEGOTIATE)
            assert await second.ask(command("emit", name="A")) == happened("A")
            assert await first.now() == [happened("A")]
            assert await second.receive() == [returned("emitted")]

    run(main())


def test_an_event_that_is_no_json_is_refused_and_nothing_is_sent(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            with pytest.raises(TypeError):
                stage.monitor.emit("BAD", {"a": object()})
            assert await peer.now() == []

    run(main())


def test_events_without_clients_are_forgotten() -> None:
    Monitor().emit("STOP")


def test_a_monitor_for_people_spreads_its_messages_over_lines(
    run: Run, path: str, connect: Connect
) -> None:
    monitor = Monitor(pretty=True, clock=lambda: 1_000_005)

    @monitor.command("emit")
    def emit() -> dict[str, list[int]]:
        monitor.emit("STOP")
        return {"a": [1]}

    async def main() -> None:
        async with monitor.serve(path):
            peer = await connect()
            await peer.send(NEGOTIATE, command("emit"))
            await settle()
            first, *rest = peer.sock.recv(4096).split(b"\r\n{")
            assert first.startswith(b'{\n    "QMP": {\n')
            returned = b'\n    "return": {'
            assert rest == [
                returned + b"}\n}",
                (
                    b'\n    "timestamp": {\n        "seconds": 1,\n        '
                    b'"microseconds": 5\n    },\n    "event": "STOP"\n}'
                ),
                returned + b'\n        "a": [\n            1\n        ]\n    }\n}\r\n',
            ]

    run(main())


# How many at once.


def test_with_one_session_the_second_client_waits_ungreeted_and_is_served_next(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path, max_sessions=1) as server:
            first, second = await connect(NEGOTIATE), await connect()
            await second.send(NEGOTIATE, command("value", "early"))
            assert await second.now() == []
            assert await first.ask(command("value")) == returned("something")
            stage.monitor.emit("STOP")
            assert len(server.sessions) == 1
            first.close()
            [greeting, *replies] = await second.now()
            assert "QMP" in greeting
            # It begins afresh: no event from before, and out of band is off.
            assert replies == [returned({}), returned("something", "early")]

    run(main())


def test_one_session_ends_before_the_next_begins(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path, max_sessions=1):
            for n in range(5):
                peer = await connect(ENABLE_OOB)
                await peer.send(command("wait", at=f"{n}"))
                await settle()
                peer.close()
                await settle()
                stage.open(f"{n}")

    run(main())


# One command holds the whole monitor.


def test_a_command_may_hold_up_the_in_band_commands_of_all_sessions(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            first, second = await connect(ENABLE_OOB), await connect(ENABLE_OOB)
            plain = await connect(NEGOTIATE)
            await first.send(command("hold", 1, at="gate"), out_of_band("value", 2))
            assert await first.now() == [returned("something", 2)]
            await second.send(command("value", 3), out_of_band("value", 4))
            await plain.send(command("value", 5))
            assert await second.now() == [returned("something", 4)]
            assert await plain.now() == []
            stage.open("gate")
            assert await first.receive() == [returned("waited", 1)]
            assert await second.receive() == [returned("something", 3)]
            assert await plain.receive() == [returned("something", 5)]

    run(main())


def test_a_held_session_reads_as_far_ahead_as_one_that_waits_itself(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            first, second = await connect(NEGOTIATE), await connect(ENABLE_OOB)
            await first.send(command("hold", at="gate"))
            await settle()
            await second.send(*(command("value", n) for n in range(7)))
            await second.send(out_of_band("value", "overtakes"))
            assert await second.now() == [returned("something", "overtakes")]
            await second.send(command("value", 7), out_of_band("value", "waits"))
            assert await second.now() == []
            stage.open("gate")
            assert [reply["id"] for reply in await second.receive(9)] == [
                *range(8),
                "waits",
            ]

    run(main())


def test_a_session_that_holds_the_monitor_again_and_again_lets_others_in_between(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            greedy, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await greedy.send(command("hold", at="first"), command("hold", at="second"))
            await settle()
            await other.send(command("value", 1))
            assert await other.now() == []
            stage.open("first")
            assert await other.now() == [returned("something", 1)]
            assert stage.began == ["first", "second"]
            # It holds the monitor now no less than before.
            await other.send(command("value", 2))
            assert await other.now() == []
            stage.open("second")
            assert await other.now() == [returned("something", 2)]
            assert await greedy.now() == [returned("waited"), returned("waited")]

    run(main())


def test_commands_that_hold_the_monitor_run_one_after_the_other(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            peers = [await connect(NEGOTIATE) for _ in range(3)]
            for n, peer in enumerate(peers):
                await peer.send(command("hold", at=f"gate {n}"))
                await settle()
            for n, peer in enumerate(peers):
                assert stage.began == [f"gate {m}" for m in range(n + 1)]
                stage.open(f"gate {n}", n)
                assert await peer.now() == [returned(n)]

    run(main())


def test_a_client_that_goes_away_does_not_hold_the_monitor_for_ever(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path):
            first, second = await connect(ENABLE_OOB), await connect(NEGOTIATE)
            gone = await connect(ENABLE_OOB)
            await first.send(command("hold", at="gate"))
            await settle()
            await gone.send(command("value"))
            await second.send(command("value"))
            first.close()
            gone.close()
            # It is carried through, and holds the monitor until it ends.
            assert await second.now() == []
            stage.open("gate")
            assert await second.now() == [returned("something")]

    run(main())


# Shutting down.


def test_closing_answers_what_is_in_flight(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer, idle = await connect(ENABLE_OOB), await connect(NEGOTIATE)
            await peer.send(
                command("wait", 1, at="gate"),
                command("value", 2),
                command("wait", 3, at="next"),
                command("value", 4),
            )
            await settle()
            closing = asyncio.create_task(server.close())
            await settle()
            assert names_in(path) == []
            stage.open("gate")
            await settle()
            stage.open("next")
            assert [reply["id"] for reply in await peer.rest()] == [1, 2, 3, 4]
            await closing
            assert await idle.rest() == []
            assert server.sessions == {}

    run(main())


def test_closing_answers_out_of_band_commands_too(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(ENABLE_OOB)
            await peer.send(out_of_band("wait-oob", 1, at="gate"))
            await settle()
            closing = asyncio.create_task(server.close())
            await settle()
            stage.open("gate")
            assert await peer.rest() == [returned("waited", 1)]
            await closing

    run(main())


def test_closing_answers_those_whom_a_command_held_up(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            first, second = await connect(ENABLE_OOB), await connect(ENABLE_OOB)
            await first.send(command("hold", 1, at="gate"))
            await settle()
            await second.send(command("value", 2))
            await settle()
            closing = asyncio.create_task(server.close())
            await settle()
            stage.open("gate")
            assert await first.rest() == [returned("waited", 1)]
            assert await second.rest() == [returned("something", 2)]
            await closing

    run(main())


def test_closing_sends_what_a_slow_client_has_not_taken(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            await peer.send(command("large", 1, size=1_000_000))
            await settle()
            closing = asyncio.create_task(server.close())
            await settle()
            assert not closing.done()
            assert await peer.rest() == [returned("x" * 1_000_000, 1)]
            await closing

    run(main())


def test_grace_ends_what_hangs(
    run: Run, stage: Stage, path: str, connect: Connect, open_fds: Callable[[], int]
) -> None:
    async def main() -> None:
        peer = None
        before = open_fds()
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"))
            slow = await connect(NEGOTIATE)
            await slow.send(command("large", size=1_000_000))
            await settle()
            await server.close(grace=0.01)
            await settle()
            assert stage.ended == ["gate"]
            assert await peer.rest() == []
            slow.close()
            peer.close()
            assert open_fds() <= before

    run(main())


def test_grace_that_is_over_ends_nothing_of_another_server(
    run: Run, stage: Stage, directory: Path, connect: Connect
) -> None:
    first, second = str(directory / "1"), str(directory / "2")

    async def main() -> None:
        async with stage.monitor.serve(first) as closed, stage.monitor.serve(second):
            hanging = await connect(NEGOTIATE, at=first)
            other = await connect(NEGOTIATE, at=second)
            await hanging.send(command("wait", at="closed"))
            await other.send(command("wait", at="open"))
            await settle()
            await closed.close(grace=0.01)
            await settle()
            assert stage.ended == ["closed"]
            stage.open("open")
            assert await other.receive() == [returned("waited")]

    run(main())


@pytest.mark.parametrize("step", ["feed", "take"])
def test_a_message_for_which_there_is_no_memory_ends_its_client_alone(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    real_feed, real_take = CommandReader.feed, CommandReader.take
    hungry: set[CommandReader] = set()

    def feed(reader: CommandReader, data: bytes) -> None:
        if b"large" in data and step == "feed":
            raise MemoryError
        if b"large" in data:
            hungry.add(reader)
        real_feed(reader, data)

    def take(reader: CommandReader) -> Any:
        if reader in hungry:
            raise MemoryError
        return real_take(reader)

    monkeypatch.setattr(CommandReader, "feed", feed)
    monkeypatch.setattr(CommandReader, "take", take)

    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await peer.send(command("large", size=1))
            assert await peer.rest() == []
            assert await other.ask(command("value", 1)) == returned("something", 1)
            assert len(server.sessions) == 1

    with silenced("qmpx.monitor"):
        run(main())


@pytest.mark.parametrize("again", [0, 7200], ids=["less time", "more time"])
def test_who_asks_for_the_end_again_may_give_less_time_but_not_more(
    run: Run, stage: Stage, path: str, connect: Connect, again: float
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"))
            await settle()
            server.stop(3600)
            stage.monitor.shut_down(again)
            if again:
                await settle()
                stage.open("gate")
                assert await peer.rest() == [returned("waited")]
            else:
                assert await peer.rest() == []
            await server.wait_closed()
        async with server:  # it can be opened again, and closed
            await connect(NEGOTIATE)
            await server.close(3600)

    run(main())


def test_a_command_may_shut_the_monitor_down(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    @stage.monitor.command("quit")
    def leave() -> None:
        stage.monitor.emit("SHUTDOWN")
        stage.monitor.shut_down()

    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await peer.send(command("quit"), command("value"))
            assert await peer.rest() == [
                happened("SHUTDOWN"),
                returned({}),
                returned("something"),
            ]
            assert await other.rest() == [happened("SHUTDOWN")]
            await server.wait_closed()

    run(main())


def test_a_server_that_is_closed_twice_or_by_two_tasks_is_closed(
    run: Run, stage: Stage, path: str
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            await asyncio.gather(server.close(), server.close(), server.wait_closed())
            await server.close()

    run(main())


@pytest.mark.parametrize("listens_too", [False, True])
def test_a_server_ends_with_its_only_conversation_if_nobody_else_can_come(
    run: Run, stage: Stage, path: str, connect: Connect, listens_too: bool
) -> None:
    async def main() -> None:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            peer = Peer(mine)
            places = [f"fd:{theirs.fileno()}", *([path] if listens_too else [])]
            async with stage.monitor.serve(*places) as server:
                await peer.receive()
                assert await peer.ask(NEGOTIATE) == returned({})
                ended = asyncio.create_task(server.wait_closed())
                theirs.close()
                peer.close()
                await settle()
                assert ended.done() != listens_too
                if listens_too:
                    other = await connect(NEGOTIATE)
                    other.close()
                    await settle()
                    assert not ended.done()
            await ended

    run(main())


def test_a_connected_descriptor_whose_peer_has_gone_ends_the_server_at_once(
    run: Run, stage: Stage
) -> None:
    async def main() -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            mine.close()
            async with stage.monitor.serve(f"fd:{theirs.fileno()}") as server:
                await server.wait_closed()
                assert server.sessions == {}

    run(main())


def test_the_clients_of_one_listener_can_be_broken_off(
    run: Run, stage: Stage, directory: Path, connect: Connect
) -> None:
    first, second = str(directory / "1"), str(directory / "2")

    async def main() -> None:
        async with stage.monitor.serve(first), stage.monitor.serve(second):
            doomed = [await connect(NEGOTIATE, at=second) for _ in range(2)]
            other = await connect(NEGOTIATE, at=first)
            assert stage.monitor.character_devices() == [
                ("compat_monitor0", f"unix:{first},server=on", True),
                ("compat_monitor1", f"unix:{second},server=on", True),
            ]
            stage.monitor.break_off("compat_monitor1")
            for peer in doomed:
                assert await peer.rest() == []
            assert await other.ask(command("value")) == returned("something")
            assert [used for *_, used in stage.monitor.character_devices()] == [
                True,
                False,
            ]
            # Others may come.
            again = await connect(NEGOTIATE, at=second)
            assert await again.ask(command("value")) == returned("something")

    run(main())


def test_what_others_can_reach_is_refused_unless_asked_for(
    run: Run, stage: Stage
) -> None:
    async def main() -> None:
        with pytest.raises(
            AddressError, match=r"^refusing to listen on tcp:0\.0\.0\.0"
        ):
            async with stage.monitor.serve("tcp:0.0.0.0:0"):
                pytest.fail("it served")
        async with stage.monitor.serve("tcp:0.0.0.0:0", allow_remote=True):
            pass

    run(main())


def test_giving_up_waiting_for_the_end_does_not_end_it(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            waiting = asyncio.create_task(server.wait_closed())
            await settle()
            waiting.cancel()
            await settle()
            assert waiting.cancelled()
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("value")) == returned("something")
            await server.close()

    run(main())


def test_a_monitor_can_be_served_again_also_on_another_loop(
    run: Run, stage: Stage, path: str, connect: Connect
) -> None:
    async def main() -> None:
        for _ in range(2):
            async with stage.monitor.serve(path):
                peer = await connect(NEGOTIATE)
                assert await peer.ask(command("value")) == returned("something")

    run(main())
    run(main())


def test_a_monitor_serves_on_one_loop_at_a_time(
    run: Run, stage: Stage, directory: Path
) -> None:
    first, second = str(directory / "1"), str(directory / "2")

    async def elsewhere() -> None:
        async with stage.monitor.serve(second):
            pytest.fail("it served on two loops")

    async def main() -> None:
        async with stage.monitor.serve(first):
            with pytest.raises(
                LocalProtocolError,
                match=r"^this monitor serves on another event loop already$",
            ):
                await asyncio.to_thread(asyncio.run, elsewhere())

    run(main())


def test_an_address_that_cannot_be_had_leaves_none_of_the_others_behind(
    run: Run, stage: Stage, directory: Path, path: str, open_fds: Callable[[], int]
) -> None:
    (directory / "file").touch()

    async def main() -> None:
        before = open_fds()
        with pytest.raises(
            AddressError,
            match=rf"^cannot listen on {directory}/file: it exists and is no socket$",
        ):
            async with stage.monitor.serve(path, directory / "file"):
                pytest.fail("it served")
        assert open_fds() == before
        assert names_in(path) == ["file"]
        # And it can be tried again.
        async with stage.monitor.serve(path):
            pass

    run(main())


def test_run_serves_until_the_server_is_closed(path: str) -> None:
    monitor = Monitor()
    kinds: list[type] = []

    @monitor.command("quit")
    def leave() -> None:
        kinds.append(type(asyncio.get_running_loop()))
        monitor.shut_down()

    thread = threading.Thread(target=monitor.run, args=(path,))
    thread.start()
    while not os.path.exists(path):
        time.sleep(0.001)
    with socket.socket(socket.AF_UNIX) as sock:
        while sock.connect_ex(path):
            time.sleep(0.001)
        sock.sendall(spelled(NEGOTIATE) + spelled(command("quit")))
        with sock.makefile("rb") as lines:
            assert len(list(lines)) == 3
    thread.join()
    assert not os.path.exists(path)
    made = asyncio.Runner(loop_factory=loop_factory())
    with made as runner:
        assert kinds == [type(runner.get_loop())]


def test_run_can_be_interrupted(path: str) -> None:
    def interrupt() -> None:
        while not os.path.exists(path):
            time.sleep(0.001)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Monitor().run(path)
    thread.join()
    assert not os.path.exists(path)


def test_the_last_client_to_go_is_noted(run: Run, path: str, connect: Connect) -> None:
    monitor = Monitor()
    idle: list[int] = []

    async def main() -> None:
        async with monitor.serve(path) as server:
            monitor.on_idle = lambda: idle.append(len(server.sessions))
            first, second = await connect(NEGOTIATE), await connect(NEGOTIATE)
            first.close()
            await settle()
            assert idle == []
            second.close()
            await settle()
            assert idle == [0]

    run(main())


# Dialects.


def test_a_dialect_may_show_errors_in_its_own_way(
    run: Run, path: str, connect: Connect
) -> None:
    def show(error: CommandError) -> dict[str, Any]:
        return {"class": "Own", "desc": error.desc.upper(), "data": error.data}

    monitor = Monitor(show_error=show)

    @monitor.command("refuse")
    def refuse() -> None:
        message = "no"
        raise GenericError(message)

    async def main() -> None:
        async with monitor.serve(path):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("refuse")) == {
                "error": {"class": "Own", "desc": "NO", "data": {}}
            }

    run(main())


def test_a_monitor_does_not_change_the_commands_it_was_given() -> None:
    commands = CommandRegistry()
    monitor = Monitor(commands=commands)
    monitor.command("more")(lambda: None)
    assert list(commands) == []
    assert list(monitor.commands) == ["qmp_capabilities", "more"]


# Many clients, and bad ones.


@pytest.mark.slow
def test_five_hundred_clients_are_served_at_once_and_closed_at_once(
    run: Run,
    stage: Stage,
    path: str,
    connect: Connect,
    many_files: None,
    open_fds: Callable[[], int],
) -> None:
    assert many_files is None

    async def main() -> None:
        before = open_fds()
        async with stage.monitor.serve(path) as server:
            peers = [await connect(NEGOTIATE) for _ in range(500)]
            assert len(server.sessions) == 500
            stage.monitor.emit("STOP")
            for n, peer in enumerate(peers):
                await peer.send(command("value", n))
            for n, peer in enumerate(peers):
                assert await peer.receive(2) == [
                    happened("STOP"),
                    returned("something", n),
                ]
            await peers[0].send(command("wait", at="gate"))
            await settle()
            closing = asyncio.create_task(server.close())
            await settle()
            stage.open("gate")
            await closing
            for peer in peers[1:]:
                assert await peer.rest() == []
                peer.close()
            assert await peers[0].rest() == [returned("waited")]
            peers[0].close()
        assert open_fds() <= before

    run(main())


@pytest.mark.slow
@pytest.mark.parametrize(("size", "reads"), [(1_000_000, False), (400_000, True)])
def test_masses_of_garbage_leave_the_others_served(
    run: Run, stage: Stage, path: str, connect: Connect, size: int, reads: bool
) -> None:
    garbage = random.Random(1).randbytes(size)
    count = 0

    async def take(peer: Peer) -> None:
        nonlocal count
        while data := await asyncio.get_running_loop().sock_recv(peer.sock, 1 << 20):
            count += data.count(b"\n")

    async def main() -> None:
        async with stage.monitor.serve(path) as server:
            bad, good = await connect(NEGOTIATE), await connect(NEGOTIATE)
            session = next(iter(server.sessions))
            sending = asyncio.create_task(bad.send(garbage))
            reading = asyncio.create_task(take(bad)) if reads else None
            answered = 0
            while not sending.done() and answered < 60:
                assert await good.ask(command("value")) == returned("something")
                answered += 1
                assert session.channel is not None
                assert session.channel.unsent < 300_000
            assert answered > 20
            if reads:
                await sending
            sending.cancel()
            if reading is not None:
                reading.cancel()
            await asyncio.wait({sending, reading} - {None})  # type: ignore[type-var]
            bad.close()

    with silenced("qmpx.monitor"):
        run(main())
    assert bool(count) == reads


def test_a_client_that_resets_its_connection_is_forgotten_quietly(
    run: Run,
    stage: Stage,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with stage.monitor.serve("tcp:127.0.0.1:0") as server:
            port = server.addresses[0].port  # type: ignore[union-attr]
            peer = await connect(NEGOTIATE, at=("127.0.0.1", port))
            await peer.send(command("wait", at="gate"))
            await settle()
            linger = b"\1\0\0\0\0\0\0\0"  # close with a reset
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.close()
            await settle()
            stage.open("gate")
            await settle()
            assert server.sessions == {}

    run(main())
    assert caplog.records == []
