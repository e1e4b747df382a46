"""Where a machine goes to, or comes from: ``tcp:``, ``unix:``, ``exec:`` and ``fd:``.

Source: QEMU 0.13, its ``migrate`` command and its ``-incoming`` option.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from typing import Final

from qmpx.errors import FdNotFound, GenericError
from qmpx.machine.migration.links import Link
from qmpx.machine.migration.pipe_link import CommandLink, PipeLink
from qmpx.machine.migration.socket_link import SocketLink

MAX_PORT: Final[int] = 65535

Arrive = Callable[[Link], None]
Stop = Callable[[], None]


def open_outgoing(
    uri: str, take_descriptor: Callable[[str], int] | None = None
) -> Link:
    """Return the link that *uri* leads to; a refusal of its host shows only later.

    Args:
        uri: ``tcp:HOST:PORT``, ``unix:PATH``, ``exec:COMMAND`` or ``fd:NAME``.
        take_descriptor: Gives the descriptor of a name away, or raises `FdNotFound`.

    Raises:
        GenericError: There is no such protocol, or it cannot be set up.
    """
    kind, _, rest = uri.partition(":")
    try:
        match kind:
            case "tcp":
                host, port = _endpoint(rest)
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                tcp = socket.socket(family, socket.SOCK_STREAM)
                return SocketLink(tcp, (host, port))
            case "unix":
                return SocketLink(_connect_unix(rest))
            case "exec":
                return CommandLink(rest, is_writer=True)
            case "fd" if take_descriptor is not None:
                return _link_of(take_descriptor(rest), is_writer=True)
    except (OSError, FdNotFound) as error:
        message = "migration failed"
        raise GenericError(message) from error
    message = f"unknown migration protocol: {uri}"
    raise GenericError(message)


def await_incoming(uri: str, arrive: Arrive) -> tuple[str, Stop]:
    """Wait for the one stream that comes to *uri*.

    Args:
        uri: As of `open_outgoing`, with ``fd:NUMBER`` for an inherited descriptor.
        arrive: Called with the link once it is there, at most once.

    Returns:
        The address in full, with the port that the system chose for port 0, and what
        stops the waiting.

    Raises:
        GenericError: There is no such protocol, or it cannot be set up.
    """
    kind, _, rest = uri.partition(":")
    try:
        match kind:
            case "tcp":
                host, port = _endpoint(rest)
                host = "0.0.0.0" if host in ("", "0") else host  # noqa: S104 - asked for
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                listener = socket.create_server(
                    (host, port),
                    family=family,
                    backlog=1,
                    # All of the host's addresses are those of both families.
                    dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
                )
                name, number = listener.getsockname()[:2]
                return f"tcp:{name}:{number}", _accept(listener, arrive)
            case "unix":
                return uri, _accept(_listen_unix(rest), arrive, path=rest)
            case "exec":
                return uri, _arrived(CommandLink(rest, is_writer=False), arrive)
            case "fd" if rest.isdecimal():
                return uri, _arrived(_link_of(int(rest), is_writer=False), arrive)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        message = f"cannot await a machine at {uri}: {why}"
        raise GenericError(message) from error
    message = f"unknown migration protocol: {uri}"
    raise GenericError(message)


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > MAX_PORT:
        message = "migration failed"
        raise GenericError(message)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _connect_unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(0)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _listen_unix(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _link_of(fd: int, *, is_writer: bool) -> Link:
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        return SocketLink(socket.socket(fileno=fd))
    return PipeLink(fd, is_writer=is_writer)


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more."""
    if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def _arrived(link: Link, arrive: Arrive) -> Stop:
    arrive(link)
    return lambda: None


def _accept(listener: socket.socket, arrive: Arrive, path: str = "") -> Stop:
    import asyncio

    loop = asyncio.get_running_loop()
    listener.settimeout(0)

    def stop() -> None:
        if listener.fileno() >= 0:
            loop.remove_reader(listener.fileno())
            listener.close()
            if path:
                with contextlib.suppress(OSError):  # somebody has removed it already
                    os.unlink(path)

    def accept() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # it has gone again
            return
        stop()  # a machine comes once; who comes too late is refused
        arrive(SocketLink(connection))

    loop.add_reader(listener.fileno(), accept)
    return stop
