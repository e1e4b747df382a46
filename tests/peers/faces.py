"""Both clients behind one face, so that a test is written once for the two.

Calls block and may come from any thread; `start` gives a future instead, for calls
that overlap. The asyncio client runs on a loop of its own, in a thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import qmpx
from tests.loop_thread import SECONDS, LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Events(Protocol):
    """A subscription."""

    def start(self, timeout: float | None = None) -> Future[qmpx.Event]:
        """Begin to wait for the next event."""

    def get(self, timeout: float = SECONDS) -> qmpx.Event:
        """Return the next event."""


class Face(Protocol):
    """A client, whichever it is."""

    @property
    def client(self) -> Any:
        """The client itself, for what does not wait."""

    def start(self, method: str, /, *args: Any, **options: Any) -> Future[Any]:
        """Begin a call."""

    def call(self, method: str, /, *args: Any, **options: Any) -> Any:
        """Call, and return or raise what the client does."""

    def execute(self, name: str, /, *args: Any, **options: Any) -> Any:
        """Run a command."""

    def events(self, *patterns: Any, **options: Any) -> Any:
        """Subscribe, to names or to types."""

    def close(self) -> None:
        """Close the client."""


class _Calls:
    """What both faces do alike."""

    def start(self, method: str, /, *args: Any, **options: Any) -> Future[Any]:
        raise NotImplementedError

    def call(self, method: str, /, *args: Any, **options: Any) -> Any:
        return self.start(method, *args, **options).result(SECONDS)

    def execute(self, name: str, /, *args: Any, **options: Any) -> Any:
        return self.call("execute", name, *args, **options)


class _Waits:
    """What both subscriptions do alike."""

    def start(self, timeout: float | None = None) -> Future[qmpx.Event]:
        raise NotImplementedError

    def get(self, timeout: float = SECONDS) -> qmpx.Event:
        return self.start(timeout).result(SECONDS)


class BlockingFace(_Calls):
    """The blocking client; overlapping calls are threads."""

    def __init__(self, address: str | Path, **options: Any) -> None:
        self.client = qmpx.connect(address, **options)
        self._pool = ThreadPoolExecutor(16)

    def start(self, method: str, /, *args: Any, **options: Any) -> Future[Any]:
        return self._pool.submit(getattr(self.client, method), *args, **options)

    def events(self, *patterns: Any, **options: Any) -> Any:
        return _BlockingEvents(self.client.events(*patterns, **options), self._pool)

    def close(self) -> None:
        self.client.close()
        self._pool.shutdown()


class _BlockingEvents(_Waits):
    def __init__(self, events: Any, pool: ThreadPoolExecutor) -> None:
        self._events = events
        self._pool = pool

    def start(self, timeout: float | None = None) -> Future[qmpx.Event]:
        return self._pool.submit(self._events.get, timeout)


class AsyncFace(_Calls):
    """The asyncio client; overlapping calls are tasks."""

    def __init__(self, address: str | Path, **options: Any) -> None:
        with ExitStack() as undo:
            self._thread = undo.enter_context(LoopThread())
            self._loop = self._thread.loop

            async def connect() -> qmpx.AsyncClient:
                return await qmpx.connect_async(address, **options)

            connecting = asyncio.run_coroutine_threadsafe(connect(), self._loop)
            self.client = connecting.result(SECONDS)
            self._undo = undo.pop_all()

    def start(self, method: str, /, *args: Any, **options: Any) -> Future[Any]:
        async def call() -> Any:
            return await getattr(self.client, method)(*args, **options)

        return asyncio.run_coroutine_threadsafe(call(), self._loop)

    def events(self, *patterns: Any, **options: Any) -> Any:
        subscribe = partial(self.client.events, *patterns, **options)
        return _AsyncEvents(self._thread.run(subscribe), self._loop)

    def close(self) -> None:
        with self._undo.pop_all():
            if self._loop.is_running():
                self.call("close")


class _AsyncEvents(_Waits):
    def __init__(self, events: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._loop = loop

    def start(self, timeout: float | None = None) -> Future[qmpx.Event]:
        return asyncio.run_coroutine_threadsafe(self._events.get(timeout), self._loop)


FACES: dict[str, Callable[..., Face]] = {
    "blocking": BlockingFace,
    "asyncio": AsyncFace,
}
