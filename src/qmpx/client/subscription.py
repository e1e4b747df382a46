"""The events of a blocking client, one subscriber's."""

import time
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from qmpx.client.events import Event, EventBuffer
from qmpx.errors import DeadlineExceeded, LocalProtocolError, QmpxError

if TYPE_CHECKING:
    from qmpx.client.blocking import Client
    from qmpx.client.typed_events import EventTypes

E = TypeVar("E")


class TypedSubscription(Generic[E]):
    """Events of a blocking client: an iterator, and a context manager that ends it.

    Events come in while any thread uses the client, and while one waits here.
    """

    __slots__ = ("_buffer", "_client", "_types")

    def __init__(
        self,
        client: "Client",
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

    def get(self, timeout: float | None = None) -> E:
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
            return self._next(timeout)
        except StopIteration:
            message = "this subscription is closed: no more events will come"
            raise LocalProtocolError(message) from None

    def _next(self, timeout: float | None) -> E:
        traffic = self._client._traffic  # noqa: SLF001 - one unit, two classes
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with traffic.lock:
                event = self._buffer.take()
                if event is None:
                    traffic.catch_up()
                    event = self._buffer.take()
                if event is not None:
                    if self._types is None:
                        return event  # type: ignore[return-value]
                    if (typed := self._types.read(event)) is not None:
                        return typed  # type: ignore[no-any-return]
                    continue
                is_lost = traffic.core.failure is not None
            if is_lost:
                in_time = self._reconnect(deadline)
            else:
                waker = traffic.make_waker()
                in_time = traffic.read_until(lambda: self._is_ready, deadline, waker)
            if not in_time:
                raise DeadlineExceeded("", timeout or 0.0, "event")

    def _reconnect(self, deadline: float | None) -> bool:
        client = self._client
        traffic = client._traffic  # noqa: SLF001
        if not traffic.take_turn(deadline):
            return False
        try:
            client._be_connected(deadline)  # noqa: SLF001
        except QmpxError:
            if not self._buffer.is_closed:
                raise
        finally:
            traffic.sending.release()
        return True

    @property
    def _is_ready(self) -> bool:
        core = self._client._core  # noqa: SLF001
        return self._buffer.is_ready or core.failure is not None

    def close(self) -> None:
        """Take no more events; an iteration that waits ends."""
        traffic = self._client._traffic  # noqa: SLF001
        with traffic.lock:
            self._buffer.is_closed = True
            if self._buffer in traffic.core.buffers:
                traffic.core.buffers.remove(self._buffer)
            traffic.wake()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        return self._next(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Subscription(TypedSubscription[Event]):
    """Events of a blocking client, as they came."""

    __slots__ = ()
