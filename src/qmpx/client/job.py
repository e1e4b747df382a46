"""A background job, for the blocking client."""

from types import TracebackType
from typing import Self

from qmpx.client.job_state import JobProgress
from qmpx.client.job_work import JobWork, OnProgress
from qmpx.client.steps import Drives, Worker


class Job:
    """A background job: a context manager; `qmpx.Client.job` makes one.

    The job starts with the block. At its end it is waited for, if that was not done,
    and dismissed; if an exception ends the block, the job is cancelled.

    Args:
        client: Whom to ask.
        work: What to ask.
    """

    def __init__(self, client: Drives, work: JobWork) -> None:
        self._work = work
        self._worker = Worker(client)

    @property
    def id(self) -> str:
        """What the peer calls it."""
        return self._work.state.id

    @property
    def progress(self) -> JobProgress:
        """How far it was when last heard of."""
        return self._work.state.progress

    def refresh(self) -> JobProgress:
        """Ask how far it is."""
        return self._worker.do(self._work.look())

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_progress: OnProgress | None = None,
        complete: bool = True,
    ) -> JobProgress:
        """Wait until it has ended, and return how it was at last.

        Args:
            timeout: Seconds; ``None`` for ever. The job goes on when they are over.
            on_progress: Called with each `JobProgress`, some of them equal.
            complete: Whether to complete it when it is ready, and to finalize it when
                that is waited for; else somebody has to.

        Raises:
            OperationFailed: It failed, or somebody else cancelled it.
            DeadlineExceeded: It goes on still.
            QmpxError: As `qmpx.Client.execute`.
        """
        return self._worker.do(self._work.wait(timeout, on_progress, complete=complete))

    def wait_ready(
        self, timeout: float | None = None, *, on_progress: OnProgress | None = None
    ) -> JobProgress:
        """Wait until a mirror or an active commit is ready to be completed.

        Arguments and errors are those of `wait`; also:

        Raises:
            OperationFailed: It ended without having been ready.
        """
        return self._worker.do(self._work.wait_ready(timeout, on_progress))

    def complete(self) -> None:
        """Tell a job that is ready to end; a mirror's copy then takes the disk's place.

        Raises:
            CommandError: It is not ready, and not over either.
        """
        self._worker.do(self._work.complete())

    def cancel(self, *, force: bool = True) -> None:
        """Tell it to stop; it has stopped when `wait` returns.

        Args:
            force: Whether at once; else a mirror that is ready ends well, its copy a
                good one, and nothing takes the disk's place.

        Raises:
            CommandError: It cannot be cancelled now, and is not over either.
        """
        self._worker.do(self._work.cancel(force=force))

    def pause(self) -> None:
        """Let it rest."""
        self._worker.do(self._work.pause())

    def resume(self) -> None:
        """Let it go on."""
        self._worker.do(self._work.resume())

    def __enter__(self) -> Self:
        try:
            self._worker.do(self._work.start())
        except BaseException:
            self._worker.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._worker.do(self._work.end(is_wanted=kind is None))
        finally:
            self._worker.close()
