"""Talking with a QEMU that has connected, until its name is known: plainly, or by TLS.

A plain socket is read as it is, and handed on with what was read. One that speaks TLS
has a channel from the first byte; that is handed on, with the keys that it has made.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Final, Protocol

from qmpx.errors import ConnectError, ConnectionLost
from qmpx.gateway.settings.patterns import fits
from qmpx.gateway.upstreams.link import Link
from qmpx.transport.channel import Channel, Receiver, close_fds
from qmpx.transport.tls import TlsChannel

READ_SIZE: Final = 64 * 1024
"""Bytes that are read at once of what a QEMU says of itself."""


class Security:
    """Which QEMUs may connect, and how they speak TLS.

    Args:
        context: How.
        names: The names of which their certificates must have one, where ``*`` stands
            for any text; none: any certificate of the authority will do.
    """

    def __init__(self, context: ssl.SSLContext, names: Sequence[str]) -> None:
        self.context = context
        self._names = names

    def name_of(self, proved: Sequence[str]) -> str:
        """Return the first name of a certificate that may connect.

        Raises:
            ConnectError: None may.
        """
        for name in proved:
            if not self._names or any(fits(name, each) for each in self._names):
                return name
        told = ", ".join(proved) or "without a name"
        reason = "its certificate is of nobody who may connect"
        raise ConnectError(f"tls:{told}", reason)


class Caller(Protocol):
    """A QEMU that has connected."""

    async def known(self) -> tuple[str, ...]:
        """Return the names that it has proved by a certificate; none if plain.

        Raises:
            ConnectionLost: It could not.
        """

    async def send(self, data: bytes) -> None:
        """Say something."""

    async def receive(self) -> bytes:
        """Return what it says; the empty text at the end of the conversation."""

    def link(self) -> Link:
        """Return the connection, to be handed on; it is not read any more."""

    def close(self) -> None:
        """End the conversation."""


class PlainCaller:
    """One whose connection is plain.

    Args:
        sock: The connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._sock = sock

    async def known(self) -> tuple[str, ...]:
        """Return nothing: it proves no name."""
        return ()

    async def send(self, data: bytes) -> None:
        """Say something."""
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        """Return what it says."""
        return await asyncio.get_running_loop().sock_recv(self._sock, READ_SIZE)

    def link(self) -> Link:
        """Return the connection."""
        return Link(self._sock)

    def close(self) -> None:
        """End the conversation."""
        self._sock.close()


class _QemuChannel(TlsChannel):
    """TLS to a QEMU, whose monitor reads one byte at a time.

    It waits for the socket before each byte, and does not look at what it has
    deciphered already: of a record of many bytes all but the first stay unread until
    the next record is there. So the last byte has a record of its own.

    Source: QEMU 7.2, observed: it answers each command when the next one comes.
    """

    __slots__ = ()

    def write(self, data: bytes | memoryview) -> None:
        """Send *data*, in two records at least, with one call of the system."""
        if len(data) > 1 and self.is_open and not self.is_closing:
            self._tls.write(data[:-1])
            data = data[-1:]
        super().write(data)


class TlsCaller:
    """One that speaks TLS: it hands its bytes to whoever wants them next.

    Args:
        sock: The connection, now its own.
        context: How to speak TLS, as a server.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._sock = sock
        self._target: Receiver | None = None
        self._heard = b""
        self._is_over = False
        self._awaited: asyncio.Future[None] | None = None
        self._channel = _QemuChannel(loop, sock, self, context, self._opened)

    async def known(self) -> tuple[str, ...]:
        """Shake hands, and return the names of its certificate."""
        while not (self._channel.is_open or self._is_over):
            await self._something()
        if self._is_over:
            reason = self._channel.failure or "it went"
            message = f"its handshake failed: {reason}"
            raise ConnectionLost(message)
        self._channel.resume_reading()
        return self._channel.certificate_names

    async def send(self, data: bytes) -> None:
        """Say something."""
        self._channel.write(data)

    async def receive(self) -> bytes:
        """Return what it says."""
        while not (self._heard or self._is_over):
            await self._something()
        heard, self._heard = self._heard, b""
        return heard

    def link(self) -> Link:
        """Return the connection, with what it has said meanwhile."""
        self._channel.pause_reading()
        return Link(self._sock, hand_over=self._hand_over)

    def close(self) -> None:
        """End the conversation."""
        self._channel.abort()

    def _hand_over(self, receiver: Receiver) -> Channel:
        if self._is_over:
            message = "it went before anything was passed through it"
            raise ConnectionLost(message)
        self._target = receiver
        if self._heard:
            self._loop.call_soon(self._hand_on)  # before what it says from now on
        return self._channel

    def _hand_on(self) -> None:
        if self._target is not None:
            heard, self._heard = self._heard, b""
            self._target.data_received(heard, [])

    async def _something(self) -> None:
        """Wait until something has happened."""
        self._awaited = self._loop.create_future()
        await self._awaited

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _opened(self, _: TlsChannel) -> None:
        self._wake()

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Keep what it says, or hand it on."""
        if self._target is not None:
            self._target.data_received(data, fds)
            return
        close_fds(fds)
        self._heard += data
        self._wake()

    def eof_received(self) -> None:
        """Note that it says no more."""
        if self._target is not None:
            self._target.eof_received()
            return
        self._is_over = True
        self._wake()

    def drained(self) -> None:
        """Go on."""
        if self._target is not None:
            self._target.drained()

    def connection_lost(self, error: OSError | None) -> None:
        """Note the end."""
        self._is_over = True
        if self._target is not None:
            self._target.connection_lost(error)
        self._wake()
