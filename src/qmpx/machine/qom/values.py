"""Values of properties: what a type takes, from JSON or from the text of an option.

Source of the errors: QEMU 7.2.22, observed.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from qmpx.errors import GenericError

_RANGES: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "int": (-(2**63), 2**63 - 1),
    "uint4": (0, 2**8 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "uint64_t": (0, 2**64 - 1),
    "uint": (0, 2**64 - 1),
    "size": (0, 2**64 - 1),
}

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "OnOffAuto": ("auto", "on", "off"),
    "BlockdevOnError": ("report", "ignore", "enospc", "stop", "auto"),
    "LostTickPolicy": ("discard", "delay", "slew"),
    "OffAutoPCIBAR": ("off", "auto", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5"),
    "FdcDriveType": ("144", "288", "120", "none", "auto"),
    "BiosAtaTranslation": ("auto", "none", "lba", "large", "rechs"),
    "PCIELinkSpeed": ("2_5", "5", "8", "16"),
    "PCIELinkWidth": ("1", "2", "4", "8", "12", "16", "32"),
    "HostMemPolicy": ("default", "preferred", "bind", "interleave"),
    "NetFilterDirection": ("all", "rx", "tx"),
    "FilterBufferStatus": ("on", "off"),
}
"""Types that are choices among words."""

_INTEGER: Final = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_SIZE: Final = re.compile(r"\s*(0[xX][0-9a-fA-F]+|\d+)(\.\d+)?([bBkKmMgGtTpPeE]?)")
_SCALE: Final[dict[str, int]] = {
    letter: 1024**power for power, letter in enumerate("BKMGTPE")
}
_U64: Final = 2**64


def read_text(name: str, type_: str, text: str) -> Any:
    """Return a value from the text of an option.

    Args:
        name: The property's name, for messages.
        type_: Its type.
        text: What the user gave.

    Raises:
        GenericError: The type does not take it.
    """
    if type_ == "bool":
        if text not in ("on", "yes", "true", "y", "off", "no", "false", "n"):
            message = f"Parameter '{name}' expects 'on' or 'off'"
            raise GenericError(message)
        return text in ("on", "yes", "true", "y")
    if type_ == "size":
        return _size(name, text)
    if type_ in _RANGES:
        found = _INTEGER.fullmatch(text)
        if found is None:
            message = f"Parameter '{name}' expects integer"
            raise GenericError(message)
        digits = found[2]
        is_octal = digits[0] == "0" and digits.isdecimal()
        number = int(digits, 8 if is_octal else 0)
        number = -number if found[1] == "-" else number
        if type_.startswith("uint") and -(2**63) <= number < 0:
            number += _U64
        return _within(name, type_, number)
    if type_ in CHOICES and text not in CHOICES[type_]:
        message = f"Parameter '{name}' does not accept value '{text}'"
        raise GenericError(message)
    return text


def read_json(name: str, type_: str, value: Any) -> Any:
    """Return a value that came as JSON.

    Raises:
        GenericError: The type does not take it.
    """
    expected = None
    if type_ == "bool":
        expected = None if isinstance(value, bool) else "boolean"
    elif type_ in _RANGES:
        if isinstance(value, float) and value.is_integer() and math.isfinite(value):
            expected = "integer"
        if not isinstance(value, int) or isinstance(value, bool):
            expected = "integer"
    elif type_ in ("str", "string") or type_ in CHOICES or type_.startswith("link<"):
        expected = None if isinstance(value, str) else "string"
    if expected is not None:
        message = f"Invalid parameter type for '{name}', expected: {expected}"
        raise GenericError(message)
    if type_ in _RANGES:
        if type_.startswith(("uint", "size")) and -(2**63) <= value < 0:
            value += _U64
        return _within(name, type_, value)
    if type_ in CHOICES and value not in CHOICES[type_]:
        message = f"Parameter '{name}' does not accept value '{value}'"
        raise GenericError(message)
    return value


def option_text(value: Any) -> str | None:
    """Return what an option becomes that came as JSON: all options are text inside.

    ``None`` if QEMU drops it: ``null``, lists and objects.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.17g}"
    if isinstance(value, int | str):
        return str(value)
    return None


def _within(name: str, type_: str, number: int) -> int:
    low, high = _RANGES[type_]
    if not low <= number <= high:
        word = f"{type_}_t" if type_[-1].isdigit() else type_
        message = f"Parameter '{name}' expects {word}"
        if type_ in ("int", "int64"):
            message = f"Parameter '{name}' expects integer"
        elif type_ in ("uint64", "uint", "size"):
            message = f"Parameter '{name}' expects uint64"
        raise GenericError(message)
    return number


def _size(name: str, text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        message = f"Parameter '{name}' expects size"
        raise GenericError(message)
    digits, fraction, letter = found.groups()
    number = int(digits, 0) if digits[:2] in ("0x", "0X") else int(digits)
    scale: int = _SCALE[letter.upper() or "B"]
    return number * scale + int(float(fraction or 0) * scale)
