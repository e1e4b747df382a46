"""How long clients wait for a monitor that does not answer.

A client whose command is over time gets an error in its place; its later commands
follow in order, as ever. The monitor may still carry the command out, and answer: that
answer is dropped, for the client has one. A command that was not sent yet is not sent
any more.

There is no such deadline unless one is configured, for QEMU has none.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qmpx.client.deadlines import DEADLINES

if TYPE_CHECKING:
    from qmpx.gateway.upstreams.passing import Request


class Patience:
    """The deadlines of the commands that are under way to one monitor.

    Args:
        default: Seconds for most commands; ``None`` for ever. One that may take longer
            by nature has what `qmpx.client.deadlines.DEADLINES` gives it, if more.
        figures: Seconds for some, by name; ``None`` for ever. They come first.
        give_up: Told of a command that is over time, and its seconds.
    """

    def __init__(
        self,
        default: float | None,
        figures: Mapping[str, float | None],
        give_up: "Callable[[Request, float], None]",
    ) -> None:
        self._default = default
        self._figures = dict(figures)
        self._give_up = give_up
        # Commands with the same figure fall due in the order in which they came.
        self._waiting: dict[float, dict[Request, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def seconds_for(self, name: str) -> float | None:
        """Return how long a command may take."""
        if name in self._figures:
            return self._figures[name]
        if self._default is None:
            return None
        return max(DEADLINES.get(name) or 0.0, self._default)

    def begin(self, request: "Request") -> None:
        """Note a command that waits from now on."""
        seconds = self.seconds_for(request.name)
        if seconds is None:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        self._waiting.setdefault(seconds, {})[request] = due
        request.patience, request.seconds = self, seconds
        if self._timer is None or due < self._due:
            self._set(loop, due)

    def end(self, request: "Request") -> None:
        """Forget a command that is answered."""
        waiting = self._waiting.get(request.seconds)
        if waiting is not None:
            waiting.pop(request, None)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = loop.call_at(due, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        late: list[tuple[Request, float]] = []
        for seconds, waiting in self._waiting.items():
            for request, due in waiting.items():
                if due > now:
                    break
                late.append((request, seconds))
        for request, seconds in late:
            del self._waiting[seconds][request]
        firsts = [next(iter(each.values())) for each in self._waiting.values() if each]
        if firsts:
            self._set(loop, min(firsts))
        for request, seconds in late:
            self._give_up(request, seconds)
