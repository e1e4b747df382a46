"""AES for images that are encrypted as QEMU 0.13 did it: 128 bits, CBC, by sector.

Plain Python, so slow (under a megabyte a second): it opens old images, it does not
protect new ones. Neither does the format: a sector's number as its initial value shows
more than it should, and a key is the password itself.

Source: FIPS 197; the initial value is the number of the sector, little-endian.
"""

import struct
from typing import Final

SECTOR: Final[int] = 512
"""Bytes that are encrypted together."""

BLOCK: Final[int] = 16
"""Bytes of a block, and of a key."""


def _double(value: int) -> int:
    return (value << 1 ^ 0x1B) & 0xFF if value & 0x80 else value << 1


def _boxes() -> tuple[bytes, bytes]:
    """Return the substitution of the cipher and its inverse."""
    box, inverse = bytearray(256), bytearray(256)
    power, reciprocal = 1, 1
    while True:
        power ^= _double(power)  # times 3
        for shift in (1, 2, 4):  # divided by 3
            reciprocal ^= reciprocal << shift & 0xFF
        reciprocal ^= 0x09 if reciprocal & 0x80 else 0
        turned = reciprocal
        for shift in range(1, 5):
            turned ^= (reciprocal << shift | reciprocal >> 8 - shift) & 0xFF
        box[power] = turned ^ 0x63
        if power == 1:
            break
    box[0] = 0x63
    for value, substitute in enumerate(box):
        inverse[substitute] = value
    return bytes(box), bytes(inverse)


def _product(value: int, factor: int) -> int:
    result = 0
    while factor:
        if factor & 1:
            result ^= value
        value, factor = _double(value), factor >> 1
    return result


BOX, INVERSE_BOX = _boxes()

# What one byte does to a column, substitution and mixing in one: a word for each value,
# turned for each of the four places.
_ENCRYPT: Final = [
    [
        int.from_bytes(
            bytes(
                _product(BOX[value], (2, 1, 1, 3)[(row - place) % 4])
                for row in range(4)
            ),
            "big",
        )
        for value in range(256)
    ]
    for place in range(4)
]
_MIX_BACK: Final = [
    [
        int.from_bytes(
            bytes(
                _product(value, (14, 9, 13, 11)[(row - place) % 4]) for row in range(4)
            ),
            "big",
        )
        for value in range(256)
    ]
    for place in range(4)
]
_DECRYPT: Final = [
    [table[INVERSE_BOX[value]] for value in range(256)] for table in _MIX_BACK
]

_LONG: Final = 8  # words of a key of 256 bits
_Words = tuple[int, int, int, int]


def _final(words: _Words, box: bytes, step: int, key: _Words) -> _Words:
    """Return the last round: substitution and shifted rows, not mixed."""
    a, b, c, d = (
        (
            box[words[column] >> 24] << 24
            | box[words[(column + step) % 4] >> 16 & 255] << 16
            | box[words[(column + 2) % 4] >> 8 & 255] << 8
            | box[words[(column - step) % 4] & 255]
        )
        ^ key[column]
        for column in range(4)
    )
    return a, b, c, d


