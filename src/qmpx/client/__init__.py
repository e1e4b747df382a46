"""Driving a monitor: one core, a blocking face and an asyncio one."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.client.async_job import AsyncJob
    from qmpx.client.async_launched import AsyncLaunchedQemu, launch_async
    from qmpx.client.async_subscription import (
        AsyncSubscription,
        AsyncTypedSubscription,
    )
    from qmpx.client.asynchronous import AsyncClient
    from qmpx.client.blocking import Client
    from qmpx.client.deadlines import DEADLINES
    from qmpx.client.events import RECONNECTED, Event
    from qmpx.client.health import Health
    from qmpx.client.job import Job
    from qmpx.client.job_state import JobProgress
    from qmpx.client.launched import LaunchedQemu, launch
    from qmpx.client.listening import Listening, listen
    from qmpx.client.opening import connect, connect_async, examine
    from qmpx.client.operations import MigrationProgress
    from qmpx.client.subscription import Subscription, TypedSubscription
    from qmpx.client.typed_events import Reconnected

__all__ = [
    "DEADLINES",
    "RECONNECTED",
    "AsyncClient",
    "AsyncJob",
    "AsyncLaunchedQemu",
    "AsyncSubscription",
    "AsyncTypedSubscription",
    "Client",
    "Event",
    "Health",
    "Job",
    "JobProgress",
    "LaunchedQemu",
    "Listening",
    "MigrationProgress",
    "Reconnected",
    "Subscription",
    "TypedSubscription",
    "connect",
    "connect_async",
    "examine",
    "launch",
    "launch_async",
    "listen",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "DEADLINES": "deadlines",
        "RECONNECTED": "events",
        "AsyncClient": "asynchronous",
        "AsyncJob": "async_job",
        "AsyncLaunchedQemu": "async_launched",
        "AsyncSubscription": "async_subscription",
        "AsyncTypedSubscription": "async_subscription",
        "Client": "blocking",
        "Event": "events",
        "Health": "health",
        "Job": "job",
        "JobProgress": "job_state",
        "LaunchedQemu": "launched",
        "Listening": "listening",
        "MigrationProgress": "operations",
        "Reconnected": "typed_events",
        "Subscription": "subscription",
        "TypedSubscription": "subscription",
        "connect": "opening",
        "connect_async": "opening",
        "examine": "opening",
        "launch": "launched",
        "launch_async": "async_launched",
        "listen": "listening",
    },
)
