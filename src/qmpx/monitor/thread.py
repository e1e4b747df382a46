"""A monitor served from a thread of its own, for programs without an event loop."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from qmpx.errors import LocalProtocolError
from qmpx.monitor.loop import loop_factory

if TYPE_CHECKING:
    from qmpx.monitor.server import Server
    from qmpx.transport.address import Address


class ServerThread:
    """Serve from entering the ``with`` statement to leaving it.

    Handlers run in the thread. What touches the monitor or its target from outside goes
    through `call`.

    Args:
        server: What `Monitor.serve` returned.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._listening: concurrent.futures.Future[asyncio.AbstractEventLoop]
        self._thread: threading.Thread
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def addresses(self) -> "list[Address]":
        """Where it listens, ports filled in."""
        return self._server.addresses

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the server's thread, and return what it returns.

        Raises:
            LocalProtocolError: It does not serve.
            Exception: What the function raised.
        """
        if self._loop is None:
            message = "this monitor does not serve: enter the with statement first"
            raise LocalProtocolError(message)
        outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            try:
                outcome.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                outcome.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return outcome.result()

    def __enter__(self) -> Self:
        self._listening = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="qmpx-server")
        self._thread.start()
        try:
            self._loop = self._listening.result()
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            # A command may have ended it already, and its loop is closed.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._server.stop)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            async with self._server:
                self._listening.set_result(asyncio.get_running_loop())
                await self._server.wait_closed()
        except BaseException as error:
            if self._listening.done():
                raise
            self._listening.set_exception(error)