class Aes:
    """AES with a key of 128 or 256 bits.

    Args:
        key: 16 bytes, or 32.
    """

    def __init__(self, key: bytes) -> None:
        words = list(struct.unpack(f">{len(key) // 4}I", key))
        size = len(words)
        rounds = size + 6
        constant = 1
        for index in range(size, 4 * (rounds + 1)):
            word = words[-1]
            if index % size == 0:
                word = (word << 8 | word >> 24) & 0xFFFFFFFF
            if index % size == 0 or (size == _LONG and index % size == _LONG // 2):
                word = int.from_bytes(word.to_bytes(4, "big").translate(BOX), "big")
            if index % size == 0:
                word ^= constant << 24
                constant = _double(constant)
            words.append(word ^ words[-size])
        self._keys: list[_Words] = [
            (words[at], words[at + 1], words[at + 2], words[at + 3])
            for at in range(0, len(words), 4)
        ]
        m0, m1, m2, m3 = _MIX_BACK
        self._back: list[_Words] = [
            self._keys[rounds],
            *(
                self._mixed(self._keys[round_], (m0, m1, m2, m3))
                for round_ in range(rounds - 1, 0, -1)
            ),
            self._keys[0],
        ]

    @staticmethod
    def _mixed(key: _Words, tables: tuple[list[int], ...]) -> _Words:
        m0, m1, m2, m3 = tables
        a, b, c, d = (
            m0[w >> 24] ^ m1[w >> 16 & 255] ^ m2[w >> 8 & 255] ^ m3[w & 255]
            for w in key
        )
        return a, b, c, d

    @staticmethod
    def _run(
        words: _Words, keys: list[_Words], tables: list[list[int]], step: int
    ) -> _Words:
        """Return what all rounds but the last make of a block; rows shift by *step*."""
        t0, t1, t2, t3 = tables
        k = keys[0]
        a, b, c, d = words[0] ^ k[0], words[1] ^ k[1], words[2] ^ k[2], words[3] ^ k[3]
        for k in keys[1:-1]:
            if step == 1:
                n, p, q, r = b, c, d, a
                s, t, u, v = d, a, b, c
            else:
                n, p, q, r = d, a, b, c
                s, t, u, v = b, c, d, a
            a, b, c, d = (
                t0[a >> 24] ^ t1[n >> 16 & 255] ^ t2[c >> 8 & 255] ^ t3[s & 255] ^ k[0],
                t0[b >> 24] ^ t1[p >> 16 & 255] ^ t2[d >> 8 & 255] ^ t3[t & 255] ^ k[1],
                t0[c >> 24] ^ t1[q >> 16 & 255] ^ t2[a >> 8 & 255] ^ t3[u & 255] ^ k[2],
                t0[d >> 24] ^ t1[r >> 16 & 255] ^ t2[b >> 8 & 255] ^ t3[v & 255] ^ k[3],
            )
        return a, b, c, d

    def encrypt(self, words: _Words) -> _Words:
        """Encrypt a block, given as four big-endian words."""
        mixed = self._run(words, self._keys, _ENCRYPT, 1)
        return _final(mixed, BOX, 1, self._keys[-1])

    def decrypt(self, words: _Words) -> _Words:
        """Decrypt a block."""
        mixed = self._run(words, self._back, _DECRYPT, -1)
        return _final(mixed, INVERSE_BOX, -1, self._back[-1])


def decrypt_padded(key: bytes, start: bytes, data: bytes) -> bytes:
    """Decrypt what was encrypted in CBC mode, and take its padding off.

    Args:
        key: The key: 16 bytes, or 32.
        start: The initialisation vector: 16 bytes.
        data: Whole blocks.

    Raises:
        ValueError: It is not padded as it should be: key or data are wrong.
    """
    aes = Aes(key)
    chain = struct.unpack(">4I", start)
    words = struct.unpack(f">{len(data) // 4}I", data)
    plain = list[int]()
    for at in range(0, len(words), 4):
        block = words[at], words[at + 1], words[at + 2], words[at + 3]
        plain += [w ^ c for w, c in zip(aes.decrypt(block), chain, strict=True)]
        chain = block
    result = struct.pack(f">{len(plain)}I", *plain)
    count = result[-1] if result else 0
    if not 1 <= count <= BLOCK:
        raise ValueError(count)
    return result[:-count]


class SectorCipher:
    """AES in CBC mode, each sector by itself.

    Args:
        password: Its first 16 bytes are the key, with zeros behind them if it is short.
    """

    def __init__(self, password: str) -> None:
        key = password.encode(errors="surrogateescape")[:BLOCK]
        self._aes = Aes(key.ljust(BLOCK, b"\0"))

    def encrypt(self, sector: int, data: bytes) -> bytes:
        """Encrypt whole sectors, the first of which has the number *sector*."""
        words = struct.unpack(f">{len(data) // 4}I", data)
        result = list[int]()
        for at in range(0, len(words), 4):
            if at % (SECTOR // 4) == 0:
                chain = _initial(sector + at * 4 // SECTOR)
            chain = self._aes.encrypt(
                (
                    words[at] ^ chain[0],
                    words[at + 1] ^ chain[1],
                    words[at + 2] ^ chain[2],
                    words[at + 3] ^ chain[3],
                )
            )
            result += chain
        return struct.pack(f">{len(result)}I", *result)

    def decrypt(self, sector: int, data: bytes) -> bytes:
        """Decrypt whole sectors, the first of which has the number *sector*."""
        words = struct.unpack(f">{len(data) // 4}I", data)
        result = list[int]()
        for at in range(0, len(words), 4):
            if at % (SECTOR // 4) == 0:
                chain = _initial(sector + at * 4 // SECTOR)
            block = words[at], words[at + 1], words[at + 2], words[at + 3]
            plain = self._aes.decrypt(block)
            result += [word ^ other for word, other in zip(plain, chain, strict=True)]
            chain = block
        return struct.pack(f">{len(result)}I", *result)


def _initial(sector: int) -> _Words:
    low, high = struct.unpack(">2I", struct.pack("<Q", sector))
    return low, high, 0, 0
