"""The events of monitors in a file: an SQLite database, numbered for each monitor.

The write-ahead log lets readers read while one writes, and makes a commit one write to
the end of a file. ``synchronous=FULL`` has each commit forced to the disk: who was
given an event with its number may rely on that number after a loss of power, too. The
price is some milliseconds for each commit, and one commit has all events that came
during the one before. With ``NORMAL`` the last commits may be missing after a loss of
power, and their numbers would be given again; the end of the process alone takes
nothing in either case.

Source: the documentation of SQLite on ``PRAGMA synchronous`` and write-ahead logging.
"""

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from qmpx.errors import QmpxError
from qmpx.gateway.host.own_files import open_own, try_to_lock

BUSY_TIMEOUT: Final = 5.0
"""Seconds that a reader or a writer waits for the other; they hardly ever have to."""

MAX_CHUNK: Final = 256
"""Events that are deleted, or read, in one go: a moment's work."""

_APPLICATION: Final = 0x716D7078  # "qmpx"
_VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE journal (id TEXT NOT NULL);
CREATE TABLE monitor (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    oldest INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE TABLE event (
    monitor INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    received INTEGER NOT NULL,
    name TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (monitor, sequence)
) WITHOUT ROWID;
CREATE INDEX event_received ON event (received, monitor, sequence);
"""


class JournalError(QmpxError):
    """A journal cannot be opened, read or written, or is none."""

    exit_status = 2


class Recorded(NamedTuple):
    """An event with its number.

    Attributes:
        sequence: Its number.
        name: Its name.
        message: The whole event, encoded, as clients get it.
    """

    sequence: int
    name: str
    message: bytes


class Place(NamedTuple):
    """What a journal has of one monitor.

    Attributes:
        number: The monitor's, in this file.
        oldest: The number of the oldest event that is kept; one more than `last` if
            none is.
        last: The number of the last event that was committed; 0 if there was none.
    """

    number: int
    oldest: int
    last: int


class JournalFile:
    """The database, for the one process that writes it.

    Its methods may be called in any thread, by one at a time.

    Args:
        path: The file; it is made if it is not there.
        synchronous: See above.

    Attributes:
        id: What tells this journal from any other, and from a later one in its place.
        size: Bytes of all events that are kept.
        count: How many these are.
        latest: When the last of them came: microseconds since 1970; 0: there is none.

    Raises:
        JournalError: It cannot be opened, is damaged, or another process has it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["full", "normal"] = "full",
    ) -> None:
        self.path = os.fspath(path)
        self._lock = _lock(self.path)
        try:
            with _told(self.path):
                self._database = self._open(synchronous)
                (self.id,) = self._database.execute("SELECT id FROM journal").fetchone()
                total = """SELECT count(*), total(length(message)), max(received)
                           FROM event"""
                self.count, size, latest = self._database.execute(total).fetchone()
                self.size = int(size)
                self.latest: int = latest or 0
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, synchronous: str) -> sqlite3.Connection:
        os.close(open_own(self.path, os.O_RDWR | os.O_CREAT))
        database = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {synchronous.upper()}")
            if database.execute("PRAGMA schema_version").fetchone() == (0,):
                database.executescript(f"BEGIN; {_TABLES}")
                made = "INSERT INTO journal VALUES (?)"
                database.execute(made, (str(uuid.uuid4()),))
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute(f"PRAGMA user_version = {_VERSION}")
                database.execute("COMMIT")
            _check(database, self.path)
        except BaseException:
            database.close()
            raise
        return database

    def synchronise(self, synchronous: Literal["full", "normal"]) -> None:
        """Let what is committed from now on survive what that says.

        Raises:
            JournalError: The file is damaged.
        """
        with _told(self.path):
            self._database.execute(f"PRAGMA synchronous = {synchronous.upper()}")

    def close(self) -> None:
        """Close it."""
        self._database.close()
        os.close(self._lock)

    def place_of(self, monitor: str) -> Place:
        """Return what there is of a monitor; a new one is entered.

        Raises:
            JournalError: The file is damaged, or cannot be written.
        """
        with _told(self.path):
            enter = (
                "INSERT OR IGNORE INTO monitor (name, oldest, last) VALUES (?, 1, 0)"
            )
            self._database.execute(enter, (monitor,))
            query = "SELECT number, oldest, last FROM monitor WHERE name = ?"
            return Place(*self._database.execute(query, (monitor,)).fetchone())

    def write(self, batch: Sequence[tuple[int, Recorded]], now: int) -> None:
        """Commit events, each with its monitor's number.

        Args:
            batch: In the order of their numbers.
            now: Microseconds since 1970.

        Raises:
            JournalError: Nothing of it is written.
        """
        rows = [(monitor, r.sequence, now, r.name, r.message) for monitor, r in batch]
        lasts = {monitor: r.sequence for monitor, r in batch}
        with _told(self.path), self._transaction() as database:
            database.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
            database.executemany(
                "UPDATE monitor SET last = ? WHERE number = ?",
                [(last, monitor) for monitor, last in lasts.items()],
            )
        self.size += sum(len(recorded.message) for _, recorded in batch)
        self.count += len(batch)

    def forget(self, before: int, max_size: int, max_events: int) -> dict[int, int]:
        """Delete what is too old or too much, up to `MAX_CHUNK` of the oldest.

        Args:
            before: What came before this is too old; microseconds since 1970.
            max_size: Bytes of all events that may be kept.
            max_events: Events that may be kept.

        Returns:
            The oldest number that is kept then, by monitor; empty: all is kept.

        Raises:
            JournalError: Nothing is deleted.
        """
        with _told(self.path):
            query = """SELECT monitor, sequence, received, length(message) FROM event
                       ORDER BY received, monitor, sequence LIMIT ?"""
            rows = self._database.execute(query, (MAX_CHUNK,)).fetchall()
            gone: list[tuple[int, int]] = []
            oldest: dict[int, int] = {}
            size = self.size
            for monitor, sequence, received, length in rows:
                has_room = size <= max_size and self.count - len(gone) <= max_events
                if received >= before and has_room:
                    break
                gone.append((monitor, sequence))
                oldest[monitor] = sequence + 1
                size -= length
            if gone:
                with self._transaction() as database:
                    database.executemany(
                        "DELETE FROM event WHERE monitor = ? AND sequence = ?", gone
                    )
                    database.executemany(
                        "UPDATE monitor SET oldest = ? WHERE number = ?",
                        [(number, monitor) for monitor, number in oldest.items()],
                    )
                self.size = size
                self.count -= len(gone)
        return oldest

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise


