"""The host's side of network clients: sockets and dumps.

What has an effect on the host has it: a socket listens or connects, a dump file is
made, with the header of its format. No frames pass, for no guest sends any. A TAP
interface cannot be had, as where ``/dev/net/tun`` is missing.

Source: QEMU 0.13.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from qmpx.machine.network.clients import Failed
from qmpx.machine.network.options import read_size

_ADDRESS: Final = re.compile(r"([^:]*):([0-9]+)(?:,.*)?")
_LAST_PORT: Final = 65535

DUMP_SNAPLEN: Final = 65536
"""Bytes of a frame that a dump keeps, unless its *len* says; QEMU's default."""

_PCAP_MAGIC: Final = 0xA1B2C3D4
_PCAP_ETHERNET: Final = 1


_WAYS: Final = ("fd", "listen", "connect", "mcast")


class SocketLink:
    """A socket that links two machines: it is connected, or it is multicast.

    Args:
        connected: The socket.
        info: What there is to say of it.
    """

    def __init__(self, connected: socket.socket, info: str) -> None:
        self._socket = connected
        self.info = info

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class SocketListener:
    """A socket that waits for the other machine; until that comes, there is no link.

    It waits while an asyncio loop runs, the one in which it was made.

    Args:
        address: Where it listens.
        when_linked: Called with the link, once.

    Raises:
        OSError: The host refuses.
    """

    def __init__(
        self, address: tuple[str, int], when_linked: Callable[[SocketLink], None]
    ) -> None:
        self._when_linked = when_linked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = socket.socket()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setblocking(False)  # noqa: FBT003 - the standard library's
            self._socket.bind(address)
            self._socket.listen(1)
        except OSError:
            self._socket.close()
            raise
        with contextlib.suppress(RuntimeError):  # no loop runs: nobody can come
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket, self._accept)

    @property
    def port(self) -> int:
        """The port."""
        return int(self._socket.getsockname()[1])

    def _accept(self) -> None:
        try:
            linked, (host, port) = self._socket.accept()
        except OSError:  # it has gone again
            return
        self.close()
        linked.setblocking(False)  # noqa: FBT003
        self._when_linked(SocketLink(linked, f"socket: connection from {host}:{port}"))

    def close(self) -> None:
        """Wait no more."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._loop = None
        self._socket.close()


def open_socket(
    options: Mapping[str, str], when_linked: Callable[[SocketLink], None]
) -> SocketLink | SocketListener:
    """Make what the options of ``-netdev socket`` ask for.

    Args:
        options: Exactly one of ``listen``, ``connect`` and ``mcast``. A descriptor
            (``fd``) would have to be somebody's, and a machine has no sessions.
        when_linked: Called when somebody has connected to what listens.

    Raises:
        Failed: The options do not fit together, or the host refuses.
    """
    given = [way for way in _WAYS if way in options]
    if len(given) > 1:
        others = [f"{way}=" for way in _WAYS if way != given[0]]
        message = (
            f"{', '.join(others[:-1])} and {others[-1]} is invalid with {given[0]}="
        )
        raise Failed(message)
    if not given:
        message = "-socket requires fd=, listen=, connect= or mcast="
        raise Failed(message)
    way, text = given[0], options[given[0]]
    match = _ADDRESS.fullmatch(text)
    if way == "fd" or match is None or int(match[2]) > _LAST_PORT:
        raise Failed
    address = (match[1] or "0.0.0.0", int(match[2]))  # noqa: S104 - QEMU's default
    try:
        if way == "listen":
            return SocketListener(address, when_linked)
        opened = _connect(address) if way == "connect" else _join(address)
    except (OSError, ValueError) as error:
        message = f"socket {way}={text}: {getattr(error, 'strerror', None) or error}"
        raise Failed(message) from error
    info = "connect to " if way == "connect" else "mcast="
    return SocketLink(opened, f"socket: {info}{address[0]}:{address[1]}")


def _connect(address: tuple[str, int]) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)  # noqa: FBT003
    failure = made.connect_ex(address)
    if failure not in (0, errno.EINPROGRESS):
        made.close()
        raise OSError(failure, os.strerror(failure))
    return made


def _join(address: tuple[str, int]) -> socket.socket:
    group = ipaddress.IPv4Address(address[0])
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)  # noqa: FBT003
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(group), address[1]))
        made.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_ADD_MEMBERSHIP,
            struct.pack("=4sl", group.packed, socket.INADDR_ANY),
        )
    except OSError:
        made.close()
        raise
    return made


class Dump:
    """A capture file in pcap form, with its header and no frames.

    Args:
        options: Those of ``-net dump``.
        vlan: The vlan whose frames it would keep.

    Attributes:
        info: What there is to say of it.

    Raises:
        Failed: The file cannot be made.
    """

    def __init__(self, options: Mapping[str, str], vlan: int) -> None:
        length = read_size(options.get("len", str(DUMP_SNAPLEN))) or DUMP_SNAPLEN
        path = Path(options.get("file", f"qemu-vlan{vlan}.pcap"))
        header = struct.pack(
            "=IHHiIII",
            _PCAP_MAGIC,
            2,
            4,
            0,
            0,
            min(length, 0xFFFFFFFF),
            _PCAP_ETHERNET,
        )
        try:
            path.write_bytes(header)
        except OSError as error:
            message = f"-net dump: can't open {path}"
            raise Failed(message) from error
        self.info = f"dump to {path} (len={length})"

    def close(self) -> None:
        """Leave the file: it is complete."""
