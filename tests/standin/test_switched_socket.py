"""A monitor and a port on one character device: what Ctrl-A does."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest

from qmpx.standin.switched_socket import SwitchedSocket

if TYPE_CHECKING:
    from collections.abc import Iterator


class Switched:
    """Both ends of such a socket.

    Attributes:
        end: The monitor's.
        person: The other.
        told: What it has asked for.
    """

    def __init__(self) -> None:
        near, self.person = socket.socketpair()
        near.settimeout(0)
        self.person.settimeout(0)
        self.told: list[str] = []
        self.end = SwitchedSocket(
            near, partial(self.told.append, "over"), partial(self.told.append, "anew")
        )

    def heard(self, typed: bytes, by: str = "recv") -> bytes:
        """Return what the monitor gets of what is typed."""
        self.person.send(typed)
        try:
            return self.end.recv(100) if by == "recv" else self.end.recvmsg(100)[0]
        except BlockingIOError:
            return b""

    def seen(self) -> bytes:
        """Return what the person has got."""
        try:
            return self.person.recv(1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def switched() -> Iterator[Switched]:
    both = Switched()
    yield both
    both.person.close()
    both.end.close()


@pytest.mark.parametrize("by", ["recv", "recvmsg"])
def test_what_is_typed_is_for_the_port_until_it_is_switched(
    switched: Switched, by: str
) -> None:
    assert switched.heard(b"quit\n", by) == b""
    assert switched.heard(b"a\x01cb", by) == b"b"
    assert switched.heard(b"c\x01", by) == b"c"
    assert switched.heard(b"cd", by) == b""
    assert switched.heard(b"\x01ce\x01cf\x01cg", by) == b"eg"


def test_what_the_monitor_says_waits_meanwhile(switched: Switched) -> None:
    assert switched.end.send(b"hello\n") == 6
    assert switched.seen() == b""
    assert switched.heard(b"\x01c") == b""
    assert switched.seen() == b"hello\n"
    switched.end.send(b"more\n")
    assert switched.seen() == b"more\n"


def test_who_comes_back_begins_a_line(switched: Switched) -> None:
    switched.heard(b"\x01c")
    assert (switched.told, switched.seen()) == ([], b"")
    switched.heard(b"\x01c")
    assert (switched.told, switched.seen()) == ([], b"\r\n")
    switched.heard(b"\x01c")
    assert switched.told == ["anew"]


def test_what_waits_comes_before_what_is_said_next(switched: Switched) -> None:
    much = bytes(1 << 20)
    switched.end.send(much)
    switched.end.send(b"then")
    assert switched.heard(b"\x01c") == b""  # there is no room for all
    got = switched.seen()
    while len(got) < len(much) + 8:
        try:
            switched.end.send(b"next")
        except BlockingIOError:
            pass  # its owner tries again as there is room
        else:
            switched.end.send(b"")
        got += switched.seen()
    assert got == much + b"thennext"


def test_the_end_of_the_connection_is_told(switched: Switched) -> None:
    switched.person.shutdown(socket.SHUT_WR)
    assert switched.end.recv(100) == b""


def test_ctrl_a_can_be_typed_itself(switched: Switched) -> None:
    assert switched.heard(b"\x01c\x01\x01e") == b"\x01e"


def test_help_is_shown_wherever_one_is(switched: Switched) -> None:
    assert switched.heard(b"\x01h") == b""
    shown = switched.seen()
    assert b"C-a x" in shown
    assert switched.heard(b"\x01c\x01?") == b""
    assert switched.seen() == shown


def test_the_machine_is_ended(switched: Switched) -> None:
    assert switched.heard(b"\x01q\x01") == b""
    assert switched.told == []
    assert switched.heard(b"x") == b""
    assert switched.told == ["over"]
    assert switched.seen() == b"QEMU: Terminated\n\r"
