"""The asyncio libraries that are compared, each behind the same few calls.

A peer hands out the library's own bound methods, so that nothing of ours stands
between the work and the library. Each library is imported only where it is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


class AsyncPeer:
    """One connection of one library.

    Attributes:
        error: What it raises for an error reply.
        execute: Its call for one command.
        execute_many: Its call for several, if it has one.
        execute_raw: Its call for a reply that is kept undecoded, if it has one.
    """

    error: type[Exception]
    execute: Callable[..., Awaitable[object]]
    execute_many: Callable[[Sequence[str]], Awaitable[object]]
    execute_raw: Callable[[str], Awaitable[object]]

    async def connect(self, address: str) -> None:
        """Connect to the unix socket *address* and negotiate."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the connection."""
        raise NotImplementedError

    async def listen(self) -> None:
        """Subscribe to all events."""
        raise NotImplementedError

    async def take_events(self, count: int) -> None:
        """Consume *count* events."""
        raise NotImplementedError


class QemuQmp(AsyncPeer):
    """QEMU's own client from PyPI."""

    async def connect(self, address: str) -> None:
        """Connect to the unix socket *address* and negotiate."""
        from qemu.qmp import EventListener, ExecuteError, QMPClient

        self.error = ExecuteError
        self._client = QMPClient("bench")
        self._listener = EventListener()
        self.execute = self._client.execute
        await self._client.connect(address)

    async def close(self) -> None:
        """End the connection."""
        await self._client.disconnect()

    async def listen(self) -> None:
        """Subscribe to all events."""
        self._client.register_listener(self._listener)

    async def take_events(self, count: int) -> None:
        """Consume *count* events."""
        async for _ in self._listener:
            count -= 1
            if not count:
                return


class Qmpx(AsyncPeer):
    """Ours, on whatever loop runs."""

    async def connect(self, address: str) -> None:
        """Connect to the unix socket *address* and negotiate."""
        import qmpx

        self.error = qmpx.CommandError
        self._client = await qmpx.connect_async(f"unix:{address}")
        self.execute = self._client.execute
        self.execute_many = self._client.execute_many
        self.execute_raw = self._client.execute_raw

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()

    async def listen(self) -> None:
        """Subscribe to all events."""
        self._events: Any = self._client.events()

    async def take_events(self, count: int) -> None:
        """Consume *count* events."""
        async for _ in self._events:
            count -= 1
            if not count:
                return


ASYNC_PEERS: Final[dict[str, type[AsyncPeer]]] = {
    "qemu.qmp": QemuQmp,
    "qmpx-uvloop": Qmpx,
    "qmpx-asyncio": Qmpx,
}
