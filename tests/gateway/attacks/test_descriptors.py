"""Descriptors by the hundred: taken by nobody, kept by nobody."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gateway.attacks.conftest import Peer, Target

pytestmark = pytest.mark.slow


def send(peer: Peer, data: bytes, fds: list[int]) -> bool:
    """Send with descriptors; tell whether that was possible."""
    try:
        socket.send_fds(peer.sock, [data], fds)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 16, 17, 253])
@pytest.mark.parametrize("where", ["all", "low"])
def test_descriptors_with_every_message_are_closed(
    target: Target, where: str, count: int
) -> None:
    before = target.descriptors()
    with target.connect(where) as peer, open(os.devnull) as null:
        peer.greeted()
        fds = [null.fileno()] * count
        for number in range(100):
            asked = b'{"execute": "query-name", "id": %d}' % number
            assert send(peer, asked, fds)
            assert peer.reply() == {"return": {"name": "box"}, "id": number}
        assert target.descriptors() <= before + 20
    target.wait_until(lambda: target.descriptors() <= before)


def test_descriptors_with_nothing_else_are_closed(target: Target) -> None:
    before = target.descriptors()
    with contextlib.ExitStack() as stack:
        null = stack.enter_context(open(os.devnull))
        peers = [stack.enter_context(target.connect("low")) for _ in range(20)]
        for peer in peers:
            for byte in b'{"execute": "qmp_cap':
                assert send(peer, bytes([byte]), [null.fileno()] * 16)
        with target.connect() as last:
            last.greeted()
        assert target.descriptors() <= before + 20 + 20
    target.wait_until(lambda: target.descriptors() <= before)


@pytest.mark.parametrize(
    "command",
    [
        b'{"execute": "getfd", "arguments": {"fdname": "x"}}',
        b'{"execute": "add-fd", "arguments": {"fdset-id": 1}}',
        b'{"execute": "add_client", "arguments": {"protocol": "vnc", "fdname": "x"}}',
    ],
)
def test_who_may_not_hand_over_descriptors_hands_over_none(
    target: Target, command: bytes
) -> None:
    before = target.descriptors()
    with target.connect("low") as peer, open(os.devnull) as null:
        peer.greeted()
        for _ in range(50):
            assert send(peer, command, [null.fileno()] * 8)
            assert "The role low does not allow" in peer.reply()["error"]["desc"]
    target.wait_until(lambda: target.descriptors() <= before)


def test_descriptors_go_with_their_own_clients_commands_only(target: Target) -> None:
    with target.connect() as one, target.connect() as two, open(os.devnull) as null:
        one.greeted()
        two.greeted()
        send(one, b" ", [null.fileno()])
        for number in range(20):
            asked = {"execute": "getfd", "arguments": {"fdname": f"two-{number}"}}
            assert "No file descriptor" in two.ask(asked)["error"]["desc"]
        asked = {"execute": "getfd", "arguments": {"fdname": "one"}}
        assert one.ask(asked) == {"return": {}}
        assert two.ask({"execute": "closefd", "arguments": {"fdname": "one"}}) == {
            "return": {}
        }
