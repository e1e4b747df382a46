"""TLS from a client's side: whom to trust, what to show, and a stream that blocks.

The server's name is always checked, and TLS is 1.2 at least.
"""

import errno
import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Final

from qmpx.errors import ConnectError
from qmpx.transport.address import TlsAddress
from qmpx.transport.stream import READ_SIZE, Stream

AUTHORITY: Final = "ca-cert.pem"
"""Who signs servers: QEMU's name for it, as are the others."""

REVOKED: Final = "ca-crl.pem"
"""Certificates that count no more; the file may be absent."""

OURS: Final = ("client-cert.pem", "client-key.pem")
"""What says who we are; both may be absent."""

_PIECE: Final = 64 * 1024  # bytes that are enciphered at once


def client_context(address: TlsAddress) -> ssl.SSLContext:
    """Return how to speak TLS with a server.

    Raises:
        ConnectError: A file is missing or none, or others can read the key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    directory = address.directory
    if not directory:
        context.load_default_certs()
        return context
    authority, revoked = (os.path.join(directory, n) for n in (AUTHORITY, REVOKED))
    certificate, key = (os.path.join(directory, name) for name in OURS)
    what = authority
    try:
        context.load_verify_locations(authority)
        if os.path.exists(revoked):
            what = revoked
            context.load_verify_locations(revoked)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if os.path.exists(certificate) or os.path.exists(key):
            what = certificate if os.path.exists(key) else key
            if os.stat(key).st_mode & 0o077:
                reason = f"others can use the key {key}"
                raise ConnectError(str(address), reason, "give it mode 0600")
            context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        reason = f"{what} cannot be used: {explain(error)}"
        hint = f"{directory} has to hold {AUTHORITY}, and {' and '.join(OURS)} if the "
        hint += "server wants to know who we are"
        raise ConnectError(str(address), reason, hint) from error
    return context


def _no_password() -> str:
    raise OSError(errno.EACCES, "the key needs a password, which nobody can type here")


def explain(error: OSError) -> str:
    """Return in few words why TLS failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not count: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or error.strerror or str(error)
        return reason.lower().replace("_", " ")
    return error.strerror or str(error)


def failed_handshake(address: TlsAddress, reason: str) -> ConnectError:
    """Return the error for a handshake that failed, and what may help."""
    hint = ""
    if "does not count" in reason:
        hint = (
            f"dir= names where {AUTHORITY} is, of whoever signed it, and name= the "
            "name in it, if that is not the host"
        )
    elif "wrong version" in reason or "no tls" in reason:
        hint = f"it may speak without TLS: {address.tcp}"
    elif "alert" in reason:
        hint = (
            f"dir= names where {' and '.join(OURS)} are, which have to be known to it"
        )
    return ConnectError(str(address), f"no handshake in TLS: {reason}", hint)


class TlsStream(Stream):
    """A connected socket that speaks TLS, as a client; see `Stream`.

    Args:
        sock: The socket, now the stream's own.
        address: Where it is connected to.
        deadline: On the clock of `time.monotonic`, for the handshake.

    Raises:
        ConnectError: There is no conversation in TLS, and why.
    """

    __slots__ = ("_guard", "_incoming", "_outgoing", "_owed", "_ready", "_tls")

    def __init__(
        self, sock: socket.socket, address: TlsAddress, deadline: float
    ) -> None:
        super().__init__(sock)
        self._guard = threading.Lock()  # one reads while another writes
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ready: bytes | None = None  # deciphered, and not taken yet
        self._owed = 0  # bytes that are enciphered, and count once they are sent
        try:
            context = client_context(address)
            self._tls = context.wrap_bio(
                self._incoming, self._outgoing, server_hostname=address.server_name
            )
            self._shake_hands(deadline)
        except ConnectError:
            self.sock.close()
            raise
        except OSError as error:
            self.sock.close()
            raise failed_handshake(address, explain(error)) from error
        except BaseException:
            self.sock.close()
            raise

    def receive(self, deadline: float | None) -> bytes | None:
        """Return what has come, deciphered; see `Stream.receive`."""
        while True:
            if (data := self._take()) is not None:
                return data
            data = super().receive(deadline)
            if data is None:
                return None
            self._feed(data)

    def receive_now(self) -> bytes | None:
        """Return what has come already; see `Stream.receive_now`."""
        while True:
            if (data := self._take()) is not None:
                return data
            data = super().receive_now()
            if data is None:
                return None
            self._feed(data)

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> int:
        """Send what the kernel takes now; see `Stream.send`.

        Of what is enciphered and not sent yet the last byte does not count as sent, so
        that whoever gives up knows that a part of it is on its way.
        """
        if fds:
            raise OSError(errno.EINVAL, "descriptors do not go through TLS")
        with self._guard:
            if not self._flush():
                return 0
            if self._owed:
                owed, self._owed = self._owed, 0
                return owed
            written = self._tls.write(data[:_PIECE])
            if self._flush():
                return written
            self._owed = 1
            return written - 1

    def wait_writable(self, deadline: float | None, *, or_readable: bool) -> bool:
        """Wait until something can be sent; see `Stream.wait_writable`."""
        if or_readable and self._is_ready():
            return True
        return super().wait_writable(deadline, or_readable=or_readable)

    def wait_readable(self, deadline: float | None, waker: socket.socket) -> bool:
        """Wait until there is something to read; see `Stream.wait_readable`."""
        return False if self._is_ready() else super().wait_readable(deadline, waker)

    def _shake_hands(self, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush_until(deadline)
            except ssl.SSLError:
                self._flush()  # which tells the server why
                raise
            else:
                self._flush_until(deadline)
                return
            data = super().receive(deadline)
            if data is None:
                raise TimeoutError(errno.ETIMEDOUT, "it took too long")
            if not data:
                raise OSError(errno.ECONNRESET, "the server went before it was known")
            self._incoming.write(data)

    def _flush_until(self, deadline: float) -> None:
        while not self._flush():
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "it took too long")
            super().wait_writable(deadline, or_readable=False)

    def _flush(self) -> bool:
        """Send what is enciphered; tell whether all of it is sent."""
        while self._outgoing.pending:
            data = self._outgoing.read()
            sent = super().send(data)
            if sent < len(data):
                # It has to go before what is enciphered later: put back in front.
                later = data[sent:] + self._outgoing.read()
                self._outgoing.write(later)
                return False
        return True

    def _feed(self, data: bytes) -> None:
        with self._guard:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _is_ready(self) -> bool:
        with self._guard:
            self._decipher()
            return self._ready is not None

    def _take(self) -> bytes | None:
        with self._guard:
            self._decipher()
            data, self._ready = self._ready, None
            return data

    def _decipher(self) -> None:
        if self._ready is not None:
            return
        try:
            self._ready = self._tls.read(READ_SIZE)
        except ssl.SSLWantReadError:
            self._flush()  # a change of keys is answered
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._ready = b""
        except ssl.SSLError as error:
            raise OSError(errno.EPROTO, f"TLS: {explain(error)}") from error
