"""The event loops that serving and driving are tried on, and a strict way to use them.

A test's coroutine must leave nothing behind: no task, no exception in a callback.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

LIMIT = 10.0  # seconds; a test that waits so long waits for ever

LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes a loop of that kind."""
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def run_on(name: str, main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, and look at what it leaves behind."""
    faults: list[dict[str, Any]] = []

    async def bounded() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        async with asyncio.timeout(LIMIT) as limit:
            result = await main
        assert not limit.expired(), "it took its cancellation for something else"
        await settle()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=loop_factory(name)) as runner:
        result = runner.run(bounded())
    assert not faults, f"exceptions in callbacks: {faults}"
    return result


async def settle(turns: int = 8) -> None:
    """Let the loop do all that it can do without waiting for anybody else.

    A local socket is readable as soon as its peer has written, so a few turns are
    enough for both ends of a connection that live on one loop.
    """
    for _ in range(turns):
        await asyncio.sleep(0)


@contextmanager
def short_directory() -> Iterator[Path]:
    """Give a directory whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as directory:
        yield Path(directory)


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Keep a logger quiet that is expected to say very much."""
    logger = logging.getLogger(name)
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was
