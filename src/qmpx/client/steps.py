"""Work of several steps, written once for both clients: what to do, not how to wait.

Such work is a generator. It yields what is to be done next and is sent the outcome, or
has the error thrown into it; what it returns is the result. `carry_out` does the steps
with a blocking client, `qmpx.client.async_steps` with an asyncio one.
"""

import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from qmpx.client.arguments import Arguments
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.client.events import Event
from qmpx.errors import DeadlineExceeded

R = TypeVar("R")


class Run(NamedTuple):
    """Run a command: gives what it returned.

    Attributes:
        name: The command.
        arguments: Its arguments, with their names on the wire.
        timeout: Seconds for the reply.
        fds: Descriptors to go with it.
    """

    name: str
    arguments: Arguments = None
    timeout: Timeout = DEFAULT
    fds: Sequence[int] = ()


class Subscribe(NamedTuple):
    """Take events of these names from now on: gives nothing. Once for each work."""

    names: tuple[str, ...]


class Next(NamedTuple):
    """Wait for the next event: gives it, or ``None`` when the time is over.

    Attributes:
        seconds: How long; ``None`` for ever.
    """

    seconds: float | None


class Pause(NamedTuple):
    """Let some seconds go by: gives nothing."""

    seconds: float


Step = Run | Subscribe | Next | Pause
Steps = Generator[Step, Any, R]


class Deadline:
    """When a piece of work has to be done.

    Args:
        seconds: From now; ``None`` for never.
    """

    __slots__ = ("_at", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return self._at is not None and time.monotonic() >= self._at

    def left(self, most: float | None = None) -> float | None:
        """Return the seconds that are left, but at most *most*; ``None`` for ever."""
        if self._at is None:
            return most
        left = max(self._at - time.monotonic(), 0.0)
        return left if most is None else min(left, most)

    def require(self, awaited: str) -> None:
        """Return if there is time left.

        Raises:
            DeadlineExceeded: There is none; *awaited* is what did not come.
        """
        if self.is_over:
            raise DeadlineExceeded("", self.seconds or 0.0, awaited)


class Events(Protocol):
    """What steps need of a subscription."""

    def get(self, timeout: float | None = None) -> Event:
        """Return the next event."""

    def close(self) -> None:
        """Take no more."""


class Drives(Protocol):
    """What steps need of a blocking client."""

    def execute(
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


class Worker:
    """Does steps with a blocking client; its subscription lasts until it is closed.

    Args:
        client: Whom to ask.
    """

    def __init__(self, client: Drives) -> None:
        self._client = client
        self._events: Events | None = None

    def do(self, steps: Steps[R]) -> R:
        """Do all steps and return the result; what goes wrong is the work's to judge.

        Raises:
            QmpxError: What the work raises, or does not catch.
        """
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._do(step)
                except BaseException as error:  # noqa: BLE001 - the work raises it again
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: R = end.value
            return result

    def _do(self, step: Step) -> Any:
        match step:
            case Run(name, arguments, timeout, fds):
                return self._client.execute(name, arguments, timeout=timeout, fds=fds)
            case Subscribe(names):
                self._events = self._client.events(*names)
            case Next(seconds):
                if self._events is None:
                    message = "steps wait for events before they subscribe"
                    raise RuntimeError(message)
                try:
                    return self._events.get(seconds)
                except DeadlineExceeded:
                    return None
            case Pause(seconds):
                time.sleep(seconds)
        return None

    def close(self) -> None:
        """End the subscription, if there is one."""
        if self._events is not None:
            self._events.close()


def carry_out(client: Drives, steps: Steps[R]) -> R:
    """Do all steps with a blocking client and return the result; see `Worker.do`."""
    worker = Worker(client)
    try:
        return worker.do(steps)
    finally:
        worker.close()
