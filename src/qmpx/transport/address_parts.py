"""The parts of an address, checked: from texts and options to a value.

Whatever form an address is written in, it comes down to one of these functions. Each
closes the list of options, which also knows the whole address for the messages; each
raises `AddressError` for a part that cannot be.
"""

import os
import re

from qmpx.errors import AddressError
from qmpx.transport.address_values import (
    FdAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.option_list import OptionList
from qmpx.transport.socket_path import SUN_PATH

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from qmpx.transport.address_values import Family

TCP_FORM = "tcp:HOST:PORT, for example tcp:127.0.0.1:4444"
UNIX_FORM = "unix:PATH, for example unix:/run/vm/qmp.sock"
VSOCK_FORM = "vsock:CID:PORT, for example vsock:2:4444"
UINT32 = 2**32 - 1

FOR_QEMU = (
    "server", "wait", "reconnect", "reconnect-ms", "nodelay", "delay", "keep-alive",
    "numeric", "mptcp", "mux", "signal", "id", "logfile", "logappend",
)  # fmt: skip
"""How QEMU is to treat its own end of the chardev: nothing that changes ours."""

NO_TLS = "QEMU's credentials have no meaning here; write tls:HOST:PORT,dir=DIRECTORY"
NO_TELNET = "the telnet protocol is not supported; write tcp:HOST:PORT"
NO_WEBSOCKET = "websockets are not supported; write tcp:HOST:PORT"
NO_RANGE = "give one port, or port 0 to have one chosen"


def path_address(address: str, path: str) -> UnixAddress:
    """Make the address of a socket in the file system."""
    if not path or "\0" in path:
        fault = "holds a NUL character" if path else "has no path"
        raise AddressError(f"address {address!r} {fault}: expected {UNIX_FORM}")
    _encode(address, path)
    return UnixAddress(path)


def unix_address(path: str, options: OptionList) -> UnixAddress:
    """Make the address of a unix socket; ``@`` and the options tell abstract names."""
    abstract, tight = options.switch("abstract"), options.switch("tight")
    close(options)
    if abstract is None and path.startswith("@"):
        abstract, path = True, path[1:]
    if not abstract:
        return path_address(options.address, path)
    length = len(_encode(options.address, path))
    if not 0 < length < SUN_PATH:
        raise AddressError(
            f"address {options.address!r} has an abstract name of {length} bytes: "
            f"expected 1 to {SUN_PATH - 1}"
        )
    return UnixAddress(path, abstract=True, tight=tight is not False)


def split_endpoint(address: str, endpoint: str) -> tuple[str, str]:
    """Part ``HOST:PORT`` and ``[IPV6]:PORT``; the brackets go."""
    if bracketed := re.fullmatch(r"\[([^][]*:[^][]*)\](?::(.*))?", endpoint):
        host, port = bracketed[1], bracketed[2]
    elif ":" in endpoint:
        host, _, port = endpoint.rpartition(":")
    elif endpoint.isdigit():
        raise AddressError(f"address {address!r} has no host: expected {TCP_FORM}")
    else:
        host, port = endpoint, ""
    if ":" in host and not bracketed:
        raise AddressError(
            f"address {address!r} has too many colons: expected brackets around IPv6, "
            "for example tcp:[::1]:4444, or unix:PATH for a path"
        )
    if not port:
        raise AddressError(f"address {address!r} has no port: expected {TCP_FORM}")
    return host, port


def tcp_address(host: str, port: str, options: OptionList) -> TcpAddress:
    """Make the address of a TCP port; the options choose a family."""
    family = _family(options)
    close(options)
    if not _is_host(host):
        raise AddressError(
            f"address {options.address!r} has the host {host!r}: expected {TCP_FORM}"
        )
    if (number := _decimal(port, 65535)) is None:
        raise AddressError(
            f"address {options.address!r} has the port {port!r}: expected a number "
            "from 0 to 65535 (services have no names here; a path is unix:PATH)"
        )
    return TcpAddress(host, number, family)


def tls_address(host: str, port: str, options: OptionList) -> TlsAddress:
    """Make the address of a TCP port that speaks TLS; see `TlsAddress`."""
    directory, name = options.text("dir"), options.text("name")
    return TlsAddress(tcp_address(host, port, options), directory or "", name or "")


def fd_address(text: str, options: OptionList) -> FdAddress:
    """Make the address of an inherited socket."""
    close(options)
    if (number := _decimal(text, 2**31 - 1)) is None:
        raise AddressError(
            f"address {options.address!r} has the file descriptor {text!r}: "
            "expected its number, for example fd:3"
        )
    return FdAddress(number)


def vsock_address(cid: str, port: str, options: OptionList) -> VsockAddress:
    """Make the address of a vsock port."""
    close(options)
    match _decimal(cid, UINT32), _decimal(port, UINT32):
        case int(cid_number), int(port_number):
            return VsockAddress(cid_number, port_number)
    raise AddressError(
        f"address {options.address!r} has the context identifier {cid!r} and the port "
        f"{port!r}: expected numbers from 0 to {UINT32}, for example vsock:2:4444"
    )


def close(options: OptionList) -> None:
    """Read over what is QEMU's business, refuse what we cannot do or do not know."""
    options.ignore(*FOR_QEMU)
    for name, reason in (
        ("to", NO_RANGE),
        ("telnet", NO_TELNET),
        ("tn3270", NO_TELNET),
        ("websocket", NO_WEBSOCKET),
        ("tls-creds", NO_TLS),
        ("tls-authz", NO_TLS),
    ):
        options.refuse(name, reason)
    options.close()


def _encode(address: str, path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError as error:
        raise AddressError(
            f"address {address!r} holds {path[error.start]!r}: "
            "expected characters that the name of a file can have"
        ) from error


def _is_host(text: str) -> bool:
    """Tell whether *text*, when looked up, can come to no worse than "unknown"."""
    if re.search(r"[][/\s]", text):
        return False
    if text.isascii():  # spares the usual case the import of the codec below
        labels = text.removesuffix(".").split(".")
        return not text or all(0 < len(label) < 64 for label in labels)
    try:
        return bool(text.encode("idna"))
    except UnicodeError:
        return False


def _family(options: OptionList) -> "Family":
    """Read ``ipv4`` and ``ipv6`` as QEMU does: one alone rules the other out."""
    match options.switch("ipv4"), options.switch("ipv6"):
        case (None, None) | (True, True):
            return "any"
        case (False, False):
            raise AddressError(
                f"address {options.address!r} turns off both ipv4 and ipv6: "
                "expected one of them on"
            )
        case (True, _) | (_, False):
            return "ipv4"
    return "ipv6"


def _decimal(text: str, highest: int) -> int | None:
    """Read at most ten ASCII digits; int() would also take signs, blanks and '_'."""
    if not re.fullmatch("[0-9]{1,10}", text) or (number := int(text)) > highest:
        return None
    return number
