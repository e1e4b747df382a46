"""The limits: what is too much waits or is refused, and nobody else notices."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.access.identity import Identity
from qmpx.gateway.gates.limits import Limits
from qmpx.gateway.journal.subscriptions import Subscriptions
from qmpx.gateway.settings.bounds import LimitsSettings
from qmpx.monitor import Monitor
from tests.gateway.test_equipment import Talk
from tests.loops import settle, short_directory, silenced
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    out_of_band,
    returned,
)
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from qmpx.gateway import SharedMonitor
    from tests.monitor.conftest import Connect, Run, Stage

    Limit = Callable[..., AbstractAsyncContextManager[tuple[SharedMonitor, Limits]]]


@pytest.fixture
def limit(share: Any) -> Limit:
    """Share the stage's monitor, within limits."""

    @asynccontextmanager
    async def limiting(**options: Any) -> AsyncIterator[tuple[SharedMonitor, Limits]]:
        async with share() as shared:
            with closing(Limits(LimitsSettings(**options))) as limits:
                limits.attach(shared)
                yield shared, limits

    return limiting


def deny(reason: str, name: str = "value") -> str:
    return f"The role everything does not allow {name} here: {reason}"


def test_what_is_too_fast_is_refused_if_that_is_asked_for(
    run: Run, limit: Limit, connect: Connect
) -> None:
    async def main() -> None:
        async with limit(rate=0.001, burst=2, excess="refuse"):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            for number in range(2):
                assert "return" in await peer.ask(command("value", number))
            assert await peer.ask(command("value", 2)) == failed(
                deny("that is too many in a short time"), 2
            )
            assert "return" in await other.ask(command("value", 3))

    run(main())


@pytest.mark.parametrize("excess", ["pause", "refuse"])
def test_the_gateways_own_commands_count_and_do_not_wait(
    run: Run, limit: Limit, connect: Connect, excess: str
) -> None:
    async def main() -> None:
        async with limit(rate=0.001, burst=1, excess=excess) as (shared, _):
            Subscriptions(shared)
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("x-qmpx-subscribe", 1)) == returned({}, 1)
            assert await peer.ask(command("x-qmpx-subscribe", 2)) == failed(
                deny("that is too many in a short time", "x-qmpx-subscribe"), 2
            )

    run(main())


def test_what_is_too_fast_waits_in_its_order(
    run: Run, limit: Limit, connect: Connect
) -> None:
    async def main() -> None:
        async with limit(rate=200, burst=2):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await peer.send(*[command("value", number) for number in range(6)])
            assert "return" in await other.ask(command("value", 0))
            assert [it["id"] for it in await peer.now()] == [0, 1]
            assert [it["id"] for it in await peer.receive(4)] == [2, 3, 4, 5]

    run(main())


def test_all_clients_of_an_identity_share_a_rate(
    run: Run, limit: Limit, connect: Connect
) -> None:
    async def main() -> None:
        options = {"identity_rate": 0.001, "identity_burst": 3, "excess": "refuse"}
        async with limit(**options):
            peers = [await connect(NEGOTIATE) for _ in range(4)]
            for peer in peers[:3]:
                assert "return" in await peer.ask(command("value", 1))
            assert "error" in await peers[3].ask(command("value", 1))

    run(main())


@pytest.mark.parametrize("whose", ["in_flight", "identity_in_flight"])
def test_so_many_are_in_flight_and_the_next_waits(
    run: Run, limit: Limit, stage: Stage, connect: Connect, whose: str
) -> None:
    async def main() -> None:
        async with limit(**{whose: 2}) as (shared, _):
            peer = await connect(ENABLE_OOB)
            for number in range(4):
                await peer.send(out_of_band("wait-oob", number, at=f"o{number}"))
            await settle()
            assert stage.began == ["o0", "o1"]
            assert shared.upstream.in_flight == (0, 2)
            for number in range(4):
                await settle()
                stage.open(f"o{number}", number)
                assert await peer.receive() == [returned(number, number)]

    run(main())


