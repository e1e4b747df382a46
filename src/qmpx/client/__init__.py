"""Driving a monitor: one core, a blocking face and an asyncio one."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.client.async_subscription import (
        AsyncSubscription,
        AsyncTypedSubscription,
    )
    from qmpx.client.asynchronous import AsyncClient
    from qmpx.client.blocking import Client
    from qmpx.client.events import RECONNECTED, Event
    from qmpx.client.opening import connect, connect_async
    from qmpx.client.subscription import Subscription, TypedSubscription
    from qmpx.client.typed_events import Reconnected

__all__ = [
    "RECONNECTED",
    "AsyncClient",
    "AsyncSubscription",
    "AsyncTypedSubscription",
    "Client",
    "Event",
    "Reconnected",
    "Subscription",
    "TypedSubscription",
    "connect",
    "connect_async",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "RECONNECTED": "events",
        "AsyncClient": "asynchronous",
        "AsyncSubscription": "async_subscription",
        "AsyncTypedSubscription": "async_subscription",
        "Client": "blocking",
        "Event": "events",
        "Reconnected": "typed_events",
        "Subscription": "subscription",
        "TypedSubscription": "subscription",
        "connect": "opening",
        "connect_async": "opening",
    },
)
