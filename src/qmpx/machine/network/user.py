"""User-mode networks: QEMU itself is router, DHCP and name server.

Here they are addresses and rules; nothing is routed, for there is no guest that would
send anything.

Source: QEMU 0.13.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Final

from qmpx.machine.network.clients import Failed
from qmpx.machine.network.forwards import (
    MAX_FORWARDS,
    BadForward,
    Forward,
    parse_forward,
)

_SMALLEST_PREFIX: Final = 4
"""Shortest prefix of a user-mode network; QEMU takes no larger net."""

_CLASSES: Final = (
    (0x80000000, 0x00000000, 8),
    (0xFFF00000, 0xAC100000, 12),
    (0xC0000000, 0x80000000, 16),
    (0xFFFF0000, 0xC0A80000, 16),
    (0xFFFF0000, 0xC6120000, 15),
    (0xE0000000, 0xE0000000, 24),
)
"""Mask, value under it, and prefix of a network that was given without one."""


class UserNetwork:
    """A network that QEMU itself is: addresses only, since nothing is routed.

    Args:
        options: Those of ``-netdev user``.

    Attributes:
        network: The network.
        dhcp_start: The address that the first guest gets.
        is_restricted: Whether guests see only each other.
        forwards: The ports of the host that it passes on, the latest first.

    Raises:
        Failed: The addresses do not fit together.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        text = options.get("net", options["ip"] + "/24" if "ip" in options else None)
        self.network = _network(text) if text is not None else _network("10.0.2.0/24")
        base = self.network.network_address
        size = self.network.num_addresses - 1
        host = _address(options.get("host"), base + (0x0202 & size))
        dhcp = _address(options.get("dhcpstart"), base + (0x020F & size))
        dns = _address(options.get("dns"), base + (0x0203 & size))
        if any(at not in self.network for at in (host, dhcp, dns)):
            raise Failed
        if dhcp in (host, _address(None, base + (0x0203 & size))) or dns == host:
            raise Failed
        if "smbserver" in options:
            _address(options["smbserver"], base)
        self.dhcp_start = str(dhcp)
        self.is_restricted = options.get("restrict", "n").startswith("y")
        self.forwards: list[Forward] = []

    @property
    def info(self) -> str:
        """What there is to say of it."""
        restricted = "y" if self.is_restricted else "n"
        return f"net={self.network.network_address}, restricted={restricted}"

    def add_forward(self, text: str, others: Iterable["UserNetwork"] = ()) -> Forward:
        """Pass a port of the host on to the guest.

        Args:
            text: The rule.
            others: Networks that may have the port already.

        Raises:
            Failed: The text is no rule, the port is taken, or there are
                `MAX_FORWARDS` rules.
        """
        try:
            forward = parse_forward(text, self.dhcp_start)
        except BadForward:
            message = f"invalid host forwarding rule '{text}'"
            raise Failed(message) from None
        rules = [rule for network in (self, *others) for rule in network.forwards]
        is_taken = any(rule.listener == forward.listener for rule in rules)
        if is_taken or len(self.forwards) >= MAX_FORWARDS:
            message = f"could not set up host forwarding rule '{text}'"
            raise Failed(message)
        self.forwards.insert(0, forward)
        return forward

    def remove_forward(self, listener: tuple[str, str, int]) -> bool:
        """Drop a rule, and tell whether there was one.

        Args:
            listener: Protocol, address and port of the host.
        """
        for forward in self.forwards:
            if forward.listener == listener:
                self.forwards.remove(forward)
                return True
        return False

    def close(self) -> None:
        """Give nothing back: the host never knew of it."""


def _address(text: str | None, default: ipaddress.IPv4Address) -> ipaddress.IPv4Address:
    if text is None:
        return default
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise Failed from None


def _network(text: str) -> ipaddress.IPv4Network:
    address, slash, mask = text.partition("/")
    try:
        value = int(ipaddress.IPv4Address(address))
        if not slash:
            prefix = next((p for m, v, p in _CLASSES if value & m == v), 28)
            return ipaddress.IPv4Network((value, prefix), strict=False)
        network = ipaddress.IPv4Network((value, mask), strict=False)
    except ValueError:
        raise Failed from None
    if network.prefixlen < _SMALLEST_PREFIX:
        raise Failed
    return network
