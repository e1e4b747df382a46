r"""Values to bytes, spelled as QEMU spells them.

ASCII only, one line, a space after each colon and comma, ``\uXXXX`` with upper-case
digits and in pairs beyond U+FFFF, doubles with 17 significant digits.

The common value goes through msgspec twice, to encode and to space it out, both in C.
What those two spell in another way (DEL and above, doubles, lower-case escapes) is
mended afterwards, where a look at the bytes says that there is any.

Source: observed on QEMU 7.2.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_space_out: Final = msgspec.json.format

# What every double has, and seldom anything else.
_LIKE_DOUBLE: Final = re.compile(rb"[0-9][.e][0-9-]")
# A string, to be left alone, or a number that may be a double.
_DOUBLES: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?'
)
# The classes below are complements: one that names all beyond ASCII takes ten
# milliseconds to compile, at every start.
# An escape of two characters, an escape of six, or what must become one of six.
_ESCAPES: Final = re.compile(r"\\(?:u[0-9a-f]{4}|.)|[^\x00-\x7e]")
_SPECIAL: Final = re.compile(r"[^ !#-\[\]-~]")
_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def encode(value: Any, *, may_hold_doubles: bool = True) -> bytes:
    """Return *value* as QEMU would write it.

    Args:
        value: What msgspec can encode: ``None``, booleans, numbers, strings, lists,
            dictionaries with string keys, Structs, enums.
        may_hold_doubles: ``False`` saves a look for doubles, if there can be none.

    Raises:
        TypeError: There is a value that JSON cannot hold.
    """
    text = _space_out(_encode(value), indent=0)
    if may_hold_doubles and _LIKE_DOUBLE.search(text):
        text = _DOUBLES.sub(_respell_number, text)
    if text.isascii() and 0x7F not in text and (0x5C not in text or b"\\u" not in text):
        return text
    return _ESCAPES.sub(_respell_escape, text.decode()).encode()


def indent(message: bytes) -> bytes:
    """Return a message spread over lines, as a monitor with ``pretty=on`` sends it."""
    return _space_out(message, indent=4) + b"\r\n"


def encode_exactly(value: Any) -> bytes:
    """Return a parsed JSON value as QEMU would write it, however deep it is.

    This one is for values from outside: doubles of any size, nesting beyond what
    Python recurses. An infinity, for which JSON has no word, is written as 1e999.
    """
    return walk(value, spell_double, encode_string)


def encode_plainly(value: Any) -> bytes:
    """Return a parsed JSON value as JSON that reads back as the same value.

    Unlike `encode_exactly` it keeps doubles and integers apart (1.0 stays 1.0).
    """
    return walk(value, _keep_double, encode_string)


def spell_double(number: float) -> str:
    """Return *number* with up to 17 significant digits, as C's ``%.17g`` writes it."""
    if math.isinf(number):
        return "1e999" if number > 0 else "-1e999"
    return f"{number:.17g}"


def _keep_double(number: float) -> str:
    return spell_double(number) if math.isinf(number) else repr(number)


def _respell_number(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if text[0] == 0x22 or text.lstrip(b"-").isdigit():
        return text
    return spell_double(float(text)).encode()


def _respell_escape(match: re.Match[str]) -> str:
    text = match[0]
    if text[0] != "\\":
        return _escape(text)
    return "\\u" + text[2:].upper() if len(text) > 2 else text


def _escape(character: str) -> str:
    code = ord(character)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\u{code:04X}"


def encode_string(text: str) -> str:
    """Return *text* as a JSON string in QEMU's spelling."""
    if _SPECIAL.search(text):
        text = _SPECIAL.sub(lambda m: _SHORT.get(m[0]) or _escape(m[0]), text)
    return f'"{text}"'


def walk(
    value: Any,
    spell: Callable[[float], str],
    spell_string: Callable[[str], str],
    order: Callable[[Iterable[str]], Sequence[str]] = tuple,
) -> bytes:
    """Write a parsed value, however deep it is: with a stack of our own.

    Args:
        value: What a parser returned.
        spell: Spells a double.
        spell_string: Spells a string, quotes included.
        order: Puts the members of an object in order.
    """
    out: list[str] = []
    stack: list[Any] = [value]  # values still to write, and _Text between them
    while stack:
        item = stack.pop()
        if isinstance(item, _Text):
            out.append(item)
        elif isinstance(item, str):
            out.append(spell_string(item))
        elif item is None or isinstance(item, bool):
            out.append({None: "null", True: "true", False: "false"}[item])
        elif isinstance(item, int):
            out.append(str(item))
        elif isinstance(item, float):
            out.append(spell(item))
        elif isinstance(item, dict):
            stack.append(_Text("}"))
            for key in reversed(order(item)):
                stack += (item[key], _Text(f"{spell_string(key)}: "), _Text(", "))
            stack[-1:] = [_Text("{")] if item else [stack[-1], _Text("{")]
        else:
            stack.append(_Text("]"))
            for element in reversed(item):
                stack += (element, _Text(", "))
            stack[-1:] = [_Text("[")] if item else [stack[-1], _Text("[")]
    return "".join(out).encode()


class _Text(str):
    """A piece of output, on a stack of values."""

    __slots__ = ()
