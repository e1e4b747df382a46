"""DES, for one purpose: the answer to a VNC server's challenge.

It protects nothing today: a DES key is tried out in hours. RFB's authentication has no
other cipher, so it is here, and used for nothing else.

Sources: FIPS 46-3 for the tables; RFC 6143, section 7.2.2, for how VNC uses it. VNC
takes the bits of each byte of the key in reverse.
"""

from collections.abc import Iterable, Sequence
from typing import Final

_BLOCK: Final = 8  # bytes of a block, and of a key


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split())


# Each table names, for each bit of what comes out, the bit of what goes in, from 1.
_INITIAL: Final = tuple(
    column + 8 * row
    for column in (58, 60, 62, 64, 57, 59, 61, 63)
    for row in range(0, -8, -1)
)
_FINAL: Final = tuple(_INITIAL.index(n) + 1 for n in range(1, 65))
_EXPANSION: Final = tuple(
    (4 * group + n - 1) % 32 + 1 for group in range(8) for n in range(6)
)
_PERMUTATION: Final = _numbers(
    "16 7 20 21 29 12 28 17 1 15 23 26 5 18 31 10"
    " 2 8 24 14 32 27 3 9 19 13 30 6 22 11 4 25"
)
_CHOICE_1: Final = _numbers(
    "57 49 41 33 25 17 9 1 58 50 42 34 26 18 10 2 59 51 43 35 27 19 11 3 60 52 44 36"
    " 63 55 47 39 31 23 15 7 62 54 46 38 30 22 14 6 61 53 45 37 29 21 13 5 28 20 12 4"
)
_CHOICE_2: Final = _numbers(
    "14 17 11 24 1 5 3 28 15 6 21 10 23 19 12 4 26 8 16 7 27 20 13 2"
    " 41 52 31 37 47 55 30 40 51 45 33 48 44 49 39 56 34 53 46 42 50 36 29 32"
)
_SHIFTS: Final = _numbers("1 1 2 2 2 2 2 2 1 2 2 2 2 2 2 1")
# Four rows of sixteen hexadecimal digits for each of the eight boxes.
_BOXES: Final = tuple(
    tuple(int(digit, 16) for digit in box)
    for box in (
        "E4D12FB83A6C59070F74E2D1A6CB953841E8D62BFC973A50FC8249175B3EA06D",
        "F18E6B34972DC05A3D47F28EC01A69B50E7BA4D158C6932FD8A13F42B67C05E9",
        "A09E63F51DC7B428D709346A285ECBF1D6498F30B12C5AE71AD069874FE3B52C",
        "7DE3069A1285BC4FD8B56F03472C1AE9A690CB7DF13E52843F06A1D8945BC72E",
        "2C417AB6853FD0E9EB2C47D150FA3986421BAD78F9C5630EB8C71E2D6F09A453",
        "C1AF92680D34E75BAF427C9561DE0B389EF528C3704A1DB6432C95FABE17608D",
        "4B2EF08D3C975A61D0B7491AE35C2F8614BDC37EAF6805926BD814A7950FE23C",
        "D2846FB1A93E50C71FD8A374C56B0E927B419CE206ADF35821E74A8DFC90356B",
    )
)


def _pick(value: int, width: int, table: Iterable[int]) -> int:
    """Return a number made of the named bits of *value*, which has *width* of them."""
    picked = 0
    for place in table:
        picked = picked << 1 | value >> (width - place) & 1
    return picked


def _round_keys(key: bytes) -> list[int]:
    halves = _pick(int.from_bytes(key), 64, _CHOICE_1)
    left, right = halves >> 28, halves & 0xFFFFFFF
    keys = []
    for shift in _SHIFTS:
        left = (left << shift | left >> 28 - shift) & 0xFFFFFFF
        right = (right << shift | right >> 28 - shift) & 0xFFFFFFF
        keys.append(_pick(left << 28 | right, 56, _CHOICE_2))
    return keys


def _scramble(half: int, key: int) -> int:
    mixed, chosen = _pick(half, 32, _EXPANSION) ^ key, 0
    for n, box in enumerate(_BOXES):
        six = mixed >> 42 - 6 * n & 0x3F
        # The outer two bits choose the row, the inner four the column.
        chosen = chosen << 4 | box[(six & 0x20 | (six & 1) << 4 | six >> 1 & 0xF)]
    return _pick(chosen, 32, _PERMUTATION)


def _encrypt_block(block: bytes, keys: Sequence[int]) -> bytes:
    state = _pick(int.from_bytes(block), 64, _INITIAL)
    left, right = state >> 32, state & 0xFFFFFFFF
    for key in keys:
        left, right = right, left ^ _scramble(right, key)
    return _pick(right << 32 | left, 64, _FINAL).to_bytes(_BLOCK)


def encrypt(key: bytes, data: bytes) -> bytes:
    """Return *data* encrypted with DES, each block by itself.

    Args:
        key: 8 bytes.
        data: A multiple of 8 bytes.

    Raises:
        ValueError: Key or data are of another length.
    """
    if len(key) != _BLOCK or len(data) % _BLOCK:
        message = f"DES takes keys and blocks of {_BLOCK} bytes"
        raise ValueError(message)
    keys = _round_keys(key)
    blocks = (data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))
    return b"".join(_encrypt_block(block, keys) for block in blocks)


def vnc_response(password: bytes, challenge: bytes) -> bytes:
    """Return what a VNC client answers to a challenge.

    Args:
        password: Of which the first 8 bytes count.
        challenge: 16 bytes.
    """
    key = password[:_BLOCK].ljust(_BLOCK, b"\0")
    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    return encrypt(reverse, challenge)
