"""Waiting for an agent that may not run yet, as a plan of tries for both faces.

An agent that starts after the connection was made may never see what was sent before,
and some answer a new connection only: so each try is made on a new one.
"""

from collections.abc import Generator
from typing import Final, NamedTuple

from qmpx.agent.deadlines import TRY_TIMEOUT
from qmpx.client.steps import Deadline
from qmpx.errors import ConnectError, DeadlineExceeded, QmpxError

TRY_PAUSE: Final = 0.1
"""Seconds between two tries."""


class Try(NamedTuple):
    """One try to get into step with the agent.

    Attributes:
        pause: Seconds to wait before it.
        seconds: How long it may take.
    """

    pause: float
    seconds: float


def tries(timeout: float | None) -> Generator[Try, QmpxError | None, None]:
    """Yield what to try; be sent why it failed, or ``None`` if it did not.

    Raises:
        ConnectError: There is nobody to connect to: QEMU does not run, or has no such
            device.
        DeadlineExceeded: The connection stands, and the agent says nothing.
    """
    deadline = Deadline(timeout)
    pause = 0.0
    while True:
        error = yield Try(pause, max(deadline.left(TRY_TIMEOUT) or 0.0, 0.05))
        if error is None:
            return
        if deadline.is_over:
            if isinstance(error, ConnectError):
                raise error
            awaited = (
                "answer of the guest agent: the guest is not up yet, or the agent is "
                "not installed or not started in it"
            )
            raise DeadlineExceeded("", timeout or 0.0, awaited)
        pause = TRY_PAUSE
