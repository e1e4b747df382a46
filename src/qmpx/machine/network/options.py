"""The options of network clients, by type, and how they are read.

Source: QEMU 0.13. A number is read as C's ``strtoull`` reads it; what follows it is an
error. A size may have a fraction and one of the suffixes k, K, M, G and T.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from qmpx.errors import InvalidParameter, InvalidParameterValue

_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)([kKMGTbB]?)")
_NUMBER: Final = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FACTORS: Final = {"k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

SIZE_HINT: Final = (
    "You may use k, M, G or T suffixes for kilobytes, megabytes, gigabytes and "
    "terabytes."
)


class Kind(Enum):
    """What an option takes."""

    STRING = "a string"
    BOOL = "'on' or 'off'"
    NUMBER = "a number"
    SIZE = "a size"


def _strings(names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), Kind.STRING)


_COMMON: Final = {**_strings("type name"), "vlan": Kind.NUMBER}

OPTIONS: Final[dict[str, dict[str, Kind]]] = {
    "none": _COMMON,
    "nic": {
        **_COMMON,
        **_strings("netdev macaddr model addr"),
        "vectors": Kind.NUMBER,
    },
    "user": {
        **_COMMON,
        **_strings(
            "hostname restrict ip net host tftp bootfile dhcpstart dns smb smbserver "
            "hostfwd guestfwd"
        ),
    },
    "tap": {
        **_COMMON,
        **_strings("ifname fd script downscript vhostfd"),
        "sndbuf": Kind.SIZE,
        "vnet_hdr": Kind.BOOL,
        "vhost": Kind.BOOL,
    },
    "socket": {**_COMMON, **_strings("fd listen connect mcast")},
    "dump": {**_COMMON, **_strings("file"), "len": Kind.SIZE},
}
"""What each type of client takes. There is no ``vde``, as in a QEMU without libvde."""

NETDEV_TYPES: Final = frozenset({"user", "tap", "socket"})
"""The types that ``-netdev`` and ``netdev_add`` make."""

HOST_TYPES: Final = ("tap", "socket", "dump", "user")
"""The types that ``host_net_add`` makes; a word that begins so counts as one."""


def read_number(text: str) -> int | None:
    """Return the number that a text is, cut to 64 bits; ``None`` if it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match.groups()
    octal = digits.startswith("0") and digits.isdigit()
    value = int(digits, 8 if octal else 0)
    return (-value if sign == "-" else value) & 0xFFFFFFFFFFFFFFFF


def read_size(text: str) -> int | None:
    """Return the bytes that a text stands for; ``None`` if it stands for none.

    As in QEMU only the first letter behind the number is looked at.
    """
    match = _SIZE.match(text)
    if match is None:
        return None
    number, suffix = match.groups()
    if not suffix and len(text) > match.end():
        return None
    return int(float(number) * _FACTORS.get(suffix, 1))


def check_options(kind: str, options: Mapping[str, str]) -> None:
    """Check the options of a client, in their order.

    Raises:
        InvalidParameter: A client of this type has no such option.
        InvalidParameterValue: One does not parse.
    """
    known = OPTIONS[kind]
    for name, text in options.items():
        if name == "id":
            continue
        if name not in known:
            raise InvalidParameter(name=name)
        expected = known[name]
        if expected is Kind.BOOL:
            is_good = text in ("on", "off")
        elif expected is Kind.NUMBER:
            is_good = read_number(text) is not None
        elif expected is Kind.SIZE:
            is_good = read_size(text) is not None
        else:
            is_good = True
        if not is_good:
            error = InvalidParameterValue(name=name, expected=expected.value)
            raise error.hinting(SIZE_HINT) if expected is Kind.SIZE else error
