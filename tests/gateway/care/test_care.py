"""A monitor that is looked after: deadlines, memory, what changed, health."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import CommandNotFound, GenericError
from qmpx.gateway import SharedMonitor
from qmpx.gateway.care.care import UpstreamCare
from qmpx.gateway.settings.process import HealthSettings
from qmpx.gateway.settings.upstreams import UpstreamSettings
from qmpx.gateway.upstreams.passing import overdue
from qmpx.monitor import Session  # noqa: TC001 - handlers are annotated with it
from tests.loops import settle, silenced
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    out_of_band,
    returned,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run, Stage

    Tend = Callable[..., AbstractAsyncContextManager[UpstreamCare]]


@pytest.fixture
def tend(stage: Stage, directory: Path, path: str) -> Tend:
    """Serve the stage's monitor to a gateway that looks after it."""
    upstream = str(directory / "up.sock")

    @asynccontextmanager
    async def tending(
        interval: float = 3600.0, timeout: float = 5.0, **settings: Any
    ) -> AsyncIterator[UpstreamCare]:
        every = {"watch": False} | settings
        how = UpstreamSettings(address=upstream, listen=(f"unix:{path}",), **every)
        shared = SharedMonitor(upstream)
        health = HealthSettings(interval=interval, timeout=timeout)
        care = UpstreamCare(shared, how, health, "it")
        async with (
            stage.monitor.serve(upstream, max_sessions=1, grace=0),
            shared,
            shared.serve(path, grace=0),
        ):
            care.start()
            yield care
            await care.close()

    return tending


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something is so; the test's time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def test_a_command_over_time_fails_in_its_place_and_its_late_reply_is_dropped(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with tend(deadlines={"wait": 0.05}):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await peer.send(command("wait", 1, at="gate"), command("value", 2))
            late = overdue("wait", 0.05, was_sent=True)
            assert await peer.receive() == [failed(late, 1)]
            await other.send(command("value", 3))
            await settle()
            assert await peer.now() == []  # the monitor is still at it
            stage.open("gate")
            assert await peer.receive() == [returned("something", 2)]
            assert await other.receive() == [returned("something", 3)]

    with silenced("qmpx.gateway"):
        run(main())


def test_what_was_not_sent_in_time_is_never_sent(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        ran: list[int] = []

        @stage.monitor.command("note")
        def note(*, number: int) -> None:
            ran.append(number)

        async with tend(deadline=0.05, deadlines={"wait": 0}) as care:
            peers = [await connect(NEGOTIATE) for _ in range(7)]
            await peers[0].send(command("wait", "first", at="gate"))
            await settle()
            for number, peer in enumerate(peers[1:], 1):
                await peer.send(command("note", number, number=number))
            for number, peer in enumerate(peers[1:], 1):
                was_sent = number <= 3
                text = overdue("note", 0.05, was_sent=was_sent)
                assert await peer.receive() == [failed(text, number)]
            assert care.info().waiting == 0
            stage.open("gate")
            assert await peers[0].receive() == [returned("waited", "first")]
            assert await peers[1].ask(command("value", 9)) == returned("something", 9)
            assert ran == [1, 2, 3]

    with silenced("qmpx.gateway"):
        run(main())


def test_a_descriptor_of_a_command_over_time_becomes_nobodys(
    run: Run, tend: Tend, stage: Stage, connect: Connect, open_fds: Callable[[], int]
) -> None:
    async def main() -> None:
        named: list[str] = []

        @stage.monitor.command("getfd")
        async def getfd(session: Session, *, fdname: str) -> None:
            if fdname == "slow":
                await stage.wait("gate")
            os.close(session.pending.take())
            named.append(fdname)

        @stage.monitor.command("closefd")
        def closefd(*, fdname: str) -> None:
            named.remove(fdname)

        async with tend(deadlines={"getfd": 0.05}):
            one, two = await connect(NEGOTIATE), await connect(NEGOTIATE)
            before = open_fds()
            read, write = os.pipe()
            asked = b'{"execute": "getfd", "arguments": {"fdname": "%b"}}'
            await one.send_fds(asked % b"slow", read)
            # This one waits behind it, for there is one on its way at a time.
            await two.send_fds(asked % b"behind", write)
            for peer, was_sent in ((one, True), (two, False)):
                late = overdue("getfd", 0.05, was_sent=was_sent)
                assert await peer.receive() == [failed(late)]
            stage.open("gate", GenericError("no"))
            absent = "No file descriptor supplied via SCM_RIGHTS"
            for peer in (one, two):
                reply = await peer.ask(command("getfd", 1, fdname="stolen"))
                assert reply == failed(absent, 1)
            assert named == []
            os.close(read)
            os.close(write)
            assert open_fds() == before

    with silenced("qmpx.gateway"):
        run(main())


def test_who_answers_in_time_is_never_given_up(
    run: Run, tend: Tend, connect: Connect
) -> None:
    async def main() -> None:
        async with tend(deadline=0.02):
            peer = await connect(NEGOTIATE)
            for number in range(5):
                reply = await peer.ask(command("value", number))
                assert reply == returned("something", number)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.03)
            assert await peer.now() == []

    run(main())


