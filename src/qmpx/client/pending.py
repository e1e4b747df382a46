"""Commands whose replies tasks wait for, and the timer that ends the wait."""

import asyncio

from qmpx.client.batch import BatchCall
from qmpx.client.core import ClientCore
from qmpx.errors import QmpxError
from qmpx.wire.messages import ServerMessage


class PendingCall:
    """One command whose reply a task waits for."""

    __slots__ = ("deadline", "future")

    def __init__(self, future: asyncio.Future[ServerMessage], deadline: float) -> None:
        self.future = future
        self.deadline = deadline

    def resolve(self, id_: int, message: ServerMessage) -> None:  # noqa: ARG002
        """Hand over the reply."""
        if not self.future.done():
            self.future.set_result(message)

    def fail(self, error: QmpxError) -> None:
        """Tell that there will be none."""
        if not self.future.done():
            self.future.set_exception(error)


class PendingBatch(BatchCall):
    """Many commands whose replies a task waits for."""

    __slots__ = ("deadline", "future")

    def __init__(
        self, count: int, future: asyncio.Future[ServerMessage], deadline: float
    ) -> None:
        super().__init__(count)
        self.future = future
        self.deadline = deadline

    def resolve(self, id_: int, message: ServerMessage) -> None:
        """Take a reply, and hand them all over with the last."""
        super().resolve(id_, message)
        if self.is_done and not self.future.done():
            self.future.set_result(message)

    def fail(self, error: QmpxError) -> None:
        """Tell that there will be none."""
        if not self.future.done():
            self.future.set_exception(error)


class Timer:
    """Ends the calls whose time is over.

    One timer of the loop serves all calls: with equal time-outs the oldest falls due
    first, so it is seldom set anew.

    Args:
        core: What knows which calls wait.

    Attributes:
        at: When it fires, by the clock of the loop; infinity if it is not set.
    """

    __slots__ = ("_core", "_handle", "at")

    def __init__(self, core: ClientCore) -> None:
        self._core = core
        self._handle: asyncio.TimerHandle | None = None
        self.at = float("inf")

    def watch(self, deadline: float) -> None:
        """Have calls looked at no later than *deadline*."""
        if deadline >= self.at:
            return
        self.stop()
        self.at = deadline
        self._handle = asyncio.get_running_loop().call_at(deadline, self._expire)

    def stop(self) -> None:
        """Look at no calls any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.at = float("inf")

    def _expire(self) -> None:
        self._handle = None
        self.at = float("inf")
        now = asyncio.get_running_loop().time()
        following = float("inf")
        for waiter in self._core.pending.values():
            if (
                isinstance(waiter, (PendingCall, PendingBatch))
                and not waiter.future.done()
            ):
                if waiter.deadline <= now:
                    waiter.future.set_exception(TimeoutError())
                else:
                    following = min(following, waiter.deadline)
        self.watch(following)