class JournalReader:
    """Reads a journal, also while another process writes it.

    Args:
        path: The file.

    Raises:
        JournalError: It is not there, is damaged, or is no journal.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not os.path.exists(self.path):
            message = f"{self.path}: there is no such file"
            raise JournalError(message)
        with _told(self.path):
            self._database = sqlite3.connect(
                Path(self.path).absolute().as_uri() + "?mode=ro",
                uri=True,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                _check(self._database, self.path, is_thorough=False)
            except BaseException:
                self._database.close()
                raise

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def monitors(self) -> dict[str, Place]:
        """Return what there is of each monitor, by its name.

        Raises:
            JournalError: The file is damaged.
        """
        with _told(self.path):
            query = "SELECT name, number, oldest, last FROM monitor ORDER BY number"
            rows = self._database.execute(query).fetchall()
        return {name: Place(*rest) for name, *rest in rows}

    def read(self, monitor: int, first: int, limit: int = MAX_CHUNK) -> list[Recorded]:
        """Return events of one monitor in their order.

        Args:
            monitor: Its number in this file.
            first: The number of the first that is wanted.
            limit: How many at most.

        Raises:
            JournalError: The file is damaged.
        """
        query = """SELECT sequence, name, message FROM event
                   WHERE monitor = ? AND sequence >= ? ORDER BY sequence LIMIT ?"""
        with _told(self.path):
            rows = self._database.execute(query, (monitor, first, limit)).fetchall()
        return [Recorded(*row) for row in rows]


def now() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


def _check(
    database: sqlite3.Connection, path: str, *, is_thorough: bool = True
) -> None:
    """Look whether it is a sound journal of a kind that we know."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION:
        message = f"{path}: this is a database, but no journal of qmpx"
        raise JournalError(message)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        message = f"{path}: this journal has version {version}; we know {_VERSION}"
        raise JournalError(message)
    if is_thorough:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Tell what SQLite, or the system, has to say as an error of ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        message = f"{path}: {error}"
        raise JournalError(message) from None
    except sqlite3.DatabaseError as error:
        found = " ".join(str(error).split())
        message = (
            f"{path}: the journal is damaged: {found}. It is left as it is. To begin a "
            "new one move it away, with the files that end in -wal and -shm; clients "
            "that resume are then told that it is another journal"
        )
        raise JournalError(message) from None
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise JournalError(message) from None


def _lock(path: str) -> int:
    """Let no other process write to this journal; return what holds it."""
    with _told(path):
        fd = open_own(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    if not try_to_lock(fd):
        os.close(fd)
        message = f"{path}: another process writes this journal"
        raise JournalError(message)
    return fd
