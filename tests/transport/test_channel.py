"""A channel: what is read, what is sent, and how it ends; on each kind of loop."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.transport import channel as module
from qmpx.transport.channel import (
    HIGH_WATER,
    LOW_WATER,
    READ_SIZE,
    Channel,
    close_fds,
)
from tests.loops import LOOPS, run_on, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on an event loop of each kind."""
    return functools.partial(run_on, request.param)


class Told:
    """Notes what a channel tells."""

    def __init__(self) -> None:
        self.data = b""
        self.largest = 0
        self.fds: list[int] = []
        self.happened: list[str] = []
        self.error: OSError | None = None
        self.end = asyncio.Event()

    def data_received(self, data: bytes, fds: list[int]) -> None:
        assert data
        self.data += data
        self.largest = max(self.largest, len(data))
        self.fds += fds

    def eof_received(self) -> None:
        self.happened.append("eof")

    def drained(self) -> None:
        self.happened.append("drained")

    def connection_lost(self, error: OSError | None) -> None:
        self.happened.append("lost")
        self.error = error
        self.end.set()


class Pair:
    """A channel and the plain socket at its other end.

    It is a context manager, which closes both.
    """

    def __init__(self, family: int = socket.AF_UNIX, **options: Any) -> None:
        if family == socket.AF_UNIX:
            mine, self.peer = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                self.peer = socket.create_connection(listening.getsockname())
                mine, _ = listening.accept()
        self.peer.settimeout(0)
        self.told = Told()
        self.channel = Channel(asyncio.get_running_loop(), mine, self.told, **options)
        self.channel.resume_reading()

    def __enter__(self) -> tuple[Channel, socket.socket, Told]:
        return self.channel, self.peer, self.told

    def __exit__(self, *exception: object) -> None:
        self.channel.abort()
        self.peer.close()


families = pytest.mark.parametrize(
    "family", [socket.AF_UNIX, socket.AF_INET], ids=["unix", "tcp"]
)


async def everything(peer: socket.socket) -> bytes:
    """Read from a plain socket until nothing more comes."""
    data = b""
    while True:
        await settle()
        try:
            piece = peer.recv(1 << 20)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


@families
def test_what_comes_is_told_in_pieces_of_bounded_size(run: Run, family: int) -> None:
    async def main() -> None:
        with Pair(family) as (_, peer, told):
            sent = b"".join(b"%06d" % n for n in range(15_000))
            await asyncio.get_running_loop().sock_sendall(peer, sent)
            while len(told.data) < len(sent):
                await settle()
            assert told.data == sent
            assert told.largest <= READ_SIZE
            assert told.happened == []

    run(main())


@families
def test_what_is_sent_arrives_at_once(run: Run, family: int) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, _):
            channel.write(b"hello ")
            channel.write(b"world")
            assert peer.recv(99) == b"hello world"
            assert (channel.unsent, channel.is_congested) == (0, False)

    run(main())


@families
def test_what_the_peer_does_not_take_is_kept_and_sent_in_order(
    run: Run, family: int
) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, told):
            sent = 0
            while not channel.is_congested:
                channel.write(b"%07d " % sent * 100)
                sent += 1
            assert HIGH_WATER < channel.unsent <= HIGH_WATER + 800
            got = b""
            while not told.happened:
                got += peer.recv(1000)
                await settle(2)
            assert told.happened == ["drained"]
            assert channel.unsent <= LOW_WATER
            got += await everything(peer)
            assert got == b"".join(b"%07d " % n * 100 for n in range(sent))
            assert channel.unsent == 0
            # And once more: it is told each time.
            while channel.unsent <= HIGH_WATER:
                channel.write(b"x" * 1000)
            await everything(peer)
            assert told.happened == ["drained", "drained"]

    run(main())


def test_a_channel_that_is_not_congested_is_not_drained(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):
            while not channel.unsent:
                channel.write(b"x" * 1000)
            await everything(peer)
            assert channel.unsent == 0
            assert told.happened == []

    run(main())


def test_a_paused_channel_leaves_input_to_the_kernel(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):
            channel.pause_reading()
            channel.pause_reading()
            peer.send(b"hello")
            await settle()
            assert told.data == b""
            channel.resume_reading()
            channel.resume_reading()
            await settle()
            assert told.data == b"hello"

    run(main())


class Counting(Channel):
    """Counts how often the loop has it read."""

    reads = 0

    def _read(self) -> None:
        self.reads += 1
        super()._read()


def test_what_comes_to_a_paused_channel_is_looked_at_once(run: Run) -> None:
    async def main() -> None:
        sock, peer = socket.socketpair()
        with peer:
            told = Told()
            channel = Counting(asyncio.get_running_loop(), sock, told)
            channel.resume_reading()
            channel.pause_reading()
            peer.send(b"hello")
            await settle(20)
            assert channel.reads == 1
            channel.resume_reading()
            await settle()
            assert (told.data, channel.reads) == (b"hello", 2)
            channel.abort()

    run(main())


# Descriptors.


def test_descriptors_come_with_the_bytes_they_were_sent_with(run: Run) -> None:
    async def main() -> None:
        with Pair() as (_, peer, told):
            reader, writer = os.pipe()
            socket.send_fds(peer, [b"a"], [writer, reader])
            await settle()
            assert (told.data, len(told.fds)) == (b"a", 2)
            assert not any(map(os.get_inheritable, told.fds))
            os.write(told.fds[0], b"through")
            assert os.read(reader, 9) == b"through"
            close_fds([*told.fds, reader, writer])

    run(main())


