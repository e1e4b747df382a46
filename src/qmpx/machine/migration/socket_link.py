"""A link that is a connected socket: it carries both ways."""

import contextlib
import errno
import functools
import os
import socket
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.migration.descriptor_link import DescriptorLink
from qmpx.machine.migration.links import LinkOwner

if TYPE_CHECKING:
    import asyncio

CHUNK: Final = 256 * 1024
"""Bytes read at once: what a socket's buffer holds at most, as systems are set up."""

CLOSED: Final = "the other end has closed the connection"
"""What is said of a connection that was closed from there."""

_IN_PROGRESS: Final = (0, errno.EINPROGRESS)


class SocketLink(DescriptorLink):
    """A stream socket on the running event loop.

    Args:
        connection: The socket, connected unless there is an *address*.
        address: Where to connect it to.

    Attributes:
        is_refused: Whether nobody listened there.
    """

    answers = True
    end = CLOSED

    def __init__(
        self, connection: socket.socket, address: tuple[str, int] | None = None
    ) -> None:
        super().__init__()
        connection.settimeout(0)
        self._socket = connection
        self._address = address
        self._lookup: asyncio.Future[Any] | None = None
        self.is_refused = False

    def _fileno(self) -> int:
        return self._socket.fileno()

    def _put(self, data: memoryview) -> int:
        return self._socket.send(data)

    def _take(self) -> bytes:
        return self._socket.recv(CHUNK)

    @property
    def local_host(self) -> str | None:
        """Where the other end can reach this host."""
        if self._socket.family == socket.AF_UNIX:
            return "127.0.0.1"
        try:
            return str(self._socket.getsockname()[0])
        except OSError:
            return None

    def start(self, owner: LinkOwner) -> None:
        """Connect if need be, and tell *owner* from now on."""
        self._owner = owner
        if self._address is None:
            self._loop.call_soon(self._opened)
            return
        host, port = self._address
        try:
            where = _resolve(host, port, self._socket.family, socket.AI_NUMERICHOST)
        except OSError:  # a name: others know it, and that may take a while
            lookup = functools.partial(_resolve, host, port, self._socket.family)
            self._lookup = self._loop.run_in_executor(None, lookup)
            self._lookup.add_done_callback(self._looked_up)
            return
        self._connect(where)

    def _looked_up(self, lookup: "asyncio.Future[Any]") -> None:
        if self._owner is None:
            return
        try:
            self._connect(lookup.result())
        except (OSError, CancelledError) as error:
            host = self._address[0] if self._address is not None else ""
            self._break(f"cannot find {host}: {error}")

    def _connect(self, where: Any) -> None:
        number = self._socket.connect_ex(where)
        if number in _IN_PROGRESS:
            self._loop.add_writer(self._socket.fileno(), self._connected)
        else:
            self.is_refused = number == errno.ECONNREFUSED
            self._loop.call_soon(self._break, os.strerror(number))

    def _connected(self) -> None:
        self._loop.remove_writer(self._socket.fileno())
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self.is_refused = number == errno.ECONNREFUSED
            self._break(os.strerror(number))
        else:
            self._opened()

    def _opened(self) -> None:
        if self._owner is None:
            return
        self._is_open = True
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._owner.link_opened()
        if self._out and self._owner is not None:
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _end(self) -> None:
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_WR)
        super()._end()

    def close(self) -> None:
        """Close it at once; what is not sent by then is lost."""
        super().close()
        if self._lookup is not None:
            self._lookup.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()


def _resolve(host: str, port: int, family: int, flags: int = 0) -> Any:
    """Return the socket address of *host*, which may be empty: this one."""
    found = socket.getaddrinfo(
        host or "localhost", port, family, socket.SOCK_STREAM, flags=flags
    )
    return found[0][4]
