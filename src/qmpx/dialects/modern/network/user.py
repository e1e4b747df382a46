"""Making the user-mode network that ``netdev_add`` was asked for.

Source: QEMU 7.2.22, observed.
"""

import ipaddress
import re
import socket
from typing import Final

from qmpx.dialects.modern.network.options import NetdevUser
from qmpx.machine import Machine
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.user import UserNetwork

_PORTS: Final = 0x10000
_LONGEST_NAME: Final = 255
_PREFIX_LENGTHS: Final = range(127)
_MASKS: Final = range(4, 33)
_GUEST_FORWARD: Final = re.compile(
    r"(?:tcp)?:(?P<host>[^:]+):(?P<port>[0-9]+)-(?P<target>.+)"
)


def make_user(machine: Machine, netdev: NetdevUser) -> UserNetwork:
    """Return the network that the options ask for, with its forwards.

    Raises:
        Failed: The options do not fit, or a port cannot be had.
    """
    if netdev.ipv4 is False and netdev.ipv6 is False:
        message = "IPv4 and IPv6 disabled"
        raise Failed(message)
    if netdev.domainname is not None and len(netdev.domainname) > _LONGEST_NAME:
        message = f"'domainname' parameter cannot exceed {_LONGEST_NAME} bytes"
        raise Failed(message)
    # To switch one version on is to switch the other one off, if that is not named.
    has_ipv4 = netdev.ipv4 is not False and (netdev.ipv4 or not netdev.ipv6)
    given = {
        name: value
        for name in ("net", "host", "dhcpstart", "dns")
        if (value := getattr(netdev, name)) is not None
    }
    if not has_ipv4 and given:
        message = "IPv4 disabled but netmask/host/dns provided"
        raise Failed(message)
    if not _is_address(given.get("dns", "0.0.0.0")):  # noqa: S104 - any address
        message = "Failed to parse DNS"
        raise Failed(message)
    if not netdev.restrict:
        given.pop("dns", None)  # it may be anywhere, unless nobody can go there
    options = given | ({"restrict": "yes"} if netdev.restrict else {})
    user = _user_network(options)
    _check_others(netdev)
    for rule in netdev.hostfwd or ():
        _check_forward(rule.str)
        user.add_forward(_with_port(rule.str), machine.network.user_networks())
    for rule in netdev.guestfwd or ():
        _check_guest_forward(rule.str, user)
    if netdev.smb is not None:
        message = "Could not find '/usr/sbin/smbd', please install it"
        raise Failed(message)
    return user


def _check_others(netdev: NetdevUser) -> None:
    """Check what the network only tells its guests.

    Raises:
        Failed: It makes no sense.
    """
    if netdev.smbserver is not None and not _is_address(netdev.smbserver):
        message = "Failed to parse SMB address"
        raise Failed(message)
    for text, what in (
        (netdev.ipv6_prefix, "prefix"),
        (netdev.ipv6_host, "host"),
        (netdev.ipv6_dns, "DNS"),
    ):
        if what == "host" and netdev.ipv6_prefixlen not in (None, *_PREFIX_LENGTHS):
            message = (
                "Invalid IPv6 prefix provided "
                "(IPv6 prefix length must be between 0 and 126)"
            )
            raise Failed(message)
        if text is not None and not _is_address(text, socket.AF_INET6):
            message = f"Failed to parse IPv6 {what}"
            raise Failed(message)
    for name, text in (
        ("vhostname", netdev.hostname),
        ("tftp-server-name", netdev.tftp_server_name),
    ):
        if text is not None and len(text) > _LONGEST_NAME:
            message = f"'{name}' parameter cannot exceed {_LONGEST_NAME} bytes"
            raise Failed(message)


def _check_guest_forward(rule: str, user: UserNetwork) -> None:
    """Check a rule for what the guest connects to; nobody ever does.

    Raises:
        Failed: It is none, or nothing can be behind it.
    """
    found = _GUEST_FORWARD.fullmatch(rule)
    if found is None or not _is_address(found["host"]):
        message = f"Invalid guest forwarding rule '{rule}'"
        raise Failed(message)
    if not found["target"].startswith("cmd:"):
        name = f"guestfwd.tcp.{found['port']}"
        message = f"Could not open guest forwarding device '{name}'"
        raise Failed(message)
    if ipaddress.IPv4Address(found["host"]) not in user.network:
        message = f"Conflicting/invalid host:port in guest forwarding rule '{rule}'"
        raise Failed(message)


def _user_network(options: dict[str, str]) -> UserNetwork:
    """Return a network; of several addresses that do not belong to it, name the first.

    Raises:
        Failed: An address is none, or does not belong to the network.
    """
    try:
        return UserNetwork(options)
    except Failed as failed:
        _, _, mask = options.get("net", "").partition("/")
        if mask.isdecimal() and int(mask) not in _MASKS:
            message = "Invalid netmask provided (must be in range 4-32)"
            raise Failed(message) from failed
        for names, text in (
            (("net",), "Failed to parse netmask"),
            (("net", "host"), "Host doesn't belong to network"),
            (("net", "host", "dhcpstart"), "DHCP doesn't belong to network"),
        ):
            try:
                UserNetwork({n: options[n] for n in names if n in options})
            except Failed:
                raise Failed(text) from failed
        message = "DNS doesn't belong to network"
        raise Failed(message) from failed


def _is_address(text: str, family: int = socket.AF_INET) -> bool:
    try:
        if family == socket.AF_INET:
            socket.inet_aton(text)
        else:
            socket.inet_pton(family, text)
    except OSError:
        return False
    return True


def _check_forward(rule: str) -> None:
    """Look whether a text is a rule, and word it as QEMU does if it is none.

    Raises:
        Failed: It is none.
    """
    if (why := _fault_of(rule)) is not None:
        message = f"Invalid host forwarding rule '{rule}' ({why})"
        raise Failed(message)


def _with_port(rule: str) -> str:
    """Return a rule with a free port of the host in the place of port 0."""
    protocol, host, rest = rule.split(":", 2)
    port, _, guest = rest.partition("-")
    if int(port):
        return rule
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as free:
        free.bind(("127.0.0.1", 0))
        return f"{protocol}:{host}:{free.getsockname()[1]}-{guest}"


def _fault_of(rule: str) -> str | None:
    protocol, colon, rest = rule.partition(":")
    if not colon:
        return "No : separators"
    if protocol not in ("", "tcp", "udp"):
        return "Bad protocol name"
    host, colon, rest = rest.partition(":")
    if not colon:
        return "Missing : separator"
    if host and not _is_address(host):
        return "Bad host address"
    port, dash, rest = rest.partition("-")
    if not dash:
        return "Bad host port separator"
    if not port.isdecimal() or int(port) >= _PORTS:
        return "Bad host port"
    guest, colon, port = rest.partition(":")
    if not colon:
        return "Missing guest address"
    if guest and not _is_address(guest):
        return "Bad guest address"
    if not port.isdecimal() or not 0 < int(port) < _PORTS:
        return "Bad guest port"
    return None
