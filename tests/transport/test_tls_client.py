"""A stream that speaks TLS as a client, and blocks no longer than its deadlines."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import ConnectError
from qmpx.transport.address import TcpAddress, TlsAddress
from qmpx.transport.tls import server_context
from qmpx.transport.tls_client import TlsStream
from tests.certificates import Authority, make_authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path


SECONDS = 10.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls-client") / "ca")


@pytest.fixture
def address(authority: Authority, tmp_path: Path) -> TlsAddress:
    trusted = (authority.directory / "ca-cert.pem").read_bytes()
    (tmp_path / "ca-cert.pem").write_bytes(trusted)
    return TlsAddress(TcpAddress("localhost", 1), str(tmp_path))


@pytest.fixture
def pair(
    authority: Authority, address: TlsAddress
) -> Iterator[tuple[TlsStream, ssl.SSLSocket]]:
    """Give a stream, and the server's end."""
    mine, theirs = socket.socketpair()
    theirs.settimeout(SECONDS)
    context = server_context(str(authority.directory), verify=False)
    served: list[ssl.SSLSocket] = []

    def serve() -> None:
        served.append(context.wrap_socket(theirs, server_side=True))

    thread = threading.Thread(target=serve)
    thread.start()
    stream = TlsStream(mine, address, time.monotonic() + SECONDS)
    thread.join()
    yield stream, served[0]
    stream.close()
    served[0].close()


def later() -> float:
    return time.monotonic() + SECONDS


def test_what_comes_is_deciphered(pair: tuple[TlsStream, ssl.SSLSocket]) -> None:
    stream, server = pair
    server.sendall(b"hello")
    assert stream.receive(later()) == b"hello"
    assert stream.receive(time.monotonic() + 0.02) is None
    assert stream.receive_now() is None
    server.sendall(b"x" * 100_000)
    heard = b""
    while len(heard) < 100_000:
        heard += stream.receive(later()) or b""
    assert heard == b"x" * 100_000


def test_the_end_is_told(pair: tuple[TlsStream, ssl.SSLSocket]) -> None:
    stream, server = pair
    server.sendall(b"last")
    server.shutdown(socket.SHUT_RDWR)
    assert stream.receive(later()) == b"last"
    assert stream.receive(later()) == b""


def test_of_what_does_not_fit_the_last_byte_is_owed_until_all_is_sent(
    pair: tuple[TlsStream, ssl.SSLSocket],
) -> None:
    stream, server = pair
    data = os.urandom(4 << 20)
    sent = 0
    while sent < len(data):
        piece = stream.send(memoryview(data)[sent:])
        if piece == 0:
            break
        sent += piece
    assert 0 < sent < len(data)
    assert stream.send(memoryview(data)[sent:]) == 0  # no room still
    heard: list[bytes] = []

    def take() -> None:
        while sum(map(len, heard)) < len(data):
            heard.append(server.recv(1 << 16))

    thread = threading.Thread(target=take)
    thread.start()
    while sent < len(data):
        stream.wait_writable(later(), or_readable=False)
        sent += stream.send(memoryview(data)[sent:])
    thread.join(SECONDS)
    assert b"".join(heard) == data


def test_what_is_deciphered_already_is_ready_to_be_read(
    pair: tuple[TlsStream, ssl.SSLSocket],
) -> None:
    stream, server = pair
    server.sendall(b"one")
    server.sendall(b"two")
    one, two = socket.socketpair()
    with one, two:
        assert stream.receive(later()) == b"one"
        assert stream.wait_readable(later(), one) is False
        assert stream.wait_writable(later(), or_readable=True)
        assert stream.receive(later()) == b"two"
        two.send(b"!")
        assert stream.wait_readable(later(), one) is True


def test_descriptors_do_not_go_through(pair: tuple[TlsStream, ssl.SSLSocket]) -> None:
    with pytest.raises(OSError, match="do not go through TLS"):
        pair[0].send(b" ", [0])


def test_a_server_that_says_nothing_is_given_up(address: TlsAddress) -> None:
    mine, theirs = socket.socketpair()
    with theirs, pytest.raises(ConnectError, match="it took too long"):
        TlsStream(mine, address, time.monotonic() + 0.05)
    assert mine.fileno() == -1


def test_a_server_that_goes_is_told(address: TlsAddress) -> None:
    mine, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConnectError, match="no handshake in TLS: ") as caught:
        TlsStream(mine, address, later())
    assert mine.fileno() == -1
    assert caught.value.address == str(address)
