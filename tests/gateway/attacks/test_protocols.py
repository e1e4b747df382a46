"""Other protocols, and conversations that nobody finishes."""

from __future__ import annotations

import contextlib
import itertools
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.sharing.door import MAX_HANDSHAKES

if TYPE_CHECKING:
    from tests.gateway.attacks.conftest import Target

pytestmark = pytest.mark.slow

BODY = b'{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'
HEADERS = b"Host: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"

SMUGGLED = {
    "post": b"POST / HTTP/1.1\r\n" + HEADERS % len(BODY) + BODY,
    "get": b"GET /%7B HTTP/1.1\r\n" + HEADERS % 0 + BODY,
    "chunked": b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n34\r\n" + BODY,
    "options": b"OPTIONS * HTTP/1.1\r\n" + HEADERS % 0 + BODY,
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + BODY,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512) + BODY,
    "ssl3": b"\x16\x03\x00\x00\x2f" + bytes(47) + BODY,
}


@pytest.mark.parametrize("piece", [1, 1 << 16], ids=["byte by byte", "at once"])
@pytest.mark.parametrize("name", SMUGGLED)
def test_commands_in_the_bytes_of_another_protocol_are_not_run(
    target: Target, name: str, piece: int
) -> None:
    since = len(target.audit())
    with target.connect_tcp(target.plain) as peer:
        data = SMUGGLED[name]
        for start in range(0, len(data), piece):
            if not peer.try_to_send(data[start : start + piece]):
                break
        assert peer.is_over()
    line = target.wait_for_audit(
        lambda it: it["kind"] == "disconnected" and it.get("reason", "") != "", since
    )
    assert line["reason"] == "it speaks HTTP or TLS"
    assert line["who"]["identity"] == "tcp:127.0.0.1"


def test_lower_case_requests_are_json_gone_wrong_and_their_bodies_may_do_little(
    target: Target,
) -> None:
    with target.connect_tcp(target.plain) as peer:
        peer.send(b"post / http/1.1\r\n\r\n", BODY)
        peer.sock.shutdown(socket.SHUT_WR)
        heard = [*iter(peer.receive, None)]
    assert "does not allow quit" in str(heard[-1]), heard


def test_a_handshake_that_is_never_finished_keeps_nobody_out_for_good(
    target: Target,
) -> None:
    since = len(target.audit())
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(target.connect_tcp(target.tls))
            for _ in range(MAX_HANDSHAKES + 20)
        ]
        for peer in peers:
            peer.try_to_send(hello)
        line = target.wait_for_audit(lambda it: it["kind"] == "turned-away", since)
        assert line["reason"] == "too many handshakes are under way"
        assert line["who"]["identity"] == "tcp:127.0.0.1"
        assert peers[-1].is_over()
    # Those that went have lines, or, so soon after the others, are counted in one.
    gone = "its handshake failed: the client went before it was known"
    told = (gone, "too many to tell of each")
    target.wait_for_audit(lambda it: it.get("reason") in told, since)
    context = target.authority.client_context("alice")  # type: ignore[union-attr]
    with (
        socket.create_connection(("127.0.0.1", target.tls), 10) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        assert b"QMP" in tls.recv(4096)


def test_conversations_that_stop_anywhere_disturb_nobody(target: Target) -> None:
    conversation = b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}'
    conversation += b'{"exec-oob": "query-status", "id": "\\u00e9"}'
    descriptors = target.descriptors()
    with contextlib.ExitStack() as stack:
        # Some stay, half done; others go, orderly or not.
        for end, how in itertools.product(range(0, len(conversation), 9), range(3)):
            peer = target.connect()
            if how == 0:
                stack.callback(peer.sock.close)
            peer.try_to_send(conversation[:end])
            if how == 1:
                peer.sock.shutdown(socket.SHUT_RDWR)
            if how:
                peer.sock.close()
        target.check()
    target.wait_until(lambda: target.descriptors() <= descriptors + 2)
