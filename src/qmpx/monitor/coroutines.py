"""Run an asynchronous handler: its first step at once, a task only if it waits.

A handler that never waits then costs little more than a plain function: no task, no
turn of the loop. While the first step runs, `asyncio.current_task` gives a stand-in,
so that ``asyncio.timeout`` and task groups work; it passes on what it is told to the
task that is made if the handler waits. Both run in one context, which is the handler's
own.

Source: "Extending asyncio", task lifetime support, of Python's documentation.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, Final

_NAME: Final = "qmpx-command"


class _FirstStep:
    """Stands in for the task of a coroutine that may never need one."""

    # Most live for a microsecond, and change none of these.
    task: asyncio.Task[Any] | None = None
    _cancelled = 0
    _name = _NAME

    def cancel(self, msg: Any = None) -> bool:
        if self.task is not None:
            return self.task.cancel(msg)
        self._cancelled += 1
        return True

    def uncancel(self) -> int:
        if self.task is not None:
            return self.task.uncancel()
        self._cancelled = max(self._cancelled - 1, 0)
        return self._cancelled

    def cancelling(self) -> int:
        return self._cancelled if self.task is None else self.task.cancelling()

    def get_name(self) -> str:
        return self._name if self.task is None else self.task.get_name()

    def set_name(self, value: object) -> None:
        if self.task is not None:
            self.task.set_name(value)
        self._name = str(value)

    def done(self) -> bool:
        return self.task is not None and self.task.done()

    def cancelled(self) -> bool:
        return self.task is not None and self.task.cancelled()

    def give(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        if self._name is not _NAME:
            task.set_name(self._name)
        for _ in range(self._cancelled):
            task.cancel()


def start(
    coroutine: Coroutine[Any, Any, Any],
) -> tuple[asyncio.Task[Any] | None, Any]:
    """Run *coroutine* up to where it first waits.

    Returns:
        A task that carries on with it, ``None`` if it did not wait; and what it
        returned in that case.

    Raises:
        BaseException: What it raised.
    """
    loop = asyncio.get_running_loop()
    step: Any = _FirstStep()
    context = copy_context()
    outer: Any = None
    try:
        asyncio._enter_task(loop, step)  # noqa: SLF001
    except RuntimeError:  # within a task, which is rare: that one stands back
        outer = asyncio.current_task(loop)
        asyncio._leave_task(loop, outer)  # noqa: SLF001
        asyncio._enter_task(loop, step)  # noqa: SLF001
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration as stop:
        return None, stop.value
    finally:
        asyncio._leave_task(loop, step)  # noqa: SLF001
        if outer is not None:
            asyncio._enter_task(loop, outer)  # noqa: SLF001
    task = loop.create_task(_Rest(coroutine, awaited), name=_NAME, context=context)
    step.give(task)
    return task, None


class _Rest(Coroutine[Any, Any, Any]):
    """The rest of a coroutine that has already said what it waits for.

    Whatever else is asked of it is asked of the coroutine: its frame, its name.
    """

    __slots__ = ("_awaited", "_coroutine", "_is_fresh")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._is_fresh = True

    def send(self, value: Any) -> Any:
        if self._is_fresh:
            return self._say()
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        # The task that is cancelled here has not been told yet what it waits for. It
        # would cancel that, and wait for the outcome.
        if self._is_fresh:
            awaited = self._say()
            if asyncio.isfuture(awaited) and awaited.cancel():
                return awaited
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def _say(self) -> Any:
        self._is_fresh = False
        awaited, self._awaited = self._awaited, None
        return awaited

    def __await__(self) -> Generator[Any, None, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)
