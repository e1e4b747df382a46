"""The host's side of network clients: user-mode networks, sockets, dumps.

What has an effect on the host has it: a socket listens or connects, a dump file is
made, with the header of its format. No frames pass, for no guest sends any. A TAP
interface cannot be had, as where ``/dev/net/tun`` is missing.

Source: QEMU 0.13.
"""

import ipaddress
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from qmpx.machine.network.clients import BackEnd
from qmpx.machine.network.options import read_size

_ADDRESS: Final = re.compile(r"([^:]*):([0-9]+)(?:,.*)?")
_LAST_PORT: Final = 65535

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

DUMP_SNAPLEN: Final = 65536
"""Bytes of a frame that a dump keeps, unless its *len* says; QEMU's default."""

_PCAP_MAGIC: Final = 0xA1B2C3D4
_PCAP_ETHERNET: Final = 1


class Failed(Exception):
    """A back end could not be made; the text, if any, is told to a person."""


class UserNetwork:
    """A network that QEMU itself is: addresses only, since nothing is routed.

    Args:
        options: Those of ``-netdev user``.

    Attributes:
        network: The network.
        dhcp_start: The address that the first guest gets.
        is_restricted: Whether guests see only each other.

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

    @property
    def info(self) -> str:
        """What there is to say of it."""
        restricted = "y" if self.is_restricted else "n"
        return f"net={self.network.network_address}, restricted={restricted}"

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


class SocketLink:
    """A socket that links two machines: one listens, the other connects; or multicast.

    Args:
        options: Those of ``-netdev socket``.

    Attributes:
        info: What there is to say of it.

    Raises:
        Failed: The options do not fit together, or the host refuses.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        given = [
            name for name in ("fd", "listen", "connect", "mcast") if name in options
        ]
        if len(given) > 1:
            others = " and ".join(
                f"{name}="
                for name in ("fd", "listen", "connect", "mcast")
                if name != given[0]
            ).replace("= and ", "=, ", 1)
            message = f"{others} is invalid with {given[0]}="
            raise Failed(message)
        if not given or given == ["fd"]:
            # A descriptor would have to be somebody's; a machine has no sessions.
            message = "-socket requires fd=, listen=, connect= or mcast="
            raise Failed(message if not given else "")
        kind, text = given[0], options[given[0]]
        try:
            self._socket = _open(kind, text)
        except OSError as error:
            message = f"socket {kind}={text}: {error.strerror or error}"
            raise Failed(message) from error
        self.info = {
            "listen": "",
            "connect": f"socket: connect to {text}",
            "mcast": f"socket: mcast={text}",
        }[kind]

    @property
    def address(self) -> tuple[str, int]:
        """The host's end of it."""
        host, port = self._socket.getsockname()
        return host, port

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _open(kind: str, text: str) -> socket.socket:
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > _LAST_PORT:
        raise Failed
    address = (match[1] or "0.0.0.0", int(match[2]))  # noqa: S104 - QEMU's default
    made = socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if kind == "mcast" else socket.SOCK_STREAM
    )
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)  # noqa: FBT003 - the standard library's
        if kind == "listen":
            made.bind(address)
            made.listen(0)
        elif kind == "connect":
            made.connect_ex(address)  # who listens may come later, as in QEMU
        else:
            group = ipaddress.IPv4Address(address[0])
            made.bind((str(group), address[1]))
            made.setsockopt(
                socket.IPPROTO_IP,
                socket.IP_ADD_MEMBERSHIP,
                struct.pack("=4sl", group.packed, socket.INADDR_ANY),
            )
    except (OSError, ValueError):
        made.close()
        raise
    return made


class Dump:
    """A capture file in pcap form, with its header and no frames.

    Args:
        options: Those of ``-net dump``.
        vlan: The vlan whose frames it would keep.

    Attributes:
        info: What there is to say of it.

    Raises:
        Failed: The file cannot be made.
    """

    def __init__(self, options: Mapping[str, str], vlan: int) -> None:
        length = read_size(options.get("len", str(DUMP_SNAPLEN))) or DUMP_SNAPLEN
        path = Path(options.get("file", f"qemu-vlan{vlan}.pcap"))
        header = struct.pack(
            "=IHHiIII",
            _PCAP_MAGIC,
            2,
            4,
            0,
            0,
            min(length, 0xFFFFFFFF),
            _PCAP_ETHERNET,
        )
        try:
            path.write_bytes(header)
        except OSError as error:
            message = f"-net dump: can't open {path}"
            raise Failed(message) from error
        self.info = f"dump to {path} (len={length})"

    def close(self) -> None:
        """Leave the file: it is complete."""


__all__ = ["BackEnd", "Dump", "Failed", "SocketLink", "UserNetwork"]
