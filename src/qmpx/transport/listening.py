"""Sockets that listen: opened, with the rights that a monitor needs, and closed again.

A unix socket gets mode 0600. A TCP address that is not loopback is refused unless it is
asked for explicitly, for a monitor gives its clients the rights of its user.
"""

import contextlib
import os
import socket
import stat
from typing import Final

from qmpx.errors import AddressError
from qmpx.transport.address import (
    FdAddress,
    ListenAddress,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.descriptors import copy_socket
from qmpx.transport.stdio import stdio_socket

BACKLOG: Final = 128
"""Connections that the kernel queues until they are taken in."""


class ListeningSockets:
    """The sockets of one address that is listened on.

    Args:
        address: Where; ``fd:N`` may be a listening socket or a connected one.
        backlog: How many may wait.
        allow_remote: Whether a TCP address that others can reach is in order.
        is_raw: Whether a terminal that is standard input hands over each key at once.

    Attributes:
        address: Where they listen; a port that was 0 is the one that it got.
        listening: The sockets; they do not block.
        connected: Sockets that were connected from the start.

    Raises:
        AddressError: It cannot be listened on, and why.
    """

    def __init__(
        self,
        address: ListenAddress,
        *,
        backlog: int = BACKLOG,
        allow_remote: bool = False,
        is_raw: bool = False,
    ) -> None:
        self.listening: list[socket.socket] = []
        self.connected: list[socket.socket] = []
        self._backlog = backlog
        self._allow_remote = allow_remote
        self._is_raw = is_raw
        self._unlink: tuple[str, int] | None = None
        try:
            self.address = self._open(address)
        except OSError as error:
            self.close()
            message = f"cannot listen on {address}: {error.strerror or error}"
            raise AddressError(message) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close them, and remove the unix socket if it is still ours."""
        for sock in self.listening + self.connected:
            sock.close()
        self.listening.clear()
        self.connected.clear()
        if self._unlink is not None:
            path, inode = self._unlink
            self._unlink = None
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)

    def _open(self, address: ListenAddress) -> ListenAddress:
        match address:
            case UnixAddress():
                self._open_unix(address)
            case TcpAddress():
                return self._open_tcp(address)
            case TelnetAddress():
                tcp = self._open_tcp(address.tcp)
                return TelnetAddress(tcp)
            case TlsAddress():
                message = (
                    f"{address}: TLS is served by a gateway: listen on {address.tcp}, "
                    "with tls in its [[listener]]"
                )
                raise AddressError(message)
            case VsockAddress():
                sock = self._socket(socket.AF_VSOCK)
                sock.bind((address.cid, address.port))
                sock.listen(self._backlog)
            case FdAddress():
                self._adopt(copy_socket(address.fd))
            case StdioAddress():
                self.connected.append(stdio_socket(is_raw=self._is_raw))
        return address

    def _socket(self, family: int) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self.listening.append(sock)
        return sock

    def _adopt(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.setblocking(False)
            self.listening.append(sock)
        else:
            self.connected.append(sock)

    def _open_unix(self, address: UnixAddress) -> None:
        sock = self._socket(socket.AF_UNIX)
        # The file takes the socket's own mode: it is never open to others, not even
        # for the moment that a chmod() after bind() would leave.
        os.fchmod(sock.fileno(), 0o600)
        if not address.abstract:
            _remove_stale(address)
        with address.socket_name() as name:
            sock.bind(name)
        if not address.abstract:
            self._unlink = (address.path, os.stat(address.path).st_ino)
        sock.listen(self._backlog)

    def _open_tcp(self, address: TcpAddress) -> TcpAddress:
        family = {
            "any": socket.AF_UNSPEC,
            "ipv4": socket.AF_INET,
            "ipv6": socket.AF_INET6,
        }[address.family]
        found = socket.getaddrinfo(
            address.host or None,
            address.port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        import ipaddress  # only who listens on TCP needs it

        for *_, name in found:
            host = str(name[0]).partition("%")[0]
            if not self._allow_remote and not ipaddress.ip_address(host).is_loopback:
                message = (
                    f"refusing to listen on {address}: others could reach it, and a "
                    "monitor gives whoever connects the rights of its user. Use a unix "
                    "socket or tcp:127.0.0.1:PORT, or allow it with --allow-remote "
                    "(allow_remote=True)"
                )
                raise AddressError(message)
        port = address.port
        for family, _, _, _, name in found:
            sock = self._socket(family)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((name[0], port, *name[2:]))
            port = port or sock.getsockname()[1]
            sock.listen(self._backlog)
        return address._replace(port=port)


def _remove_stale(address: UnixAddress) -> None:
    """Remove a socket that nobody listens on any more.

    Raises:
        AddressError: Something else is there, or somebody listens.
    """
    path = address.path
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        message = f"cannot listen on {path}: it exists and is no socket"
        raise AddressError(message)
    with socket.socket(socket.AF_UNIX) as probe, address.socket_name() as name:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass  # alive, but busy
    message = f"cannot listen on {path}: another program listens there already"
    raise AddressError(message)
