"""The lines of an audit: some are written at once, others gathered, all of them forced.

What is announced is on its way to the disk before what it tells of happens. What is
only told is gathered for a moment. When the disk has it for good the settings say.
"""

import asyncio
import contextlib
import logging
import os
from typing import Any, Final

from msgspec import UNSET, UnsetType

from qmpx.gateway.audit.chain import AuditError, Line
from qmpx.gateway.audit.file import AuditFile
from qmpx.gateway.audit.observer import (
    AuditObserver,
)
from qmpx.gateway.audit.seal import read_key
from qmpx.gateway.audit.shortening import (
    shorten,
)
from qmpx.gateway.settings.records import AuditSettings

GATHER: Final = 0.1
"""Seconds in which lines are gathered that announce nothing: what a crash may take."""

SYNC_INTERVAL: Final = 1.0
"""Seconds between two calls of ``fdatasync`` with ``sync = "interval"``: what a loss of
power may take. The end of the process alone takes nothing that was written."""


logger = logging.getLogger("qmpx.gateway")


class Audit:
    """Writes down what happens at shared monitors.

    Args:
        settings: Where and how.

    Raises:
        AuditError: The file cannot be written, or is no audit, or the key is none.
    """

    def __init__(self, settings: AuditSettings) -> None:
        self.settings = settings
        self._file = _opened(settings)
        self._timer: asyncio.TimerHandle | None = None
        self._sync_timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._is_dirty = False
        self._sync_failure = ""
        self._is_put_off = False
        self.refused = 0
        self.lost = 0
        self._note("started", more={"pid": os.getpid()})
        with contextlib.suppress(AuditError):  # logged, and tried again with the next
            self._file.flush()  # at once: no kill takes the line that says who began

    @property
    def path(self) -> str:
        """The file that is written to."""
        return self._file.path

    @property
    def failure(self) -> str:
        """Why nothing can be written now; empty if it can."""
        return self._file.failure or self._sync_failure

    def at(self, upstream: str) -> "AuditObserver":
        """Return what is to observe the monitor of that name."""
        return AuditObserver(self, upstream)

    def other_file(self, settings: AuditSettings) -> AuditFile | None:
        """Open the file that other settings name; ``None``: it is the same.

        Raises:
            AuditError: It cannot be written, or is no audit; or it is the same, and is
                to have another key.
        """
        if os.path.realpath(settings.path) != os.path.realpath(self.settings.path):
            return _opened(settings)
        if settings.key_file != self.settings.key_file:
            message = f"{settings.path}: another key needs another path, too"
            raise AuditError(message)
        return None

    async def adapt(self, settings: AuditSettings, other: AuditFile | None) -> None:
        """Write by other settings from now on.

        What waits for the old file, because it cannot be written, goes to the new one.
        Each says where the chain goes on, or where it was before.

        Args:
            settings: How.
            other: Where, if not in the same file: what `other_file` returned.
        """
        self.settings = settings
        if other is None:
            self._file.adapt(settings.max_size, settings.keep)
            return
        old, self._file = self._file, other
        self._sync_failure = ""
        with contextlib.suppress(AuditError):  # logged; what waits goes along
            old.tell(Line(0, "", "", "ended", more={"next": other.path}))
            old.flush()
        told = [line for line in old.withdraw() if line.kind != "ended"]
        other.lost += old.lost
        place = {"file": old.path, "sequence": old.head.sequence}
        before = place | {"sha256": old.head.digest}
        self._note("started", more={"pid": os.getpid(), "before": before})
        for line in told:
            other.tell(line)
        self._flush_soon()
        if settings.sync != "never" and not old.failure:
            await asyncio.to_thread(_sync_copy, os.dup(old.fd))
        with contextlib.suppress(AuditError):  # nothing waits there
            old.close()

    async def close(self) -> None:
        """Write what waits and the end, and close.

        Raises:
            AuditError: It cannot be written.
        """
        for timer in (self._timer, self._sync_timer):
            if timer is not None:
                timer.cancel()
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        if self.settings.sync != "never" and not self._file.failure:
            await asyncio.to_thread(os.fdatasync, self._file.fd)
        self._note("ended")
        self._file.close()

    def announce(self, line: Line) -> int:
        """Write a line before what it tells of happens; return its number.

        Raises:
            AuditError: That is not possible.
        """
        if self._sync_failure:
            message = f"{self._file.path} cannot be written: {self._sync_failure}"
            raise AuditError(message)
        shorten(line)
        number = self._file.announce(line)
        if self.settings.sync == "always":
            try:
                os.fdatasync(self._file.fd)
            except OSError as error:
                self._sync_failed(error)
                self._sync_later()
                reason = self._sync_failure
                refusal = Line(0, "", "", "outcome", outcome="refused", intent=number)
                self.tell(refusal)
                raise AuditError(reason) from None
        else:
            self._sync_later()
        return number

    def tell(self, line: Line) -> None:
        """Write a line soon."""
        shorten(line)
        was = self._file.lost
        self._file.tell(line)
        self.lost += self._file.lost - was
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _note(self, kind: str, more: dict[str, Any] | UnsetType = UNSET) -> None:
        self._file.tell(Line(0, "", "", kind, more=more))

    def _flush(self) -> None:
        self._timer = None
        try:
            self._file.flush()
        except AuditError:  # logged, and tried again
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SYNC_INTERVAL, self._flush)
        else:
            self._sync_later()

    # What is written is forced to the disk by a thread: it may take long.

    def _sync_later(self) -> None:
        self._is_dirty = True
        is_wanted = self.settings.sync == "interval" or self._sync_failure
        if not is_wanted or self._sync_timer is not None:
            return
        loop = asyncio.get_running_loop()
        self._sync_timer = loop.call_later(SYNC_INTERVAL, self._sync)

    def _sync(self) -> None:
        self._sync_timer = None
        if self._syncing is not None:
            self._sync_later()
            return
        self._is_dirty = False
        fd = -1
        try:
            fd = os.dup(self._file.fd)
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(None, _sync_copy, fd)
        except (OSError, RuntimeError) as error:
            # No descriptor or no thread is left: the disk is well, and clients that
            # take them all must not end what others do. It is tried again.
            if fd != -1:
                os.close(fd)
            if not self._is_put_off:
                logger.warning("%s is not forced to the disk yet: %s", self.path, error)
            self._is_put_off = True
            self._sync_later()
        else:
            self._is_put_off = False
            self._syncing.add_done_callback(self._synced)

    def _synced(self, done: "asyncio.Future[None]") -> None:
        self._syncing = None
        error = done.exception()
        if isinstance(error, OSError):
            self._sync_failed(error)
            self._sync_later()
        else:
            self._sync_failure = ""
            if self._is_dirty:
                self._sync_later()

    def _sync_failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if reason != self._sync_failure:
            logger.error("%s cannot be forced to the disk: %s", self._file.path, reason)
        self._sync_failure = reason


def _opened(settings: AuditSettings) -> AuditFile:
    key = read_key(settings.key_file) if settings.key_file else b""
    return AuditFile(
        settings.path, max_size=settings.max_size, keep=settings.keep, key=key
    )


def _sync_copy(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
