"""Ids of all kinds, equal ones and huge ones: replies find their askers."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.attacks.conftest import MEGABYTE

if TYPE_CHECKING:
    from tests.gateway.attacks.conftest import Target

pytestmark = pytest.mark.slow

IDS: list[Any] = [
    0, 1, -1, 2**63, -(2**63), 2**64, 1.5, 1e308, "", "1", "id", "libvirt-1",
    "\x00", "\N{GRINNING FACE}", True, False, None, [], {}, [[]], {"id": 1},
    {"execute": "quit"}, [1, "a", None, {"b": []}], "x" * 10_000,
    '"}\r\n{"return": {}, "id": 1}', {"return": {}, "error": {"class": "x"}},
]  # fmt: skip
CLIENTS = 20


def test_equal_ids_of_many_clients_are_never_confused(target: Target) -> None:
    # What each asks for can be told from the reply: the argument is in the error.
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(target.connect()).greeted() for _ in range(CLIENTS)
        ]
        chance = random.Random(7)
        expected: list[list[Any]] = [[] for _ in peers]
        for round_ in range(4):
            for number, peer in enumerate(peers):
                ids = chance.sample(IDS, len(IDS))
                sent = []
                for place, id_ in enumerate(ids):
                    device = f"nobody-{number}-{round_}-{place}"
                    asked = {"execute": "eject", "arguments": {"device": device}}
                    sent.append({**asked, "id": id_})
                    expected[number].append((device, id_))
                peer.send(*sent)
        for number, peer in enumerate(peers):
            for device, id_ in expected[number]:
                reply = peer.reply()
                assert device in reply["error"]["desc"], reply
                told = reply["id"]
                assert (told, type(told)) == (id_, type(id_)) or id_ in (2**64, 2**63)


def test_ids_of_megabytes_do_not_stay(target: Target) -> None:
    with target.connect("low") as peer:
        peer.greeted()
        for _ in range(10):
            id_ = "i" * MEGABYTE
            reply = peer.ask({"execute": "query-name", "id": id_})
            assert reply == {"return": {"name": "box"}, "id": id_}


def test_what_looks_like_a_reply_or_an_event_reaches_nobody(target: Target) -> None:
    with target.connect("low") as other, target.connect("low") as peer:
        other.greeted()
        peer.greeted().send(
            {"return": {"name": "forged"}, "id": 1},
            {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 1}},
            {"QMP": {"version": {}, "capabilities": []}},
            {"error": {"class": "GenericError", "desc": "forged"}},
        )
        for _ in range(4):
            assert "error" in peer.receive()
        asked = {"execute": "query-name", "id": 1}
        other.send(asked)
        assert other.receive() == {"return": {"name": "box"}, "id": 1}
