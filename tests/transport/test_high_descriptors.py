"""A program with thousands of open files can wait on its connections, too."""

from __future__ import annotations

import fcntl
import resource
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

BEYOND = 2000  # select() ends at 1023


@contextmanager
def high_stream() -> Iterator[tuple[Stream, socket.socket]]:
    """Make a connection whose descriptor on our side is beyond what select() takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * BEYOND:
        pytest.skip(f"the system allows {hard} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * BEYOND), hard))
    try:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            high = fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, BEYOND)
            stream = Stream(socket.socket(fileno=high))
            try:
                yield stream, theirs
            finally:
                stream.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def soon() -> float:
    """Return a deadline that is met at once, or not at all."""
    return time.monotonic() + 5


def test_it_waits_for_room_and_for_replies() -> None:
    with high_stream() as (stream, peer):
        assert stream.wait_writable(soon(), or_readable=True) is False
        assert stream.send(b"question") == 8
        peer.sendall(b"answer")
        assert stream.wait_writable(soon(), or_readable=False) is False
        assert stream.wait_writable(soon(), or_readable=True) is True
        assert stream.receive(soon()) == b"answer"


def test_it_does_not_wait_beyond_its_deadline() -> None:
    with high_stream() as (stream, _):
        while stream.send(bytes(65536)):
            pass
        assert stream.wait_writable(time.monotonic(), or_readable=True) is False
        assert stream.receive(time.monotonic() + 0.01) is None


@pytest.mark.parametrize("deadline", [float("inf"), 1e30])
def test_a_deadline_may_be_as_far_away_as_one_likes(deadline: float) -> None:
    with high_stream() as (stream, peer):
        assert stream.wait_writable(deadline, or_readable=False) is False
        peer.sendall(b"answer")
        assert stream.receive(deadline) == b"answer"
