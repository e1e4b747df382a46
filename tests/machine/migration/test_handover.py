"""The hand-over: wherever the connection breaks, exactly one side owns the machine."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

import pytest

from qmpx.machine.migration import counterpart
from qmpx.machine.migration.contents import describe
from qmpx.machine.migration.records import (
    TWO_WAY,
    Kind,
    Record,
    RecordReader,
    RecordWriter,
)
from qmpx.machine.migration.values import dump_value, load_value
from qmpx.machine.migration.witness import Verdict, Witness
from tests.loops import LOOPS, run_on
from tests.machine.migration.worlds import (
    Cutter,
    close,
    content,
    fill,
    settled,
    side,
    until,
)

BATCH = 24  # migrations at once


class Outcome(NamedTuple):
    """What became of a migration whose connection was cut."""

    source_runs: bool
    destination_runs: bool
    status: str | None
    is_whole: bool
    there: int
    back: int


async def migrate(there: int | None = None, back: int | None = None) -> Outcome:
    """Migrate over a way that ends after some bytes."""
    source, destination = side(started=True), side()
    fill(source.machine)
    was = content(source.machine)
    address = await destination.machine.migration.listen("tcp:127.0.0.1:0")
    port = int(address.rpartition(":")[2])
    async with Cutter(port, there=there, back=back) as way:
        source.machine.migration.start(f"tcp:127.0.0.1:{way.port}")
        await settled(source, destination)
        outcome = Outcome(
            source.is_running,
            destination.is_running,
            source.machine.migration.status,
            content(destination.machine) == was,
            *way.carried.values(),
        )
    close(source, destination)
    return outcome


async def cut_everywhere(direction: str, positions: list[int]) -> set[Outcome]:
    seen = set()
    for start in range(0, len(positions), BATCH):
        outcomes = await asyncio.gather(
            *(migrate(**{direction: n}) for n in positions[start : start + BATCH])
        )
        for outcome in outcomes:
            assert outcome.source_runs is not outcome.destination_runs, outcome
            if outcome.destination_runs:
                assert outcome.is_whole
            seen.add(outcome._replace(there=0, back=0, is_whole=True))
    return seen


KEPT = Outcome(
    source_runs=True,
    destination_runs=False,
    status="failed",
    is_whole=True,
    there=0,
    back=0,
)
MOVED = KEPT._replace(source_runs=False, destination_runs=True, status="completed")


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_cut_after_each_byte_of_the_end_exactly_one_side_runs(loop: str) -> None:
    async def main() -> None:
        whole = await migrate()
        assert whole._replace(there=0, back=0) == MOVED
        positions = [*range(0, 200, 9), *range(whole.there - 90, whole.there + 1)]
        assert await cut_everywhere("there", positions) == {KEPT, MOVED}

    run_on(loop, main())


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_cut_after_each_byte_of_the_answers_exactly_one_side_runs(loop: str) -> None:
    async def main() -> None:
        whole = await migrate()
        positions = list(range(whole.back + 1))
        assert await cut_everywhere("back", positions) == {KEPT, MOVED}

    run_on(loop, main())


def test_a_destination_that_ends_before_it_answers_leaves_the_source_running() -> None:
    async def main() -> None:
        source, destination = side(started=True), side()
        address = await destination.machine.migration.listen("tcp:127.0.0.1:0")
        source.machine.migration.limits.set_speed(10_000)
        source.machine.migration.start(address)
        await until(lambda: source.machine.migration.is_active, source)
        await asyncio.sleep(0)
        destination.machine.migration.close()
        await until(lambda: not source.machine.migration.is_active, source)
        assert source.is_running
        assert source.machine.migration.status == "failed"
        close(source)

    run_on("asyncio", main())


def test_doubt_without_proof_leaves_the_source_paused_until_somebody_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A destination that got the word and is never heard of again."""
    monkeypatch.setattr(counterpart, "DOUBT_LIMIT", 0.05)

    async def main() -> None:
        source = side(started=True)
        server = await asyncio.start_server(take_and_vanish, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        source.machine.migration.start(f"tcp:127.0.0.1:{port}")
        await until(lambda: not source.machine.migration.is_active, source)
        server.close()
        migration = source.machine.migration
        assert (migration.status, source.machine.state.value) == (
            "failed",
            "postmigrate",
        )
        assert migration.failure == (
            "the connection broke after the destination had been told to go on, "
            "and it cannot be asked whether it does; the machine stays paused here"
        )
        source.machine.cont()
        assert source.is_running
        close(source)

    run_on("asyncio", main())


async def take(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, has_witness: bool
) -> None:
    """Be a destination, and break off, witness and all, when it has the word."""
    records, answers = RecordReader(), RecordWriter()
    witness: Witness | None = None
    while data := await reader.read(65536):
        records.feed(data)
        for record in records.records():
            if record.kind is Kind.MACHINE:
                token = load_value(record.payload)["token"]
                if has_witness:
                    witness = Witness("127.0.0.1", token, lambda _: Verdict.UNDECIDED)
                told = None if witness is None else list(witness.address)
                writer.write(answers.write(Kind.HELLO, dump_value({"witness": told})))
            elif record.kind is Kind.END:
                writer.write(answers.write(Kind.READY, record.payload[1:]))
            elif record.kind is Kind.GO:
                if witness is not None:
                    witness.close()
                writer.close()
                return


take_and_vanish = partial(take, has_witness=False)
take_the_word_and_die = partial(take, has_witness=True)


async def await_greeting(reader: asyncio.StreamReader) -> None:
    """Read up to the greeting of a destination."""
    records, seen = RecordReader(), list[Record]()
    while not seen:
        records.feed(await reader.read(65536))
        seen += records.records()
    assert [record.kind for record in seen] == [Kind.HELLO]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_source_that_dies_with_all_handed_over_is_succeeded(loop: str) -> None:
    """It has sent everything but the word; nobody else has the machine now."""

    async def main() -> None:
        destination = side()
        address = await destination.machine.migration.listen("tcp:127.0.0.1:0")
        port = int(address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        token = bytes(16)
        ours = Witness("127.0.0.1", token, lambda _: Verdict.UNDECIDED)
        words = RecordWriter()
        description = describe(destination.machine, {}) | {
            "token": token,
            "witness": list(ours.address),
        }
        whole = {"state": "running", "ran": 0, "drives": {}}
        writer.write(words.write(Kind.MACHINE, dump_value(description)))
        writer.write(words.write(Kind.PART, b"\x00" + dump_value(["", whole])))
        await await_greeting(reader)
        writer.write(words.write(Kind.END, TWO_WAY + words.digest()))
        await reader.read(1)  # it is ready
        assert destination.machine.state.value == "inmigrate"
        ours.close()
        writer.close()
        await until(lambda: destination.has_come, destination)
        assert destination.is_running
        close(destination)

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_destination_that_dies_with_the_word_is_succeeded(loop: str) -> None:
    """It was told to go on and has ended: the machine is nobody else's."""

    async def main() -> None:
        source = side(started=True)
        server = await asyncio.start_server(take_the_word_and_die, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        source.machine.migration.start(f"tcp:127.0.0.1:{port}")
        await until(lambda: not source.machine.migration.is_active, source)
        server.close()
        migration = source.machine.migration
        assert (migration.status, source.is_running) == ("failed", True)
        assert migration.failure == ("the destination ended before it had taken over")
        close(source)

    run_on(loop, main())
