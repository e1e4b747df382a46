"""Sockets, without the module `socket` before a greeting needs it.

That module makes enumerations of some two hundred constants first, which takes longer
than to open a monitor. What it extends is the interpreter's own, and enough for that.
"""

from __future__ import annotations

from _socket import AF_UNIX, SO_ACCEPTCONN, SOL_SOCKET
from _socket import socket as PlainSocket

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    import socket

__all__ = ["PlainSocket", "accept", "is_listening", "unix_socket", "whole"]


def unix_socket() -> PlainSocket:
    """Return a new stream socket of the family of files."""
    return PlainSocket(AF_UNIX)


def is_listening(sock: PlainSocket) -> bool:
    """Whether clients can come to a socket."""
    return bool(sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN))


def accept(listening: PlainSocket) -> PlainSocket:
    """Wait for a client, and return its socket: all that `socket.accept` does.

    Raises:
        OSError: It has gone again; or nobody is there, and the socket does not wait.
    """
    fd, _ = listening._accept()  # type: ignore[attr-defined] # noqa: SLF001
    return PlainSocket(fileno=fd)


def whole(sock: PlainSocket) -> socket.socket:
    """Return a socket as all libraries want it; the one that is given is closed."""
    import socket

    if isinstance(sock, socket.socket):
        return sock
    return socket.socket(fileno=sock.detach())
