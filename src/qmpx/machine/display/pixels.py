"""Pixels as a VNC client wants them: 8, 16 or 32 bits, in its order of bytes.

Source: RFC 6143, section 7.4.
"""

import struct
from functools import lru_cache
from typing import Final, Literal, Self

from qmpx.machine.display.screen import PALETTE
from qmpx.machine.values import Value

_FORMAT: Final = struct.Struct(">BBBBHHHBBB3x")


class PixelFormatError(ValueError):
    """The client wants pixels that cannot be made."""


class PixelFormat(Value, frozen=True):
    """How a pixel is written.

    Attributes:
        bits: Of a pixel: 8, 16 or 32.
        depth: How many of them mean something.
        is_big_endian: Whether the highest byte comes first.
        maxima: The most of red, green and blue.
        shifts: Where red, green and blue stand, from the lowest bit.
        is_mapped: Whether a pixel is an index of a map of colours, which the client is
            sent: that of `PALETTE`.
    """

    bits: int
    depth: int
    is_big_endian: bool
    maxima: tuple[int, int, int]
    shifts: tuple[int, int, int]
    is_mapped: bool = False

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the format that 16 bytes of a message describe.

        Raises:
            PixelFormatError: It is none that can be made.
        """
        bits, depth, big, true_colour, *rest = _FORMAT.unpack(data)
        red, green, blue, *places = rest
        maxima, shifts = (red, green, blue), (places[0], places[1], places[2])
        if bits not in (8, 16, 32):
            message = f"pixels of {bits} bits"
            raise PixelFormatError(message)
        if not true_colour:
            if bits != 8:
                message = f"a map of colours for pixels of {bits} bits"
                raise PixelFormatError(message)
            return cls(bits, depth, bool(big), maxima, shifts, is_mapped=True)
        for maximum, shift in zip(maxima, shifts, strict=True):
            if maximum & (maximum + 1) or shift + maximum.bit_length() > bits:
                message = f"{maximum} shades at bit {shift} of {bits}"
                raise PixelFormatError(message)
        return cls(bits, depth, bool(big), maxima, shifts)

    def __bytes__(self) -> bytes:
        return _FORMAT.pack(
            self.bits,
            self.depth,
            self.is_big_endian,
            not self.is_mapped,
            *self.maxima,
            *self.shifts,
        )

    def convert(self, indices: bytes) -> bytes:
        """Return pixels in this format.

        Args:
            indices: Of `PALETTE`, a byte each.
        """
        if self.is_mapped:
            return indices
        tables = _tables(self)
        if len(tables) == 1:
            return indices.translate(tables[0])
        pixels = bytearray(len(indices) * len(tables))
        for n, table in enumerate(tables):
            pixels[n :: len(tables)] = indices.translate(table)
        return bytes(pixels)


NATIVE: Final = PixelFormat(32, 24, False, (255, 255, 255), (16, 8, 0))
"""The format that is offered: that of QEMU on a little-endian host."""


@lru_cache(maxsize=64)
def _tables(wanted: PixelFormat) -> tuple[bytes, ...]:
    """Return, for each byte of a pixel, what it is for each index of the palette."""
    size = wanted.bits // 8
    order: Literal["big", "little"] = "big" if wanted.is_big_endian else "little"
    pixels = []
    for colour in PALETTE:
        value = 0
        for shade, maximum, shift in zip(
            colour, wanted.maxima, wanted.shifts, strict=True
        ):
            value |= (shade * maximum + 127) // 255 << shift
        pixels.append(value.to_bytes(size, order))
    return tuple(
        bytes(pixel[n] for pixel in pixels).ljust(256, b"\0") for n in range(size)
    )
