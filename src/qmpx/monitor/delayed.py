"""A command that waits, and what becomes of its reply."""

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from qmpx.monitor.deferred import Deferred
from qmpx.monitor.registry import Entry
from qmpx.wire.messages import Command

if TYPE_CHECKING:
    from qmpx.monitor.session import Session


class Delayed:
    """A command whose reply is yet to come."""

    __slots__ = ("command", "entry", "session")

    def __init__(self, session: "Session", entry: Entry, command: Command) -> None:
        self.session = session
        self.entry = entry
        self.command = command

    @property
    def is_overtakable(self) -> bool:
        """Whether replies to later commands may be sent before this one's."""
        command = self.command
        if command.exec_oob is not UNSET or command.execute_async is not UNSET:
            return True
        return self.session.wire.rules.lets_overtake and self.entry.is_asynchronous

    def await_(self, task: asyncio.Task[Any] | Deferred) -> None:
        """Send the reply when a task is done."""
        self.session.monitor.tasks[task] = self.session
        self.session.wait_for(self, task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any] | Deferred) -> None:
        session, monitor = self.session, self.session.monitor
        del monitor.tasks[task]
        outcome: Any = None
        error: BaseException | None = None
        if task.cancelled():
            error = asyncio.CancelledError()
        elif (error := task.exception()) is None:
            outcome = task.result()
        session.finish(self, outcome, error)
        if monitor.is_stopping:
            monitor.session_advanced()
