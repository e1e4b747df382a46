"""Ring buffers: the last bytes are kept, the oldest are taken first."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.character.ring_buffer import DEFAULT_SIZE, MAX_SIZE, RingBuffer


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([b""], b""),
        ([b"abc"], b"abc"),
        ([b"abcd", b"ef"], b"cdef"),
        ([b"abcdefghij"], b"ghij"),
        ([b"ab", b"cdefg"], b"defg"),
    ],
)
def test_the_last_bytes_are_kept(written: list[bytes], kept: bytes) -> None:
    ring = RingBuffer("r", 4)
    for each in written:
        assert ring.write(each) == len(each)
    assert ring.take(100) == kept
    assert ring.take(100) == b""


def test_the_oldest_are_taken_first() -> None:
    ring = RingBuffer("r", 8)
    ring.write(b"abcdef")
    assert [ring.take(4), ring.take(1), ring.take(4)] == [b"abcd", b"e", b"f"]


@pytest.mark.parametrize("size", [-4, 3, 1000])
def test_a_size_is_a_power_of_two(size: int) -> None:
    with pytest.raises(GenericError) as caught:
        RingBuffer("r", size, "memory")
    assert caught.value.desc == "size of memory chardev must be power of two"


def test_one_without_room_keeps_nothing() -> None:
    ring = RingBuffer("r", 0)
    assert ring.write(b"abc") == 3
    assert ring.take(3) == b""


def test_a_size_has_a_limit() -> None:
    assert RingBuffer("r", MAX_SIZE).size == MAX_SIZE
    assert RingBuffer("r").size == DEFAULT_SIZE
    with pytest.raises(GenericError) as caught:
        RingBuffer("r", MAX_SIZE * 2)
    assert caught.value.desc == "size of ringbuf chardev must be at most 67108864"
