"""A connected stream socket that speaks TLS on an event loop, from either side.

The bytes are those of a `Channel`; between it and its receiver a TLS connection in
memory (`ssl.MemoryBIO`) takes them apart and makes them. So flow control, closing and
what is bounded are a channel's, and descriptors do not come through.

The handshake is held to a time and the receiver hears of the connection only when it is
done: until then there is nothing to be greeted.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import AddressError
from qmpx.transport.channel import READ_SIZE, Channel, Receiver, close_fds
from qmpx.transport.tls_client import explain

if TYPE_CHECKING:
    from collections.abc import Callable

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds for a handshake: two round trips and some arithmetic, on a bad line."""

FILES: Final = ("ca-cert.pem", "server-cert.pem", "server-key.pem")
"""What a directory of credentials holds: QEMU's names."""

REVOKED: Final = "ca-crl.pem"
"""Certificates that count no more; the file may be absent."""

logger = logging.getLogger("qmpx.transport")


def server_context(directory: str, *, verify: bool = True) -> ssl.SSLContext:
    """Return how to speak TLS 1.2 or later as a server.

    Args:
        directory: Where `FILES` are, and perhaps `REVOKED`.
        verify: Whether clients must show a certificate that the authority has signed.

    Raises:
        AddressError: A file is missing or none, or others can read the key.
    """
    authority, certificate, key = (os.path.join(directory, name) for name in FILES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # by which a client can keep us busy
    try:
        if os.stat(key).st_mode & 0o077:
            message = f"{key}: others can use this key; expected mode 0600"
            raise AddressError(message)
        context.load_cert_chain(certificate, key, password=_no_password)
        if verify:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority)
            revoked = os.path.join(directory, REVOKED)
            if os.path.exists(revoked):
                context.load_verify_locations(revoked)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except FileNotFoundError as error:
        missing = error.filename or f"one of {', '.join(FILES)}"
        message = f"TLS: {directory}: {missing} is not there"
        raise AddressError(message) from error
    except OSError as error:  # ssl.SSLError is one
        message = f"TLS: {directory}: {error}"
        raise AddressError(message) from error
    return context


def _no_password() -> str:
    message = "the key needs a password, which nobody can type here"
    raise AddressError(message)


class TlsChannel(Channel):
    """One connection that speaks TLS.

    Args:
        loop: The running loop.
        sock: A connected stream socket, now the channel's own.
        receiver: Whom to tell.
        context: How to speak TLS.
        on_open: Called once the handshake is done; the receiver may be told then.
        timeout: Seconds for the handshake.
        server_name: The name that has to be in the server's certificate, for a client;
            a server has none.

    Attributes:
        is_open: Whether the handshake is done.
        failure: Why there was none; empty if nothing is wrong.
    """

    __slots__ = (
        "_feed",
        "_incoming",
        "_on_open",
        "_outgoing",
        "_patience",
        "_peer",
        "_plain",
        "_tls",
        "failure",
        "is_open",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        context: ssl.SSLContext,
        on_open: "Callable[[TlsChannel], None]",
        *,
        timeout: float = HANDSHAKE_TIMEOUT,
        server_name: str | None = None,
    ) -> None:
        super().__init__(loop, sock, _TlsReceiver(self, receiver))
        self._plain = receiver
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._on_open = on_open
        self._peer = "client" if server_name is None else "server"
        self._feed = False
        self.is_open = False
        self.failure = ""
        self._patience = loop.call_later(timeout, self._give_up)
        super().resume_reading()
        if server_name is not None:
            self._shake_hands()  # the client begins

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names in the client's certificate: common names, then others."""
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        subject = [pair for part in certificate.get("subject", ()) for pair in part]
        names = [value for kind, value in subject if kind == "commonName"]
        names += [value for _, value in certificate.get("subjectAltName", ())]
        return tuple(map(str, names))

    def resume_reading(self) -> None:
        """Read on, first what is deciphered already."""
        super().resume_reading()
        if self.is_open and not self._feed and not self.is_closing:
            self._feed = True
            self._loop.call_soon(self._hand_on)

    def pause_reading(self) -> None:
        """Leave further input to the kernel, and what came to the cipher."""
        self._feed = False
        super().pause_reading()

    def write(self, data: bytes | memoryview) -> None:
        """Send *data* now, and keep what the socket does not take. Never blocks."""
        if self.is_open and data and not self.is_closing:
            self._tls.write(data)
            self._flush_cipher()

    def send_fds(self, data: bytes, fds: list[int]) -> None:  # noqa: ARG002
        """Send *data*; descriptors do not go through TLS."""
        self.write(data)

    @property
    def can_send_fds(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Say good-bye, and close once all is sent, or after `LINGER` seconds."""
        if self.is_closing:
            return
        if self.is_open:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                logger.debug("a client did not say good-bye in TLS")
            self._flush_cipher()
        super().close()

    # What the socket tells.

    def take(self, data: bytes) -> None:
        """Take what the peer sent."""
        self._incoming.write(data)
        if self.is_open:
            self._hand_on()
        else:
            self._shake_hands()

    def take_end(self) -> None:
        """Take the end of what the peer sends."""
        if self.is_open:
            self._plain.eof_received()
        else:
            self.failure = self.failure or f"the {self._peer} went before it was known"
            self.abort()

    def end(self) -> None:
        """Let nothing wait any more: the connection is closed."""
        self._patience.cancel()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush_cipher()
            return
        except ssl.SSLError as error:
            self._flush_cipher()  # which tells the client why
            self.failure = explain(error)
            self.abort()
            return
        self._patience.cancel()
        self.is_open = True
        self._flush_cipher()
        self._on_open(self)

    def _give_up(self) -> None:
        self.failure = "the handshake took too long"
        self.abort()

    def _hand_on(self) -> None:
        """Give the receiver what can be deciphered, as long as it reads."""
        while self._reading and not self.is_closing:
            try:
                data = self._tls.read(READ_SIZE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                self.failure = explain(error)
                self._flush_cipher()
                self.abort()
                return
            if not data:
                self.pause_reading()
                self._plain.eof_received()
                break
            self._plain.data_received(data, [])
        self._feed = False
        self._flush_cipher()

    def _flush_cipher(self) -> None:
        if self._outgoing.pending:
            super().write(self._outgoing.read())


class _TlsReceiver:
    """Takes what the socket tells; the channel itself has the same names."""

    def __init__(self, channel: TlsChannel, receiver: Receiver) -> None:
        self._channel = channel
        self._receiver = receiver

    def data_received(self, data: bytes, fds: list[int]) -> None:
        close_fds(fds)
        self._channel.take(data)

    def eof_received(self) -> None:
        self._channel.take_end()

    def drained(self) -> None:
        self._receiver.drained()

    def connection_lost(self, error: OSError | None) -> None:
        channel = self._channel
        channel.end()
        if error is None and channel.failure and channel.is_open:
            error = OSError(errno.EPROTO, f"TLS: {channel.failure}")
        self._receiver.connection_lost(error)
