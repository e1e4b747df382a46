"""Work of several steps, done with an asyncio client; see `qmpx.client.steps`."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar

from qmpx.client.arguments import Arguments
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.client.events import Event
from qmpx.client.steps import Next, Pause, Run, Step, Steps, Subscribe
from qmpx.errors import DeadlineExceeded

R = TypeVar("R")


class AsyncEvents(Protocol):
    """What steps need of a subscription."""

    def get(self, timeout: float | None = None) -> Awaitable[Event]:
        """Return the next event."""

    def close(self) -> None:
        """Take no more."""


class AsyncDrives(Protocol):
    """What steps need of an asyncio client."""

    async def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),
    ) -> Any:
        """Run a command."""

    def events(self, *patterns: str) -> Any:
        """Subscribe."""


class AsyncWorker:
    """Does steps with an asyncio client; see `qmpx.client.steps.Worker`.

    Args:
        client: Whom to ask.
    """

    def __init__(self, client: AsyncDrives) -> None:
        self._client = client
        self._events: AsyncEvents | None = None

    async def do(self, steps: Steps[R]) -> R:
        """Do all steps and return the result.

        A cancellation is thrown into the work like any other error, so that it can put
        things right; it ends with it.

        Raises:
            QmpxError: What the work raises, or does not catch.
        """
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await self._do(step)
                except BaseException as error:  # noqa: BLE001 - the work raises it again
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: R = end.value
            return result

    async def _do(self, step: Step) -> Any:
        match step:
            case Run(name, arguments, timeout, fds):
                return await self._client.execute(
                    name, arguments, timeout=timeout, fds=fds
                )
            case Subscribe(names):
                self._events = self._client.events(*names)
            case Next(seconds):
                if self._events is None:
                    message = "steps wait for events before they subscribe"
                    raise RuntimeError(message)
                try:
                    return await self._events.get(seconds)
                except DeadlineExceeded:
                    return None
            case Pause(seconds):
                await asyncio.sleep(seconds)
        return None

    def close(self) -> None:
        """End the subscription, if there is one."""
        if self._events is not None:
            self._events.close()


async def carry_out_async(client: AsyncDrives, steps: Steps[R]) -> R:
    """Do all steps with an asyncio client and return the result."""
    worker = AsyncWorker(client)
    try:
        return await worker.do(steps)
    finally:
        worker.close()
