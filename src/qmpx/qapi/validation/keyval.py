"""Scalars that arrive as strings, as on QEMU's command line (``-object size=1G``).

Objects and lists are the same as over QMP. Source: QEMU 7.2's keyval visitor.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from qmpx.errors import GenericError, InvalidParameterValue
from qmpx.qapi.visitor import (
    INT64_MAX,
    INT64_MIN,
    SCALARS,
    UINT64_MAX,
    Path,
    Reader,
    integer_readers,
    spell_path,
    wrong_type,
)

# No more decimal digits than Python cares to convert; these are out of range anyhow.
_INTEGER: Final = re.compile(
    r"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]{0,99}))"
)
_SIZE: Final = re.compile(
    r"[ \t\n\v\f\r]*\+?0*([0-9]{1,100})(\.[0-9]*)?([BbKkMmGgTtPpEe]?)"
)
_HEXADECIMAL_SIZE: Final = re.compile(r"[ \t\n\v\f\r]*\+?0[xX]([0-9a-fA-F]+)")
_NUMBER: Final = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_UNITS: Final = {unit: 1024**power for power, unit in enumerate("BKMGTPE")}
_BOOLEANS: Final = {
    **dict.fromkeys(("on", "yes", "true", "y"), True),
    **dict.fromkeys(("off", "no", "false", "n"), False),
}


def _text(value: Any, path: Path) -> str:
    """Return a scalar as it was written."""
    if isinstance(value, str):
        return value
    name = spell_path(path)
    if isinstance(value, (dict, list)):
        message = f"Parameters '{name}.*' are unexpected"
        raise GenericError(message)
    # What only a program can cause, for a command line gives nothing but strings.
    message = f"Internal error: parameter {name} invalid"
    raise GenericError(message)


def _reader(convert: Callable[[str], Any], expected: str) -> Reader:
    def read(value: Any, path: Path) -> Any:
        converted = convert(_text(value, path))
        if converted is None:
            raise InvalidParameterValue(name=spell_path(path), expected=expected)
        return converted

    return read


def _integer(text: str) -> int | None:
    """Read as C's ``strtol`` does: decimal, ``0x`` hexadecimal or ``0`` octal."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    if hexadecimal:
        number = int(hexadecimal, 16)
    else:
        number = int(decimal) if decimal else int(octal or "0", 8)
    return -number if sign == "-" else number


def _signed(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and INT64_MIN <= number <= INT64_MAX else None


def _unsigned(text: str) -> int | None:
    number = _integer(text)
    if number is None or abs(number) > UINT64_MAX:
        return None
    return number & UINT64_MAX


def _size(text: str) -> int | None:
    """Read a size: digits, a fraction and a unit."""
    if (match := _HEXADECIMAL_SIZE.fullmatch(text)) is not None:
        size = int(match[1], 16)
    elif (match := _SIZE.fullmatch(text)) is None:
        return None
    else:
        whole, fraction, unit = match.groups()
        factor = _UNITS[unit.upper() or "B"]
        part = float(f"0{fraction}0") if fraction else 0.0
        if part and factor == 1:
            return None
        size = int(whole) * factor + int(part * factor)
    return size if size <= UINT64_MAX else None


def _read_string(value: Any, path: Path) -> Any:
    return _text(value, path)


def _read_number(value: Any, path: Path) -> Any:
    match = _NUMBER.fullmatch(_text(value, path))
    number = float(match[1]) if match else math.inf
    if not math.isfinite(number):
        raise wrong_type(path, "number")
    return number


_read_size = _reader(_size, "size")

KEYVAL_SCALARS: Final[Mapping[str, Reader]] = {
    **SCALARS,  # any and null are the same
    "str": _read_string,
    "bool": _reader(_BOOLEANS.get, "'on' or 'off'"),
    "number": _read_number,
    **integer_readers(_reader(_signed, "integer"), _reader(_unsigned, "integer")),
    "size": _read_size,
}
"""QAPI's built-in types, each written as a string."""
