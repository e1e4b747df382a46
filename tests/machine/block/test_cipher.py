"""AES, by the examples of its standard; sectors, by what they must not show."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.block.cipher import BOX, INVERSE_BOX, Aes, SectorCipher

# FIPS 197, appendices B and C.1; SP 800-38A, F.1.1.
EXAMPLES = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "3243f6a8885a308d313198a2e0370734",
        "3925841d02dc09fbdc118597196a0b32",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "69c4e0d86a7b0430d8cdb78070b4c55a",
    ),
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172a",
        "3ad77bb40d7a3660a89ecaf32466ef97",
    ),
]


def words(text: str) -> tuple[int, int, int, int]:
    a, b, c, d = struct.unpack(">4I", bytes.fromhex(text))
    return a, b, c, d


@pytest.mark.parametrize(("key", "plain", "secret"), EXAMPLES)
def test_the_examples_of_the_standard(key: str, plain: str, secret: str) -> None:
    aes = Aes(bytes.fromhex(key))
    assert aes.encrypt(words(plain)) == words(secret)
    assert aes.decrypt(words(secret)) == words(plain)


def test_the_boxes_undo_one_another() -> None:
    assert (BOX[0], BOX[0x53]) == (0x63, 0xED)
    assert bytes(INVERSE_BOX[value] for value in BOX) == bytes(range(256))


@given(
    password=st.text(max_size=20),
    sector=st.integers(0, 2**48),
    data=st.binary(min_size=1024, max_size=1024),
)
def test_what_is_encrypted_is_decrypted(
    password: str, sector: int, data: bytes
) -> None:
    cipher = SectorCipher(password)
    secret = cipher.encrypt(sector, data)
    assert cipher.decrypt(sector, secret) == data
    assert secret[512:] == cipher.encrypt(sector + 1, data[512:])


def test_equal_sectors_and_equal_blocks_look_different() -> None:
    secret = SectorCipher("key").encrypt(0, bytes(2048))
    blocks = [secret[at : at + 16] for at in range(0, len(secret), 16)]
    assert len(set(blocks)) == len(blocks)


def test_sixteen_bytes_of_a_password_count() -> None:
    data = bytes(512)
    long, same = SectorCipher("0123456789abcdefgh"), SectorCipher("0123456789abcdef")
    assert long.encrypt(5, data) == same.encrypt(5, data)
    assert same.encrypt(5, data) != SectorCipher("0123456789abcde").encrypt(5, data)
