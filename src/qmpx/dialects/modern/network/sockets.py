"""Making back ends on sockets: those of ``socket``, ``dgram`` and ``l2tpv3``.

No frames pass. Sockets are there, so that their addresses are taken.

Source: QEMU 7.2.22, observed.
"""

import os
import socket
from collections.abc import Callable
from typing import Final

from qmpx.dialects.modern.network.options import (
    FlatDescriptor,
    FlatInetAddress,
    FlatUnixAddress,
    NetdevDgram,
    NetdevL2TPv3,
    NetdevSocket,
)
from qmpx.dialects.modern.network.tap import find_descriptor
from qmpx.machine.network.back_ends import SocketLink, SocketListener, open_socket
from qmpx.machine.network.clients import BackEnd, Client, Failed, Kind
from qmpx.machine.network.tap import Tap

_PORTS: Final = 0x10000


def new_client(
    name: str,
    model: str,
    back_end: BackEnd | None = None,
    info: str = "",
    *,
    kind: Kind = Kind.SOCKET,
) -> Client:
    """Return a client that is on no vlan."""
    return Client(kind, model, name, info=info, back_end=back_end)


def read_place(text: str) -> tuple[str, int]:
    """Return the address and the port of ``HOST:PORT``.

    Raises:
        Failed: It is none, or there is no such host.
    """
    host, colon, port = text.partition(":")
    if not colon:
        message = f"host address '{text}' doesn't contain ':' separating host from port"
        raise Failed(message)
    return _resolve(host), _port(port)


def _resolve(host: str) -> str:
    if not host:
        return "0.0.0.0"  # noqa: S104 - as QEMU has it
    if host[0].isdigit():
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            message = f"host address '{host}' is not a valid IPv4 address"
            raise Failed(message) from None
    try:
        return socket.gethostbyname(host)
    except OSError:
        message = f"can't resolve host address '{host}'"
        raise Failed(message) from None


def _port(text: str) -> int:
    if not text.isdecimal():
        message = f"port number '{text}' is invalid"
        raise Failed(message)
    return int(text) % _PORTS  # what does not fit into 16 bits is cut off


def _is_for_many(address: str) -> bool:
    return 224 <= int(address.partition(".")[0]) <= 239


def make_socket(netdev: NetdevSocket, take: Callable[[str], int]) -> Client:
    """Return a back end of the type ``socket``.

    Raises:
        Failed: It cannot be made.
    """
    ways = {
        name: value
        for name in ("fd", "listen", "connect", "mcast", "udp")
        if (value := getattr(netdev, name)) is not None
    }
    if len(ways) != 1:
        message = "exactly one of listen=, connect=, mcast= or udp= is required"
        raise Failed(message)
    ((way, where),) = ways.items()
    if netdev.localaddr is None and way == "udp":
        message = "localaddr= is mandatory with udp="
        raise Failed(message)
    if netdev.localaddr is not None and way not in ("udp", "mcast"):
        message = "localaddr= is only valid with mcast= or udp="
        raise Failed(message)
    if way == "fd":
        number = find_descriptor(where, take)
        _check_descriptor(netdev.id, number)
        return new_client(netdev.id, "socket", Tap([number], ""), f"fd={number}")
    address, port = read_place(where)
    if way == "udp":
        return _udp(netdev.id, netdev.localaddr or "", (address, port))
    if way == "mcast":
        _check_group(address, netdev.localaddr)
    client = new_client(netdev.id, "socket")

    def link(made: SocketLink) -> None:
        client.back_end, client.info = made, made.info

    try:
        made = open_socket({way: f"{where.partition(':')[0]}:{port}"}, link)
    except Failed:
        if way != "connect":
            raise
        return client  # as QEMU has it: it may be there later
    client.back_end = made
    if not isinstance(made, SocketListener):
        client.info = made.info
    return client


def _check_descriptor(id_: str, number: int) -> None:
    try:
        os.fstat(number)
    except OSError as error:
        why = error.strerror
        message = f"{id_}: Can't use file descriptor {number}: {why}"
        raise Failed(message) from None


def _check_group(address: str, local: str | None) -> None:
    if not _is_for_many(address):
        number = int.from_bytes(socket.inet_aton(address), "big")
        message = (
            f"specified mcastaddr {address} (0x{number:08x}) does not contain a "
            "multicast address"
        )
        raise Failed(message)
    if local is not None:
        try:
            socket.inet_aton(local)
        except OSError:
            message = f"localaddr '{local}' is not a valid IPv4 address"
            raise Failed(message) from None


def _udp(id_: str, local: str, far: tuple[str, int]) -> Client:
    here = read_place(local)
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(here)
        except OSError as error:
            message = f"can't bind ip={here[0]} to socket: {error.strerror}"
            raise Failed(message) from error
        number = made.detach()
    shown = ":".join(str(part) for part in far)
    info = f"socket: udp={shown}"
    return new_client(id_, "socket", Tap([number], ""), info)


def make_datagrams(netdev: NetdevDgram, take: Callable[[str], int]) -> Client:
    """Return a back end of the type ``dgram``.

    Raises:
        Failed: It cannot be made.
    """
    match netdev.local, netdev.remote:
        case None, FlatInetAddress(host=host, port=port):
            address, _ = _resolve(host), _port(port)
            if not _is_for_many(address):
                message = "dgram requires local= parameter"
                raise Failed(message)
        case None, _:
            message = "dgram requires local= parameter"
            raise Failed(message)
        case FlatDescriptor(str=name), None:
            number = find_descriptor(name, take)
            _check_descriptor(netdev.id, number)
            return new_client(netdev.id, "dgram", Tap([number], ""), f"fd={number}")
        case FlatDescriptor(), _:
            message = "don't set remote with local.fd"
            raise Failed(message)
        case _, None:
            message = "type=inet or type=unix requires remote parameter"
            raise Failed(message)
        case FlatInetAddress() as here, FlatInetAddress() as far:
            for place in (far, here):
                _resolve(place.host)
                _port(place.port)
        case FlatUnixAddress(), FlatUnixAddress():
            pass
        case _:
            message = "remote and local types must be the same"
            raise Failed(message)
    return new_client(netdev.id, "dgram", info="dgram")


def make_tunnel(netdev: NetdevL2TPv3) -> Client:
    """Return a back end of the type ``l2tpv3``.

    Raises:
        Failed: Its ends are not known.
    """
    if netdev.udp and (netdev.srcport is None or netdev.dstport is None):
        message = "need both src and dst port for udp"
        raise Failed(message)
    for name, host in (("src", netdev.src), ("dst", netdev.dst)):
        try:
            socket.getaddrinfo(host, None)
        except OSError as error:
            message = f"could not resolve {name}, errno = {error.strerror}"
            raise Failed(message) from error
    return new_client(netdev.id, "l2tpv3", info="l2tpv3: connected")
