"""qmpx speaks the QEMU Monitor Protocol from both ends.

The names here are what most programs need. They are looked up when first used, so that
``import qmpx`` costs next to nothing.
"""

from qmpx import _lazy

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any

    from qmpx.client import (
        AsyncClient,
        AsyncSubscription,
        Client,
        Event,
        Subscription,
        connect,
        connect_async,
        launch,
        launch_async,
        listen,
    )
    from qmpx.errors import (
        AddressError,
        CommandError,
        ConnectError,
        ConnectionLost,
        DeadlineExceeded,
        EventsLost,
        GreetingTimeout,
        LaunchError,
        LocalProtocolError,
        OperationFailed,
        QmpxError,
        RemoteProtocolError,
    )
    from qmpx.monitor import Monitor, Session

__all__ = [
    "AddressError",
    "AsyncClient",
    "AsyncSubscription",
    "Client",
    "CommandError",
    "ConnectError",
    "ConnectionLost",
    "DeadlineExceeded",
    "Event",
    "EventsLost",
    "GreetingTimeout",
    "LaunchError",
    "LocalProtocolError",
    "Monitor",
    "OperationFailed",
    "QmpxError",
    "RemoteProtocolError",
    "Session",
    "Subscription",
    "connect",
    "connect_async",
    "launch",
    "launch_async",
    "listen",
]

_look_up, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "AddressError": "errors",
        "AsyncClient": "client",
        "AsyncSubscription": "client",
        "Client": "client",
        "CommandError": "errors",
        "ConnectError": "errors",
        "ConnectionLost": "errors",
        "DeadlineExceeded": "errors",
        "Event": "client",
        "EventsLost": "errors",
        "GreetingTimeout": "errors",
        "LaunchError": "errors",
        "LocalProtocolError": "errors",
        "Monitor": "monitor",
        "OperationFailed": "errors",
        "QmpxError": "errors",
        "RemoteProtocolError": "errors",
        "Session": "monitor",
        "Subscription": "client",
        "connect": "client",
        "connect_async": "client",
        "launch": "client",
        "launch_async": "client",
        "listen": "client",
    },
)


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from importlib.metadata import version

        return version("qmpx")
    return _look_up(name)