def test_what_does_not_change_is_asked_once_and_keeps_its_place(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        asked: list[str] = []

        @stage.monitor.command("query-name")
        def query_name() -> dict[str, str]:
            asked.append("query-name")
            return {"name": "b\u00f6x"}

        @stage.monitor.command("query-uuid")
        def query_uuid(*, strange: int = 0) -> dict[str, int]:
            asked.append("query-uuid")
            return {"UUID": strange}

        async with tend(remember=("query-name", "query-uuid")) as care:
            one, two = await connect(ENABLE_OOB), await connect(NEGOTIATE)
            for peer in (one, two, one):
                reply = await peer.ask(command("query-name", 1))
                assert reply == returned({"name": "b\u00f6x"}, 1)
            assert asked == ["query-name"]
            # With arguments, and out of band, it is the monitor's to answer.
            assert await two.ask(command("query-uuid", 2, strange=1)) == returned(
                {"UUID": 1}, 2
            )
            assert await two.ask(command("query-uuid", 3)) == returned({"UUID": 0}, 3)
            assert asked == ["query-name", "query-uuid", "query-uuid"]
            refused = "The command query-name does not support OOB"
            assert await one.ask(out_of_band("query-name", 4)) == failed(refused, 4)
            # It does not overtake what its client asked for before.
            await two.send(command("wait", 5, at="gate"), command("query-name", 6))
            await settle()
            assert await two.now() == []
            stage.open("gate")
            assert await two.receive(2) == [
                returned("waited", 5),
                returned({"name": "b\u00f6x"}, 6),
            ]
            assert care.answers is not None
            assert care.answers.hits == 3

    run(main())


def test_an_error_is_not_remembered(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with tend(remember=True):
            peer = await connect(NEGOTIATE)
            text = CommandNotFound(name="query-name").desc
            asked = command("query-name", 1)
            assert await peer.ask(asked) == failed(text, 1, "CommandNotFound")

            @stage.monitor.command("query-name")
            def query_name() -> dict[str, str]:
                return {}

            assert await peer.ask(asked) == returned({}, 1)

    run(main())


def test_after_a_loss_clients_are_told_what_changed_before_anything_else(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        state = {"status": "running"}
        name = {"name": "one"}

        @stage.monitor.command("query-status")
        def query_status() -> dict[str, str]:
            if state["status"] == "paused":
                # It happens while the gateway looks: after the loss is told.
                stage.monitor.emit("STOP")
            return state

        @stage.monitor.command("query-name")
        def query_name() -> dict[str, str]:
            return name

        async with tend(watch=True, remember=True) as care:
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("query-name", 1)) == returned(name, 1)
            assert care.info().state == "ok"
            assert care.standing.parts == {"status": {"status": "running"}}
            state, name = {"status": "paused"}, {"name": "two"}
            (server,) = stage.monitor.servers
            server.break_off(server.listeners[0])
            told, stop = await peer.receive(2)
            assert told["event"] == "X_QMPX_RECONNECTED"
            assert type(told["data"].pop("away")) is int
            changed = [{"name": "status", "was": "running", "is": "paused"}]
            assert told["data"] == {
                "same-version": True,
                "changed": {"status": {"changed": changed}},
                "unknown": [
                    "jobs",
                    "block-jobs",
                    "block-nodes",
                    "chardevs",
                    "devices",
                    "balloon",
                ],
            }
            assert stop["event"] == "STOP"
            assert await peer.ask(command("query-name", 2)) == returned(name, 2)
            assert care.info().opened == 2

    with silenced("qmpx.gateway"):
        run(main())


def test_what_an_event_or_a_command_touches_is_read_anew(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        state = {"status": "running"}

        @stage.monitor.command("query-status")
        def query_status() -> dict[str, str]:
            return state

        @stage.monitor.command("cont")
        def cont() -> None:
            state["status"] = "running"

        async with tend(watch=True) as care:
            parts = care.standing.parts
            state["status"] = "paused"
            stage.monitor.emit("STOP")
            await until(lambda: parts == {"status": {"status": "paused"}})
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("cont", 1)) == returned({}, 1)
            await until(lambda: parts == {"status": {"status": "running"}})

    run(main())


def test_health_tells_busy_from_silent_and_back(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        answers = True

        @stage.monitor.command("query-version")
        def query_version() -> dict[str, str]:
            return {}

        @stage.monitor.command("query-yank", allow_oob=True)
        async def query_yank() -> list[str]:
            if not answers:
                await stage.wait("yank")
            return []

        async with tend(watch=True, interval=0.1, timeout=0.05) as care:
            peer = await connect(NEGOTIATE)
            local = command("x-qmpx-health", 1)
            assert (await peer.ask(local))["return"]["state"] == "ok"
            other = await connect(NEGOTIATE)
            await other.send(command("wait", 1, at="gate"))
            await until(lambda: care.info().state == "busy")
            told = (await peer.ask(local))["return"]
            assert told["state"] == "busy"
            assert "out of band only" in told["reason"]
            assert told["sent"] >= 1
            answers = False
            await until(lambda: care.info().state == "silent")
            stage.open("gate")
            await until(lambda: care.info().state == "ok")
            stage.open("yank")
            assert await other.receive() == [returned("waited", 1)]
            (server,) = stage.monitor.servers
            server.break_off(server.listeners[0])
            await until(lambda: care.info().state == "gone")
            told = (await peer.ask(local))["return"]
            assert told["state"] == "gone"
            assert told["reason"] == "the monitor closed the connection"
            await until(lambda: care.info().state == "ok")

    with silenced("qmpx.gateway"):
        run(main())


def test_settings_may_change_while_it_runs(
    run: Run, tend: Tend, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with tend(remember=True, deadlines={"wait": 0.05}) as care:
            peer = await connect(NEGOTIATE)
            other = await connect(NEGOTIATE)
            await other.send(command("wait", 1, at="one"))
            await settle()
            place: dict[str, Any] = {"address": "/a", "listen": "/b"}
            care.adapt(UpstreamSettings(**place))
            assert care.answers is None
            # What was under way keeps the deadline that it had; later ones have none.
            late = overdue("wait", 0.05, was_sent=True)
            assert await other.receive() == [failed(late, 1)]
            stage.open("one")
            await peer.send(command("wait", 2, at="two"))
            await settle()
            care.adapt(UpstreamSettings(**place, deadline=0.05))
            stage.open("two")
            assert await peer.receive() == [returned("waited", 2)]
            assert await peer.ask(command("value", 3)) == returned("something", 3)

    run(main())
