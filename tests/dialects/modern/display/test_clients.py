"""Where VNC is served, and clients that are handed over."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box


@pytest.fixture
def box() -> Iterator[Box]:
    """Serve a machine that shows itself by VNC."""
    machine = Machine()
    with boxed(machine) as served:
        served.do(lambda: machine.display.vnc.open("127.0.0.1:0,to=99"))
        yield served
        served.do(machine.close)


def greeting(path: Path) -> bytes:
    """Return what a VNC server on a socket says first."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5.0)
        client.connect(str(path))
        return client.recv(12)


def test_vnc_moves_to_another_address_and_away(box: Box) -> None:
    path = f"{box.address.removeprefix('unix:')}.vnc"
    address = {"type": "unix", "path": path}
    box.run("display-update", type="vnc", addresses=[address])
    assert greeting(path) == b"RFB 003.008\n"  # type: ignore[arg-type]
    box.run("display-update", type="vnc")
    assert greeting(path) == b"RFB 003.008\n"  # type: ignore[arg-type]
    box.run("display-update", type="vnc", addresses=[])
    assert box.run("query-vnc") == {"enabled": False}
    box.run("display-update", type="vnc", addresses=[address])
    assert greeting(path) == b"RFB 003.008\n"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "desc"),
    [
        (
            {"type": "fd", "str": "nope"},
            "File descriptor named 'nope' has not been found",
        ),
        (
            {"type": "inet", "host": "127.0.0.1", "port": "x"},
            (
                "address resolution failed for 127.0.0.1:x: Servname not supported for "
                "ai_socktype"
            ),
        ),
        (
            {"type": "inet", "host": "127.0.0.1", "port": "0", "ipv6": True},
            (
                "address resolution failed for 127.0.0.1:0: Address family for "
                "hostname not supported"
            ),
        ),
        ({"type": "vsock", "cid": "x", "port": "1"}, "Failed to parse cid 'x'"),
        (
            {"type": "unix", "path": "/no-such-folder/x"},
            "Failed to bind socket to /no-such-folder/x: No such file or directory",
        ),
    ],
)
def test_an_address_that_is_none_is_refused(
    box: Box, address: dict[str, Any], desc: str
) -> None:
    refusal = box.refusal("display-update", type="vnc", addresses=[address])
    assert refusal == ("GenericError", desc)


def test_there_is_nothing_to_move_without_vnc() -> None:
    with boxed(Machine()) as box:
        refusal = box.refusal("display-update", type="vnc")
        assert refusal == ("GenericError", "Can not find vnc display")


def test_a_client_is_handed_over(box: Box) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5.0)
        box.client.execute("getfd", {"fdname": "viewer"}, fds=[theirs.fileno()])
        box.run("add_client", protocol="vnc", fdname="viewer")
        assert ours.recv(12) == b"RFB 003.008\n"


@pytest.mark.parametrize(
    ("protocol", "refusal"),
    [
        ("nope", ("GenericError", "protocol 'nope' is invalid")),
        ("spice", ("DeviceNotActive", "SPICE is not in use")),
    ],
)
def test_a_client_of_nobody_is_refused_and_closed(
    box: Box, protocol: str, refusal: tuple[str, str]
) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(5.0)
        with theirs:
            box.client.execute("getfd", {"fdname": "viewer"}, fds=[theirs.fileno()])
        assert box.refusal("add_client", protocol=protocol, fdname="viewer") == refusal
        assert ours.recv(1) == b""
