"""What is done about one background job, as steps: start, look, wait, complete, end.

Every race has its answer here. The job ends between a query and a command for it: the
command's error is forgotten if the job is over. Events come before the reply: they are
subscribed to first. The reply to the command that starts it is late: the job is looked
for. It dismisses itself before anybody looked: its events tell how it ended.
"""

import itertools
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from qmpx.client.arguments import Arguments
from qmpx.client.core import logger
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.client.job_state import EVENTS, VANISHED, JobProgress, JobState
from qmpx.client.steps import Deadline, Next, Run, Steps, Subscribe
from qmpx.errors import (
    CommandError,
    DeadlineExceeded,
    LocalProtocolError,
    OperationFailed,
    QmpxError,
)

LOOK_FIRST: Final = 0.05
LOOK_LAST: Final = 1.0
"""Seconds between two looks at a job that no event tells of; doubled each time."""

END_TIMEOUT: Final = 60.0
"""Seconds for a job that is cancelled because its block was left by an exception."""

KEEPS_RESULT: Final = (
    "block-commit",
    "block-stream",
    "blockdev-backup",
    "blockdev-mirror",
    "drive-backup",
    "drive-mirror",
)
"""Commands whose jobs dismiss themselves when they end, unless told not to.

Since QEMU 2.12 (backups) and 3.1; jobs of other commands always stay to be dismissed.
"""

_AUTO_DISMISS: Final = "auto-dismiss"
_numbers: Final = itertools.count(1)

OnProgress = Callable[[JobProgress], object]


