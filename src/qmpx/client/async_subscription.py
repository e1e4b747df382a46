"""The events of an asyncio client, one subscriber's."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from qmpx.client.events import Event, EventBuffer
from qmpx.errors import DeadlineExceeded, LocalProtocolError

if TYPE_CHECKING:
    from qmpx.client.asynchronous import AsyncClient
    from qmpx.client.typed_events import EventTypes

E = TypeVar("E")


class AsyncTypedSubscription(Generic[E]):
    """Events of an asyncio client: an asynchronous iterator and context manager.

    One task at a time may wait for the next event; cancelling it loses none.
    """

    __slots__ = ("_buffer", "_client", "_types")

    def __init__(
        self,
        client: "AsyncClient",
        buffer: EventBuffer,
        types: "EventTypes[Any] | None" = None,
    ) -> None:
        self._client = client
        self._buffer = buffer
        self._types = types

    @property
    def dropped(self) -> int:
        """How many events were dropped because the buffer was full."""
        return self._buffer.dropped

    async def get(self, timeout: float | None = None) -> E:
        """Return the next event.

        Args:
            timeout: Seconds to wait; ``None`` for ever.

        Raises:
            DeadlineExceeded: None came in time.
            ConnectionLost: None will come: the connection broke off.
            EventsLost: Some were dropped, and the subscription asked to be told.
            LocalProtocolError: The subscription or the client was closed.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self.__anext__()
        except TimeoutError:
            raise DeadlineExceeded("", timeout or 0.0, "event") from None
        except StopAsyncIteration:
            message = "this subscription is closed: no more events will come"
            raise LocalProtocolError(message) from None

    def close(self) -> None:
        """Take no more events; an iteration that waits ends."""
        self._buffer.is_closed = True
        with contextlib.suppress(ValueError):
            self._client._core.buffers.remove(self._buffer)  # noqa: SLF001 - one unit
        self._client._wake()  # noqa: SLF001

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while True:
            try:
                event = self._buffer.take()
            except StopIteration:
                raise StopAsyncIteration from None
            if event is not None:
                if self._types is None:
                    return event  # type: ignore[return-value]
                if (typed := self._types.read(event)) is not None:
                    return typed  # type: ignore[no-any-return]
                continue
            await self._client._change()  # noqa: SLF001

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()


class AsyncSubscription(AsyncTypedSubscription[Event]):
    """Events of an asyncio client, as they came."""

    __slots__ = ()
