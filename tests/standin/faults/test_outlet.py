"""What goes through an outlet comes out in order, in pieces, and not too soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults.outlet import ENDLESS_PIECE, MAX_PIECES, Outlet

if TYPE_CHECKING:
    from collections.abc import Callable


class Peer:
    """The other end: what it was sent, and whether it has too much to read."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.turns: list[Callable[[], None]] = []
        self.seen: list[bytes] = []
        self.is_full = False
        self.has_ended = False
        self.outlet = Outlet(self.take, self.end, self.later, lambda: self.is_full)

    def take(self, data: bytes | memoryview) -> None:
        self.seen.append(bytes(data))

    def end(self) -> None:
        self.has_ended = True

    def later(self, seconds: float, action: Callable[[], None]) -> Any:
        if seconds:
            return self.clock.call_later(seconds, action)
        self.turns.append(action)
        return None

    def turn(self) -> None:
        """Let what waits for the next turn of the loop have it."""
        turns, self.turns = self.turns, []
        for action in turns:
            action()


def test_pieces_come_at_their_moments_and_what_is_behind_waits() -> None:
    peer = Peer()
    peer.outlet.put(b"abcde", (2, 1.0))
    peer.outlet.put(b"fg")
    assert peer.seen == [b"ab"]
    assert peer.outlet.size == 5
    peer.clock.advance(1)
    assert peer.seen == [b"ab", b"cd"]
    peer.clock.advance(1)
    assert b"".join(peer.seen) == b"abcde"
    peer.clock.advance(1)
    assert b"".join(peer.seen) == b"abcdefg"
    assert (peer.outlet.size, peer.outlet.is_busy) == (0, False)


def test_many_pieces_without_a_pause_leave_others_their_turn() -> None:
    peer = Peer()
    peer.outlet.put(b"x" * (MAX_PIECES + 1), (1, 0.0))
    assert len(peer.seen) == MAX_PIECES
    peer.turn()
    assert peer.seen == [b"x"] * (MAX_PIECES + 1)


def test_a_peer_that_does_not_read_is_not_asked_again_and_again() -> None:
    peer = Peer()
    peer.is_full = True
    peer.outlet.put_endless(b"{", 3 * ENDLESS_PIECE)
    assert (peer.seen, peer.turns) == ([b'{, "x-qmpx-endless": "'], [])
    peer.is_full = False
    peer.outlet.go_on()
    assert sum(map(len, peer.seen[1:])) == 3 * ENDLESS_PIECE
    assert not peer.outlet.is_busy


def test_what_has_no_end_has_nothing_behind_it() -> None:
    peer = Peer()
    peer.outlet.put_endless(b"{", 10)
    peer.outlet.put(b"more")
    peer.outlet.put_endless(b"[", 10)
    assert b"".join(peer.seen) == b'{, "x-qmpx-endless": "xxxxxxxxxx'


def test_a_message_without_an_end_drips_as_all_does() -> None:
    peer = Peer()
    peer.outlet.drip_all(20, 1.0)
    peer.outlet.put_endless(b"", 30)
    for _ in range(10):
        peer.clock.advance(1)
    assert [len(piece) for piece in peer.seen] == [20, 1, 20, 10]


@pytest.mark.parametrize("left", [0, 3, 5])
def test_it_ends_after_so_many_bytes_and_not_before(left: int) -> None:
    peer = Peer()
    peer.outlet.left = left
    peer.outlet.put(b"ab")
    assert peer.has_ended is (left == 0)
    peer.outlet.put(b"cdef")
    assert b"".join(peer.seen) == b"abcdef"[:left]
    assert peer.has_ended
