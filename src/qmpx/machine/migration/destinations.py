"""Where a machine goes to, with the words of newer QEMUs for what is wrong.

The same protocols as `qmpx.machine.migration.addresses` has. What cannot be read is
refused at once; what cannot be reached shows when the migration has begun.

Source: QEMU 7.2.22, observed.
"""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Final

from qmpx.errors import FdNotFound, GenericError
from qmpx.machine.migration.addresses import Stop, await_incoming
from qmpx.machine.migration.links import Link, LinkOwner
from qmpx.machine.migration.pipe_link import CommandLink, PipeLink
from qmpx.machine.migration.socket_link import CLOSED, SocketLink

_LONGEST_UNIX: Final[int] = 107  # bytes of a path in Linux's sockaddr_un


class DeadLink:
    """A link that never stands.

    Args:
        reason: Why.
    """

    answers = False
    local_host = None
    unsent = 0

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._owner: LinkOwner | None = None

    def start(self, owner: LinkOwner) -> None:
        """Tell *owner* why, in the next turn of the loop."""
        self._owner = owner
        asyncio.get_running_loop().call_soon(self._break)

    def _break(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.link_broken(self._reason)

    def write(self, data: bytes) -> None:
        """Nothing: it leads nowhere."""

    def finish(self) -> None:
        """Nothing: it leads nowhere."""

    def close(self) -> None:
        """Tell its owner nothing more."""
        self._owner = None


class _NamedSocketLink(SocketLink):
    # A socket whose failure to connect is told with where it was to lead, and whose
    # other end is found to be gone when there is something to write to it.

    def __init__(
        self,
        connection: socket.socket,
        address: tuple[str, int] | None,
        where: str,
    ) -> None:
        super().__init__(connection, address)
        self._where = where

    def _break(self, reason: str) -> None:
        if not self._is_open:
            reason = f"Failed to connect to '{self._where}': {reason}"
        elif reason == CLOSED:
            reason = f"Unable to write to socket: {os.strerror(errno.EPIPE)}"
        super()._break(reason)


class _WriterLink(CommandLink):
    # A command, whose failure is told as a failure to write to it. One that goes
    # before all is written has failed, whatever it says; what one says that has been
    # given everything does not matter.

    def _end(self) -> None:
        if self._process.poll() is None:
            super()._end()
        else:
            self._break(os.strerror(errno.EPIPE))

    def _judge(self, owner: LinkOwner, status: int) -> None:
        del status
        owner.link_finished()

    def _break(self, reason: str) -> None:
        super()._break(f"Unable to write to command: {reason}")


def _no_protocol() -> GenericError:
    return GenericError("Parameter 'uri' expects a valid migration protocol")


def split_host_port(text: str) -> tuple[str, str]:
    """Return host and port of ``HOST:PORT[,OPTIONS]``, with brackets taken off.

    Raises:
        GenericError: It is not of that form.
    """
    address = text.partition(",")[0]
    host, colon, port = address.rpartition(":")
    if not colon or not port:
        message = f"error parsing address '{text}'"
        raise GenericError(message)
    return host.removeprefix("[").removesuffix("]"), port


def open_destination(uri: str, take_descriptor: Callable[[str], int]) -> Link:
    """Return the link that *uri* leads to; what is not there shows only later.

    Args:
        uri: ``tcp:HOST:PORT``, ``unix:PATH``, ``exec:COMMAND`` or ``fd:NAME``.
        take_descriptor: Gives the descriptor of a name away, or raises `FdNotFound`.

    Raises:
        GenericError: There is no such protocol, or its address cannot be read.
    """
    kind, colon, rest = uri.partition(":")
    if not colon:
        raise _no_protocol()
    match kind:
        case "tcp":
            host, port = split_host_port(rest)
            return _connect_tcp(host, port)
        case "unix":
            if not rest:
                message = "invalid Unix socket address"
                raise GenericError(message)
            return _connect_unix(rest)
        case "exec":
            try:
                return _WriterLink(rest, is_writer=True)
            except OSError as error:
                return DeadLink(str(error))
        case "fd":
            return link_of(_take(rest, take_descriptor), is_writer=True)
    raise _no_protocol()


def _take(name: str, take_descriptor: Callable[[str], int]) -> int:
    try:
        return take_descriptor(name)
    except FdNotFound:
        message = f"File descriptor named '{name}' has not been found"
        raise GenericError(message) from None


def link_of(fd: int, *, is_writer: bool) -> Link:
    """Return a link over a descriptor, which is the link's from now on.

    Raises:
        GenericError: It is no descriptor.
    """
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        message = f"File descriptor {fd} cannot be used: {error.strerror}"
        raise GenericError(message) from error
    if stat.S_ISSOCK(mode):
        return SocketLink(socket.socket(fileno=fd))
    return PipeLink(fd, is_writer=is_writer)


def _connect_tcp(host: str, port: str) -> Link:
    if not port.isdecimal():
        reason = (
            f"address resolution failed for {host}:{port}: "
            "Servname not supported for ai_socktype"
        )
        return DeadLink(reason)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = f"{host}:{port}"
    # As getaddrinfo has it: what does not fit into 16 bits is cut off.
    return _NamedSocketLink(
        socket.socket(family, socket.SOCK_STREAM), (host, int(port) & 0xFFFF), where
    )


def _connect_unix(path: str) -> Link:
    connection = socket.socket(socket.AF_UNIX)
    try:
        if len(os.fsencode(path)) > _LONGEST_UNIX:
            return _too_long(connection, path)
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        connection.connect(path)
    except OSError as error:
        connection.close()
        why = os.strerror(error.errno) if error.errno else str(error)
        return DeadLink(f"Failed to connect to '{path}': {why}")
    return _NamedSocketLink(connection, None, path)


def _too_long(connection: socket.socket, path: str) -> Link:
    connection.close()
    return DeadLink(f"UNIX socket path '{path}' is too long")


def await_source(
    uri: str,
    arrive: Callable[[Link], None],
    take_descriptor: Callable[[str], int],
) -> tuple[str, Stop]:
    """Wait for the one stream that comes to *uri*.

    Args:
        uri: As of `open_destination`; ``fd:`` takes a number, too.
        arrive: Called with the link once it is there, at most once.
        take_descriptor: As of `open_destination`.

    Returns:
        The address in full, with the port that the system chose for port 0, and what
        stops the waiting.

    Raises:
        GenericError: There is no such protocol, or it cannot be set up.
    """
    kind, colon, rest = uri.partition(":")
    if not colon or kind not in ("tcp", "unix", "exec", "fd"):
        message = f"unknown migration protocol: {uri}"
        raise GenericError(message)
    if kind == "tcp":
        host, port = split_host_port(rest)
        if not port.isdecimal():
            message = (
                f"address resolution failed for {rest}: "
                "Servname not supported for ai_socktype"
            )
            raise GenericError(message)
        # A host that is a name of this one, or none, is all of its addresses.
        return _set_up(f"tcp:{host}:{int(port) & 0xFFFF}", arrive, host)
    if kind == "unix" and not rest:
        message = "invalid Unix socket address"
        raise GenericError(message)
    if kind == "fd":
        fd = int(rest) if rest[:1].isdecimal() else _take(rest, take_descriptor)
        arrive(link_of(fd, is_writer=False))
        return uri, lambda: None
    return _set_up(uri, arrive, rest)


def _set_up(uri: str, arrive: Callable[[Link], None], where: str) -> tuple[str, Stop]:
    try:
        return await_incoming(uri, arrive)
    except GenericError as error:
        cause = error.__cause__
        why = str(error.desc)
        if isinstance(cause, OSError) and cause.errno:
            why = os.strerror(cause.errno)
        message = f"Failed to bind socket to {where}: {why}"
        raise GenericError(message) from error
