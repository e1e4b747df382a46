from __future__ import annotations

import struct
import zlib

import pytest

from qmpx.client.pictures import PNG_SIGNATURE, as_png
from qmpx.errors import RemoteProtocolError

PIXELS = bytes(range(18))  # 3 wide, 2 high


def pixels_of(png: bytes) -> tuple[int, int, bytes]:
    """Return the size of a PNG and what its rows hold."""
    assert png.startswith(PNG_SIGNATURE)
    at, chunks = len(PNG_SIGNATURE), {}
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        checked = png[at + 4 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (
            zlib.crc32(checked),
        )
        chunks[checked[:4]] = checked[4:]
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    return width, height, zlib.decompress(chunks[b"IDAT"])


@pytest.mark.parametrize(
    "head", [b"P6\n3 2\n255\n", b"P6 3 2 255 ", b"P6\n# QEMU\n3 2\n255\n"]
)
def test_a_ppm_becomes_a_png(head: bytes) -> None:
    rows = b"\0" + PIXELS[:9] + b"\0" + PIXELS[9:]
    assert pixels_of(as_png(head + PIXELS)) == (3, 2, rows)


def test_a_png_stays_as_it_is() -> None:
    assert as_png(PNG_SIGNATURE + b"x") == PNG_SIGNATURE + b"x"


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "neither PNG nor PPM"),
        (b"GIF89a", "neither PNG nor PPM: it begins with b'GIF89a'"),
        (b"P6\n3 2\n255\n" + PIXELS[:-1], "the picture is cut off: 17 of 18 bytes"),
    ],
)
def test_what_is_no_picture_is_an_error(picture: bytes, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        as_png(picture)
