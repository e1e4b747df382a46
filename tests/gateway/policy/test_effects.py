"""What changes something, and what reads only."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from qmpx.gateway.policy.effects import changes


@pytest.mark.parametrize(
    "name",
    [
        "query-status",
        "query-of-a-later-release",
        "x-query-usb",
        "qom-get",
        "qom-list",
        "device-list-properties",
        "guest-get-osinfo",
        "qmp_capabilities",
        "x-qmpx-subscribe",
        "x-qmpx-query-lease",
    ],
)
def test_these_read_only(name: str) -> None:
    assert not changes(name)


@pytest.mark.parametrize(
    "name",
    [
        "stop",
        "qom-set",
        "transaction",
        "device_add",
        "guest-exec",
        "query-rx-filter",
        "ringbuf-read",
        "human-monitor-command",
        "x-qmpx-lease",
        "x-qmpx-break-lease",
        "of-a-later-release",
        "Query-status",
        "",
    ],
)
def test_these_change_something_or_may(name: str) -> None:
    assert changes(name)


@pytest.mark.parametrize(
    ("arguments", "changing"),
    [
        ({"command-line": "info block"}, False),
        ({"command-line": "  info"}, False),
        ({"command-line": "information"}, True),
        ({"command-line": "quit"}, True),
        ({"command-line": ""}, True),
        ({"command-line": ["info"]}, True),
        ({}, True),
        (["info"], True),
    ],
)
def test_a_line_for_people_is_looked_at(arguments: object, *, changing: bool) -> None:
    raw = Raw(json.dumps(arguments).encode())
    assert changes("human-monitor-command", raw) is changing
