"""What is known of one background job: put together from events and queries.

Both can be late, and either can come first. A job may end between two looks; it may be
gone before the first one, with its end told by an event only.

Source: QEMU's job life cycle (docs/interop/live-block-operations, qapi/job.json);
observed on QEMU 7.2.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from qmpx.client.events import Event

EVENTS: Final = (
    "JOB_STATUS_CHANGE",
    "BLOCK_JOB_COMPLETED",
    "BLOCK_JOB_CANCELLED",
    "BLOCK_JOB_ERROR",
    "BLOCK_JOB_READY",
    "BLOCK_JOB_PENDING",
)
"""What tells of jobs: the first of all, the others of block jobs, by ``device``."""

OVER: Final = ("concluded", "null")
"""States that a job does not leave by itself."""

VANISHED: Final = "vanished"
"""Our own word: the job is gone, and nobody told how it ended."""


class JobProgress(Struct, frozen=True):
    """How far a job is.

    Attributes:
        id: The job.
        type: Its kind, such as ``mirror``; empty while it is not known.
        status: Its state, such as ``running``, ``ready`` or ``concluded``.
        current: How much is done, in units that the job chooses: mostly bytes.
        total: How much there is to do, as far as the job knows: it may grow.
        error: What went wrong; empty if nothing has.
        is_cancelled: Whether it was cancelled.
    """

    id: str
    type: str = ""
    status: str = "created"
    current: int = 0
    total: int = 0
    error: str = ""
    is_cancelled: bool = False

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1; 0 while the job does not know its total."""
        return min(self.current / self.total, 1.0) if self.total > 0 else 0.0

    @property
    def is_over(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status in (*OVER, VANISHED)


class JobState:
    """One job, as events and queries tell of it.

    Args:
        id: The job.

    Attributes:
        was_seen: Whether anything has told of it.
        is_listed: Whether the peer still lists it, so that it has to be dismissed.
    """

    def __init__(self, id: str) -> None:  # noqa: A002 - as QEMU calls it
        self.id = id
        self.was_seen = False
        self.is_listed = False
        self._type = ""
        self._status = "created"
        self._current = 0
        self._total = 0
        self._error = ""
        self._is_cancelled = False
        self._has_ended = False

    @property
    def progress(self) -> JobProgress:
        """How far it is."""
        return JobProgress(
            self.id,
            self._type,
            self._status,
            self._current,
            self._total,
            self._error,
            self._is_cancelled,
        )

    def take(self, event: Event) -> bool:
        """Learn from an event; tell whether it is about this job."""
        data = event.data
        if event.name == "JOB_STATUS_CHANGE":
            if data.get("id") != self.id:
                return False
            self._change(str(data.get("status")))
            return True
        if data.get("device", data.get("id")) != self.id:
            return False
        self.was_seen = True
        self._type = self._type or str(data.get("type", ""))
        match event.name:
            case "BLOCK_JOB_COMPLETED":
                self._measure(data)
                self._error = str(data.get("error", self._error))
                self._has_ended = True
            case "BLOCK_JOB_CANCELLED":
                self._measure(data)
                self._is_cancelled = self._has_ended = True
            case "BLOCK_JOB_READY":
                self._measure(data)
        return True

    def _measure(self, data: dict[str, Any]) -> None:
        self._current = int(data.get("offset", self._current))
        self._total = int(data.get("len", self._total))

    def _change(self, status: str) -> None:
        self.was_seen = True
        if status == "aborting":
            self._error = self._error or "it was aborted, and its error was not told"
        if status in OVER:
            self._has_ended = True
        # "null" comes when it is dismissed; what it concluded with stays.
        self._status = "concluded" if status == "null" else status

    def observe(self, jobs: Sequence[dict[str, Any]]) -> None:
        """Learn from what ``query-jobs`` returned."""
        for job in jobs:
            if job.get("id") == self.id:
                self.was_seen = self.is_listed = True
                self._type = str(job.get("type", self._type))
                self._status = str(job.get("status", self._status))
                self._current = int(job.get("current-progress", self._current))
                self._total = int(job.get("total-progress", self._total))
                if "error" in job:
                    self._error = str(job["error"])
                return
        self.is_listed = False
        if not self.progress.is_over:
            self._status = "concluded" if self._has_ended else VANISHED
