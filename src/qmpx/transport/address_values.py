"""The kinds of address that a monitor can have, as plain values.

`qmpx.transport.address` reads them from text and is where to import them from.

They are named tuples of `collections`, for a command of the command line takes a tenth
longer to start if anything imports `typing`.
"""
# ruff: noqa: PYI024 - those of `typing`, it says

from __future__ import annotations

import os
from collections import namedtuple
from contextlib import AbstractContextManager, nullcontext

from qmpx.transport.option_list import escape
from qmpx.transport.socket_path import SUN_PATH, short_path

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Family: TypeAlias = Literal["any", "ipv4", "ipv6"]


class UnixAddress(
    namedtuple("UnixAddress", ("path", "abstract", "tight"), defaults=(False, True))
):
    """A unix socket: a path, or a name outside the file system (Linux).

    Attributes:
        path: The path, or the abstract name without its leading NUL.
        abstract: Whether *path* is an abstract name.
        tight: Whether an abstract name ends where its text ends; if not, NULs fill it
            up to the size of the kernel's field, which makes it another name.
    """

    __slots__ = ()

    path: str
    abstract: bool
    tight: bool

    def __str__(self) -> str:
        # QEMU takes what stands before an '=' for the name of an option.
        text = f"unix:{'path=' if '=' in self.path else ''}{escape(self.path)}"
        if self.abstract:
            return f"{text},abstract=on{'' if self.tight else ',tight=off'}"
        return f"{text},abstract=off" if self.path.startswith("@") else text

    @property
    def kernel_name(self) -> str:
        """What `bind` and `connect` take, but for a path that is too long for them."""
        if not self.abstract:
            return self.path
        padding = 0 if self.tight else SUN_PATH - 1 - len(os.fsencode(self.path))
        return "\0" + self.path + "\0" * padding

    def socket_name(self) -> AbstractContextManager[str]:
        """Return a context that gives what `bind` and `connect` take, however long.

        Good for this process and while the context is open: see `short_path`.

        Raises:
            AddressError: On entering: the path is too long here.
            OSError: On entering: the directory of a long path cannot be opened.
        """
        name = self.kernel_name
        return nullcontext(name) if self.abstract else short_path(name)


class TcpAddress(
    namedtuple("TcpAddress", ("host", "port", "family"), defaults=("any",))
):
    """A TCP port.

    Attributes:
        host: A name or a number, an IPv6 one without its brackets. Empty: this host to
            connect to, all interfaces to listen on.
        port: 0 to 65535; 0 lets the system choose, and is good for listening only.
        family: Which addresses of the host may be used.
    """

    __slots__ = ()

    host: str
    port: int
    family: Family

    def __str__(self) -> str:
        host = escape(f"[{self.host}]" if ":" in self.host else self.host)
        family = "" if self.family == "any" else f",{self.family}=on"
        return f"tcp:{host}:{self.port}{family}"


class FdAddress(namedtuple("FdAddress", ("fd",))):
    """A socket that this process was started with, by its file descriptor."""

    __slots__ = ()

    fd: int

    def __str__(self) -> str:
        return f"fd:{self.fd}"


class StdioAddress(namedtuple("StdioAddress", ())):
    """Standard input and output of this process."""

    __slots__ = ()

    def __bool__(self) -> Literal[True]:
        return True  # although, as a tuple, it is empty

    def __str__(self) -> str:
        return "stdio"


class VsockAddress(namedtuple("VsockAddress", ("cid", "port"))):
    """A port of a host or guest over virtio sockets (context identifier, port)."""

    __slots__ = ()

    cid: int
    port: int

    def __str__(self) -> str:
        return f"vsock:{self.cid}:{self.port}"


class TelnetAddress(namedtuple("TelnetAddress", ("tcp",))):
    """A TCP port that is listened on in the telnet protocol."""

    __slots__ = ()

    tcp: TcpAddress

    def __str__(self) -> str:
        return "telnet" + str(self.tcp).removeprefix("tcp")


class TlsAddress(
    namedtuple("TlsAddress", ("tcp", "directory", "name"), defaults=("", ""))
):
    """A TCP port to speak TLS with: to connect to, for a gateway is told otherwise.

    Attributes:
        tcp: The port.
        directory: Where ``ca-cert.pem`` is, of the authority that signs servers, and
            perhaps ``client-cert.pem`` and ``client-key.pem``, which say who we are:
            QEMU's names. Empty: the authorities of this system, and no certificate.
        name: The name that has to be in the server's certificate; empty: the host.
    """

    __slots__ = ()

    tcp: TcpAddress
    directory: str
    name: str

    def __str__(self) -> str:
        options = ""
        if self.directory:
            options += f",dir={escape(self.directory)}"
        if self.name:
            options += f",name={escape(self.name)}"
        return f"tls{str(self.tcp).removeprefix('tcp')}{options}"

    @property
    def server_name(self) -> str:
        """The name that has to be in the server's certificate."""
        return self.name or self.tcp.host or "localhost"


Address: TypeAlias = (
    UnixAddress | TcpAddress | FdAddress | StdioAddress | VsockAddress | TlsAddress
)
ListenAddress: TypeAlias = Address | TelnetAddress
"""What can be listened on: nothing of ours connects in the telnet protocol."""


def is_loopback(address: TcpAddress) -> bool:
    """Tell whether only this host can reach *address*; the empty host is not such."""
    host = address.host.lower().removesuffix(".")
    if host == "localhost":
        return True
    import ipaddress  # only who listens on TCP needs it

    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return (mapped or number).is_loopback
