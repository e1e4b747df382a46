r"""QEMU's reading of strings: escapes, and UTF-8 with the exceptions that QEMU makes.

* U+0000 may be written as C0 80 ("modified UTF-8"), and no other overlong form passes.
* The 66 noncharacters (U+FDD0.., and the last two of each plane) and lone surrogates
  are refused, raw or escaped.
* ``\'`` is an escape in both kinds of strings.

Source: observed on QEMU 7.2, with RFC 8259 for the rest.
"""

import re
from typing import Final

_ESCAPES: Final = {
    0x22: '"',
    0x27: "'",
    0x5C: "\\",
    0x2F: "/",
    0x62: "\b",
    0x66: "\f",
    0x6E: "\n",
    0x72: "\r",
    0x74: "\t",
}
_HEX: Final = re.compile(rb"[0-9a-fA-F]{4}")
_NONCHARACTER: Final = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
# What is plain: everything but a backslash and what is not ASCII.
_PLAIN: Final = re.compile(rb"[\x00-\x5b\x5d-\x7f]+")


class StringFault(ValueError):
    """A string cannot be read; the text is the one that QEMU sends."""


def read_string(token: bytes) -> str:
    """Return the text that *token*, a string with its quotes, stands for.

    Raises:
        StringFault: A bad escape, bad UTF-8 or a character that QEMU refuses.
    """
    body = token[1:-1]
    if b"\\" not in body:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return _read_slowly(token)  # it may be C0 80, and else has its own text
        if text.isascii() or not _NONCHARACTER.search(text):
            return text
    return _read_slowly(token)


def _read_slowly(token: bytes) -> str:
    out: list[str] = []
    position, end = 1, len(token) - 1
    while position < end:
        if plain := _PLAIN.match(token, position, end):
            out.append(plain[0].decode())
            position = plain.end()
        elif token[position] == 0x5C:
            text, position = _read_escape(token, position)
            out.append(text)
        else:
            code, position = next_code_point(token, position)
            if code < 0:
                message = "invalid UTF-8 sequence in string"
                raise StringFault(message)
            out.append(chr(code))
    return "".join(out)


def _read_escape(token: bytes, start: int) -> tuple[str, int]:
    """Return what the escape at *start* stands for, and the position behind it."""
    letter = token[start + 1]
    if letter != 0x75:
        if letter not in _ESCAPES:
            message = "invalid escape sequence in string"
            raise StringFault(message)
        return _ESCAPES[letter], start + 2
    position = start + 6
    code = _hex(token, start + 2)
    if 0xD800 <= code <= 0xDBFF and token[position : position + 2] == b"\\u":
        low = _hex(token, position + 2)
        if 0xDC00 <= low <= 0xDFFF:
            code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
            position += 6
    if code < 0 or _is_refused(code):
        written = read_text(token[start:position])
        message = f"{written} is not a valid Unicode character"
        raise StringFault(message)
    return chr(code), position


def _hex(token: bytes, position: int) -> int:
    digits = _HEX.match(token, position)
    return int(digits[0], 16) if digits else -1


def _is_refused(code: int) -> bool:
    return (
        0xD800 <= code <= 0xDFFF
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
        or code > 0x10FFFF
    )


_SHORTEST: Final = (0x80, 0x800, 0x10000, 0x200000, 0x4000000)


def next_code_point(data: bytes, position: int) -> tuple[int, int]:
    """Return the code point at *position*, -1 for a bad one, and where the next starts.

    A bad sequence is as long as its lead byte says, or up to the byte that breaks it.
    """
    lead = data[position]
    position += 1
    if lead < 0x80:
        return lead, position
    if lead < 0xC0 or lead >= 0xFE:  # a continuation without a lead; never a lead
        return -1, position
    extra = 1
    while lead & (0x40 >> extra):
        extra += 1
    code = lead & (0x3F >> extra)
    for _ in range(extra):
        if position >= len(data) or data[position] & 0xC0 != 0x80:
            return -1, position
        code = code << 6 | data[position] & 0x3F
        position += 1
    overlong = code < _SHORTEST[extra - 1] and not (code == 0 and extra == 1)
    return (-1 if overlong or _is_refused(code) else code), position


def read_text(data: bytes) -> str:
    """Return *data* as text for a message: up to a zero byte, U+FFFD for bad."""
    data = data.split(b"\0", 1)[0]
    if data.isascii():
        return data.decode()
    out: list[str] = []
    position = 0
    while position < len(data):
        code, position = next_code_point(data, position)
        out.append("\ufffd" if code < 0 else chr(code))
    return "".join(out)
