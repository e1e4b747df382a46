"""A coroutine whose first step runs before it has a task behaves as one that has."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.monitor import coroutines
from tests.loops import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.monitor.conftest import Run

Handler = Any


async def start(handler: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a handler as a session does, to its end; return what it returns."""
    task, value = coroutines.start(handler())
    return value if task is None else await task


async def as_task(handler: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a handler as asyncio does: the measure of what is right."""
    return await asyncio.get_running_loop().create_task(handler())


async def never() -> None:
    await asyncio.get_running_loop().create_future()


# Handlers, each with what it returns.


async def return_at_once() -> str:
    return "at once"


async def await_what_does_not_wait() -> str:
    return await return_at_once()


async def sleep_for_no_time() -> str:
    await asyncio.sleep(0)
    return "slept"


async def sleep() -> str:
    await asyncio.sleep(0.001)
    return "slept"


async def time_out() -> str:
    try:
        async with asyncio.timeout(0.001):
            await never()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def time_out_at_once() -> str:
    try:
        async with asyncio.timeout(0):
            await never()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def time_out_in_the_past_and_wait_for_a_task() -> str:
    inner = asyncio.ensure_future(never())
    try:
        async with asyncio.timeout(-1):
            await inner
    except TimeoutError:
        return f"timed out, inner cancelled: {inner.cancelled()}"
    return "not reached"


async def be_in_time() -> str:
    async with asyncio.timeout(10) as limit:
        await asyncio.sleep(0)
    return f"in time, expired: {limit.expired()}"


async def be_in_time_without_waiting() -> str:
    async with asyncio.timeout(10) as limit:
        await return_at_once()
    await asyncio.sleep(0)
    return f"in time, expired: {limit.expired()}"


async def wait_for() -> str:
    try:
        await asyncio.wait_for(never(), 0.001)
    except TimeoutError:
        return "timed out"
    return "not reached"


async def group() -> list[str]:
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(sleep_for_no_time()) for _ in range(2)]
    return [task.result() for task in made]


async def group_without_tasks() -> str:
    async with asyncio.TaskGroup():
        pass
    return "empty"


async def group_that_fails() -> str:
    async def fail() -> None:
        raise ValueError

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await never()
    except ExceptionGroup as errors:
        return repr(errors.exceptions)
    return "not reached"


async def group_that_fails_in_its_body() -> str:
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(never())
            raise ValueError
    except ExceptionGroup as errors:
        return repr(errors.exceptions)


async def gather() -> tuple[str, str]:
    return await asyncio.gather(return_at_once(), sleep_for_no_time())


async def lock() -> str:
    guard = asyncio.Lock()
    async with guard:
        waiting = asyncio.ensure_future(guard.acquire())
        await asyncio.sleep(0)
    await waiting
    return "locked"


async def work_in_a_thread() -> str:
    return await asyncio.to_thread(lambda: "from a thread")


async def cancel_itself_before_waiting() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await never()
    except asyncio.CancelledError:
        return f"cancelled, {task.cancelling()} time"
    return "not reached"


async def cancel_itself_after_waiting() -> str:
    await asyncio.sleep(0)
    return await cancel_itself_before_waiting()


async def take_back_its_cancellation() -> int:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await never()
    except asyncio.CancelledError:
        task.uncancel()
    await asyncio.sleep(0)
    return task.cancelling()


async def name_itself() -> list[str]:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("named")
    names = [task.get_name()]
    await asyncio.sleep(0)
    again = asyncio.current_task()
    assert again is not None
    return [*names, again.get_name()]


async def know_its_task_done() -> list[bool]:
    task = asyncio.current_task()
    assert task is not None
    states = [task.done(), task.cancelled()]
    await asyncio.sleep(0)
    return [*states, task.done(), task.cancelled()]


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("v", default="unset")


async def keep_a_token_across_a_wait() -> list[str]:
    seen = [VARIABLE.get()]
    token = VARIABLE.set("set")
    seen.append(VARIABLE.get())
    await asyncio.sleep(0)
    seen.append(VARIABLE.get())
    VARIABLE.reset(token)
    return [*seen, VARIABLE.get()]


async def wait_for_a_future_that_is_done_meanwhile() -> str:
    future = asyncio.get_running_loop().create_future()
    future.get_loop().call_soon(future.set_result, "done")
    return str(await future)


async def raise_at_once() -> None:
    raise LookupError


async def raise_later() -> None:
    await asyncio.sleep(0)
    raise LookupError


HANDLERS = [
    return_at_once,
    await_what_does_not_wait,
    sleep_for_no_time,
    sleep,
    time_out,
    time_out_at_once,
    time_out_in_the_past_and_wait_for_a_task,
    be_in_time,
    be_in_time_without_waiting,
    wait_for,
    group,
    group_without_tasks,
    group_that_fails,
    group_that_fails_in_its_body,
    gather,
    lock,
    work_in_a_thread,
    cancel_itself_before_waiting,
    cancel_itself_after_waiting,
    take_back_its_cancellation,
    name_itself,
    know_its_task_done,
    keep_a_token_across_a_wait,
    wait_for_a_future_that_is_done_meanwhile,
]


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda h: h.__name__)
def test_it_returns_what_it_returns_in_a_task(run: Run, handler: Handler) -> None:
    assert run(start(handler)) == run(as_task(handler))


@pytest.mark.parametrize("handler", [raise_at_once, raise_later])
def test_it_raises_what_it_raises_in_a_task(run: Run, handler: Handler) -> None:
    with pytest.raises(LookupError):
        run(start(handler))


def test_no_task_is_made_for_one_that_does_not_wait(run: Run) -> None:
    made: list[Any] = []

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        assert await start(await_what_does_not_wait) == "at once"
        assert made == []
        assert await start(sleep_for_no_time) == "slept"
        assert len(made) == 1

    run(main())


def test_there_is_a_current_task_in_every_step(run: Run) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def look() -> None:
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        outer = asyncio.current_task()
        assert outer is not None
        task, _ = coroutines.start(look())
        assert asyncio.current_task() is outer
        await settle()
        assert seen[0] is not outer
        assert seen[1] is task
        assert [each.get_name() for each in seen] == ["qmpx-command"] * 2

    run(main())


def test_the_task_around_is_back_when_the_first_step_raises(run: Run) -> None:
    async def main() -> None:
        outer = asyncio.current_task()
        with pytest.raises(LookupError):
            coroutines.start(raise_at_once())
        assert asyncio.current_task() is outer

    run(main())


def test_it_may_begin_where_there_is_no_task(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[Any] = loop.create_future()

        def begin() -> None:
            begun.set_result(coroutines.start(sleep_for_no_time()))
            assert asyncio.current_task() is None

        loop.call_soon(begin)
        task, _ = await begun
        assert await task == "slept"

    run(main())


@pytest.mark.parametrize("turns", [0, 1, 8])
def test_cancelling_the_task_ends_the_handler_where_it_waits(
    run: Run, turns: int
) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def wait() -> None:
            try:
                await never()
            except asyncio.CancelledError:
                seen.append("cancelled")
                await asyncio.sleep(0)
                seen.append("cleaned up")
                raise

        task, _ = coroutines.start(wait())
        assert task is not None
        await settle(turns)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "cleaned up"]

    run(main())


@pytest.mark.parametrize("turns", [0, 1, 8])
def test_cancelling_the_task_cancels_what_it_waits_for(run: Run, turns: int) -> None:
    async def main() -> None:
        inner = asyncio.ensure_future(never())

        async def wait() -> None:
            await inner

        task, _ = coroutines.start(wait())
        assert task is not None
        await settle(turns)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()
        assert inner.cancelled()

    run(main())


def test_a_handler_may_refuse_to_be_cancelled(run: Run) -> None:
    async def stubborn() -> str:
        try:
            await never()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "survived"

    async def main() -> None:
        task, _ = coroutines.start(stubborn())
        assert task is not None
        task.cancel()
        assert await task == "survived"

    run(main())


def test_a_variable_that_a_handler_sets_is_not_set_for_the_next(run: Run) -> None:
    async def set_it() -> str:
        before = VARIABLE.get()
        VARIABLE.set("set")
        return before

    async def main() -> None:
        assert await start(set_it) == "unset"
        assert await start(set_it) == "unset"
        assert VARIABLE.get() == "unset"

    run(main())


def test_what_is_no_future_cannot_be_awaited(run: Run) -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "what is this"

    async def wait() -> None:
        await Odd()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="bad yield"):
            await start(wait)

    run(main())


def test_a_task_that_is_dropped_closes_its_coroutine(run: Run) -> None:
    closed: list[bool] = []

    async def wait() -> None:
        try:
            await never()
        finally:
            closed.append(True)

    async def main() -> None:
        coroutine = wait()
        task, _ = coroutines.start(coroutine)
        assert task is not None
        task.get_coro().close()
        assert closed == [True]
        task.cancel()
        with pytest.raises((asyncio.CancelledError, RuntimeError)):
            await task

    run(main())
    gc.collect()
