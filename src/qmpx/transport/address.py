"""Where a monitor is: every form of address that users of QEMU know, as values.

::

    unix:/run/vm/qmp.sock            also with ,server=on,wait=off as in QEMU's -qmp
    /run/vm/qmp.sock                 a bare path, taken as it stands
    unix:@name                       abstract, as is unix:name,abstract=on
    tcp:127.0.0.1:4444               also localhost:4444, [::1]:4444, tcp::4444
    socket,path=/run/vm/qmp.sock     QEMU's -chardev; also host= and port=, or fd=
    fd:3    stdio    vsock:2:4444
    tls:gateway.example.org:4444,dir=/etc/pki/qemu       to a gateway, by TLS
    {"type": "inet", "host": "::1", "port": "4444"}     QAPI's SocketAddress

The same text serves to connect and to listen: options which tell QEMU what to do
(``server``, ``wait``, ``reconnect``, ...) are read over. ``str(address)`` is the
canonical text: it parses back to an equal value, and what QEMU's ``-qmp`` can have is
written as it wants it.

This module knows no sockets and is cheap to import; `socket_path` opens the long paths.
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache

from qmpx.errors import AddressError
from qmpx.transport.address_parts import (
    NO_TELNET,
    NO_TLS,
    NO_WEBSOCKET,
    VSOCK_FORM,
    close,
    fd_address,
    path_address,
    split_endpoint,
    tcp_address,
    tls_address,
    unix_address,
    vsock_address,
)
from qmpx.transport.address_values import (
    Address,
    FdAddress,
    ListenAddress,
    StdioAddress,
    TcpAddress,
    TelnetAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
    is_loopback,
)
from qmpx.transport.option_list import OptionList, split
from qmpx.transport.socket_path import short_path

__all__ = [
    "Address",
    "FdAddress",
    "ListenAddress",
    "StdioAddress",
    "TcpAddress",
    "TelnetAddress",
    "TlsAddress",
    "UnixAddress",
    "VsockAddress",
    "default_address",
    "is_loopback",
    "parse_address",
    "parse_listen_address",
    "short_path",
]

FORMS = "unix:PATH, a path, tcp:HOST:PORT, tls:HOST:PORT, fd:N, vsock:CID:PORT or stdio"
NO_PIPE = "named pipes are not supported; give QEMU a socket, -qmp unix:PATH,server=on"
NO_MONITOR = (
    "this chardev carries no monitor that could be connected to; "
    "give QEMU a socket, -qmp unix:PATH,server=on"
)
CHARDEVS = ("udp", "pty", "file", "serial", "ringbuf", "null", "vc")
UNSUPPORTED = {
    "telnet": NO_TELNET,
    "tn3270": NO_TELNET,
    "websocket": NO_WEBSOCKET,
    "tcps": NO_TLS,
    "pipe": NO_PIPE,
    **dict.fromkeys(CHARDEVS, NO_MONITOR),
}


def parse_address(address: str | os.PathLike[str] | Address) -> Address:
    """Read an address; a value that is one already comes back as it is.

    A text is a bare path when it holds a slash, begins with a dot, has no colon, or
    names a file that exists.

    Raises:
        AddressError: It is none, or names what is not supported; the message says what
            is wrong with it and what was expected.
        TypeError: It is neither text nor a path: a pair, for one.
    """
    if isinstance(address, Address):
        return address
    if not isinstance(address, str):
        if not isinstance(address, (bytes, os.PathLike)):
            raise TypeError(f"{address!r} is no address: expected {FORMS}")
        path = os.fsdecode(address)
        return path_address(path, path)
    if address.startswith("unix:"):
        return _parse_unix(address)
    return _parse(address)


def parse_listen_address(
    address: str | os.PathLike[str] | ListenAddress,
) -> ListenAddress:
    """Read an address to listen on: also ``telnet:HOST:PORT``; see `parse_address`.

    Raises:
        AddressError: It is none, or names what is not supported.
    """
    if isinstance(address, TelnetAddress):
        return address
    if isinstance(address, str) and address.startswith("telnet:"):
        return TelnetAddress(_from_tcp(address, address.removeprefix("telnet:")))
    return parse_address(address)


@lru_cache(maxsize=64)  # programs that connect again and again name few monitors
def _parse_unix(address: str) -> Address:
    return _parse(address)


def _parse(address: str) -> Address:
    if not address.strip():
        raise AddressError(f"the address is empty: expected {FORMS}")
    if "\0" in address:
        raise AddressError(f"address {address!r} holds a NUL character")
    if address.startswith("{"):
        return _from_json(address)
    scheme, _, rest = address.partition(":")
    if scheme in SCHEMES:
        return SCHEMES[scheme](address, rest)
    backend, _, rest = address.partition(",")
    if backend in {"socket", "stdio"} and (rest or backend == "stdio"):
        return _from_chardev(address, backend, rest)
    for name in (scheme, backend):
        if name in UNSUPPORTED and name != address:
            raise AddressError(
                f"address {address!r} cannot be used: {UNSUPPORTED[name]}"
            )
    return _from_bare(address)


def default_address() -> Address:
    """Return the address in the environment's ``QMP_SOCKET``, which is read now.

    Raises:
        AddressError: It is unset or empty, or holds no address.
    """
    if not (text := os.environ.get("QMP_SOCKET")):
        raise AddressError(
            "no address of a monitor: give one, for example unix:/run/vm/qmp.sock, "
            "or set QMP_SOCKET"
        )
    try:
        return parse_address(text)
    except AddressError as error:
        raise AddressError(f"QMP_SOCKET: {error}") from error


def _from_bare(address: str) -> Address:
    """Read a text without a scheme of ours."""
    if os.path.lexists(address):
        return path_address(address, address)
    if address == "-":
        raise AddressError("address '-' cannot be used: expected stdio")
    if address.startswith("\\\\"):
        raise AddressError(f"address {address!r} cannot be used: {NO_PIPE}")
    if address.startswith("@"):  # as `ss` shows them
        return unix_address(address, OptionList(address, {}))
    if re.match("[a-z][a-z0-9+.-]*://", address):
        raise AddressError(f"address {address!r} is a URL: expected {FORMS}")
    if "/" in address or address.startswith(".") or ":" not in address:
        return path_address(address, address)
    return _from_tcp(address, address)


def _from_unix(address: str, rest: str) -> Address:
    path, *segments = split(rest)
    # As in QEMU, the first value may do without its name.
    named = path.startswith(("path=", "fd="))
    options = OptionList.parse(address, [path, *segments] if named else segments)
    if not named:
        return unix_address(path, options)
    return _socket(options)


def _from_tcp(address: str, rest: str) -> TcpAddress:
    endpoint, *segments = split(rest)
    host, port = split_endpoint(address, endpoint)
    return tcp_address(host, port, OptionList.parse(address, segments))


def _from_tls(address: str, rest: str) -> TlsAddress:
    endpoint, *segments = split(rest)
    host, port = split_endpoint(address, endpoint)
    return tls_address(host, port, OptionList.parse(address, segments))


def _from_fd(address: str, rest: str) -> Address:
    text, *segments = split(rest)
    options = OptionList.parse(address, segments)
    return fd_address(text, options)


def _from_vsock(address: str, rest: str) -> Address:
    endpoint, *segments = split(rest)
    cid, colon, port = endpoint.partition(":")
    if not colon:
        raise AddressError(f"address {address!r} has no port: expected {VSOCK_FORM}")
    return vsock_address(cid, port, OptionList.parse(address, segments))


SCHEMES: dict[str, Callable[[str, str], Address]] = {
    "unix": _from_unix,
    "tcp": _from_tcp,
    "tls": _from_tls,
    "fd": _from_fd,
    "vsock": _from_vsock,
}


def _from_chardev(address: str, backend: str, rest: str) -> Address:
    """Read what stands after QEMU's ``-chardev``."""
    options = OptionList.parse(address, split(rest) if rest else [])
    if backend == "socket":
        return _socket(options)
    close(options)
    return StdioAddress()


