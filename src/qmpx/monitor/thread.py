"""A monitor served from a thread of its own, for programs without an event loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from qmpx.errors import LocalProtocolError
from qmpx.monitor.loop import loop_factory

if TYPE_CHECKING:
    from qmpx.monitor.server import Server
    from qmpx.transport.address import ListenAddress


_SERVES_NOT: Final = "this monitor does not serve: call within the with statement"


class ServerThread:
    """Serve from entering the ``with`` statement to leaving it.

    Handlers run in the thread. What touches the monitor or its target from outside goes
    through `call`.

    Args:
        server: What `Monitor.serve` returned.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._listening: concurrent.futures.Future[None]
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # while it serves
        self._calls: set[concurrent.futures.Future[Any]] = set()

    @property
    def addresses(self) -> "list[ListenAddress]":
        """Where it listens, ports filled in."""
        return self._server.addresses

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the server's thread, and return what it returns.

        Raises:
            LocalProtocolError: It does not serve.
            Exception: What the function raised.
        """
        if threading.current_thread() is self._thread:
            return function(*arguments)
        outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            try:
                outcome.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                outcome.set_exception(error)

        with self._lock:
            if self._loop is None:
                raise LocalProtocolError(_SERVES_NOT)
            self._calls.add(outcome)
            self._loop.call_soon_threadsafe(run)
        try:
            return outcome.result()
        finally:
            self._calls.discard(outcome)

    def __enter__(self) -> Self:
        self._listening = concurrent.futures.Future()
        self._thread = thread = threading.Thread(target=self._run, name="qmpx-server")
        thread.start()
        try:
            self._listening.result()
        except BaseException:
            thread.join()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._server.stop)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._serve())
        finally:
            # Those that came at the last moment, when nothing was run any more.
            for outcome in list(self._calls):
                if not outcome.done():
                    outcome.set_exception(LocalProtocolError(_SERVES_NOT))

    async def _serve(self) -> None:
        try:
            async with self._server:
                self._loop = asyncio.get_running_loop()
                self._listening.set_result(None)
                await self._server.wait_closed()
        except BaseException as error:
            if self._listening.done():
                raise
            self._listening.set_exception(error)
        finally:
            with self._lock:
                self._loop = None
