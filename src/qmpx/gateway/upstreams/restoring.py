"""Trying again, with pauses that grow, until a connection is back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from qmpx.client.deadlines import RETRY_FIRST, RETRY_LAST


class Restoring:
    """Tries to connect, one attempt after the other, until one succeeds.

    Args:
        attempt: Connects; tells whether it could.
    """

    def __init__(self, attempt: Callable[[], Awaitable[bool]]) -> None:
        self._attempt = attempt
        self._task: asyncio.Task[None] | None = None

    def start(self, pause: float) -> None:
        """Begin to try.

        Args:
            pause: Seconds until the first attempt.
        """
        self._task = asyncio.get_running_loop().create_task(self._try(pause))

    async def stop(self) -> None:
        """Try no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _try(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            pause = max(min(pause * 2, RETRY_LAST), RETRY_FIRST)
            if await self._attempt():
                break
        if self._task is asyncio.current_task():
            self._task = None
