"""Driving a monitor: one core, a blocking face and an asyncio one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qmpx.client.blocking import Client, Subscription
from qmpx.client.connect import connect, connect_async
from qmpx.client.events import RECONNECTED, Event

if TYPE_CHECKING:
    from qmpx.client.asynchronous import AsyncClient, AsyncSubscription

__all__ = [
    "RECONNECTED",
    "AsyncClient",
    "AsyncSubscription",
    "Client",
    "Event",
    "Subscription",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> Any:
    # The asyncio client is imported when it is used: asyncio costs a tenth of a second.
    if name in ("AsyncClient", "AsyncSubscription"):
        return getattr(import_module("qmpx.client.asynchronous"), name)
    message = f"module 'qmpx.client' has no attribute {name!r}"
    raise AttributeError(message)
