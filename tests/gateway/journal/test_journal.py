"""The journal of many monitors: one writer, numbers that nobody is given too early."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from qmpx.gateway.journal.file import JournalError, JournalReader, Place, Recorded
from qmpx.gateway.journal.journal import Journal
from qmpx.gateway.journal.monitor_journal import Batch, numbered
from qmpx.gateway.settings.records import JournalSettings
from qmpx.gateway.sharing.monitor import SharedMonitor
from tests.loops import run_on, settle, silenced

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.gateway.journal.monitor_journal import MonitorJournal


class Listening:
    """Notes the numbers that it is given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def acknowledged(self, batch: Batch) -> None:
        self.numbers += [event.sequence for event in batch.events]


@pytest.fixture
def made(tmp_path: Path) -> JournalSettings:
    return JournalSettings(str(tmp_path / "events"), synchronous="normal")


def a_monitor() -> SharedMonitor:
    return SharedMonitor("unix:/nowhere")


def put(kept: MonitorJournal, first: int, last: int) -> None:
    for number in range(first, last + 1):
        kept.event(number, "E", b"", b'{"event": "E"}\r\n')  # type: ignore[arg-type]


def test_an_event_with_its_number_is_the_event_and_a_member_more() -> None:
    event = Recorded(7, "E", b'{"timestamp": {"seconds": 1}, "event": "E"}\r\n')
    assert numbered(event) == (
        b'{"timestamp": {"seconds": 1}, "event": "E", "x-qmpx-sequence": 7}\r\n'
    )


def test_events_are_acknowledged_in_their_order_and_are_in_the_file_then(
    made: JournalSettings,
) -> None:
    async def main() -> None:
        with closing(Journal(made)) as journal:
            kept, listening = journal.at(a_monitor(), "vm"), Listening()
            kept.readers[listening] = None
            with closing(JournalReader(made.path)) as reader:
                for round_ in range(20):
                    put(kept, round_ * 10 + 1, round_ * 10 + 10)
                    await settle(round_ % 3)
                    there = [event.sequence for event in reader.read(1, 0)]
                    assert listening.numbers == there[: len(listening.numbers)]
                await kept.settled()
            assert listening.numbers == list(range(1, 201))
            assert kept.committed == 200

    run_on("asyncio", main())


def test_what_waits_is_written_when_it_is_closed(made: JournalSettings) -> None:
    async def main() -> None:
        journal = Journal(made)
        put(journal.at(a_monitor(), "vm"), 1, 500)
        journal.close()
        with closing(JournalReader(made.path)) as reader:
            assert reader.monitors() == {"vm": Place(1, 1, 500)}

    run_on("asyncio", main())


def test_monitors_have_numbers_of_their_own_and_one_file(made: JournalSettings) -> None:
    async def main() -> None:
        with closing(Journal(made)) as journal:
            one, two = (journal.at(a_monitor(), name) for name in ("one", "two"))
            put(one, 1, 5)
            put(two, 1, 3)
            put(one, 6, 6)
            await one.settled()
            await two.settled()
            assert (one.committed, two.committed) == (6, 3)
        monitor = a_monitor()
        with closing(Journal(made)) as journal:
            assert journal.at(monitor, "two").committed == monitor.sequence == 3

    run_on("asyncio", main())


def test_one_that_is_forgotten_may_come_again(made: JournalSettings) -> None:
    async def main() -> None:
        with closing(Journal(made)) as journal:
            monitor = a_monitor()
            kept, listening = journal.at(monitor, "vm"), Listening()
            kept.readers[listening] = None
            put(kept, 1, 3)
            await kept.settled()
            journal.forget(monitor)
            again = journal.at(a_monitor(), "vm")
            put(again, 4, 5)
            await again.settled()
            assert listening.numbers == [1, 2, 3]
            assert again.committed == 5

    run_on("asyncio", main())


def test_one_that_comes_again_numbers_on_behind_what_is_not_written_yet(
    made: JournalSettings,
) -> None:
    async def main() -> None:
        with closing(Journal(made)) as journal:
            first, second = a_monitor(), a_monitor()
            kept = journal.at(first, "vm")
            with pytest.raises(JournalError, match="there are two monitors 'vm'"):
                journal.at(second, "vm")
            with journal._at_file:  # noqa: SLF001 - the disk does not answer
                put(kept, 1, 3)
                while journal.waiting:
                    await settle()
                put(kept, 4, 5)
                journal.forget(first)
            again = journal.at(second, "vm")
            assert second.sequence == 5
            put(again, 6, 6)
            await again.settled()
            assert again.committed == 6
        with closing(JournalReader(made.path)) as reader:
            assert [it.sequence for it in reader.read(1, 0)] == list(range(1, 7))

    run_on("asyncio", main())


def test_what_cannot_be_written_is_tried_again(
    made: JournalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmpx.gateway.journal.journal.RETRY", 0.001)

    async def main() -> None:
        with closing(Journal(made)) as journal:
            kept, mended = journal.at(a_monitor(), "vm"), threading.Event()
            write = journal._file.write  # noqa: SLF001 - a disk that fails

            def fail(batch: Any, now: int) -> None:
                if not mended.is_set():
                    message = "the disk is full"
                    raise JournalError(message)
                write(batch, now)

            monkeypatch.setattr(journal._file, "write", fail)  # noqa: SLF001
            put(kept, 1, 3)
            while not journal.failure:
                await settle()
            assert journal.failure == "the disk is full"
            mended.set()
            await kept.settled()
            assert (kept.committed, journal.failure) == (3, "")

    with silenced("qmpx.gateway"):
        run_on("asyncio", main())


def test_a_disk_that_fails_does_not_keep_the_end_back(
    made: JournalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        journal = Journal(made)
        failed = threading.Event()

        def fail(batch: Any, now: int) -> None:
            del batch, now
            failed.set()
            message = "the disk is full"
            raise JournalError(message)

        kept = journal.at(a_monitor(), "vm")
        monkeypatch.setattr(journal._file, "write", fail)  # noqa: SLF001
        put(kept, 1, 3)
        while not failed.is_set():
            await settle()
        journal.close()
        assert kept.committed == 0

    with silenced("qmpx.gateway"):
        run_on("asyncio", main())


@pytest.mark.parametrize("leap", [-86400, 0, 365 * 86400], ids=["back", "no", "forth"])
def test_the_oldest_go_first_whatever_the_clock_of_the_host_is_set_to(
    made: JournalSettings, monkeypatch: pytest.MonkeyPatch, leap: int
) -> None:
    few = structs.replace(made, max_events=4)
    moment = 1_763_850_000 * 10**9

    def setting() -> SimpleNamespace:
        return SimpleNamespace(
            time_ns=lambda: moment, clock_gettime_ns=time.clock_gettime_ns
        )

    monkeypatch.setattr("qmpx.gateway.host.times.time", setting())

    async def main() -> None:
        nonlocal moment
        with closing(Journal(few)) as journal:
            kept = journal.at(a_monitor(), "vm")
            put(kept, 1, 2)
            await kept.settled()
            moment += leap * 10**9
            put(kept, 3, 4)
            await kept.settled()
        if leap > 0:
            moment -= leap * 10**9  # and it is put right again
        with closing(Journal(few)) as journal:
            kept = journal.at(a_monitor(), "vm")
            put(kept, 5, 6)

    run_on("asyncio", main())
    with closing(JournalReader(made.path)) as reader:
        assert [it.sequence for it in reader.read(1, 0)] == [3, 4, 5, 6]
        assert reader.monitors() == {"vm": Place(1, 3, 6)}