def test_descriptors_are_sent_with_the_first_byte(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, _):
            reader, writer = os.pipe()
            assert channel.can_send_fds
            channel.send_fds(b"hello", [writer])
            data, fds, _, _ = socket.recv_fds(peer, 99, 4)
            assert (data, len(fds)) == (b"hello", 1)
            close_fds([*fds, reader, writer])

    run(main())


def test_descriptors_cannot_go_before_what_is_unsent(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, _):
            while not channel.unsent:
                channel.write(b"x" * 1000)
            states = [channel.can_send_fds]
            await everything(peer)
            states.append(channel.can_send_fds)
            assert states == [False, True]
            # Neither when all is sent but the kernel has no more room.
            channel.pause_reading()
            while channel.can_send_fds:
                channel.send_fds(b" ", [0])
            assert channel.unsent == 0

    run(main())


def test_descriptors_for_a_peer_that_went_away_end_the_channel(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):
            channel.pause_reading()
            peer.close()
            channel.send_fds(b" ", [0])
            assert told.happened == ["lost"]
            assert isinstance(told.error, BrokenPipeError)
            channel.send_fds(b" ", [0])
            assert not channel.can_send_fds

    run(main())


# The end.


@families
def test_the_peers_end_is_told_once_and_the_channel_still_sends(
    run: Run, family: int
) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, told):
            peer.send(b"last")
            peer.shutdown(socket.SHUT_WR)
            await settle(20)
            assert (told.data, told.happened) == (b"last", ["eof"])
            channel.write(b"answer")
            assert peer.recv(99) == b"answer"
            assert not channel.is_closing

    run(main())


@families
def test_a_closed_channel_is_told_once_and_its_socket_is_closed(
    run: Run, family: int
) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, told):
            channel.close()
            channel.close()
            channel.abort()
            assert told.happened == ["lost"]
            assert told.error is None
            assert channel.is_closing
            assert channel.sock is None
            assert peer.recv(1) == b""
            channel.write(b"too late")
            channel.resume_reading()
            channel.pause_reading()
            assert channel.unsent == 0

    run(main())


@families
def test_closing_waits_until_all_is_sent(run: Run, family: int) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, told):
            total = 0
            while not channel.is_congested:
                channel.write(b"x" * 1000)
                total += 1000
            channel.close()
            assert channel.is_closing
            channel.write(b"too late")
            await settle()
            assert told.happened == []
            assert len(await everything(peer)) == total
            assert told.happened == ["lost"]
            assert told.error is None

    run(main())


def test_closing_does_not_wait_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.01)

    async def main() -> None:
        with Pair() as (channel, _, told):
            while not channel.unsent:
                channel.write(b"x" * 1000)
            channel.close()
            assert told.happened == []
            await told.end.wait()
            assert told.happened == ["lost"]

    run(main())


def test_an_aborted_channel_does_not_wait(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, _, told):
            while not channel.unsent:
                channel.write(b"x" * 1000)
            channel.close()
            channel.abort()
            assert told.happened == ["lost"]
            assert channel.unsent == 0

    run(main())


def test_writing_to_a_peer_that_went_away_ends_the_channel(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):
            peer.close()
            channel.write(b"x")
            channel.write(b"y")
            assert told.happened == ["lost"]
            assert isinstance(told.error, BrokenPipeError)

    run(main())


def test_a_peer_that_goes_away_unread_ends_a_channel_that_has_much_to_send(
    run: Run,
) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):
            channel.pause_reading()
            while not channel.is_congested:
                channel.write(b"x" * 1000)
            peer.close()
            await settle()
            assert told.happened == ["lost"]
            assert told.error is not None

    run(main())


def reset(peer: socket.socket) -> None:
    """Close a socket with a reset."""
    if peer.family != socket.AF_UNIX:
        linger = b"\1\0\0\0\0\0\0\0"
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.close()


@families
@pytest.mark.parametrize("last_words", [b"", b"last words", b"x" * (READ_SIZE + 9)])
@pytest.mark.parametrize("paused", [False, True])
def test_a_reset_is_seen_whatever_came_before(
    run: Run, family: int, last_words: bytes, paused: bool
) -> None:
    async def main() -> None:
        with Pair(family) as (channel, peer, told):
            channel.write(b"unread")  # a unix socket's close is a reset then
            if paused:
                channel.pause_reading()
            peer.sendall(last_words)
            reset(peer)
            await settle()
            if paused:
                assert told.data == b""
                channel.resume_reading()
            await settle(20)
            assert told.happened in (["lost"], ["eof"])
            if family == socket.AF_UNIX:
                assert told.data == last_words

    run(main())


def test_a_receiver_may_close_the_channel_while_it_is_told(run: Run) -> None:
    async def main() -> None:
        with Pair() as (channel, peer, told):

            def hang_up(data: bytes, fds: list[int]) -> None:
                assert (data, fds) == (b"x", [])
                channel.abort()

            told.data_received = hang_up  # type: ignore[method-assign]
            peer.send(b"x")
            await settle()
            assert told.happened == ["lost"]

    run(main())


def test_a_channel_leaves_no_descriptor_open(run: Run) -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with Pair() as (channel, peer, _):
                peer.send(b"x")
                await settle()
                channel.write(b"x")
                channel.close()
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())
