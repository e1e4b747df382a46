"""DES and VNC's use of it, against published samples."""

from __future__ import annotations

import pytest

from qmpx.machine.display.des import encrypt, vnc_response

# Worked samples of the standard's validation (NIST SP 500-20, SP 800-17) and of
# textbooks: key, block, result.
SAMPLES = [
    ("133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
    ("0101010101010101", "8000000000000000", "95f8a5e5dd31d900"),
    ("0101010101010101", "0000000000000001", "166b40b44aba4bd6"),
    ("8001010101010101", "0000000000000000", "95a8d72813daa94d"),
    ("0101010101010102", "0000000000000000", "869efd7f9f265a09"),
    ("7ca110454a1a6e57", "01a1d6d039776742", "690f5b0d9a26939b"),
    ("0131d9619dc1376e", "5cd54ca83def57da", "7a389d10354bd271"),
    ("07a1133e4a0b2686", "0248d43806f67172", "868ebb51cab4599a"),
    ("04b915ba43feb5b6", "42fd443059577fa2", "af37fb421f8c4095"),
    ("0170f175468fb5e6", "0756d8e0774761d2", "0cd3da020021dc09"),
    ("018310dc409b26d6", "1d9d5c5018f728c2", "5f4c038ed12b2e41"),
]


@pytest.mark.parametrize(("key", "block", "result"), SAMPLES)
def test_a_sample_of_the_standard_comes_out_right(
    key: str, block: str, result: str
) -> None:
    assert encrypt(bytes.fromhex(key), bytes.fromhex(block)).hex() == result


def test_each_block_stands_for_itself() -> None:
    key, first, second = (bytes.fromhex(text) for text in SAMPLES[0])
    both = encrypt(key, first + second)
    assert both == encrypt(key, first) + encrypt(key, second)


@pytest.mark.parametrize(("key", "data"), [(b"1234567", b""), (b"12345678", b"1")])
def test_other_lengths_are_refused(key: bytes, data: bytes) -> None:
    with pytest.raises(ValueError, match="DES takes keys and blocks of 8 bytes"):
        encrypt(key, data)


def test_a_challenge_is_answered_with_the_bits_of_the_password_reversed() -> None:
    challenge = bytes(range(16))
    reversed_abc = bytes([0x86, 0x46, 0xC6, 0, 0, 0, 0, 0])
    assert vnc_response(b"abc", challenge) == encrypt(reversed_abc, challenge)


def test_of_a_password_eight_bytes_count() -> None:
    challenge = bytes(range(16))
    assert vnc_response(b"secret12", challenge) == vnc_response(
        b"secret123456", challenge
    )
    assert vnc_response(b"secret12", challenge) != vnc_response(b"secret1", challenge)
