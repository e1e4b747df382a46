"""The screen as a file: PPM, and PNG.

Sources: netpbm's ppm(5); the PNG specification, second edition (ISO/IEC 15948).
"""

import os
import struct
import zlib
from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.display.screen import PALETTE, Screen
from qmpx.machine.files import OF_THE_HOST, HostFiles

_CHANNELS: Final = tuple(
    bytes(colour[channel] for colour in PALETTE).ljust(256, b"\0")
    for channel in range(3)
)
_TRUE_COLOUR: Final = 2


def rgb(screen: Screen) -> bytes:
    """Return the pixels of the screen, three bytes each: red, green and blue."""
    indices = screen.pixels()
    colours = bytearray(3 * len(indices))
    for channel, table in enumerate(_CHANNELS):
        colours[channel::3] = indices.translate(table)
    return bytes(colours)


def ppm(screen: Screen) -> bytes:
    """Return the screen as a binary PPM (``P6``)."""
    return b"P6\n%d %d\n255\n" % (screen.width, screen.height) + rgb(screen)


def png(screen: Screen) -> bytes:
    """Return the screen as a PNG, 8 bits a channel."""
    colours, pitch = rgb(screen), 3 * screen.width
    # Each row begins with the filter that it went through: 0 is none.
    rows = b"".join(
        b"\0" + colours[at : at + pitch] for at in range(0, len(colours), pitch)
    )
    header = struct.pack(
        ">IIBBBBB", screen.width, screen.height, 8, _TRUE_COLOUR, 0, 0, 0
    )
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + _checksum(kind + data)


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


FORMATS: Final = {"ppm": ppm, "png": png}
"""What a picture of the screen can be, by name."""


def save(
    screen: Screen,
    filename: str,
    image_format: str = "ppm",
    files: HostFiles = OF_THE_HOST,
) -> None:
    """Write the screen to a file.

    Args:
        screen: What to write.
        filename: Where to; what is there is replaced.
        image_format: One of `FORMATS`.
        files: What opens files.

    Raises:
        GenericError: There is no such format.
        OSError: The file could not be written.
    """
    if image_format not in FORMATS:
        message = f"a picture is {' or '.join(FORMATS)}, not {image_format!r}"
        raise GenericError(message)
    picture = FORMATS[image_format](screen)
    # O_NONBLOCK: a pipe that nobody reads is an error, not the end of all answers.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
    fd = files.open(filename, flags)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(picture)
    finally:
        files.close(fd)
