"""The syntax of -serial and -parallel."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.character.syntax import parse_legacy


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("null", {"backend": "null"}),
        ("stdio", {"backend": "stdio"}),
        ("pty", {"backend": "pty"}),
        ("vc", {"backend": "vc"}),
        ("vc:80Cx24C", {"backend": "vc"}),
        ("mon:stdio", {"mux": "on", "backend": "stdio"}),
        ("file:a,b", {"backend": "file", "path": "a,b"}),
        ("pipe:p", {"backend": "pipe", "path": "p"}),
        ("/dev/ttyS0", {"backend": "tty", "path": "/dev/ttyS0"}),
        ("unix:p", {"backend": "socket", "path": "p"}),
        (
            "unix:p,server,nowait",
            {"backend": "socket", "path": "p", "server": "on", "wait": "off"},
        ),
        ("tcp::4444", {"backend": "socket", "host": "", "port": "4444"}),
        (
            "tcp:h:4444,server=on,nodelay",
            {
                "backend": "socket",
                "host": "h",
                "port": "4444",
                "server": "on",
                "delay": "off",
            },
        ),
        (
            "telnet:h:4,server,nowait",
            {
                "backend": "socket",
                "host": "h",
                "port": "4",
                "server": "on",
                "wait": "off",
                "telnet": "on",
            },
        ),
        ("udp::4", {"backend": "udp", "host": "", "port": "4"}),
        (
            "udp:h:4@l:5",
            {
                "backend": "udp",
                "host": "h",
                "port": "4",
                "localaddr": "l",
                "localport": "5",
            },
        ),
    ],
)
def test_a_text_stands_for_options(text: str, options: dict[str, str]) -> None:
    assert parse_legacy(text) == options


@pytest.mark.parametrize("text", ["", "foo", "tcp:", "tcp:h", "udp:h", "mon:", "COM1"])
def test_a_text_that_stands_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(GenericError) as caught:
        parse_legacy(text)
    assert caught.value.desc == f"{text!r} is no character device"
