"""Cutting a stream of JSON values into values, without reading them.

Clients need not end a message with a newline, and some do not. So brackets are counted,
outside strings. What stands between values and is no white space comes out as it is, up
to the next bracket or line: a transcript must show garbage, too.
"""

import re
from typing import Final

MAX_VALUE: Final = 64 * 1024 * 1024
"""Bytes of one unfinished value: as much as a server reads; more comes in pieces."""

_TOKEN: Final = re.compile(rb"""[\[\]{}"'\n]""")
_END: Final = {
    quote: re.compile(rb"[^" + quote + rb"\\]*(?:\\.[^" + quote + rb"\\]*)*", re.DOTALL)
    for quote in (b'"', b"'")
}


class Splitter:
    """Find where values end, however the stream is cut."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._position = 0  # up to where it was looked at
        self._depth = 0
        self._quote = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the pieces that are complete now."""
        self._data += data
        pieces: list[bytes] = []
        while self._look(pieces):
            pass
        if len(self._data) > MAX_VALUE:
            pieces.append(self.rest())
        return pieces

    def rest(self) -> bytes:
        """Return what is left at the end of the stream, and forget it."""
        rest = bytes(self._data).strip()
        self._data.clear()
        self._position = self._depth = 0
        self._quote = b""
        return rest

    def _look(self, pieces: list[bytes]) -> bool:
        """Look at the next token; tell whether there was one."""
        data = self._data
        if self._quote:
            match = _END[self._quote].match(data, self._position)
            end = match.end() if match else self._position
            if end >= len(data) or data[end] == 0x5C:
                self._position = end
                return False
            self._quote = b""
            self._position = end + 1
            return True
        token = _TOKEN.search(data, self._position)
        if token is None:
            self._position = len(data)
            return False
        self._position = token.end()
        self._take(token[0], pieces)
        return True

    def _take(self, token: bytes, pieces: list[bytes]) -> None:
        if token in (b'"', b"'"):
            if self._depth:
                self._quote = token
        elif token in (b"{", b"["):
            if not self._depth:
                self._cut(pieces, self._position - 1)
            self._depth += 1
        elif token == b"\n":
            if not self._depth:
                self._cut(pieces, self._position)
        elif self._depth:
            self._depth -= 1
            if not self._depth:
                self._cut(pieces, self._position)

    def _cut(self, pieces: list[bytes], end: int) -> None:
        piece = bytes(self._data[:end]).strip()
        if piece:
            pieces.append(piece)
        del self._data[:end]
        self._position -= end
