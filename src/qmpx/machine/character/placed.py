"""Character devices on stream sockets, made in one go: listen, or connect.

Source: QEMU 7.2.22, observed: what it says when the host refuses.
"""

import asyncio
import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.character.opened import OpenedSocket
from qmpx.machine.character.sockets import SocketDevice

MAX_PATH: Final = 107
"""Bytes of the path of a UNIX socket: what Linux has room for."""

Place = tuple[str, int] | str | socket.socket
"""Host and port, the path of a UNIX socket, or a socket that is open already."""


class PlacedSocket(OpenedSocket):
    """A character device on a socket that was opened for it.

    Args:
        label: What it is called.
        filename: What ``query-chardev`` shows of where it leads.
        path: The path that goes with it.
        listening: As of `OpenedSocket`.
        connected: As of `OpenedSocket`.
        is_telnet: Whether it speaks telnet.
    """

    def __init__(
        self,
        label: str,
        filename: str,
        *,
        path: str = "",
        listening: socket.socket | None = None,
        connected: socket.socket | None = None,
        is_telnet: bool = False,
    ) -> None:
        super().__init__(
            label,
            filename,
            listening=listening,
            connected=connected,
            is_telnet=is_telnet,
        )
        self._path = path

    def close(self) -> None:
        """Close it, and remove its path."""
        super().close()
        if self._path:
            with contextlib.suppress(OSError):  # somebody has removed it already
                Path(self._path).unlink()


def resolve(host: str, port: int, kind: int, family: int = 0) -> tuple[int, str, int]:
    """Return family, address and port of a host's name.

    Args:
        host: Its name; empty for all addresses of this host.
        port: A port.
        kind: ``socket.SOCK_STREAM`` or ``socket.SOCK_DGRAM``.
        family: Which family it has to be of, if that is not 0.

    Raises:
        GenericError: It has no such address.
    """
    try:
        found = socket.getaddrinfo(
            host or "0.0.0.0",  # noqa: S104 - QEMU's default
            port,
            family=family,
            type=kind,
            flags=socket.AI_PASSIVE,
        )
    except OSError as error:
        message = f"address resolution failed for {host}:{port}: {error.strerror}"
        raise GenericError(message) from error
    chosen, _, _, _, address = found[0]
    return chosen, str(address[0]), int(address[1])


def name_of(opened: socket.socket, *, is_telnet: bool = False) -> str:
    """Return what a socket's own address is called while nobody is connected."""
    address = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        path = os.fsdecode(address) if isinstance(address, bytes) else address
        if path.startswith("\0"):
            return f"unix:{path[1:]},abstract=on"
        return f"unix:{path}"
    host, port = address[:2]
    return f"{'telnet' if is_telnet else 'tcp'}:{host}:{port}"


def open_server(
    label: str, place: Place, *, is_telnet: bool = False, family: int = 0
) -> SocketDevice:
    """Return a device that listens; clients may come once it is opened.

    Args:
        label: What it is called.
        place: Where it listens.
        is_telnet: Whether it speaks telnet.
        family: Which family the address of a host has to be of, if that is not 0.

    Raises:
        GenericError: The host refuses.
    """
    listening, path = _listen(place, family)
    return PlacedSocket(
        label,
        f"{name_of(listening, is_telnet=is_telnet)},server=on",
        path=path,
        listening=listening,
        is_telnet=is_telnet,
    )


def _listen(place: Place, family: int) -> tuple[socket.socket, str]:
    if isinstance(place, socket.socket):
        # QEMU removes the path of a socket that it was given, too.
        name = place.getsockname() if place.family == socket.AF_UNIX else ""
        return place, name if isinstance(name, str) else ""
    if isinstance(place, str):
        _check_path(place)
        made = socket.socket(socket.AF_UNIX)
        try:
            if not place.startswith("\0"):
                with contextlib.suppress(FileNotFoundError):
                    Path(place).unlink()
            made.bind(place)
            made.listen(1)
        except OSError as error:
            made.close()
            message = f"Failed to bind socket to {place}: {_why(error)}"
            raise GenericError(message) from error
        return made, "" if place.startswith("\0") else place
    host, port = place
    family, address, port = resolve(host, port, socket.SOCK_STREAM, family)
    try:
        return socket.create_server((address, port), family=family, backlog=1), ""
    except OSError as error:
        message = f"Failed to find an available port: {_why(error)}"
        raise GenericError(message) from error


async def open_client(
    label: str, place: Place, *, is_telnet: bool = False, reconnects: bool = False
) -> SocketDevice:
    """Return a device that is connected; cancelling is safe.

    Args:
        label: What it is called.
        place: Where it leads.
        is_telnet: Whether it speaks telnet.
        reconnects: Whether it is no failure if nobody listens there. Then it stays
            unconnected: it tries only once.

    Raises:
        GenericError: The host refuses.
    """
    if isinstance(place, socket.socket):
        return PlacedSocket(label, name_of(place), connected=place)
    if isinstance(place, str):
        _check_path(place)
        made, where, name = socket.socket(socket.AF_UNIX), place, f"unix:{place}"
    else:
        host, port = place
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made, where = socket.socket(family), f"{host}:{port}"
        name = f"{'telnet' if is_telnet else 'tcp'}:{where}"
    made.setblocking(False)  # noqa: FBT003 - the standard library's
    try:
        await asyncio.get_running_loop().sock_connect(made, place)
    except OSError as error:
        made.close()
        if reconnects:
            return PlacedSocket(label, name)
        why = _why(error) if where else os.strerror(errno.ECONNREFUSED)
        message = f"Failed to connect to '{where}': {why}"
        raise GenericError(message) from error
    except BaseException:
        made.close()
        raise
    return PlacedSocket(label, name, connected=made, is_telnet=is_telnet)


def _check_path(path: str) -> None:
    if len(os.fsencode(path)) > MAX_PATH:
        message = f"UNIX socket path '{path}' is too long"
        error = GenericError(message)
        raise error.hinting(f"Path must be less than {MAX_PATH + 1} bytes")


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
