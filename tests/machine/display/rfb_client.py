"""A VNC client for tests: small, strict, and with nothing of the server's in it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from qmpx.machine.display.des import vnc_response

if TYPE_CHECKING:
    from types import TracebackType

RAW, ZLIB, DESKTOP_SIZE = 0, 6, -223
NONE, VNC = 1, 2
ALL = (0, 0, 0xFFFF, 0xFFFF)


@dataclass(frozen=True)
class Area:
    """A rectangle of an update."""

    x: int
    y: int
    width: int
    height: int
    encoding: int


@dataclass
class Viewer:
    """A client that has connected.

    Attributes:
        offered: The security types that were offered.
        width: Of the screen, in pixels.
        height: Of the screen, in pixels.
        name: Of the desktop.
        pixels: What it sees, four bytes each: blue, green, red, nothing.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    offered: list[int] = field(default_factory=list)
    width: int = 0
    height: int = 0
    name: str = ""
    pixels: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._inflate = zlib.decompressobj()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def number(self, size: int) -> int:
        """Read a number of some bytes."""
        return int.from_bytes(await self.reader.readexactly(size))

    async def shake_hands(
        self, minor: int = 8, password: str | None = None, *, shared: bool = True
    ) -> None:
        """Come in.

        Raises:
            PermissionError: The server does not let this client in, and says so.
        """
        assert await self.reader.readexactly(12) == b"RFB 003.008\n"
        self.writer.write(b"RFB 003.%03d\n" % minor)
        if minor == 3:
            chosen = await self.number(4)
            self.offered = [chosen]
        else:
            count = await self.number(1)
            self.offered = list(await self.reader.readexactly(count))
            chosen = NONE if password is None else VNC
            self.writer.write(bytes([chosen]))
        if chosen == VNC:
            challenge = await self.reader.readexactly(16)
            self.writer.write(vnc_response((password or "").encode(), challenge))
        if (minor == 8 or chosen == VNC) and await self.number(4):
            text = b""
            if minor == 8:
                text = await self.reader.readexactly(await self.number(4))
            raise PermissionError(text.decode())
        self.writer.write(bytes([shared]))
        self.width, self.height = await self.number(2), await self.number(2)
        assert await self.reader.readexactly(16) == bytes.fromhex(
            "2018000100ff00ff00ff100800000000"
        )
        name = await self.reader.readexactly(await self.number(4))
        self.name = name.decode()
        self.pixels = bytearray(4 * self.width * self.height)

    def choose(self, *encodings: int) -> None:
        """Say which encodings it reads."""
        count = len(encodings)
        self.writer.write(struct.pack(f">BxH{count}i", 2, count, *encodings))

    def ask(
        self, area: tuple[int, int, int, int] = ALL, *, incremental: bool = True
    ) -> None:
        """Ask for an update."""
        self.writer.write(struct.pack(">BBHHHH", 3, incremental, *area))

    def key(self, keysym: int, *, down: bool) -> None:
        """Press a key or let it go."""
        self.writer.write(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text: str) -> None:
        """Type letters."""
        for character in text:
            for down in (True, False):
                self.key(ord(character), down=down)

    def point(self, x: int, y: int, buttons: int = 0) -> None:
        """Point at a place."""
        self.writer.write(struct.pack(">BBHH", 5, buttons, x, y))

    def cut(self, text: bytes) -> None:
        """Offer a text."""
        self.writer.write(struct.pack(">BxxxI", 6, len(text)) + text)

    async def update(self) -> list[Area]:
        """Wait for an update, and draw it."""
        assert await self.number(1) == 0
        await self.number(1)
        areas = []
        for _ in range(await self.number(2)):
            header = await self.reader.readexactly(12)
            area = Area(*struct.unpack(">HHHHi", header))
            areas.append(area)
            size = 4 * area.width * area.height
            if area.encoding == DESKTOP_SIZE:
                self.width, self.height = area.width, area.height
                self.pixels = bytearray(size)
                continue
            if area.encoding == ZLIB:
                packed = await self.reader.readexactly(await self.number(4))
                data = self._inflate.decompress(packed)
                assert len(data) == size
            else:
                data = await self.reader.readexactly(size)
            self._draw(area, data)
        return areas

    def _draw(self, area: Area, data: bytes) -> None:
        pitch = 4 * area.width
        for n in range(area.height):
            at = 4 * ((area.y + n) * self.width + area.x)
            self.pixels[at : at + pitch] = data[n * pitch : (n + 1) * pitch]

    @property
    def rgb(self) -> bytes:
        """What it sees, three bytes a pixel."""
        colours = bytearray(3 * self.width * self.height)
        for channel in range(3):
            colours[channel::3] = self.pixels[2 - channel :: 4]
        return bytes(colours)


async def view(host: str, port: int) -> Viewer:
    """Return a client that has connected over TCP."""
    return Viewer(*await asyncio.open_connection(host, port))


async def view_unix(path: str) -> Viewer:
    """Return a client that has connected over a unix socket."""
    return Viewer(*await asyncio.open_unix_connection(path))
