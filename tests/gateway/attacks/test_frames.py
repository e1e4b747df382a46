"""Messages that are too long, too deep, too many, too slow, or have no end."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.sharing.hoarding import MAX_HELD
from tests.gateway.attacks.conftest import MEGABYTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.attacks.conftest import Target

pytestmark = pytest.mark.slow

HELD = 144 * MEGABYTE
"""Bytes that one client may make the gateway hold, all copies together: a token may
have 64 MiB, and while its buffer is moved to where it can grow there are two of it."""

TOTAL = 192 * MEGABYTE  # more than a message may have, and than memory may grow


def endless(kind: str) -> Iterator[bytes]:
    """Yield what never becomes a message."""
    openings = {
        "text": (b'{"execute": "', b"x" * MEGABYTE),
        "digits": (b'{"execute": "query-name", "id": ', b"1" * MEGABYTE),
        "blanks": (b'{"execute": "query-name"', b" " * MEGABYTE),
        "newlines": (b'{"execute": "query-name",', b"\n" * MEGABYTE),
        "brackets": (b'{"execute": "query-name", "id": ', b"[" * MEGABYTE),
        "objects": (b'{"id": ', b'{"a":' * (MEGABYTE // 5)),
        "tokens": (b'{"id": [', b"0," * (MEGABYTE // 2)),
        "members": (b'{"arguments": {', b'"a":1,' * (MEGABYTE // 6)),
        "garbage": (b"", b"\xff\x00garbage" * (MEGABYTE // 9)),
        "strays": (b"", b"}]" * (MEGABYTE // 2)),
    }
    opening, more = openings[kind]
    yield opening
    for _ in range(TOTAL // MEGABYTE):
        yield more


def flood(target: Target, kind: str, seconds: float) -> None:
    """Send for a while, without reading; the gateway may end it, or not read on."""
    deadline = time.monotonic() + seconds
    with target.connect("low") as peer:
        peer.greeted()
        peer.sock.settimeout(0.2)
        for data in endless(kind):
            left = memoryview(data)
            while left and time.monotonic() < deadline:
                try:
                    left = left[peer.sock.send(left) :]
                except TimeoutError:
                    continue
                except OSError:
                    return
                assert target.memory() - target.before < HELD
            if left:
                return


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "digits",
        "blanks",
        "newlines",
        "brackets",
        "objects",
        "tokens",
        "members",
        "garbage",
        "strays",
    ],
)
def test_what_has_no_end_is_bounded(target: Target, kind: str) -> None:
    flood(target, kind, 0.6)
    target.check(HELD)


@pytest.mark.parametrize(
    "asked",
    [
        {"execute": "query-name", "id": "x" * MEGABYTE},
        {"execute": "query-name", "id": list(range(40_000))},
        {"execute": "nobody", "arguments": {"a": "x" * MEGABYTE}, "id": 1},
    ],
    ids=["long id", "many tokens", "long argument"],
)
def test_what_is_long_is_answered(target: Target, asked: dict[str, object]) -> None:
    with target.connect("low") as peer:
        assert peer.greeted().ask(asked)["id"] == asked["id"]


@pytest.mark.parametrize("depth", [900, 1100, 10_000])
def test_what_is_deep_is_answered_or_refused(target: Target, depth: int) -> None:
    with target.connect("low") as peer:
        id_ = b"[" * depth + b"]" * depth
        asked = b'{"execute": "query-name", "id": ' + id_ + b"}\n"
        asked += b'{"execute": "query-status", "id": "last"}'
        peer.greeted()
        # Each bracket too many is an error of its own, which somebody has to read.
        sender = threading.Thread(target=peer.try_to_send, args=(asked,))
        sender.start()
        while peer.receive().get("id") != "last":
            pass
        sender.join()


def test_byte_by_byte_is_as_good_as_at_once(target: Target) -> None:
    asked = json.dumps({"execute": "query-name", "id": "\N{GRINNING FACE}"}).encode()
    with target.connect("low") as peer:
        peer.greeted()
        for byte in asked * 20:
            peer.sock.sendall(bytes([byte]))
        for _ in range(20):
            reply = peer.reply()
            assert reply == {"return": {"name": "box"}, "id": "\N{GRINNING FACE}"}


def test_hundreds_of_senders_of_single_bytes_hold_up_nobody(target: Target) -> None:
    asked = b'{"execute": "query-name"}'
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(target.connect("low")).greeted() for _ in range(200)
        ]
        for byte in asked:
            for peer in peers:
                peer.sock.sendall(bytes([byte]))
        for peer in peers:
            assert peer.reply() == {"return": {"name": "box"}}


def test_many_who_never_end_their_messages_are_bounded_together(target: Target) -> None:
    since = len(target.audit())
    before = target.memory()
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(target.connect("low")).greeted() for _ in range(8)]
        senders = []
        for peer in peers:
            peer.send(b'{"execute": "query-name", "id": "')
            data = b"x" * (60 * MEGABYTE)
            senders.append(threading.Thread(target=peer.try_to_send, args=(data,)))
            senders[-1].start()
        line = target.wait_for_audit(
            lambda it: "unfinished message" in it.get("reason", ""), since
        )
        assert line["kind"] == "disconnected"
        assert target.memory() - before < 2 * MAX_HELD
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for sender in senders:
            sender.join()
    target.wait_until(lambda: target.memory() - before < MAX_HELD)
