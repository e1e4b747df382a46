"""Clients that choose their events, and those that go on where they were."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.gateway import SharedMonitor
from qmpx.gateway.journal.filtering import MAX_PATTERNS
from qmpx.gateway.journal.journal import Journal
from qmpx.gateway.journal.subscriptions import Subscriptions
from qmpx.gateway.settings.records import JournalSettings
from qmpx.gateway.settings.roles import built_in_roles
from qmpx.gateway.sharing.own_events import EVENTS_LOST, JOURNAL_GAP
from tests.loops import run_on, settle, short_directory, silenced
from tests.monitor.conftest import (
    NEGOTIATE,
    Peer,
    Stage,
    command,
    failed,
    happened,
    returned,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from qmpx.gateway.journal.monitor_journal import MonitorJournal
    from tests.monitor.conftest import Connect, Run

    Keep = Callable[
        ..., AbstractAsyncContextManager[tuple[SharedMonitor, MonitorJournal]]
    ]


@pytest.fixture
def keep(share: Any, tmp_path: Path) -> Keep:
    """Share the stage's monitor, with a journal."""

    @asynccontextmanager
    async def keeping(
        **options: Any,
    ) -> AsyncIterator[tuple[SharedMonitor, MonitorJournal]]:
        async with share() as shared:
            made = JournalSettings(str(tmp_path / "events"), **options)
            with closing(Journal(made)) as journal:
                kept = journal.at(shared, "vm")
                shared.observers.append(kept)
                Subscriptions(shared, kept)
                yield shared, kept

    return keeping


def numbered(sequence: int, name: str = "E", data: Any = None) -> dict[str, Any]:
    return happened(name, data) | {"x-qmpx-sequence": sequence}


def subscribe(**arguments: Any) -> dict[str, Any]:
    return command("x-qmpx-subscribe", 1, **arguments)


async def emit(stage: Stage, count: int, name: str = "E") -> None:
    for _ in range(count):
        stage.monitor.emit(name)
    await settle()


async def place_of(peer: Peer, **arguments: Any) -> int:
    """Subscribe, and return the number after which events come."""
    reply = await peer.ask(subscribe(**arguments))
    return int(reply["return"]["sequence"])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["A", "BLOCK_A", "BLOCK_B"]),
        ({"events": ["BLOCK_*"]}, ["BLOCK_A", "BLOCK_B"]),
        ({"events": ["A", "*_B"]}, ["A", "BLOCK_B"]),
        ({"events": []}, []),
        ({"match": {"of": "A"}}, ["A"]),
        ({"match": {"in.deep": 1}}, ["BLOCK_A"]),
        ({"match": {"in.deep.deeper": 1}}, []),
        ({"match": {"of": "BLOCK_A"}, "events": ["A"]}, []),
    ],
)
def test_a_client_gets_the_events_that_it_wants(
    run: Run,
    share: Any,
    stage: Stage,
    connect: Connect,
    arguments: dict[str, Any],
    names: list[str],
) -> None:
    async def main() -> None:
        async with share() as shared:
            Subscriptions(shared)
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            assert await peer.ask(
                command("x-qmpx-subscribe", 1) | {"arguments": arguments}
            ) == returned({}, 1)
            sent = {
                "A": {"of": "A"},
                "BLOCK_A": {"of": "BLOCK_A", "in": {"deep": 1}},
                "BLOCK_B": None,
            }
            for name, data in sent.items():
                stage.monitor.emit(name, data)
            assert await peer.now() == [happened(name, sent[name]) for name in names]
            assert await other.now() == [happened(*each) for each in sent.items()]
            assert await peer.ask(command("x-qmpx-unsubscribe", 2)) == returned({}, 2)
            stage.monitor.emit("C")
            assert await peer.now() == [happened("C")]

    run(main())