class JobWork:
    """One job, and the steps that can be taken.

    Args:
        command: What starts it; ``None`` for a job that runs already.
        arguments: Its arguments. A missing ``job-id`` is made up.
        id: The job; needed for one that runs already.
        timeout: Seconds for the reply of the command that starts it.

    Raises:
        LocalProtocolError: There is neither a command nor an id, or both ids differ.
    """

    def __init__(
        self,
        command: str | None,
        arguments: Arguments,
        id: str | None,  # noqa: A002 - as QEMU calls it
        timeout: Timeout = DEFAULT,
    ) -> None:
        self._command = command
        self._arguments: dict[str, Any] = {}
        self._timeout = timeout
        if command is None:
            if id is None:
                message = "a job has a command that starts it, or an id"
                raise LocalProtocolError(message)
        else:
            if isinstance(arguments, Struct):
                arguments = msgspec.to_builtins(arguments)
            self._arguments = dict(arguments or {})  # type: ignore[arg-type]
            named = self._arguments.setdefault("job-id", id or _new_id())
            if id not in (None, named):
                message = f"the job is called {id!r} and, as its job-id, {named!r}"
                raise LocalProtocolError(message)
            id = named  # noqa: A001
        self.state = JobState(str(id))
        self._is_cancelled = False
        self._is_completing = False

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"job {self.state.id!r}"

    def start(self) -> Steps[None]:
        """Start it, or find it if it runs already.

        Raises:
            CommandError: The peer will not start it.
            OperationFailed: There is no such job.
        """
        yield Subscribe(EVENTS)
        if self._command is None:
            yield from self.look()
            if not self.state.was_seen:
                raise OperationFailed(self.name, "there is no such job")
            return
        try:
            yield from self._send_command(self._command)
        except DeadlineExceeded as late:
            # The peer answers in order: once it tells of its jobs, that command is
            # done, and whether it failed can be seen from them.
            try:
                yield from self.look()
            except DeadlineExceeded:
                raise late from None
            if not self.state.was_seen:
                raise

    def _send_command(self, command: str) -> Steps[None]:
        arguments = self._arguments
        if command in KEEPS_RESULT and _AUTO_DISMISS not in arguments:
            keeping = {**arguments, _AUTO_DISMISS: False}
            try:
                yield Run(command, keeping, self._timeout)
            except CommandError as error:
                if _AUTO_DISMISS not in str(error):
                    raise
                # It is older than that: nothing was started.
            else:
                return
        yield Run(command, arguments, self._timeout)

    def look(self) -> Steps[JobProgress]:
        """Ask how far it is."""
        jobs = yield Run("query-jobs")
        # What the events tell that came before this reply is older than it.
        while (event := (yield Next(0))) is not None:
            self.state.take(event)
        self.state.observe(jobs)
        return self.state.progress

    def wait(
        self, timeout: float | None, on_progress: OnProgress | None, *, complete: bool
    ) -> Steps[JobProgress]:
        """Wait until it has ended.

        Raises:
            OperationFailed: It failed, or somebody else cancelled it.
            DeadlineExceeded: It goes on still.
        """
        deadline = Deadline(timeout)
        pause = LOOK_FIRST
        while True:
            now = yield from self.look()
            if on_progress is not None:
                on_progress(now)
            if now.is_over:
                return self._judge(now)
            if complete:
                yield from self._help(now)
            deadline.require(f"end of {self.name}")
            pause = yield from self._await_change(deadline, pause)

    def wait_ready(
        self, timeout: float | None, on_progress: OnProgress | None
    ) -> Steps[JobProgress]:
        """Wait until it is ready to be completed; errors as `wait`."""
        deadline = Deadline(timeout)
        pause = LOOK_FIRST
        while True:
            now = yield from self.look()
            if on_progress is not None:
                on_progress(now)
            if now.status == "ready":
                return now
            if now.is_over:
                self._judge(now)
                raise OperationFailed(self.name, "it ended without having been ready")
            deadline.require(f"readiness of {self.name}")
            pause = yield from self._await_change(deadline, pause)

    def _await_change(self, deadline: Deadline, pause: float) -> Steps[float]:
        """Wait for an event about this job; return how long to wait the next time."""
        until = Deadline(deadline.left(pause))
        while (event := (yield Next(until.left()))) is not None:
            if self.state.take(event):
                return LOOK_FIRST
        return min(pause * 2, LOOK_LAST)

    def _help(self, now: JobProgress) -> Steps[None]:
        """Do what the job waits for."""
        if now.status == "ready" and not self._is_completing:
            self._is_completing = True
            yield from self._tell("job-complete", {"id": self.state.id})
        elif now.status == "pending":
            yield from self._tell("job-finalize", {"id": self.state.id})

    def _judge(self, now: JobProgress) -> JobProgress:
        if now.status == VANISHED:
            raise OperationFailed(
                self.name, "it is gone, and nothing told how it ended"
            )
        if self._is_cancelled:
            return now
        if now.is_cancelled:
            raise OperationFailed(self.name, "it was cancelled")
        if now.error:
            raise OperationFailed(self.name, now.error)
        return now

    def complete(self) -> Steps[None]:
        """Tell a job that is ready to end; a mirror's copy then takes the disk's place.

        Raises:
            CommandError: It is not ready, and not over either.
        """
        yield from self._tell("job-complete", {"id": self.state.id})
        self._is_completing = True

    def cancel(self, *, force: bool) -> Steps[None]:
        """Tell it to stop.

        Raises:
            CommandError: It cannot be cancelled now, and is not over either.
        """
        self._is_cancelled = True
        if force:
            yield from self._tell("job-cancel", {"id": self.state.id})
        else:
            yield from self._tell("block-job-cancel", {"device": self.state.id})

    def pause(self) -> Steps[None]:
        """Let it rest."""
        yield Run("job-pause", {"id": self.state.id})

    def resume(self) -> Steps[None]:
        """Let it go on."""
        yield Run("job-resume", {"id": self.state.id})

    def _tell(self, command: str, arguments: dict[str, Any]) -> Steps[None]:
        """Run a command for the job, unless it is over by then."""
        try:
            yield Run(command, arguments)
        except CommandError:
            now = yield from self.look()
            if not now.is_over:
                raise

    def end(self, *, is_wanted: bool) -> Steps[None]:
        """See it to its end, and dismiss it.

        Args:
            is_wanted: Whether it may finish; else it is cancelled, and errors, which
                would hide the reason for that, are kept quiet.
        """
        if is_wanted:
            try:
                if not self.state.progress.is_over:
                    yield from self.wait(None, None, complete=True)
            finally:
                yield from self._dismiss()
            return
        try:
            if not self.state.progress.is_over:
                yield from self.cancel(force=True)
                yield from self.wait(END_TIMEOUT, None, complete=False)
            yield from self._dismiss()
        except QmpxError as error:
            logger.warning("%s was not ended: %s", self.name, error)

    def _dismiss(self) -> Steps[None]:
        if not self.state.is_listed:
            return
        try:
            yield Run("job-dismiss", {"id": self.state.id})
        except CommandError as error:
            logger.info("%s was not dismissed: %s", self.name, error)
        self.state.is_listed = False


def _new_id() -> str:
    return f"qmpx-{os.getpid()}-{next(_numbers)}"
