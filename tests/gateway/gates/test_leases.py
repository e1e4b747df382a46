"""The lease: one changes, the others read, until it is over."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.gates.leases import MAX_PATTERNS, Leases
from qmpx.gateway.host.times import stamp
from qmpx.gateway.journal.subscriptions import Subscriptions
from qmpx.gateway.settings.bounds import LeaseSettings
from tests.loops import settle
from tests.monitor.conftest import NEGOTIATE, command, failed, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from qmpx.gateway import SharedMonitor
    from tests.monitor.conftest import Connect, Peer, Run, Stage

    Let = Callable[..., AbstractAsyncContextManager[SharedMonitor]]

UNTIL = stamp(1_000_060)
READ = command("query-value", "read")
CHANGE = command("value", "change")


@pytest.fixture
def let(share: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Let:
    """Share the stage's monitor, with leases; the time stands still."""
    monkeypatch.setattr("qmpx.gateway.gates.leases.time.time", lambda: 1_000_000.0)

    @stage.monitor.command("query-value")
    def query_value() -> str:
        return "read"

    @asynccontextmanager
    async def letting(**options: Any) -> AsyncIterator[SharedMonitor]:
        async with share() as shared:
            Subscriptions(shared)
            Leases(shared, LeaseSettings(**options))
            yield shared

    return letting


def lease(seconds: float = 60, **arguments: Any) -> dict[str, Any]:
    return command("x-qmpx-lease", "lease", seconds=seconds, **arguments)


def held_by(shared: SharedMonitor, number: int, **more: Any) -> dict[str, Any]:
    client = shared.clients[number]
    who = f"{client.identity.kind}:{client.identity.name}"
    return {"holder": who, "client": client.number, "until": UNTIL} | more


def refusal(
    shared: SharedMonitor, number: int, what: str = "others may only read"
) -> dict[str, Any]:
    info = held_by(shared, number)
    text = f"{what}: {info['holder']} (client {info['client']}) has it until {UNTIL}"
    role = "The role everything does not allow value here: "
    return failed(role + text, "change")  # type: ignore[no-any-return]


async def two(connect: Connect) -> tuple[Peer, Peer]:
    return await connect(NEGOTIATE), await connect(NEGOTIATE)


def test_others_read_only_while_one_has_it(
    run: Run, let: Let, connect: Connect
) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            assert await one.ask(lease()) == returned(held_by(shared, 0), "lease")
            assert await other.ask(CHANGE) == refusal(shared, 0)
            assert await other.ask(READ) == returned("read", "read")
            assert await one.ask(CHANGE) == returned("something", "change")
            assert await other.ask(command("x-qmpx-query-lease", 1)) == returned(
                [held_by(shared, 0)], 1
            )
            assert await one.ask(command("x-qmpx-release", 2)) == returned({}, 2)
            assert await other.ask(CHANGE) == returned("something", "change")
            assert await other.ask(command("x-qmpx-query-lease", 1)) == returned([], 1)

    run(main())


def test_it_may_be_for_some_commands_only(run: Run, let: Let, connect: Connect) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            assert await one.ask(lease(commands=["val*"])) == returned(
                held_by(shared, 0, commands=["val*"]), "lease"
            )
            assert await other.ask(CHANGE) == refusal(shared, 0)
            assert await other.ask(command("refuse", 1)) == failed("no", 1)

    run(main())


def test_a_second_one_is_told_who_has_it(run: Run, let: Let, connect: Connect) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            await one.ask(lease())
            info = held_by(shared, 0)
            assert await other.ask(lease()) == failed(
                f"The lease was not given: {info['holder']} "
                f"(client {info['client']}) has it until {UNTIL}",
                "lease",
            )
            assert await other.ask(lease(wait=0.01)) == failed(
                f"The lease was not given in time: {info['holder']} "
                f"(client {info['client']}) has it until {UNTIL}",
                "lease",
            )

    run(main())


