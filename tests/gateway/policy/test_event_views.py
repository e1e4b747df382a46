"""Events without what gives clients, hosts or files away."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from qmpx.gateway.policy.event_views import hide
from qmpx.qapi.event_secrets import EVENT_SECRETS
from qmpx.qapi.shipped import RELEASES, shipped_schema
from qmpx.qapi.validation import Validator

PEER = {"host": "192.0.2.7", "service": "5900", "family": "ipv4", "websocket": False}


@pytest.mark.parametrize(
    ("name", "data", "seen"),
    [
        (
            "VNC_CONNECTED",
            {"server": PEER, "client": PEER},
            {
                each: PEER | {"host": "(hidden)", "service": "(hidden)"}
                for each in ("server", "client")
            },
        ),
        (
            "BLOCK_IO_ERROR",
            {"device": "d", "nospace": False, "reason": "/srv/x: Permission denied"},
            {"device": "d", "nospace": False, "reason": "(hidden)"},
        ),
        (
            "GUEST_PANICKED",
            {"action": "pause", "info": {"type": "hyper-v", "arg1": 7}},
            {"action": "pause", "info": {"type": "hyper-v", "arg1": 0}},
        ),
        ("BLOCK_IO_ERROR", {"device": "d"}, {"device": "d"}),
        ("STOP", {}, {}),
    ],
)
def test_what_gives_somebody_away_is_hidden(
    name: str, data: Any, seen: dict[str, Any]
) -> None:
    raw = Raw(json.dumps(data).encode())
    assert json.loads(bytes(hide(raw, EVENT_SECRETS[name]))) == seen


def test_what_is_not_changed_stays_the_same_bytes() -> None:
    raw = Raw(b'{ "device":"d"}')
    assert hide(raw, ("reason",)) is raw


def test_what_is_left_is_still_a_valid_event() -> None:
    validator = Validator(shipped_schema("7.2"))
    for name in ("VNC_CONNECTED", "VNC_DISCONNECTED"):
        data = {"server": PEER, "client": PEER}
        raw = hide(Raw(json.dumps(data).encode()), EVENT_SECRETS[name])
        validator.check_event(name, bytes(raw))


def test_every_event_of_every_release_is_known() -> None:
    known = {name for release in RELEASES for name in shipped_schema(release).events}
    assert known == EVENT_SECRETS.keys()


def test_of_what_cannot_be_read_nothing_is_told() -> None:
    deep = b'{"reason":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert hide(Raw(deep), ("reason",)) == Raw(b"{}")
