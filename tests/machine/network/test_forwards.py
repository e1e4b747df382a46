"""The syntax of port forwards."""

from __future__ import annotations

import pytest

from qmpx.machine.network.forwards import (
    BadForward,
    Forward,
    parse_forward,
    parse_listener,
)


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("tcp::5555-:22", Forward("tcp", "0.0.0.0", 5555, "GUEST", 22)),
        (":127.0.0.1:80-:8080", Forward("tcp", "127.0.0.1", 80, "GUEST", 8080)),
        ("udp::53-10.0.2.9:53", Forward("udp", "0.0.0.0", 53, "10.0.2.9", 53)),
        ("tcp::0x50-:010", Forward("tcp", "0.0.0.0", 80, "GUEST", 8)),
    ],
)
def test_a_rule_is_read(text: str, forward: Forward) -> None:
    assert parse_forward(text, "GUEST") == forward


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "sctp::1-:1",
        "tcp:1-:1",
        "tcp:x:1-:1",
        "tcp::0-:1",
        "tcp::65536-:1",
        "tcp::1-:0",
        "tcp::1-:",
        "tcp::-:1",
        "tcp::1:1",
        "tcp::1-x:1",
        "tcp::1-:08",
        "tcp::-1-:1",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(BadForward):
        parse_forward(text, "GUEST")


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("tcp::5555", ("tcp", "0.0.0.0", 5555)),
        ("udp:127.0.0.1:5", ("udp", "127.0.0.1", 5)),
        ("::5555-:22", ("tcp", "0.0.0.0", 5555)),
        ("tcp::x", ("tcp", "0.0.0.0", 0)),
    ],
)
def test_what_listens_is_read(text: str, listener: tuple[str, str, int]) -> None:
    assert parse_listener(text) == listener


@pytest.mark.parametrize("text", ["", "tcp", "foo::1", "tcp:1", "tcp:x:1"])
def test_what_does_not_say_what_listens_is_refused(text: str) -> None:
    with pytest.raises(BadForward):
        parse_listener(text)
