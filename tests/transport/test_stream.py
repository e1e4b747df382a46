"""A stream: every wait has a deadline, and ends when another thread closes it."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.transport import stream as module
from qmpx.transport.stream import READ_SIZE, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 10.0  # for what takes milliseconds


def soon() -> float:
    """Return a deadline that is nearly over."""
    return time.monotonic() + 0.02


def later() -> float:
    """Return a deadline that is not reached."""
    return time.monotonic() + SECONDS


@pytest.fixture(params=["unix", "tcp"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Stream, socket.socket]]:
    """Give a stream and the plain socket at its other end."""
    if request.param == "unix":
        mine, peer = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            mine = socket.create_connection(listening.getsockname())
            peer, _ = listening.accept()
    stream = Stream(mine)
    yield stream, peer
    stream.close()
    peer.close()


def fill(stream: Stream) -> int:
    """Send until the kernel takes no more; return how much it took."""
    total = 0
    while sent := stream.send(b"x" * 10_000):
        total += sent
    return total


def test_what_has_come_is_received(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.sendall(b"hello")
    assert stream.receive(later()) == b"hello"
    peer.sendall(b"world")
    assert stream.receive(None) == b"world"


def test_a_piece_is_of_bounded_size(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    sending = threading.Thread(target=peer.sendall, args=[b"x" * READ_SIZE * 3])
    sending.start()
    total = 0
    while total < READ_SIZE * 3:
        data = stream.receive(later())
        assert data is not None
        assert len(data) <= READ_SIZE
        total += len(data)
    sending.join()


def test_a_wait_ends_at_its_deadline(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    for _ in range(3):
        deadline = soon()
        assert stream.receive(deadline) is None
        assert time.monotonic() >= deadline


@pytest.mark.parametrize("passed", [0.0, -1.0, float("-inf")])
def test_a_deadline_that_is_over_waits_for_nothing(
    pair: tuple[Stream, socket.socket], passed: float
) -> None:
    stream, _ = pair
    assert stream.receive(time.monotonic() + passed) is None


@pytest.mark.parametrize("deadline", [None, float("inf"), 1e30])
def test_a_wait_may_have_no_end(
    pair: tuple[Stream, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    deadline: float | None,
) -> None:
    stream, peer = pair
    monkeypatch.setattr(module, "_FOREVER", 0.01)  # it is taken up again each time
    timer = threading.Timer(0.05, peer.sendall, [b"x"])
    timer.start()
    assert stream.receive(deadline) == b"x"
    timer.join()


def test_short_and_long_deadlines_may_alternate(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    for n in range(5):
        assert stream.receive(soon()) is None
        timer = threading.Timer(0.03, peer.sendall, [b"%d" % n])
        timer.start()
        assert stream.receive(later()) == b"%d" % n
        timer.join()


def test_what_is_there_now_is_received_without_waiting(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    assert stream.receive_now() is None
    peer.sendall(b"x")
    assert stream.receive(later()) == b"x"
    peer.sendall(b"y")
    while (data := stream.receive_now()) is None:
        pass
    assert data == b"y"
    peer.shutdown(socket.SHUT_WR)
    while (data := stream.receive_now()) is None:
        pass
    assert data == b""


def test_the_end_is_received_again_and_again(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    peer.sendall(b"last")
    peer.close()
    assert stream.receive(later()) == b"last"
    assert [stream.receive(later()) for _ in range(2)] == [b"", b""]


def test_sending_does_not_wait_and_waiting_has_a_deadline(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    total = fill(stream)
    deadline = soon()
    assert stream.wait_writable(deadline, or_readable=False) is False
    assert time.monotonic() >= deadline
    received = 0
    while received < total:
        received += len(peer.recv(1 << 20))
    assert stream.wait_writable(later(), or_readable=False) is False
    assert stream.send(b"x") == 1


def test_a_wait_for_room_ends_when_there_is_something_to_read(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    fill(stream)
    peer.sendall(b"x")
    assert stream.wait_writable(later(), or_readable=True) is True
    assert stream.wait_writable(soon(), or_readable=False) is False


def test_a_wait_for_room_ends_with_the_connection(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    fill(stream)
    peer.close()
    stream.wait_writable(later(), or_readable=True)
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        fill(stream)


def test_a_wait_for_something_to_read_is_ended_by_its_waker(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    waker, poke = socket.socketpair()
    with waker, poke:
        deadline = soon()
        assert stream.wait_readable(deadline, waker) is False
        assert time.monotonic() >= deadline
        poke.send(b"!!!")
        assert stream.wait_readable(later(), waker) is True
        # Its poke has been read.
        assert stream.wait_readable(soon(), waker) is False
        peer.sendall(b"x")
        assert stream.wait_readable(later(), waker) is False
        assert stream.receive(later()) == b"x"
        peer.close()
        assert stream.wait_readable(later(), waker) is False
        assert stream.receive(later()) == b""


def test_descriptors_go_with_the_first_byte() -> None:
    mine, peer = socket.socketpair()
    stream = Stream(mine)
    reader, writer = os.pipe()
    assert stream.send(b"hello", [reader, writer]) == 5
    data, fds, _, _ = socket.recv_fds(peer, 99, 4)
    assert (data, len(fds)) == (b"hello", 2)
    for fd in (*fds, reader, writer):
        os.close(fd)
    stream.close()
    peer.close()


WAITS: dict[str, Callable[[Stream, socket.socket], Any]] = {
    "receive": lambda stream, _: stream.receive(later()),
    "receive for ever": lambda stream, _: stream.receive(None),
    "wait for room": lambda stream, _: stream.wait_writable(later(), or_readable=True),
    "wait to read": lambda stream, waker: stream.wait_readable(later(), waker),
}


@pytest.mark.parametrize("wait", list(WAITS))
def test_closing_ends_a_wait_in_another_thread(
    pair: tuple[Stream, socket.socket], wait: str
) -> None:
    stream, _ = pair
    fill(stream)
    waker, poke = socket.socketpair()
    with waker, poke:
        timer = threading.Timer(0.02, stream.close)
        timer.start()
        begin = time.monotonic()
        with suppress(OSError):
            assert WAITS[wait](stream, waker) in (b"", True, False)
        assert time.monotonic() - begin < SECONDS / 2
        timer.join()


@pytest.mark.parametrize("wait", list(WAITS))
def test_a_closed_stream_raises_what_a_broken_one_does(
    pair: tuple[Stream, socket.socket], wait: str
) -> None:
    stream, _ = pair
    stream.close()
    stream.close()
    stream.shut()
    waker, poke = socket.socketpair()
    with waker, poke:
        with pytest.raises(OSError, match="Bad file descriptor"):
            WAITS[wait](stream, waker)
        with pytest.raises(OSError, match="Bad file descriptor"):
            stream.send(b"x")
        with pytest.raises(OSError, match="Bad file descriptor"):
            stream.receive_now()


def test_a_shut_stream_can_be_read_to_its_end(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    peer.sendall(b"last words")
    time.sleep(0.01)
    stream.shut()
    assert stream.receive(later()) == b"last words"
    assert stream.receive(later()) == b""
    with pytest.raises(BrokenPipeError):
        stream.send(b"x")
