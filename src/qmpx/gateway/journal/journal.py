"""The events of shared monitors, numbered and kept, so that clients can resume.

An event takes its number from the monitor in the moment in which it comes, is written
by a thread of its own, and is *acknowledged* when that is on the disk: only then is it
given to a client with its number. So whatever number a client has seen is in the file,
whatever happens to this process; and what was not written when it ended was shown to
nobody under its number, which the next event may have.

Clients that did not ask for numbers do not wait for that: see
`qmpx.gateway.journal.subscriptions`.

**When the disk is slow or full.** Up to `MAX_WAITING` events wait to be written. What
comes then is not kept: the monitor and the clients are never held back. When there is
room again an event ``X_QMPX_JOURNAL_GAP`` tells how many are missing, at their place.
"""

import asyncio
import contextlib
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from qmpx.gateway.host.times import SteadyTime
from qmpx.gateway.journal.file import (
    JournalError,
    JournalFile,
    JournalReader,
    Recorded,
)
from qmpx.gateway.journal.monitor_journal import (
    MonitorJournal,
)
from qmpx.gateway.settings.records import (
    JournalSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.gateway.sharing.monitor import SharedMonitor

MAX_WAITING: Final = 8192
"""Events that wait to be written: some 2 MB, many times what a burst of QEMU has."""


RETRY: Final = 0.5
"""Seconds until what could not be written is tried again."""


AGE_INTERVAL: Final = 10.0
"""Seconds between two looks whether an event is too old."""

T = TypeVar("T")
logger = logging.getLogger("qmpx.gateway")


class Journal:
    """Keeps the events of any number of shared monitors.

    Args:
        settings: Where, and for how long.

    Attributes:
        id: What tells this journal from any other.
        failure: Why nothing can be written now; empty if it can.

    Raises:
        JournalError: The file cannot be used, and why.
    """

    def __init__(self, settings: JournalSettings) -> None:
        self.settings = settings
        self.failure = ""
        self._file = JournalFile(settings.path, synchronous=settings.synchronous)
        self.id = self._file.id
        try:
            self._reader = JournalReader(settings.path)
        except BaseException:
            self._file.close()
            raise
        # Not the host's own: what is oldest goes first, whatever its clock is set to.
        self._time = SteadyTime(self._file.latest)
        self._reading = ThreadPoolExecutor(1, "qmpx-journal-reader")
        self._monitors: dict[int, MonitorJournal] = {}
        self._issued: dict[int, int] = {}  # last numbers, by monitor
        self._waiting: list[tuple[int, Recorded]] = []
        self._wanted = threading.Condition()
        self._at_file = threading.Lock()
        self._forget_at = 0
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer = threading.Thread(
            target=self._write, name="qmpx-journal", daemon=True
        )
        self._writer.start()

    def at(self, monitor: "SharedMonitor", upstream: str) -> "MonitorJournal":
        """Return what keeps the events of *monitor*; it numbers on from the last one.

        Args:
            monitor: A shared monitor; nobody has a number of its events yet.
            upstream: Its name: what is the same when the gateway runs again.

        Raises:
            JournalError: The file cannot be written, or keeps the events of another
                monitor of that name now.
        """
        with self._at_file:
            place = self._file.place_of(upstream)
        if place.number in self._monitors:
            message = f"{self._file.path}: there are two monitors {upstream!r}"
            raise JournalError(message)
        made = MonitorJournal(self, monitor, upstream, place)
        # What it had before it was forgotten may not be on the disk yet.
        monitor.sequence = max(place.last, self._issued.get(place.number, 0))
        self._monitors[place.number] = made
        return made

    def check(self, settings: JournalSettings) -> None:
        """See whether other settings may be put in force while it is open.

        Raises:
            JournalError: They name another file.
        """
        if os.path.realpath(settings.path) != os.path.realpath(self.settings.path):
            message = (
                f"[journal] path = {settings.path!r}: clients resume by the numbers of "
                f"{self.settings.path}; stop the gateway, and move the file"
            )
            raise JournalError(message)

    def adapt(self, settings: JournalSettings) -> None:
        """Keep events by other settings from now on. May block for a moment."""
        if settings.synchronous != self.settings.synchronous:
            try:
                with self._at_file:
                    self._file.synchronise(settings.synchronous)
            except JournalError as error:  # so does the next event, which says so
                logger.error("%s", error)  # noqa: TRY400
        self.settings = settings
        self._forget_at = 0  # with the next event what is too old goes, too

    def forget(self, monitor: "SharedMonitor") -> None:
        """Let go of a monitor that has no more events; the file keeps what it had."""
        for number, kept in list(self._monitors.items()):
            if kept.is_of(monitor):
                del self._monitors[number]

    def close(self) -> None:
        """Write what waits, and close. Blocks for as long as that takes."""
        with self._wanted:
            self._is_closing = True
            self._wanted.notify()
        self._writer.join()
        self._reading.shutdown()
        self._reader.close()
        self._file.close()

    @property
    def is_closing(self) -> bool:
        """Whether it gives no more events."""
        return self._is_closing

    @property
    def waiting(self) -> int:
        """Events that are not on the disk yet, but for those that are being written."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether half of the room is left, so that it is worth to begin anew."""
        return len(self._waiting) < MAX_WAITING // 2

    def put(self, monitor: int, recorded: Recorded) -> bool:
        """Let an event be written; tell whether there was room.

        Call it in the loop's thread.
        """
        if len(self._waiting) >= MAX_WAITING:
            return False
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._issued[monitor] = recorded.sequence
        with self._wanted:
            self._waiting.append((monitor, recorded))
            self._wanted.notify()
        return True

    def read(self, monitor: int, first: int) -> "Future[list[Recorded]]":
        """Read a chunk of events of a monitor, from *first* on, in another thread."""
        return self._reading.submit(self._reader.read, monitor, first)

    # In the writer's thread.

    def _write(self) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._waiting or self._is_closing)
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            if not self._commit(batch):
                lost = len(batch) + len(self._waiting)
                logger.error("%s: %d events are lost", self._file.path, lost)
                return
            self._forget()

    def _commit(self, batch: list[tuple[int, Recorded]]) -> bool:
        """Write events, and try until it is done, or there is no more time."""
        while True:
            try:
                with self._at_file:
                    self._file.write(batch, self._time.now())
            except JournalError as error:
                if str(error) != self.failure:
                    logger.error("events cannot be kept: %s", error)  # noqa: TRY400
                self.failure = str(error)
                with self._wanted:
                    if self._wanted.wait_for(lambda: self._is_closing, RETRY):
                        return False
            else:
                self.failure = ""
                self._call(self._committed, batch)
                return True

    def _forget(self) -> None:
        """Delete what need not be kept; how old the oldest is is seldom looked at."""
        settings, file, moment = self.settings, self._file, self._time.now()
        is_much = file.size > settings.max_size or file.count > settings.max_events
        if not is_much and moment < self._forget_at:
            return
        self._forget_at = moment + round(AGE_INTERVAL * 1_000_000)
        before = moment - round(settings.max_age * 1_000_000)
        try:
            while True:
                with self._at_file:
                    gone = file.forget(before, settings.max_size, settings.max_events)
                if not gone:
                    return
                self._call(self._forgotten, gone)
        except JournalError as error:
            logger.error("old events cannot be deleted: %s", error)  # noqa: TRY400

    def _call(self, function: "Callable[[T], None]", argument: "T") -> None:
        if self._loop is not None:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(function, argument)

    # In the loop's thread.

    def _committed(self, batch: list[tuple[int, Recorded]]) -> None:
        parts: dict[int, list[Recorded]] = {}
        for number, recorded in batch:
            parts.setdefault(number, []).append(recorded)
        for number, part in parts.items():
            if number in self._monitors:
                self._monitors[number].acknowledge(part)
        for monitor in self._monitors.values():
            monitor.tell_gap()

    def _forgotten(self, oldest: dict[int, int]) -> None:
        for number, sequence in oldest.items():
            if number in self._monitors:
                self._monitors[number].oldest = sequence
