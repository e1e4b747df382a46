"""A background job, for the asyncio client."""

from types import TracebackType
from typing import Self

from qmpx.client.async_steps import AsyncDrives, AsyncWorker
from qmpx.client.job_state import JobProgress
from qmpx.client.job_work import JobWork, OnProgress


class AsyncJob:
    """A background job: an asynchronous context manager; see `qmpx.client.Job`.

    `qmpx.AsyncClient.job` makes one. Cancelling whoever waits in it is safe: leaving
    the block cancels the job.

    Args:
        client: Whom to ask.
        work: What to ask.
    """

    def __init__(self, client: AsyncDrives, work: JobWork) -> None:
        self._work = work
        self._worker = AsyncWorker(client)

    @property
    def id(self) -> str:
        """What the peer calls it."""
        return self._work.state.id

    @property
    def progress(self) -> JobProgress:
        """How far it was when last heard of."""
        return self._work.state.progress

    async def refresh(self) -> JobProgress:
        """Ask how far it is."""
        return await self._worker.do(self._work.look())

    async def wait(
        self,
        timeout: float | None = None,
        *,
        on_progress: OnProgress | None = None,
        complete: bool = True,
    ) -> JobProgress:
        """Wait until it has ended, and return how it was at last.

        Arguments and errors are those of `qmpx.client.Job.wait`.
        """
        return await self._worker.do(
            self._work.wait(timeout, on_progress, complete=complete)
        )

    async def wait_ready(
        self, timeout: float | None = None, *, on_progress: OnProgress | None = None
    ) -> JobProgress:
        """Wait until a mirror or an active commit is ready to be completed.

        Arguments and errors are those of `qmpx.client.Job.wait_ready`.
        """
        return await self._worker.do(self._work.wait_ready(timeout, on_progress))

    async def complete(self) -> None:
        """Tell a job that is ready to end; a mirror's copy then takes the disk's place.

        Raises:
            CommandError: It is not ready, and not over either.
        """
        await self._worker.do(self._work.complete())

    async def cancel(self, *, force: bool = True) -> None:
        """Tell it to stop; it has stopped when `wait` returns.

        Arguments and errors are those of `qmpx.client.Job.cancel`.
        """
        await self._worker.do(self._work.cancel(force=force))

    async def pause(self) -> None:
        """Let it rest."""
        await self._worker.do(self._work.pause())

    async def resume(self) -> None:
        """Let it go on."""
        await self._worker.do(self._work.resume())

    async def __aenter__(self) -> Self:
        try:
            await self._worker.do(self._work.start())
        except BaseException:
            self._worker.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._worker.do(self._work.end(is_wanted=kind is None))
        finally:
            self._worker.close()
