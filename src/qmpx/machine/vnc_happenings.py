"""What a machine tells of the clients of its VNC server."""

from qmpx.machine.values import Value


class VncConnected(Value, frozen=True):
    """A VNC client has connected; it has not been let in yet.

    Attributes:
        server: ``host``, ``service``, ``family`` and ``auth`` of the server.
        client: ``host``, ``service`` and ``family`` of the client.
    """

    server: dict[str, str]
    client: dict[str, str]


class VncInitialized(Value, frozen=True):
    """A VNC client has been let in; the attributes are those of `VncConnected`."""

    server: dict[str, str]
    client: dict[str, str]


class VncDisconnected(Value, frozen=True):
    """A VNC client has gone; the attributes are those of `VncConnected`."""

    server: dict[str, str]
    client: dict[str, str]
