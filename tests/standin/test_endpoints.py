"""Where monitors are, in QEMU's words."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.standin.endpoints import Endpoint, legacy_options
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList
from qmpx.standin.options import CHARDEV

if TYPE_CHECKING:
    from pathlib import Path


def told(message: str) -> None:
    raise AssertionError(message)


def endpoint(text: str) -> Endpoint:
    options = OptionList("-chardev", text, CHARDEV, "backend")
    return Endpoint("x", options, is_control=True)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "unix:/a,,b,server=on,wait=off",
            {"backend": "socket", "path": "/a,b", "server": "on", "wait": "off"},
        ),
        (
            "tcp:[::1]:4444,server=on",
            {"backend": "socket", "host": "::1", "port": "4444", "server": "on"},
        ),
        ("tcp::1", {"backend": "socket", "host": "", "port": "1"}),
        (
            "telnet:h:1",
            {"backend": "socket", "host": "h", "port": "1", "telnet": "on"},
        ),
        ("mon:stdio", {"backend": "stdio"}),
        ("pty", {"backend": "pty"}),
        ("file:/x", {"backend": "file", "path": "/x"}),
        ("/dev/ttyS0", {"backend": "serial", "path": "/dev/ttyS0"}),
    ],
)
def test_short_forms_stand_for_character_devices(
    text: str, options: dict[str, str]
) -> None:
    assert legacy_options("-qmp", text, "label") == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "-qmp foo: 'foo' is not a valid char driver"),
        ("tcp:foo", "-qmp tcp:foo: parse error: tcp:foo"),
    ],
)
def test_what_is_no_character_device_is_refused(text: str, message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        legacy_options("-qmp", text, "label")
    assert caught.value.text == message


def test_a_socket_is_listened_on_in_place_of_an_old_one(short_path: Path) -> None:
    short_path.write_text("old")
    opened = endpoint(f"socket,id=x,path={short_path},server=on,wait=off")
    opened.open(told)
    assert opened.place == f"unix:{short_path},server=on"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(short_path))
    opened.close()
    assert not short_path.exists()


def test_a_socket_that_is_somebody_elses_by_now_stays(short_path: Path) -> None:
    opened = endpoint(f"socket,id=x,path={short_path},server=on,wait=off")
    opened.open(told)
    short_path.unlink()
    short_path.write_text("new")
    opened.close()
    assert short_path.read_text() == "new"


def test_an_inherited_socket_may_listen_or_be_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        opened = endpoint(f"socket,id=x,fd={listening.detach()},server=on,wait=off")
        opened.open(told)
        assert opened.listening is not None
        assert opened.connected is None
        opened.close()
    ours, theirs = socket.socketpair()
    with ours:
        opened = endpoint(f"socket,id=x,fd={theirs.detach()}")
        opened.open(told)
        assert opened.listening is None
        assert opened.connected is not None
        opened.close()


def test_a_server_that_waits_says_so(short_path: Path) -> None:
    messages: list[str] = []
    opened = endpoint(f"socket,id=x,path={short_path},server=on")

    def tell(message: str) -> None:
        messages.append(message)
        client.connect(str(short_path))

    with socket.socket(socket.AF_UNIX) as client:
        opened.open(tell)
        assert opened.connected is not None
    opened.close()
    assert messages == [
        (
            f"info: QEMU waiting for connection on: disconnected:unix:{short_path},"
            "server=on"
        )
    ]


def test_a_path_that_is_too_long_is_refused() -> None:
    path = "/tmp/" + "x" * 103
    with pytest.raises(StartFailure) as caught:
        endpoint(f"socket,id=x,path={path},server=on,wait=off").open(told)
    assert caught.value.text.endswith(
        f"UNIX socket path '{path}' is too long\nPath must be less than 108 bytes"
    )
