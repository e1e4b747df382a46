"""Pixels as clients want them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.display.pixels import NATIVE, PixelFormat, PixelFormatError
from qmpx.machine.display.screen import PALETTE

INDICES = bytes(range(len(PALETTE)))


def described(
    bits: int = 32,
    depth: int = 24,
    big: int = 0,
    true_colour: int = 1,
    maxima: tuple[int, int, int] = (255, 255, 255),
    shifts: tuple[int, int, int] = (16, 8, 0),
) -> bytes:
    """Return a format as a client describes it."""
    return struct.pack(">BBBBHHHBBB3x", bits, depth, big, true_colour, *maxima, *shifts)


def test_what_is_offered_is_32_bits_little_endian() -> None:
    assert bytes(NATIVE) == described()
    assert PixelFormat.parse(bytes(NATIVE)) == NATIVE


def test_32_bits_have_a_byte_for_each_colour() -> None:
    expected = b"".join(bytes([blue, green, red, 0]) for red, green, blue in PALETTE)
    assert NATIVE.convert(INDICES) == expected
    big = PixelFormat.parse(described(big=1))
    expected = b"".join(bytes([0, red, green, blue]) for red, green, blue in PALETTE)
    assert big.convert(INDICES) == expected


@pytest.mark.parametrize("big", [0, 1])
def test_16_bits_have_five_six_and_five(big: int) -> None:
    wanted = PixelFormat.parse(described(16, 16, big, 1, (31, 63, 31), (11, 5, 0)))
    values = [
        round(red * 31 / 255) << 11
        | round(green * 63 / 255) << 5
        | round(blue * 31 / 255)
        for red, green, blue in PALETTE
    ]
    expected = struct.pack(f"{'>' if big else '<'}{len(values)}H", *values)
    assert wanted.convert(INDICES) == expected


def test_8_bits_have_three_three_and_two() -> None:
    wanted = PixelFormat.parse(described(8, 8, 0, 1, (7, 7, 3), (0, 3, 6)))
    expected = bytes(
        round(red * 7 / 255) | round(green * 7 / 255) << 3 | round(blue * 3 / 255) << 6
        for red, green, blue in PALETTE
    )
    assert wanted.convert(INDICES) == expected


def test_with_a_map_of_colours_a_pixel_is_its_index() -> None:
    wanted = PixelFormat.parse(described(8, 8, 0, 0, (0, 0, 0), (0, 0, 0)))
    assert wanted.is_mapped
    assert wanted.convert(INDICES) == INDICES
    assert bytes(wanted) == described(8, 8, 0, 0, (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (described(bits=24), "pixels of 24 bits"),
        (described(bits=0), "pixels of 0 bits"),
        (described(true_colour=0), "a map of colours for pixels of 32 bits"),
        (described(maxima=(255, 254, 255)), "254 shades at bit 8 of 32"),
        (described(shifts=(25, 8, 0)), "255 shades at bit 25 of 32"),
        (described(bits=8), "255 shades at bit 16 of 8"),
        (
            described(maxima=(0xFFFF, 255, 255), shifts=(17, 8, 0)),
            "65535 shades at bit",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(PixelFormatError, match=complaint):
        PixelFormat.parse(data)


@given(st.binary(min_size=16, max_size=16))
def test_whatever_is_described_is_made_or_refused(data: bytes) -> None:
    try:
        wanted = PixelFormat.parse(data)
    except PixelFormatError:
        return
    pixels = wanted.convert(INDICES)
    assert len(pixels) == len(INDICES) * wanted.bits // 8
