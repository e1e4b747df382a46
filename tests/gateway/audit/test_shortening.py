"""What an audit shows of arguments: no secrets, and not too much."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qmpx.gateway.audit.chain import digest_of
from qmpx.gateway.audit.shortening import MAX_ARGUMENTS, shown_arguments


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("cont", msgspec.UNSET, msgspec.UNSET),
        ("eject", b'{"device": "cd0"}', {"device": "cd0"}),
        (
            "set_password",
            b'{"protocol": "vnc", "password": "hush"}',
            {"protocol": "vnc", "password": "[redacted]"},
        ),
        ("x-qmpx-authenticate", b'{"token": "hush"}', {"token": "[redacted]"}),
        (
            "object-add",
            b'{"qom-type": "secret", "id": "s", "data": "hush"}',
            {"qom-type": "secret", "id": "s", "data": "[redacted]"},
        ),
        (
            "human-monitor-command",
            b'{"command-line": "change  vnc password hush"}',
            {"command-line": "change vnc [redacted]"},
        ),
        (
            "human-monitor-command",
            b'{"command-line": "info status"}',
            {"command-line": "info status"},
        ),
        (
            "x",
            b'{"a": "%b"}' % (b"x" * MAX_ARGUMENTS),
            {
                "x-qmpx-bytes": MAX_ARGUMENTS + 9,
                "x-qmpx-sha256": digest_of(b'{"a": "%b"}' % (b"x" * MAX_ARGUMENTS)),
            },
        ),
        (
            "x",
            b'{"a": "\xff"}',
            {"x-qmpx-unreadable": 10, "x-qmpx-sha256": digest_of(b'{"a": "\xff"}')},
        ),
    ],
)
def test_arguments_are_shown_without_secrets(
    name: str, arguments: Any, shown: Any
) -> None:
    assert shown_arguments(name, arguments) == shown
