"""Sockets for VNC, to listen on and to a viewer that listens, and their names.

Hosts are looked up while the caller waits, as QEMU did it; a numeric address and
``localhost`` cost nothing.
"""

import contextlib
import os
import socket
import stat
from typing import Any, Final

from qmpx.machine.display.vnc_target import VncTarget

BACKLOG: Final = 16
"""Clients that the kernel lets wait until they are taken in; it refuses the next."""
REVERSE_TIMEOUT: Final = 1.0
"""Seconds that a viewer has to take a connection: all else waits meanwhile."""

_FAMILIES: Final = {
    "any": socket.AF_UNSPEC,
    "ipv4": socket.AF_INET,
    "ipv6": socket.AF_INET6,
}
_NAMES: Final = {
    socket.AF_INET: "ipv4",
    socket.AF_INET6: "ipv6",
    socket.AF_UNIX: "unix",
}


class Listener:
    """A socket that listens, and what has to go with it.

    Args:
        target: Where.

    Attributes:
        socket: It, not blocking.
        name: What it is called: host, service and family.

    Raises:
        OSError: It cannot be had.
    """

    def __init__(self, target: VncTarget) -> None:
        self._file: tuple[str, int] | None = None
        self.socket = self._unix(target.path) if target.path else _tcp(target)
        self.name = name_of(self.socket.family, self.socket.getsockname())

    def _unix(self, path: str) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX)
        try:
            # The file takes the socket's mode: it is never open to other users.
            os.fchmod(listening.fileno(), 0o600)
            _remove_stale(path)
            listening.bind(path)
            self._file = (path, os.stat(path).st_ino)
            listening.listen(BACKLOG)
            listening.setblocking(False)
        except BaseException:
            listening.close()
            raise
        return listening

    def close(self) -> None:
        """Listen no more, and remove the socket's file if it is still ours."""
        self.socket.close()
        if self._file is None:
            return
        path, inode = self._file
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == inode:
                os.unlink(path)


def _tcp(target: VncTarget) -> socket.socket:
    failure = OSError("no address to listen on")
    for port in range(target.port, target.last_port + 1):
        for family, _, _, _, address in _look_up(target, port):
            listening = socket.socket(family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind(address)
                listening.listen(BACKLOG)
                listening.setblocking(False)
            except OSError as error:
                listening.close()
                failure = error
            else:
                return listening
    raise failure


def _look_up(target: VncTarget, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(
            target.host or None,
            port,
            family=_FAMILIES[target.family],
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except UnicodeError as error:  # a label of more than 63 letters
        message = f"{target.host!r} is no name of a host: {error}"
        raise OSError(message) from error


def dial(target: VncTarget) -> socket.socket:
    """Return a connection to a viewer that listens.

    Raises:
        OSError: It cannot be had.
    """
    if target.path:
        connection = socket.socket(socket.AF_UNIX)
        addresses = [(connection, target.path)]
    else:
        addresses = [
            (socket.socket(family, socket.SOCK_STREAM), address)
            for family, _, _, _, address in _look_up(target, target.port)
        ]
    failure = OSError("no address to connect to")
    chosen: socket.socket | None = None
    for connection, address in addresses:
        if chosen is not None:
            connection.close()
            continue
        try:
            connection.settimeout(REVERSE_TIMEOUT)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            chosen = connection
    if chosen is None:
        raise failure
    chosen.setblocking(False)
    return chosen


def name_of(family: int, address: Any) -> dict[str, str]:
    """Return what an end of a connection is called, as QEMU's events and queries do.

    Args:
        family: Of the socket.
        address: As Python has it.
    """
    named = _NAMES.get(socket.AddressFamily(family), "unknown")
    if named == "unix":
        return {"family": named, "service": address or "", "host": "localhost"}
    return {"family": named, "service": str(address[1]), "host": address[0]}


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more.

    Raises:
        OSError: Something else is there, or somebody listens.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        message = f"{path} exists and is no socket"
        raise FileExistsError(message)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass  # alive, but busy
    message = f"another program listens on {path} already"
    raise FileExistsError(message)
