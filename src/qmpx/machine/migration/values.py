"""Plain values as bytes and back: how the state of parts travels and is stored.

A value is a tag byte and what the tag asks for; all numbers are big-endian:

======= ==========================================================
tag     followed by
======= ==========================================================
``n``   nothing: ``None``
``t``   nothing: ``True``
``f``   nothing: ``False``
``i``   one byte of length, an integer in two's complement
``r``   eight bytes, a double (IEEE 754)
``s``   four bytes of length, UTF-8 (lone surrogates as in Python)
``b``   four bytes of length, bytes
``l``   four bytes of count, that many values
``d``   four bytes of count, that many pairs of a key (as ``s``) and a value
======= ==========================================================

Equal values give equal bytes if their dictionaries are in the same order. A reader
takes nothing on trust: what does not fit raises `StreamError`.
"""

import struct
from typing import Any, Final

from qmpx.errors import QmpxError

MAX_DEPTH: Final = 32
"""Nesting of a part's state; the deepest of our parts has six levels."""


class StreamError(QmpxError):
    """A stream of a machine is damaged, cut short, or not for this machine."""


def dump_value(value: Any) -> bytes:
    """Return *value* as bytes.

    Args:
        value: Of ``None``, bools, ints, floats, strings, bytes, lists, tuples and
            dicts with keys that are strings.

    Raises:
        TypeError: It is, or holds, something else.
        ValueError: It is nested too deeply, or an integer is too large.
    """
    out = bytearray()
    _dump(value, out, MAX_DEPTH)
    return bytes(out)


def _dump(value: Any, out: bytearray, depth: int) -> None:
    if depth < 0:
        message = f"a state is nested deeper than {MAX_DEPTH}"
        raise ValueError(message)
    match value:
        case None:
            out += b"n"
        case bool():
            out += b"t" if value else b"f"
        case int():
            size = value.bit_length() // 8 + 1
            if size > 255:  # its length is one byte
                message = "an integer of a state has more than 255 bytes"
                raise ValueError(message)
            out += struct.pack(">cB", b"i", size) + value.to_bytes(size, signed=True)
        case float():
            out += struct.pack(">cd", b"r", value)
        case str():
            _dump_bytes(b"s", value.encode(errors="surrogatepass"), out)
        case bytes() | bytearray() | memoryview():
            _dump_bytes(b"b", bytes(value), out)
        case list() | tuple():
            out += struct.pack(">cI", b"l", len(value))
            for item in value:
                _dump(item, out, depth - 1)
        case dict():
            out += struct.pack(">cI", b"d", len(value))
            for key, item in value.items():
                if not isinstance(key, str):
                    message = f"a key of a state is no string: {key!r}"
                    raise TypeError(message)
                _dump_bytes(b"s", key.encode(errors="surrogatepass"), out)
                _dump(item, out, depth - 1)
        case _:
            message = f"a state holds a {type(value).__name__}, which cannot be moved"
            raise TypeError(message)


def _dump_bytes(tag: bytes, data: bytes, out: bytearray) -> None:
    out += struct.pack(">cI", tag, len(data)) + data


def load_value(data: bytes) -> Any:
    """Return the value that *data* is, all of it.

    Raises:
        StreamError: It is none.
    """
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.rest:
        message = f"{reader.rest} bytes follow a value"
        raise StreamError(message)
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.rest:
            message = f"a value wants {size} bytes where {self.rest} are left"
            raise StreamError(message)
        self._at += size
        return self._data[self._at - size : self._at]

    def count(self) -> int:
        return int.from_bytes(self.take(4))

    def text(self) -> str:
        try:
            return self.take(self.count()).decode(errors="surrogatepass")
        except UnicodeDecodeError:
            message = "a text is no UTF-8"
            raise StreamError(message) from None

    def key(self) -> str:
        if self.take(1) != b"s":
            message = "a key is no text"
            raise StreamError(message)
        return self.text()

    def value(self, depth: int) -> Any:
        if depth < 0:
            message = f"a value is nested deeper than {MAX_DEPTH}"
            raise StreamError(message)
        match self.take(1):
            case b"n":
                return None
            case b"t":
                return True
            case b"f":
                return False
            case b"i":
                return int.from_bytes(self.take(self.take(1)[0]), signed=True)
            case b"r":
                return struct.unpack(">d", self.take(8))[0]
            case b"s":
                return self.text()
            case b"b":
                return self.take(self.count())
            case b"l":
                return [self.value(depth - 1) for _ in range(self.count())]
            case b"d":
                return {self.key(): self.value(depth - 1) for _ in range(self.count())}
            case tag:
                message = f"there is no value with the tag {tag!r}"
                raise StreamError(message)
