"""Descriptors that are handed on."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import LocalProtocolError
from qmpx.transport.descriptors import MAX_SENT, copy_socket, require_sendable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def unix() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        yield sock


@pytest.fixture
def closed() -> int:
    """Give the number of a descriptor that is not open."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    return reader


def test_open_descriptors_can_go_over_a_unix_socket(unix: socket.socket) -> None:
    require_sendable(unix, [])
    require_sendable(unix, [0] * MAX_SENT)


def test_no_others_can_go(unix: socket.socket, closed: int) -> None:
    for fds in ([0, closed], [-1], [2**70]):
        with pytest.raises(
            LocalProtocolError, match=rf"^descriptor {fds[-1]} cannot be handed over: "
        ):
            require_sendable(unix, fds)


@pytest.mark.parametrize("odd", ["0", None, 1.5])
def test_what_is_no_number_is_refused(unix: socket.socket, odd: Any) -> None:
    with pytest.raises(LocalProtocolError):
        require_sendable(unix, [odd])


def test_too_many_are_refused(unix: socket.socket) -> None:
    with pytest.raises(
        LocalProtocolError,
        match=rf"^17 descriptors are too many for one message: {MAX_SENT} go$",
    ):
        require_sendable(unix, [0] * 17)


def test_none_can_go_over_another_socket() -> None:
    with (
        socket.socket(socket.AF_INET) as sock,
        pytest.raises(
            LocalProtocolError,
            match=r"^descriptors can be handed over on unix sockets only$",
        ),
    ):
        require_sendable(sock, [0])


def test_a_socket_is_copied_and_the_original_stays_open() -> None:
    first, second = socket.socketpair()
    with first, second:
        with copy_socket(first.fileno()) as copy:
            assert copy.fileno() != first.fileno()
            assert not copy.get_inheritable()
            copy.send(b"x")
        assert second.recv(9) == b"x"
        first.send(b"y")
        assert second.recv(9) == b"y"


def test_what_is_no_socket_is_not_copied(closed: int) -> None:
    reader, writer = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    for fd in (reader, 10_000):
        with pytest.raises(OSError, match=r"not a socket|on non-socket|Bad file"):
            copy_socket(fd)
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(reader)
    os.close(writer)
    assert closed >= 0