def _from_json(address: str) -> Address:
    """Read QAPI's SocketAddress, flat or in the older form with ``data``."""
    import json  # few write addresses so, and it is not free

    try:
        members = json.loads(address)
    except (ValueError, RecursionError) as error:
        raise AddressError(f"address {address!r} is no JSON: {error}") from error
    if isinstance(members.get("data"), dict):
        members |= members.pop("data")
    kind = members.pop("type", None)
    values: dict[str, str | None] = {}
    for name, value in members.items():
        if isinstance(value, bool):
            values[name] = "on" if value else "off"
        elif isinstance(value, str | int) and "\0" not in str(value):
            values[name] = str(value)
        else:
            raise AddressError(
                f"address {address!r}: member {name!r} is {value!r}: "
                "expected a string, a number or a truth value"
            )
    options = OptionList(address, values)
    match kind:
        case "unix":
            return unix_address(_needed(options, "path"), options)
        case "inet":
            host = options.text("host", may_be_empty=True) or ""
            return tcp_address(host, _needed(options, "port"), options)
        case "vsock":
            cid, port = _needed(options, "cid"), _needed(options, "port")
            return vsock_address(cid, port, options)
        case "fd":
            return fd_address(_needed(options, "str"), options)
    raise AddressError(
        f"address {address!r} is of type {kind!r}: "
        'expected for example {"type": "unix", "path": "/run/vm/qmp.sock"}, '
        "or one of type inet, vsock or fd"
    )


def _needed(options: OptionList, name: str) -> str:
    if (value := options.text(name)) is None:
        raise AddressError(f"address {options.address!r} has no {name!r}")
    return value


def _socket(options: OptionList) -> Address:
    """Find out which socket *options* tell of: a path, a file descriptor or a port."""
    path, fd = options.text("path"), options.text("fd")
    host, port = options.text("host", may_be_empty=True), options.text("port")
    match path, fd, host, port:
        case str(), None, None, None:
            return unix_address(path, options)
        case None, str(), None, None:
            return fd_address(fd, options)
        case None, None, str(), str():
            return tcp_address(host, port, options)
    raise AddressError(
        f"address {options.address!r} does not name one socket: "
        "expected path=PATH, or host=HOST,port=PORT, or fd=N"
    )
