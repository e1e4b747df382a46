"""Connecting to an address, blocking and on an event loop, with a deadline.

Where a QEMU is still starting its socket may not be there, not be listened on yet or
have a full queue: with *wait* these are tried again, on one connection at a time, for
an abandoned one would stay in the queue and keep the next client out.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

from qmpx.errors import ConnectError
from qmpx.transport.address import (
    Address,
    FdAddress,
    StdioAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.descriptors import copy_socket
from qmpx.transport.stream import Stream

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, Final

PAUSE: Final = 0.02
"""Seconds between two tries: a starting QEMU takes some tens of milliseconds."""

LONGEST: Final = 86400.0
"""Seconds after which the longest try ends; no kernel has that much patience."""

_STARTING: Final = (
    errno.ENOENT,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EAGAIN,
)
"""What a program that is still starting answers with."""

_FAMILIES: Final = {
    "any": socket.AF_UNSPEC,
    "ipv4": socket.AF_INET,
    "ipv6": socket.AF_INET6,
}

Alive = Callable[[], bool]


class Attempts:
    """How often to try, and when to give up.

    Args:
        address: Where.
        timeout: Seconds for one try that is under way, and for a full queue.
        wait: Seconds for a program that is starting.
        alive: Whether that program still runs; if not, there is no use in waiting.
    """

    def __init__(
        self, address: Address, timeout: float, wait: float, alive: Alive | None
    ) -> None:
        now = time.monotonic()
        self.address = address
        self.deadline = now + min(timeout, LONGEST)
        self._timeout = min(timeout, LONGEST)
        self._wait_until = now + wait
        self._alive = alive
        self._last: OSError | None = None

    @property
    def left(self) -> float:
        """Seconds for the next try."""
        left = max(self.deadline, self._wait_until) - time.monotonic()
        return max(min(left, self._timeout), 0.001)

    def failed(self, error: OSError) -> None:
        """Return if it is worth another try.

        Raises:
            ConnectError: It is not.
        """
        now = time.monotonic()
        until = (
            max(self._wait_until, self.deadline)
            if _is_full(error)
            else (self._wait_until)
        )
        starting = error.errno in _STARTING
        if starting:
            self._last = error
        elif isinstance(error, TimeoutError) and now >= until and self._last:
            error = (
                self._last
            )  # the last try had no time left; this is why it was tried
        alive = self._alive is None or self._alive()
        if starting and alive and now < until:
            return
        # Imported when needed: connections that work need no explanation.
        from qmpx.transport.diagnosis import explain_connect_error

        place = self.address
        reason, hint = explain_connect_error(
            place.tcp if isinstance(place, TlsAddress) else place, error
        )
        if not alive:
            reason = f"{reason} (and the program has ended)"
        raise ConnectError(str(self.address), reason, hint) from error


def _is_full(error: OSError) -> bool:
    return isinstance(error, BlockingIOError) or error.errno == errno.EAGAIN


def dial(
    address: Address,
    *,
    timeout: float,
    wait: float = 0.0,
    alive: Alive | None = None,
    by_tls: bool = False,
) -> socket.socket:
    """Return a connected, blocking socket.

    Args:
        address: Where to.
        timeout: Seconds for the connection to be made.
        wait: Seconds to wait for a program that has not got so far as to listen.
        alive: Tells whether that program still runs.
        by_tls: Whether the caller speaks TLS where the address says so.

    Raises:
        ConnectError: There is no connection; the message says why and what to do.
    """
    _require_plain(address, by_tls=by_tls)
    attempts = Attempts(address, timeout, wait, alive)
    while True:
        try:
            return _connect(address, attempts.left)
        except OSError as error:
            attempts.failed(error)
            time.sleep(PAUSE)


def open_stream(
    address: Address, *, timeout: float, wait: float = 0.0, alive: Alive | None = None
) -> Stream:
    """Return a connected stream, which speaks TLS if the address says so.

    Arguments are those of `dial`.

    Raises:
        ConnectError: There is no connection; the message says why and what to do.
    """
    begin = time.monotonic()
    sock = dial(address, timeout=timeout, wait=wait, alive=alive, by_tls=True)
    if not isinstance(address, TlsAddress):
        return Stream(sock)
    from qmpx.transport.tls_client import TlsStream  # few need it, and it is not free

    spent = time.monotonic() - begin
    deadline = begin + min(timeout, LONGEST) + min(spent, wait)
    return TlsStream(sock, address, deadline)


async def dial_async(
    address: Address,
    *,
    timeout: float,
    wait: float = 0.0,
    alive: Alive | None = None,
    by_tls: bool = False,
) -> socket.socket:
    """Return a connected, non-blocking socket; arguments and errors as `dial`.

    Cancelling it leaves nothing behind.
    """
    import asyncio  # when needed: the blocking client does without

    _require_plain(address, by_tls=by_tls)
    attempts = Attempts(address, timeout, wait, alive)
    while True:
        try:
            place = address.tcp if isinstance(address, TlsAddress) else address
            if not isinstance(place, (TcpAddress, VsockAddress)):
                return _connect(place, 0.0)  # does not wait
            async with asyncio.timeout(attempts.left):
                return await _connect_async(place)
        except OSError as error:  # TimeoutError is one
            attempts.failed(error)
            await asyncio.sleep(PAUSE)


def _require_plain(address: Address, *, by_tls: bool) -> None:
    if isinstance(address, TlsAddress) and not by_tls:
        reason = "only clients of QMP speak TLS, not what is connected here"
        raise ConnectError(str(address), reason, f"use {address.tcp}, if that is safe")


def _connect(address: Address, timeout: float) -> socket.socket:
    match address:
        case FdAddress() | StdioAddress():
            return _inherited(address)
        case TcpAddress():
            found = socket.getaddrinfo(**_question(address))
            return _first(
                (family, lambda sock, name=name: _connect_within(sock, name, timeout))
                for family, _, _, _, name in found
            )
        case TlsAddress():
            return _connect(address.tcp, timeout)
        case UnixAddress():
            return _first([(socket.AF_UNIX, lambda sock: _connect_unix(sock, address))])
        case VsockAddress():
            place = (address.cid, address.port)
            return _first(
                [(socket.AF_VSOCK, lambda sock: _connect_within(sock, place, timeout))]
            )


def _connect_within(sock: socket.socket, place: Any, timeout: float) -> None:
    sock.settimeout(timeout)
    sock.connect(place)
    sock.settimeout(None)


def _connect_unix(sock: socket.socket, address: UnixAddress) -> None:
    # Not blocking: a full queue is to be told from a slow peer.
    sock.setblocking(False)
    with address.socket_name() as name:
        sock.connect(name)
    sock.setblocking(True)


def _first(choices: Any) -> socket.socket:
    """Return a socket of the first family that a connection can be made with."""
    failure: OSError | None = None
    for family, connect in choices:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            connect(sock)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, "the name has no address")


async def _connect_async(address: TcpAddress | VsockAddress) -> socket.socket:
    import asyncio

    loop = asyncio.get_running_loop()
    if isinstance(address, VsockAddress):
        places: list[tuple[int, Any]] = [(socket.AF_VSOCK, tuple(address))]
    else:
        question = _question(address)
        found = await loop.getaddrinfo(
            question.pop("host"), question.pop("port"), **question
        )
        places = [(family, name) for family, _, _, _, name in found]
    failure: OSError | None = None
    for family, place in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, place)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def _question(address: TcpAddress) -> dict[str, Any]:
    return {
        "host": address.host or "localhost",
        "port": address.port,
        "family": _FAMILIES[address.family],
        "type": socket.SOCK_STREAM,
    }


def _inherited(address: FdAddress | StdioAddress) -> socket.socket:
    if isinstance(address, StdioAddress):
        from qmpx.transport.stdio import stdio_socket  # a one-shot command needs none

        return stdio_socket()
    return copy_socket(address.fd)
