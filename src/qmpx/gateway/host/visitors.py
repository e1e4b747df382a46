"""A task for each connection of a listener; none is left behind at the end."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from qmpx.transport.listener import Listener


class Visitors:
    """Those who are connected to some listeners of one loop.

    A listener's place is free again when the task is done.

    Args:
        meet: Speaks with one; the socket is its own, and closed if it is cancelled.
    """

    def __init__(
        self, meet: Callable[[socket.socket], Coroutine[Any, Any, None]]
    ) -> None:
        self._meet = meet
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, sock: socket.socket, listener: Listener) -> None:
        """Speak with one who has come: what a `Listener` calls."""
        task = asyncio.get_running_loop().create_task(self._meet(sock))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                sock.close()  # it may not have begun
            listener.release()

        task.add_done_callback(done)

    async def close(self) -> None:
        """Cut all short."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
