"""Port forwards of a user-mode network: ``tcp:127.0.0.1:5555-10.0.2.15:22``.

The rules are kept and shown. Nothing listens on the host's port: there is no guest's
network stack that a connection could be passed to.

Source: QEMU 0.13.
"""

import ipaddress
import re
from typing import Final

from qmpx.machine.values import Value

_LAST_PORT: Final = 65535
_PROTOCOLS: Final = {"": "tcp", "tcp": "tcp", "udp": "udp"}
_PORT: Final = re.compile(r"\s*(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_LEADING_PORT: Final = re.compile(r"\s*([0-9]+)")

MAX_FORWARDS: Final = 1000
"""Rules of one network: more than anybody has, so that a client cannot fill memory."""


class BadForward(ValueError):
    """The text is no rule."""


class Forward(Value, frozen=True):
    """A rule.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        host: The address of the host that is listened on.
        host_port: The port.
        guest: The guest's address.
        guest_port: The port there.
    """

    protocol: str
    host: str
    host_port: int
    guest: str
    guest_port: int

    @property
    def listener(self) -> tuple[str, str, int]:
        """Protocol, address and port of the host: no two rules may share these."""
        return self.protocol, self.host, self.host_port


def _address(text: str, default: str) -> str:
    if not text:
        return default
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise BadForward(text) from None


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None:
        raise BadForward(text)
    octal = text.strip().startswith("0") and not text.strip().lower().startswith("0x")
    try:
        port = int(text, 8 if octal else 0)
    except ValueError:
        raise BadForward(text) from None
    if not 1 <= port <= _LAST_PORT:
        raise BadForward(text)
    return port


def _split(text: str, separator: str) -> tuple[str, str]:
    head, found, rest = text.partition(separator)
    if not found:
        raise BadForward(text)
    return head, rest


def parse_forward(text: str, default_guest: str) -> Forward:
    """Read ``[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT``.

    Args:
        text: The rule.
        default_guest: The guest's address if the rule has none.

    Raises:
        BadForward: It is no rule.
    """
    protocol, rest = _split(text, ":")
    if protocol not in _PROTOCOLS:
        raise BadForward(text)
    host, rest = _split(rest, ":")
    host_port, rest = _split(rest, "-")
    guest, guest_port = _split(rest, ":")
    return Forward(
        _PROTOCOLS[protocol],
        _address(host, "0.0.0.0"),  # noqa: S104 - QEMU's default
        _port(host_port),
        _address(guest, default_guest),
        _port(guest_port),
    )


def parse_listener(text: str) -> tuple[str, str, int]:
    """Read ``[tcp|udp]:[HOSTADDR]:HOSTPORT``: the rule that is to go.

    As in QEMU the port is the number that the rest begins with, or else 0.

    Raises:
        BadForward: It is none.
    """
    protocol, rest = _split(text, ":")
    if protocol not in _PROTOCOLS:
        raise BadForward(text)
    host, rest = _split(rest, ":")
    match = _LEADING_PORT.match(rest)
    port = int(match[1]) if match is not None else 0
    return _PROTOCOLS[protocol], _address(host, "0.0.0.0"), port  # noqa: S104
