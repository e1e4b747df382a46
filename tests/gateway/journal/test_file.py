"""The journal's file: what is committed is there, numbered on, and never made up."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.journal.file import (
    MAX_CHUNK,
    JournalError,
    JournalFile,
    JournalReader,
    Place,
    Recorded,
)

if TYPE_CHECKING:
    from pathlib import Path

ALL = 1 << 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.journal"


def an_event(sequence: int) -> Recorded:
    return Recorded(sequence, f"E{sequence % 3}", b'{"event": "%d"}\r\n' % sequence)


def fill(file: JournalFile, monitor: int, first: int, last: int, now: int = 1) -> None:
    batch = [(monitor, an_event(sequence)) for sequence in range(first, last + 1)]
    file.write(batch, now)


def test_what_was_written_is_read_in_its_order(path: Path) -> None:
    with closing(JournalFile(path)) as file:
        place = file.place_of("vm")
        assert place == Place(1, 1, 0)
        fill(file, 1, 1, 10)
        with closing(JournalReader(path)) as reader:
            assert reader.read(1, 4) == [an_event(n) for n in range(4, 11)]
            assert reader.read(1, 4, 2) == [an_event(4), an_event(5)]
            assert reader.read(1, 11) == []
            assert reader.monitors() == {"vm": Place(1, 1, 10)}


def test_each_monitor_has_numbers_of_its_own(path: Path) -> None:
    with closing(JournalFile(path)) as file:
        one, two = file.place_of("one"), file.place_of("two")
        batch = [(1, an_event(1)), (2, an_event(1)), (1, an_event(2))]
        file.write(batch, 1)
        assert (one.number, two.number) == (1, 2)
        assert file.place_of("one") == Place(1, 1, 2)
        assert file.place_of("two") == Place(2, 1, 1)


def test_numbers_go_on_when_it_is_opened_again(path: Path) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("vm")
        fill(file, 1, 1, 5)
        id_ = file.id
    with closing(JournalFile(path)) as file:
        assert file.place_of("vm") == Place(1, 1, 5)
        assert file.id == id_
        assert (file.count, file.size) == (5, 5 * len(an_event(1).message))


@pytest.mark.parametrize(
    ("before", "max_size", "max_events", "oldest"),
    [
        (0, ALL, ALL, None),
        (2, ALL, ALL, 11),
        (3, ALL, ALL, 21),
        (0, ALL, 4, 17),
        (0, ALL, 20, None),
        (0, 1, ALL, 21),
        (0, 5 * 17, ALL, 16),
    ],
)
def test_what_is_too_old_or_too_much_is_deleted(
    path: Path, before: int, max_size: int, max_events: int, oldest: int | None
) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("vm")
        fill(file, 1, 1, 10, now=1)
        fill(file, 1, 11, 20, now=2)
        gone = file.forget(before, max_size, max_events)
        assert gone == ({} if oldest is None else {1: oldest})
        assert file.place_of("vm") == Place(1, oldest or 1, 20)
        assert file.count == 20 - (oldest or 1) + 1
        with closing(JournalReader(path)) as reader:
            assert [it.sequence for it in reader.read(1, 0)] == list(
                range(oldest or 1, 21)
            )
        assert file.forget(before, max_size, max_events) == {}


def test_much_is_deleted_in_chunks(path: Path) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("vm")
        fill(file, 1, 1, 2 * MAX_CHUNK)
        assert file.forget(2, ALL, ALL) == {1: MAX_CHUNK + 1}
        assert file.forget(2, ALL, ALL) == {1: 2 * MAX_CHUNK + 1}
        assert file.forget(2, ALL, ALL) == {}
        assert file.place_of("vm") == Place(1, 2 * MAX_CHUNK + 1, 2 * MAX_CHUNK)


def test_a_batch_is_written_as_a_whole_or_not(path: Path) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("vm")
        fill(file, 1, 1, 3)
        with pytest.raises(JournalError, match="UNIQUE"):
            file.write([(1, an_event(4)), (1, an_event(2))], 1)
        assert file.place_of("vm") == Place(1, 1, 3)
        fill(file, 1, 4, 4)
        assert file.place_of("vm") == Place(1, 1, 4)


def test_another_process_cannot_write_it_meanwhile(path: Path) -> None:
    with (
        closing(JournalFile(path)),
        pytest.raises(JournalError, match="another process writes this journal"),
    ):
        JournalFile(path)


def test_it_is_for_its_owner_alone(path: Path) -> None:
    with closing(JournalFile(path)):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_file_is_an_error_and_left_as_it_is(path: Path, keep: int) -> None:
    with closing(JournalFile(path)) as file:
        file.place_of("vm")
        fill(file, 1, 1, 500)
    data = bytearray(path.read_bytes())
    data[keep:] = b"\xa5" * (len(data) - keep)
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"is damaged: .* It is left as it is"):
        JournalFile(path)
    assert path.read_bytes() == data


def test_another_database_is_an_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(JournalError, match=r"a database, but no journal of qmpx"):
        JournalFile(path)


def test_a_journal_of_a_later_version_is_an_error(path: Path) -> None:
    with closing(JournalFile(path)):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(JournalError, match="has version 2; we know 1"):
        JournalFile(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("none/events", "No such file or directory"), (".", "Is a directory")],
)
def test_a_place_that_cannot_be_written_is_an_error(
    tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(JournalError, match=message):
        JournalFile(os.fspath(tmp_path / name))


def test_a_reader_makes_no_file(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no such file"):
        JournalReader(path)
    assert not path.exists()
