"""What systemd hands over is taken once; what it is told arrives, whole."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import AddressError
from qmpx.gateway.host.systemd import Notifier, resolve, take_sockets
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """Listen as systemd does; give the name of the socket, and the socket."""
    with (
        short_directory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        name = str(folder / "notify")
        shown = name
        if request.param == "abstract":
            name, shown = f"\0{name}", f"@{name}"
        sock.bind(name)
        sock.settimeout(10)
        yield shown, sock


def test_it_is_told_what_happens(listening: tuple[str, socket.socket]) -> None:
    name, sock = listening
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("all\nthere")
    assert sock.recv(4096) == b"READY=1\nSTATUS=all there"
    notifier.reloading()
    first, second = sock.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")
    assert int(second.partition(b"=")[2]) > 0
    notifier.status("so so")
    assert sock.recv(4096) == b"STATUS=so so"
    notifier.alive()
    assert sock.recv(4096) == b"WATCHDOG=1"
    notifier.stopping(10)
    expected = b"STOPPING=1\nSTATUS=ending: clients have 10 s\n"
    assert sock.recv(4096) == expected + b"EXTEND_TIMEOUT_USEC=11000000"


def test_where_nobody_listens_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready("")
    assert not caplog.records
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready("")
    assert "cannot tell systemd" in caplog.text


@pytest.mark.parametrize(
    ("environment", "pause"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_watchdog_wants_signs_of_life(
    environment: dict[str, str], pause: float | None
) -> None:
    assert Notifier(environment | {"NOTIFY_SOCKET": "/n"}).watchdog_pause == pause
    assert Notifier(environment).watchdog_pause is None


TAKE = """
import json, os, sys
from qmpx.gateway.host.systemd import take_sockets
environment = dict(os.environ)
if environment.pop("OWN", ""):
    environment["LISTEN_PID"] = str(os.getpid())
taken = take_sockets(environment)
left = [name for name in environment if name.startswith("LISTEN_")]
inherited = [fd for each in taken.values() for fd in each if os.get_inheritable(fd)]
print(json.dumps([taken, left, inherited]))
"""


@pytest.mark.parametrize(
    ("count", "environment", "taken"),
    [
        (2, {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, {"a": [3], "b": [4]}),
        (2, {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:a"}, {"a": [3, 4]}),
        (1, {"LISTEN_FDS": "1"}, {"unknown": [3]}),
        (0, {}, {}),
        (1, {"LISTEN_FDS": "1", "OWN": "", "LISTEN_PID": "1"}, {}),
    ],
)
def test_sockets_are_taken_by_name_and_once(
    count: int, environment: dict[str, str], taken: dict[str, list[int]]
) -> None:
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(count)]

    def place() -> None:
        # As systemd does: from 3 on, inherited.
        held = [os.dup(sock.fileno()) for sock in sockets]
        for index, fd in enumerate(held):
            os.dup2(fd, 3 + index)

    try:
        said = subprocess.run(
            [sys.executable, "-c", TAKE],
            env=os.environ | {"OWN": "1"} | environment,
            preexec_fn=place,
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    finally:
        for sock in sockets:
            sock.close()
    import json

    assert json.loads(said.stdout) == [taken, [], []]


@pytest.mark.parametrize("count", ["x", "-1", "99999999"])
def test_what_cannot_be_is_refused(count: str) -> None:
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count}
    with pytest.raises(AddressError, match="expected a number"):
        take_sockets(environment)


def test_an_address_may_be_a_socket_of_systemds() -> None:
    handed = {"web": [3, 5], "control": [4]}
    assert resolve("systemd:web", handed) == ["fd:3", "fd:5"]
    assert resolve("unix:/a", handed) == ["unix:/a"]
    with pytest.raises(AddressError, match="there: control, web") as raised:
        resolve("systemd:none", handed)
    assert "FileDescriptorName=none" in str(raised.value)
