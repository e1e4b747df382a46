"""Listening sockets: who may connect, how many at once, and how they are taken in.

A unix socket gets mode 0600. A TCP address that is not loopback is refused unless it is
asked for explicitly, for a monitor gives its clients the rights of its user. While a
listener serves as many as it may, further clients wait in the kernel's queue, unseen
and ungreeted: that is what QEMU does, with a limit of one.
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import stat
from collections.abc import Callable
from typing import Final

from qmpx.errors import AddressError
from qmpx.transport.address import (
    FdAddress,
    ListenAddress,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.descriptors import copy_socket
from qmpx.transport.stdio import stdio_socket

BACKLOG: Final = 128
"""Connections that the kernel queues until they are taken in."""

RETRY: Final = 1.0
"""Seconds until the next try when there are no descriptors left to take one in."""

_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger("qmpx.monitor")

Accept = Callable[[socket.socket, "Listener"], None]


class Listener:
    """One address that is listened on.

    Args:
        loop: The running loop.
        address: Where; ``fd:N`` may be a listening socket or a connected one.
        accept: Told of each new connection; it answers for the socket from then on, and
            calls `release` when it is closed.
        max_sessions: How many are served at once; others wait.
        backlog: How many may wait.
        allow_remote: Whether a TCP address that others can reach is in order.
        is_raw: Whether a terminal that is standard input hands over each key at once.

    Attributes:
        address: Where it listens; a port that was 0 is the one it got.
        sessions: How many connections it has taken in that are not closed.

    Raises:
        AddressError: It cannot be listened on, and why.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: ListenAddress,
        accept: Accept,
        *,
        max_sessions: int,
        backlog: int = BACKLOG,
        allow_remote: bool = False,
        is_raw: bool = False,
    ) -> None:
        self._loop = loop
        self._accept = accept
        self._max_sessions = max_sessions
        self._is_raw = is_raw
        self.sessions = 0
        self._listening = False
        self._is_held_back = False
        self._unlink: tuple[str, int] | None = None
        self._ready: list[socket.socket] = []  # connected from the start
        self._sockets: list[socket.socket] = []
        try:
            self.address = self._open(address, backlog, allow_remote)
        except OSError as error:
            self.close()
            message = f"cannot listen on {address}: {error.strerror or error}"
            raise AddressError(message) from error
        except BaseException:
            self.close()
            raise

    @property
    def is_listening(self) -> bool:
        """Whether more clients may come, now or later."""
        return bool(self._sockets)

    def start(self) -> None:
        """Take in connections from now on."""
        for sock in self._ready:
            self.sessions += 1
            self._accept(sock, self)
        self._ready.clear()
        self._update()

    def take_in_first(self, sock: socket.socket) -> None:
        """Take in a client that came before this listener was made, at the start."""
        self._ready.append(sock)

    def release(self) -> None:
        """Note that a session of this listener is over."""
        self.sessions -= 1
        self._update()

    def hold_back(self) -> None:
        """Take in nobody for now, and let hardly anybody wait: a busy program."""
        self._is_held_back = True
        for sock in self._sockets:
            sock.listen(0)
        self._update()

    def let_in(self, backlog: int = BACKLOG) -> None:
        """Take in connections again."""
        self._is_held_back = False
        for sock in self._sockets:
            sock.listen(backlog)
        self._update()

    def close(self) -> None:
        """Take in no more, and remove the unix socket if it is still ours."""
        self._max_sessions = 0
        self._update()
        for sock in self._sockets + self._ready:
            sock.close()
        self._sockets.clear()
        if self._unlink is not None:
            path, inode = self._unlink
            self._unlink = None
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)

    def _update(self) -> None:
        wanted = self.sessions < self._max_sessions and not self._is_held_back
        if wanted == self._listening:
            return
        self._listening = wanted
        for sock in self._sockets:
            if wanted:
                self._loop.add_reader(sock.fileno(), self._take_in, sock)
            else:
                self._loop.remove_reader(sock.fileno())

    def _take_in(self, listening: socket.socket) -> None:
        # One in a turn of the loop: the loop comes back here while more wait.
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            logger.warning(
                "%s: cannot take in a client: %s; trying again in %g s",
                self.address,
                error.strerror,
                RETRY,
            )
            for each in self._sockets:
                self._loop.remove_reader(each.fileno())
            self._listening = False
            self._loop.call_later(RETRY, self._update)
            return
        self.sessions += 1
        self._accept(sock, self)
        self._update()

    def _open(
        self,
        address: ListenAddress,
        backlog: int,
        allow_remote: bool,  # noqa: FBT001
    ) -> ListenAddress:
        match address:
            case UnixAddress():
                self._open_unix(address, backlog)
            case TcpAddress():
                return self._open_tcp(address, backlog, allow_remote)
            case TelnetAddress():
                tcp = self._open_tcp(address.tcp, backlog, allow_remote)
                return TelnetAddress(tcp)
            case VsockAddress():
                sock = self._socket(socket.AF_VSOCK)
                sock.bind((address.cid, address.port))
                sock.listen(backlog)
            case FdAddress():
                self._adopt(copy_socket(address.fd))
            case StdioAddress():
                self._ready.append(stdio_socket(is_raw=self._is_raw))
        return address

    def _socket(self, family: int) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._sockets.append(sock)
        return sock

    def _adopt(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.setblocking(False)
            self._sockets.append(sock)
        else:
            self._ready.append(sock)

    def _open_unix(self, address: UnixAddress, backlog: int) -> None:
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
        sock.listen(backlog)

    def _open_tcp(
        self,
        address: TcpAddress,
        backlog: int,
        allow_remote: bool,  # noqa: FBT001
    ) -> TcpAddress:
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
        for *_, name in found:
            host = str(name[0]).partition("%")[0]
            if not allow_remote and not ipaddress.ip_address(host).is_loopback:
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
            sock.listen(backlog)
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
