"""Run an asynchronous handler: its first step at once, a task only if it waits.

A handler that never waits then costs little more than a plain function: no task, no
turn of the loop. While the first step runs, `asyncio.current_task` gives a stand-in,
so that ``asyncio.timeout`` and task groups work; it passes on what it is told to the
task that is made if the handler waits.

Source: "Extending asyncio", task lifetime support, of Python's documentation.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class _FirstStep:
    """Stands in for the task of a coroutine that may never need one."""

    __slots__ = ("__weakref__", "_cancelled", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._cancelled = 0

    def cancel(self, msg: Any = None) -> bool:
        if self.task is not None:
            return self.task.cancel(msg)
        self._cancelled += 1
        return True

    def uncancel(self) -> int:
        if self.task is not None:
            return self.task.uncancel()
        self._cancelled -= 1
        return self._cancelled

    def cancelling(self) -> int:
        return self._cancelled if self.task is None else self.task.cancelling()

    def get_name(self) -> str:
        return "qmpx-command"

    def done(self) -> bool:
        return self.task is not None and self.task.done()

    def give(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        for _ in range(self._cancelled):
            task.cancel()


def start(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]
) -> asyncio.Task[Any] | None:
    """Run *coroutine* up to where it first waits.

    Returns:
        A task that carries on with it.

    Raises:
        StopIteration: It did not wait; the value is what it returned.
        Exception: What it raised.
    """
    step: Any = _FirstStep()
    outer = asyncio.current_task(loop)
    if outer is not None:
        asyncio._leave_task(loop, outer)  # noqa: SLF001
    asyncio._enter_task(loop, step)  # noqa: SLF001
    try:
        awaited = coroutine.send(None)
    finally:
        asyncio._leave_task(loop, step)  # noqa: SLF001
        if outer is not None:
            asyncio._enter_task(loop, outer)  # noqa: SLF001
    task = loop.create_task(_carry_on(coroutine, awaited), name="qmpx-command")
    step.give(task)
    return task


async def _carry_on(coroutine: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    return await _Rest(coroutine, awaited)


class _Rest:
    """The rest of a coroutine that has already said what it waits for."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, awaited = self._coroutine, self._awaited
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - a cancellation, passed on
                try:
                    awaited = coroutine.throw(error)
                except StopIteration as stop:
                    return stop.value
            else:
                try:
                    awaited = coroutine.send(sent)
                except StopIteration as stop:
                    return stop.value