def test_without_a_journal_there_is_nothing_to_resume(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share() as shared:
            Subscriptions(shared)
            peer = await connect(NEGOTIATE)
            assert await peer.ask(subscribe(since=0)) == failed(
                "This gateway keeps no journal: there is nothing to resume", 1
            )

    run(main())


def test_events_have_their_numbers_for_those_only_who_asked(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep() as (_, kept):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await emit(stage, 2)
            assert await peer.receive(2) == [happened("E")] * 2
            assert await peer.ask(subscribe()) == returned(
                {"sequence": 2, "oldest": 1, "journal": kept.journal.id}, 1
            )
            await emit(stage, 2)
            assert await peer.receive(2) == [numbered(3), numbered(4)]
            assert await other.receive(4) == [happened("E")] * 4

    run(main())


def test_a_client_goes_on_where_it_was(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep() as (_, kept):
            peer = await connect(NEGOTIATE)
            assert await place_of(peer) == 0
            await emit(stage, 5)
            assert await peer.receive(5) == [numbered(n) for n in range(1, 6)]
            peer.close()
            await emit(stage, 5)
            await kept.settled()
            again = await connect(NEGOTIATE)
            assert await place_of(again, since=3) == 3
            await emit(stage, 2)
            assert await again.receive(9) == [numbered(n) for n in range(4, 13)]

    run(main())


def test_numbers_go_on_when_the_gateway_runs_again(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        for round_ in range(3):
            async with keep() as (_, kept):
                peer = await connect(NEGOTIATE)
                assert await place_of(peer, since=0) == 0
                await emit(stage, 4)
                expected = [numbered(n) for n in range(1, 4 * round_ + 5)]
                assert await peer.receive(len(expected)) == expected
                assert kept.committed == 4 * round_ + 4

    run(main())


def test_only_what_is_wanted_is_given_of_what_was(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep() as (_, kept):
            for number in range(600):
                stage.monitor.emit("AB"[number % 2], {"of": number})
            while kept.committed < 600:
                await settle()
            peer = await connect(NEGOTIATE)
            asked = {"since": 590, "events": ["B"], "match": {"of": 597}}
            assert await place_of(peer, **asked) == 590
            assert await peer.receive() == [numbered(598, "B", {"of": 597})]
            assert await place_of(peer, since=0, events=["B"]) == 0
            assert [it["x-qmpx-sequence"] for it in await peer.receive(300)] == list(
                range(2, 601, 2)
            )
            stage.monitor.emit("A")
            stage.monitor.emit("B")
            assert await peer.receive() == [numbered(602, "B")]

    run(main())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"since": 8}, "There is no event 8: the last one is 7"),
        ({"since": -1}, "There is no event -1: the last one is 7"),
        (
            {"since": 2},
            (
                "Events after 2 are no longer kept: the oldest is 4. "
                "Look at the state, and subscribe with since=3"
            ),
        ),
        (
            {"journal": "other"},
            "This is another journal: {id}; its numbers are others",
        ),
        (
            {"events": ["*"] * (MAX_PATTERNS + 1)},
            "Parameter 'events' has more than 64 patterns",
        ),
        (
            {"events": ["*" * 257]},
            "Parameter 'events' has a pattern of more than 256 characters",
        ),
        (
            {"match": dict.fromkeys("abcdefghijklmnopq")},
            "Parameter 'match' has more than 16 members",
        ),
    ],
)
def test_what_cannot_be_given_is_an_error(
    run: Run,
    keep: Keep,
    stage: Stage,
    connect: Connect,
    arguments: dict[str, Any],
    message: str,
) -> None:
    async def main() -> None:
        async with keep(max_events=4) as (_, kept):
            peer = await connect(NEGOTIATE)
            await emit(stage, 7)
            await peer.receive(7)
            while kept.oldest != 4:
                await settle()
            text = message.format(id=kept.journal.id)
            assert await peer.ask(subscribe(**arguments)) == failed(text, 1)
            assert await place_of(peer, since=3) == 3
            assert await peer.receive(4) == [numbered(n) for n in range(4, 8)]

    run(main())


def test_what_was_is_shown_as_the_clients_role_may_see_it(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    data = {"device": "disk0", "reason": "/secret/path", "host": "192.0.2.1"}
    names = ["VNC_CONNECTED", "BLOCK_IO_ERROR", "STOP", "DUMP_COMPLETED"]

    async def main() -> None:
        async with keep() as (shared, kept):
            plain, resumed = await connect(NEGOTIATE), await connect(NEGOTIATE)
            for client in shared.clients:
                client.role = built_in_roles()["observe"]
            for name in names:
                stage.monitor.emit(name, data)
            seen = await plain.now()
            assert seen != [happened(name, data) for name in names]
            await kept.settled()
            assert await resumed.now() == seen
            await resumed.ask(subscribe(since=0))
            again = await resumed.receive(len(seen))
            assert [it.pop("x-qmpx-sequence") for it in again] == [
                1 + names.index(it["event"]) for it in seen
            ]
            assert again == seen

    run(main())


def test_a_client_that_unsubscribes_is_told_where_it_was(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep():
            peer = await connect(NEGOTIATE)
            await place_of(peer)
            await emit(stage, 3)
            await peer.receive(3)
            assert await peer.ask(command("x-qmpx-unsubscribe", 2)) == returned(
                {"sequence": 3}, 2
            )
            await emit(stage, 1)
            assert await peer.receive() == [happened("E")]

    run(main())


def test_the_journal_tells_of_itself(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep() as (_, kept):
            peer = await connect(NEGOTIATE)
            await emit(stage, 3)
            await peer.receive(3)
            await kept.settled()
            assert await peer.ask(command("x-qmpx-query-journal", 1)) == returned(
                {
                    "journal": kept.journal.id,
                    "oldest": 1,
                    "last": 3,
                    "waiting": 0,
                    "missing": 0,
                    "failure": "",
                },
                1,
            )

    run(main())


@pytest.mark.slow
def test_a_client_that_does_not_read_keeps_its_place_and_nothing_waits_for_it(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep() as (shared, kept):
            deaf = await connect(NEGOTIATE)
            await place_of(deaf)
            data = {"of": "x" * 1000}
            count = 3000
            for number in range(count):
                stage.monitor.emit("E", data)
                if not number % 50:
                    await settle()
            while kept.committed < count:
                await settle()
            (client,) = shared.clients
            channel = client.session.channel
            assert channel is not None
            assert channel.is_congested
            assert channel.unsent + client.session.held_back < 400_000
            seen = await deaf.receive(count)
            assert [it["x-qmpx-sequence"] for it in seen] == list(range(1, count + 1))

    run(main())


@pytest.mark.slow
def test_a_client_whose_place_is_deleted_is_told_what_it_missed(
    run: Run, keep: Keep, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with keep(max_events=100) as (_, kept):
            deaf = await connect(NEGOTIATE)
            await place_of(deaf)
            count = 3000
            for number in range(count):
                stage.monitor.emit("E", {"of": "x" * 1000})
                if not number % 50:
                    await settle()
            while kept.committed < count or kept.oldest != count - 99:
                await settle()
            seen: list[dict[str, Any]] = []
            while not seen or seen[-1].get("x-qmpx-sequence") != count:
                seen += await deaf.receive()
            (lost,) = [it for it in seen if it["event"] == EVENTS_LOST]
            at = seen.index(lost)
            first, last = lost["data"]["first"], lost["data"]["last"]
            numbers = [it["x-qmpx-sequence"] for it in seen if it is not lost]
            assert numbers[:at] == list(range(1, first))
            assert numbers[at:] == list(range(last + 1, count + 1))
            assert last == count - 100

    run(main())


def test_events_that_could_not_be_kept_are_told_of(
    run: Run,
    keep: Keep,
    stage: Stage,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with keep() as (_, kept):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await place_of(peer)
            monkeypatch.setattr("qmpx.gateway.journal.journal.MAX_WAITING", 5)
            assert isinstance(kept.journal, Journal)
            with kept.journal._at_file:  # noqa: SLF001 - the disk does not answer
                await emit(stage, 1)
                while kept.journal.waiting:
                    await settle()
                await emit(stage, 10)
                assert kept.missing == 5
            seen = await peer.receive(7)
            assert [it.get("x-qmpx-sequence") for it in seen] == [*range(1, 7), 12]
            assert seen[-1]["event"] == JOURNAL_GAP
            assert seen[-1]["data"] == {"missing": 5}
            await emit(stage, 1)
            assert await peer.receive() == [numbered(13)]
            assert len(await other.receive(13)) == 13

    with silenced("qmpx.gateway"):
        run(main())


# The seam: whatever is cut where, each event comes once and in order.


async def resume(
    directory: Path, before: int, since: float, during: list[int], *, is_kept: bool
) -> tuple[list[int], list[int]]:
    """Resume while events come; return the numbers that came, and that should."""
    stage = Stage()
    upstream, path = str(directory / "up"), str(directory / "shared")
    async with (
        stage.monitor.serve(upstream, max_sessions=1, grace=0),
        SharedMonitor(upstream) as shared,
        shared.serve(path, grace=0),
    ):
        with (
            closing(Journal(JournalSettings(str(directory / "events")))) as journal,
            socket.socket(socket.AF_UNIX) as sock,
        ):
            kept = journal.at(shared, "vm")
            shared.observers.append(kept)
            Subscriptions(shared, kept)
            sock.connect(path)
            peer = Peer(sock)
            await peer.ask(NEGOTIATE)
            await peer.receive()
            await emit(stage, before)
            if is_kept:  # else some of them are still under way
                await kept.settled()
            place = round(since * kept.committed)
            await peer.send(subscribe(since=place))
            for count in during:
                await emit(stage, count)
            total = before + sum(during)
            seen: list[int] = []
            while len(seen) < total - place:
                (message,) = await peer.receive()
                if "x-qmpx-sequence" in message:
                    seen.append(message["x-qmpx-sequence"])
            await kept.settled()
            # Before it subscribes a client gets events without numbers.
            late = [it.get("x-qmpx-sequence") for it in await peer.now()]
            seen += [number for number in late if number is not None]
            return seen, list(range(place + 1, total + 1))


@pytest.mark.slow
@settings(max_examples=40)
@given(
    before=st.integers(0, 700),
    since=st.floats(0, 1),
    during=st.lists(st.integers(0, 40), max_size=8),
    is_kept=st.booleans(),
)
def test_each_event_comes_once_and_in_order_whenever_a_client_resumes(
    before: int, since: float, during: list[int], *, is_kept: bool
) -> None:
    with short_directory() as directory:
        resumed = resume(directory, before, since, during, is_kept=is_kept)
        seen, expected = run_on("asyncio", resumed)
    assert seen == expected
