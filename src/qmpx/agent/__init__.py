"""Talking to the agent that runs inside of a guest: one core, two faces."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.agent.asynchronous import AsyncAgent
    from qmpx.agent.blocking import Agent
    from qmpx.agent.deadlines import DEADLINES
    from qmpx.agent.opening import connect, connect_async
    from qmpx.agent.operations import Finished

__all__ = [
    "DEADLINES",
    "Agent",
    "AsyncAgent",
    "Finished",
    "connect",
    "connect_async",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "DEADLINES": "deadlines",
        "Agent": "blocking",
        "AsyncAgent": "asynchronous",
        "Finished": "operations",
        "connect": "opening",
        "connect_async": "opening",
    },
)
