"""Connections that speak TLS: handshakes, bytes both ways, ends, refusals."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import AddressError
from qmpx.transport.tls import TlsChannel, server_context
from tests.certificates import Authority, make_authority
from tests.loops import LOOPS, run_on, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls") / "ca")


class Taker:
    """A receiver that echoes what it gets, and notes what happens."""

    def __init__(self) -> None:
        self.channel: TlsChannel | None = None
        self.heard = b""
        self.told: list[Any] = []
        self.echoes = True

    def data_received(self, data: bytes, fds: list[int]) -> None:
        assert fds == []
        self.heard += data
        if self.echoes and self.channel is not None:
            self.channel.write(data)

    def eof_received(self) -> None:
        self.told.append("eof")
        if self.channel is not None:
            self.channel.close()

    def drained(self) -> None:
        self.told.append("drained")

    def connection_lost(self, error: OSError | None) -> None:  # noqa: ARG002
        self.told.append("lost")


def play(
    loop: str,
    context: ssl.SSLContext,
    client: Callable[[socket.socket], Any],
    *,
    timeout: float = 10.0,
) -> tuple[Taker, TlsChannel, Any]:
    """Let a client, which blocks, talk to a channel; return what came of it."""

    async def main() -> tuple[Taker, TlsChannel, Any]:
        here, there = socket.socketpair()
        taker = Taker()

        def opened(channel: TlsChannel) -> None:
            taker.told.append(channel.certificate_names)
            channel.resume_reading()

        running = asyncio.get_running_loop()
        channel = TlsChannel(running, here, taker, context, opened, timeout=timeout)
        taker.channel = channel
        there.settimeout(10)
        with there:
            result = await asyncio.to_thread(client, there)
        while "lost" not in taker.told:
            await settle()
        return taker, channel, result

    return run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name
)
def test_bytes_go_both_ways_and_the_client_is_named(
    loop: str, version: ssl.TLSVersion, authority: Authority
) -> None:
    data = bytes(range(256)) * 2000  # more than a record, and than one read

    def client(sock: socket.socket) -> bytes:
        context = authority.client_context("alice")
        context.minimum_version = context.maximum_version = version
        with context.wrap_socket(sock, server_hostname="localhost") as tls:
            heard = b""
            for start in range(0, len(data), 30000):
                part = data[start : start + 30000]
                tls.sendall(part)
                while len(heard) < start + len(part):
                    heard += tls.recv(65536)
            tls.unwrap()
            return heard

    context = server_context(str(authority.directory))
    taker, channel, heard = play(loop, context, client)
    assert heard == taker.heard == data
    assert taker.told == [("alice", "alice.example"), "eof", "lost"]
    assert channel.failure == ""
    assert not channel.can_send_fds


def test_a_channel_that_does_not_read_hands_on_nothing(authority: Authority) -> None:
    context = server_context(str(authority.directory), verify=False)

    async def main() -> None:
        here, there = socket.socketpair()
        taker = Taker()
        taker.echoes = False

        def opened(channel: TlsChannel) -> None:
            taker.told.append("open")
            channel.pause_reading()

        loop = asyncio.get_running_loop()
        channel = TlsChannel(loop, here, taker, context, opened)

        def client() -> ssl.SSLSocket:
            there.settimeout(10)
            client_context = authority.client_context()
            tls = client_context.wrap_socket(there, server_hostname="localhost")
            tls.sendall(b"early")
            return tls

        tls = await asyncio.to_thread(client)
        while "open" not in taker.told:
            await settle()
        await settle()
        assert taker.heard == b""
        channel.resume_reading()
        while not taker.heard:
            await settle()
        assert taker.heard == b"early"
        channel.abort()
        tls.close()
        assert taker.told == ["open", "lost"]

    run_on("asyncio", main())


def refused(sock: socket.socket, context: ssl.SSLContext) -> str:
    """Try a handshake, and say how it went wrong."""
    try:
        with context.wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(b"x")
            return "nothing came" if tls.recv(1) == b"" else "it was let in"
    except OSError as error:
        return getattr(error, "reason", "") or "it was cut off"


@pytest.mark.parametrize(
    ("stem", "failure"),
    [
        ("", "peer did not return a certificate"),
        ("late", "the certificate does not count: certificate has expired"),
    ],
)
def test_a_client_without_a_valid_certificate_is_refused(
    authority: Authority, stem: str, failure: str
) -> None:
    context = server_context(str(authority.directory))
    client_context = authority.client_context(stem)
    taker, channel, said = play(
        "asyncio", context, lambda sock: refused(sock, client_context)
    )
    assert channel.failure == failure
    assert taker.told == ["lost"]
    assert said != "it was let in"


def test_a_certificate_of_another_authority_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    other.sign("mallory", "alice")
    client_context = authority.client_context()
    client_context.load_cert_chain(
        other.directory / "mallory-cert.pem", other.directory / "mallory-key.pem"
    )
    context = server_context(str(authority.directory))
    taker, channel, _ = play(
        "asyncio", context, lambda sock: refused(sock, client_context)
    )
    assert channel.failure.startswith("the certificate does not count: ")
    assert taker.told == ["lost"]


@pytest.mark.slow
def test_a_certificate_that_is_revoked_is_refused(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "own")
    authority.sign("bob", "bob")
    authority.revoke("bob")
    context = server_context(str(authority.directory))

    def come(stem: str) -> str:
        client_context = authority.client_context(stem)
        _, channel, _ = play(
            "asyncio", context, lambda sock: refused(sock, client_context)
        )
        return channel.failure

    assert come("bob") == "the certificate does not count: certificate revoked"
    assert come("alice") == ""


def test_old_tls_is_refused(authority: Authority) -> None:
    client_context = authority.client_context("alice")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client_context.minimum_version = ssl.TLSVersion.TLSv1_1
        client_context.maximum_version = ssl.TLSVersion.TLSv1_1
    client_context.set_ciphers("ALL:@SECLEVEL=0")
    context = server_context(str(authority.directory))
    _, channel, _ = play("asyncio", context, lambda sock: refused(sock, client_context))
    assert channel.failure == "unsupported protocol"


@pytest.mark.parametrize(
    ("sent", "failure"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b'{"execute": "qmp_capabilities"}\n', "wrong version number"),
    ],
)
def test_what_is_no_tls_is_refused(
    authority: Authority, sent: bytes, failure: str
) -> None:
    def client(sock: socket.socket) -> bytes:
        sock.sendall(sent)
        heard = b""
        while data := sock.recv(100):
            heard += data
        return heard

    context = server_context(str(authority.directory))
    taker, channel, heard = play("asyncio", context, client)
    assert channel.failure == failure
    assert taker.told == ["lost"]
    assert b"QMP" not in heard


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_a_handshake_that_does_not_end_is_ended(
    authority: Authority, start: bytes
) -> None:
    def client(sock: socket.socket) -> bytes:
        sock.sendall(start)
        return sock.recv(100)

    context = server_context(str(authority.directory))
    taker, channel, heard = play("asyncio", context, client, timeout=0.05)
    assert channel.failure == "the handshake took too long"
    assert taker.told == ["lost"]
    assert heard == b""


def test_a_client_that_goes_within_the_handshake_leaves_nothing(
    authority: Authority,
) -> None:
    context = server_context(str(authority.directory))
    taker, channel, _ = play("asyncio", context, lambda sock: sock.sendall(b"\x16\x03"))
    assert channel.failure == "the client went before it was known"
    assert taker.told == ["lost"]


def test_credentials_that_cannot_be_used_are_told(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(AddressError, match="is not there"):
        server_context(str(tmp_path))
    copy = tmp_path / "copy"
    copy.mkdir()
    for each in authority.directory.iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    (copy / "server-key.pem").chmod(0o644)
    with pytest.raises(AddressError, match="others can use this key"):
        server_context(str(copy))
    (copy / "server-key.pem").chmod(0o600)
    (copy / "server-cert.pem").write_bytes((copy / "alice-cert.pem").read_bytes())
    with pytest.raises(AddressError, match="KEY_VALUES_MISMATCH"):
        server_context(str(copy))