def test_so_many_are_in_flight_and_the_next_is_refused_if_that_is_asked_for(
    run: Run, limit: Limit, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with limit(in_flight=1, excess="refuse"):
            peer = await connect(ENABLE_OOB)
            await peer.send(out_of_band("wait-oob", 1, at="gate"))
            await settle()
            reason = deny("1 commands are not answered yet")
            assert await peer.ask(out_of_band("value", 2)) == failed(reason, 2)
            stage.open("gate")
            assert await peer.receive() == [returned("waited", 1)]

    run(main())


def test_a_client_that_goes_leaves_room_and_nothing_waiting(
    run: Run, limit: Limit, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with limit(identity_in_flight=1) as (shared, _):
            one, two, three = [await connect(NEGOTIATE) for _ in range(3)]
            await one.send(command("wait", 1, at="gate"))
            await settle()
            await two.send(command("value", 2))
            await settle()
            await three.send(command("value", 3))
            await settle()
            shared.clients[1].disconnect("away with it")
            stage.open("gate")
            assert await one.receive() == [returned("waited", 1)]
            assert await three.receive() == [returned("something", 3)]
            assert not shared.tasks

    run(main())


def test_a_client_that_shows_who_it_is_counts_for_that_identity(
    run: Run, limit: Limit, connect: Connect
) -> None:
    async def main() -> None:
        options = {"identity_rate": 0.001, "identity_burst": 1, "excess": "refuse"}
        async with limit(**options, clients=2) as (shared, _):
            one, two = await connect(NEGOTIATE), await connect(NEGOTIATE)
            assert "return" in await one.ask(command("value", 1))
            assert "error" in await two.ask(command("value", 2))
            client = shared.clients[1]
            client.identity = Identity("token", "backup")
            shared.tell("identified", client)
            assert "return" in await two.ask(command("value", 3))
            three = await connect(NEGOTIATE)  # there is a place again
            assert "error" in await three.ask(command("value", 4))

    run(main())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"clients": 2}, "there are 2 clients of {who} already"),
        (
            {"connections": 0.001, "connection_burst": 2},
            "more than 0.001 connections a second",
        ),
    ],
)
def test_one_too_many_is_closed_before_it_is_greeted(
    run: Run, limit: Limit, connect: Connect, options: dict[str, Any], reason: str
) -> None:
    async def main() -> None:
        async with limit(**options) as (shared, _):
            gone: list[str] = []
            told = shared.tell

            def tell(method: str, *told_: Any) -> None:
                if method == "disconnected":
                    gone.append(told_[1])
                told(method, *told_)

            shared.tell = tell  # type: ignore[method-assign]
            peers = [await connect(NEGOTIATE) for _ in range(2)]
            third = await connect()
            assert await third.rest() == []
            identity = shared.clients[0].identity
            assert gone == [reason.format(who=f"{identity.kind}:{identity.name}")]
            for peer in peers:
                assert "return" in await peer.ask(command("value", 1))
            assert len(shared.clients) == 2

    with silenced("qmpx.gateway"):
        run(main())


@pytest.mark.parametrize("options", [{"max_unread": 100_000}, {"stall": 0.02}])
def test_a_client_that_does_not_read_is_disconnected(
    run: Run,
    limit: Limit,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    monkeypatch.setattr("qmpx.gateway.gates.limits.SWEEP", 0.01)

    async def main() -> None:
        async with limit(**options) as (shared, limits):
            deaf, peer = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await deaf.send(command("large", 1, size=1 << 20))
            while len(shared.clients) == 2:
                await settle(1)
            assert limits.dropped == 1
            assert "return" in await peer.ask(command("value", 1))

    with silenced("qmpx.gateway"):
        run(main())


SLOW = 1000

CONFIGURATION = """
[audit]
path = "{folder}/audit.jsonl"

[limits]
max-unread = 200_000
"""


def memory_of(pid: int, name: str) -> int:
    """Return a figure of a process's memory, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_thousand_who_do_not_read_cost_little_and_harm_nobody() -> None:
    monitor, count = Monitor(), 3000
    with short_directory() as folder, contextlib.ExitStack() as stack:
        configuration, path = folder / "share.toml", folder / "shared"
        configuration.write_text(CONFIGURATION.format(folder=folder))
        up = f"unix:{folder}/up"
        served = stack.enter_context(
            monitor.serve_in_thread(up, max_sessions=1, grace=0)
        )
        words = ("--config", configuration, "--clients", str(SLOW + 10))
        gateway = subprocess.Popen(
            [QMPX, "share", up, "--listen", f"unix:{path}", *words],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a line for each that is disconnected
            env=ENVIRONMENT,
        )
        stack.enter_context(gateway)
        stack.callback(gateway.kill)
        talks = [Talk(path) for _ in range(SLOW + 1)]
        for talk in talks:
            stack.enter_context(talk.sock)
        before = memory_of(gateway.pid, "VmRSS")
        data = {"number": 0, "padding": "x" * 1000}
        healthy = talks.pop()
        messages = healthy.messages()
        for number in range(count):
            served.call(monitor.emit, "E", data | {"number": number})
            if number % 50 == 49:
                assert [next(messages)["data"]["number"] for _ in range(50)] == list(
                    range(number - 49, number + 1)
                )
        wait_until(folder / "audit.jsonl", "it does not read", SLOW)
        peak = memory_of(gateway.pid, "VmHWM")
        # What the kernel did not take, and what the events themselves are.
        assert peak - before < SLOW * 200_000
        served.call(monitor.emit, "E", data)
        assert next(messages)["data"] == data


def wait_until(path: Path, text: str, count: int) -> None:
    """Wait until a file holds a text so many times."""
    deadline = time.monotonic() + SECONDS
    while (held := path.read_text().count(text)) < count:
        assert time.monotonic() < deadline, f"{held} times"
        time.sleep(0.05)
