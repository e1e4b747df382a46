"""Giving a network client what it has on the host, by its options.

Source: QEMU 0.13.
"""

from collections.abc import Callable, Mapping, Sequence

from qmpx.errors import DeviceInitFailed
from qmpx.machine.network.back_ends import (
    Dump,
    SocketLink,
    SocketListener,
    open_socket,
)
from qmpx.machine.network.clients import Client, Failed, Kind
from qmpx.machine.network.user import UserNetwork


def open_client(
    client: Client,
    options: Mapping[str, str],
    *,
    networks: Sequence[UserNetwork],
    on_link: Callable[[SocketLink], None],
) -> SocketListener | None:
    """Open what a client has on the host.

    Args:
        client: The client; its model says what is opened.
        options: What its type takes, as text.
        networks: The user-mode networks that there are, whose ports are taken.
        on_link: Called when another machine connects, if that is waited for.

    Returns:
        What waits for another machine; ``None`` if the client is there at once.

    Raises:
        DeviceInitFailed: It cannot be made; a note of the exception may tell why.
    """
    kind = client.model
    try:
        if kind == "user":
            network = UserNetwork(options)
            client.back_end, client.info = network, network.info
            if "hostfwd" in options:
                network.add_forward(options["hostfwd"], networks)
        elif kind == "socket":
            client.kind = Kind.SOCKET
            made = open_socket(options, on_link)
            if isinstance(made, SocketListener):
                return made
            client.back_end, client.info = made, made.info
        elif kind == "dump":
            dump = Dump(options, client.vlan or 0)
            client.kind, client.back_end, client.info = Kind.DUMP, dump, dump.info
        else:
            raise Failed  # a TAP interface: there is none to be had
    except Failed as failed:
        raise init_failed(kind, failed) from failed
    return None


def init_failed(kind: str, cause: Exception) -> DeviceInitFailed:
    """Return the error that tells that a client of that type cannot be made."""
    error = DeviceInitFailed(device=kind)
    if str(cause):
        error.add_note(str(cause))
    return error