@pytest.mark.parametrize("end", ["released", "disconnected", "expired", "broken"])
def test_whoever_waits_is_next_however_it_ends(
    run: Run, let: Let, connect: Connect, end: str
) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            admin = await connect(NEGOTIATE)
            subscribed = command("x-qmpx-subscribe", 0, events=["X_QMPX_LEASE"])
            await admin.ask(subscribed)
            await one.ask(lease(0.02 if end == "expired" else 60))
            info = held_by(shared, 0)
            await other.send(lease(wait=5))
            await settle()
            if end == "released":
                await one.ask(command("x-qmpx-release", 2))
            elif end == "disconnected":
                one.close()
            elif end == "broken":
                await admin.send(command("x-qmpx-break-lease", 3))
            await other.receive()
            told = await admin.receive(4 if end == "broken" else 3)
            events = [it["data"] for it in told if "event" in it]
            assert [it["state"] for it in events] == ["taken", end, "taken"]
            holders = [info["client"]] * 2 + [info["client"] + 1]
            assert [it["client"] for it in events] == holders

    run(main())


def test_it_is_renewed_by_its_holder(run: Run, let: Let, connect: Connect) -> None:
    async def main() -> None:
        async with let() as shared:
            one, _ = await two(connect)
            await one.ask(lease(30))
            assert await one.ask(lease(60)) == returned(held_by(shared, 0), "lease")

    run(main())


def test_commands_may_wait_for_its_end(run: Run, let: Let, connect: Connect) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            await other.ask(command("x-qmpx-wait-for-lease", 1, seconds=5))
            await one.ask(lease())
            await other.send(CHANGE)
            assert await other.now() == []
            assert await one.ask(READ) == returned("read", "read")
            await one.ask(command("x-qmpx-release", 2))
            assert await other.receive() == [returned("something", "change")]
            await other.ask(command("x-qmpx-wait-for-lease", 1, seconds=0.01))
            await one.ask(lease())
            assert await other.ask(CHANGE) == refusal(
                shared, 0, "waited in vain; others may only read"
            )
            await other.ask(command("x-qmpx-wait-for-lease", 1, seconds=5))
            await other.send(CHANGE)
            await settle()
            other.close()
            await settle()
            assert await one.ask(command("x-qmpx-release", 2)) == returned({}, 2)

    run(main())


def test_it_begins_when_what_others_sent_is_answered(
    run: Run, let: Let, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with let() as shared:
            one, other = await two(connect)
            third = await connect(NEGOTIATE)
            await other.send(command("wait", 1, at="gate"))
            await settle()
            await one.send(lease())
            assert await one.now() == []
            about = "another client is about to have the lease"
            assert await third.ask(CHANGE) == failed(
                "The role everything does not allow value here: "
                f"others may only read: {about}",
                "change",
            )
            stage.open("gate")
            assert await other.receive() == [returned("waited", 1)]
            assert await one.receive() == [returned(held_by(shared, 0), "lease")]

    run(main())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lease(0), "Parameter 'seconds' expects more than 0, at most 100"),
        (lease(101), "Parameter 'seconds' expects more than 0, at most 100"),
        (lease(1, wait=-1), "Parameter 'wait' expects 0 to 3600 seconds"),
        (
            lease(1, commands=["a"] * (MAX_PATTERNS + 1)),
            "Parameter 'commands' has more than 64 patterns",
        ),
        (
            command("x-qmpx-wait-for-lease", "lease", seconds=1e9),
            "Parameter 'seconds' expects 0 to 3600",
        ),
        (
            command("x-qmpx-release", "lease"),
            "This client has no lease: its time may be over",
        ),
        (command("x-qmpx-break-lease", "lease"), "Nobody has a lease"),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    run: Run, let: Let, connect: Connect, asked: dict[str, Any], message: str
) -> None:
    async def main() -> None:
        async with let(max_seconds=100):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(asked) == failed(message, "lease")

    run(main())
