"""qmpx speaks the QEMU Monitor Protocol from both ends.

The names here are what most programs need. They are looked up when first used, so that
``import qmpx`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qmpx.client import AsyncClient, Client, Event, Subscription, connect
    from qmpx.client import connect_async as connect_async
    from qmpx.errors import (
        AddressError,
        CommandError,
        ConnectError,
        ConnectionLost,
        DeadlineExceeded,
        EventsLost,
        GreetingTimeout,
        LocalProtocolError,
        QmpxError,
        RemoteProtocolError,
    )
    from qmpx.monitor import Monitor, Session

_HOMES = {
    "AddressError": "errors",
    "AsyncClient": "client",
    "Client": "client",
    "CommandError": "errors",
    "ConnectError": "errors",
    "ConnectionLost": "errors",
    "DeadlineExceeded": "errors",
    "Event": "client",
    "EventsLost": "errors",
    "GreetingTimeout": "errors",
    "LocalProtocolError": "errors",
    "Monitor": "monitor",
    "QmpxError": "errors",
    "RemoteProtocolError": "errors",
    "Session": "monitor",
    "Subscription": "client",
    "connect": "client",
    "connect_async": "client",
}

__all__ = [
    "AddressError",
    "AsyncClient",
    "Client",
    "CommandError",
    "ConnectError",
    "ConnectionLost",
    "DeadlineExceeded",
    "Event",
    "EventsLost",
    "GreetingTimeout",
    "LocalProtocolError",
    "Monitor",
    "QmpxError",
    "RemoteProtocolError",
    "Session",
    "Subscription",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("qmpx")
    if name in _HOMES:
        value = getattr(import_module(f"qmpx.{_HOMES[name]}"), name)
    else:
        try:
            value = import_module(f"qmpx.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"qmpx.{name}":
                raise
            message = f"module 'qmpx' has no attribute {name!r}"
            raise AttributeError(message) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
