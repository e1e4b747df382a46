"""Why there is no conversation with a monitor: what happened, and what to do next.

The answers are two halves of an error message. They look at the system as it is now,
not as it was when the attempt failed; where they cannot look (other users' processes,
other systems than Linux) they say less, and nothing here raises. Some read much of
``/proc`` (see `holders`): in an event loop, run them in a thread.
"""

import errno
import os
import re
import shlex
import socket
import stat

from qmpx.transport.address import (
    Address,
    FdAddress,
    StdioAddress,
    TcpAddress,
    UnixAddress,
)
from qmpx.transport.holders import (
    Holder,
    holders,
    listener,
    occupancy,
    peer,
    visible,
)
from qmpx.transport.permissions import explain_permission
from qmpx.transport.silence import (
    Diagnosis,
    explain_occupancy,
    explain_silence,
    qemu_option,
)
from qmpx.transport.socket_path import SUN_PATH

__all__ = [
    "Diagnosis",
    "Holder",
    "explain_connect_error",
    "explain_silence",
    "holders",
    "listener",
    "peer",
]

SHOWN = 5  # sockets of a directory that a message names

NAMES_OF_TYPES = {
    stat.S_IFDIR: "a directory",
    stat.S_IFREG: "a regular file",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def explain_connect_error(address: Address, error: OSError) -> Diagnosis:
    """Say why connecting to *address* failed with *error*."""
    code = _code(error)
    if isinstance(error, socket.gaierror):
        found = _unknown_host(address, error)
    elif isinstance(address, UnixAddress):
        found = _unix(address, code, error)
    elif isinstance(address, FdAddress):
        found = _fd(address, code, error)
    else:
        found = _network(address, code, error)
    return Diagnosis(visible(found.reason), visible(found.hint))


def _code(error: OSError) -> int | None:
    """Return the errno, also of the errors that Python makes without one."""
    if isinstance(error, TimeoutError):
        return errno.ETIMEDOUT
    if error.errno is not None:
        return error.errno
    if "too long" in str(error):  # socket.bind and connect, of a path
        return errno.ENAMETOOLONG
    # asyncio, when each of several addresses failed in its own words.
    codes = set(re.findall(r"\[Errno (\d+)\]", str(error)))
    return int(codes.pop()) if len(codes) == 1 else None


def _unix(address: UnixAddress, code: int | None, error: OSError) -> Diagnosis:
    path = address.path
    match code:
        case errno.ENOENT | errno.ENOTDIR:
            return _missing(path)
        case errno.EAGAIN | errno.ETIMEDOUT:
            return _queue_full(address)
        case errno.ECONNREFUSED | errno.ENOTSOCK:
            return _nobody_listens(address)
        case errno.EACCES | errno.EPERM:
            return Diagnosis(*explain_permission(path))
        case errno.EPROTOTYPE:
            return Diagnosis(
                f"{path!r} is a socket of another kind than a monitor's (no stream)",
                "give the path that QEMU's -qmp option names",
            )
        case errno.ENAMETOOLONG:
            return Diagnosis(
                f"the path {path!r} has {len(os.fsencode(path))} bytes, and a socket's "
                f"may have {SUN_PATH - 1}",
                "use a shorter path, for example through a symbolic link in /tmp",
            )
    return _other(address, error)


def _missing(path: str) -> Diagnosis:
    """Explain a path that leads nowhere: name the first part of it that is missing."""
    start = f"start QEMU with {qemu_option(UnixAddress(path))}, or correct the path"
    if os.path.islink(path) and not os.path.exists(path):
        target = os.readlink(path)
        return Diagnosis(f"{path!r} is a link to {target!r}, which is not there", start)
    directory, missing = os.path.dirname(os.path.abspath(path)), ""
    while not os.path.lexists(directory):  # the root is there
        missing, directory = directory, os.path.dirname(directory)
    if not os.path.isdir(directory):
        kind = _type_of(directory) or "a broken link"
        return Diagnosis(
            f"there is no socket {path!r}: {directory!r} is {kind}, not a directory",
            "correct the path",
        )
    if missing:
        return Diagnosis(
            f"there is no socket {path!r}: there is no directory {missing!r}",
            start,
        )
    others = _sockets_in(directory)
    hint = f"{start}; sockets there: {others}" if others else start
    if "/" not in path:
        hint += "; for TCP write tcp:HOST:PORT"
    return Diagnosis(f"there is no socket {path!r}", hint)


def _nobody_listens(address: UnixAddress) -> Diagnosis:
    path, option = address.path, qemu_option(address)
    if address.abstract:
        return Diagnosis(
            f"nobody listens on the abstract socket {path!r} of this network namespace",
            f"start QEMU with {option}, or correct the name",
        )
    kind = _type_of(path)
    if kind == "a socket":
        return Diagnosis(
            f"nobody listens on {path!r}: QEMU has ended and left its socket behind, "
            "or has not come so far yet",
            f"start QEMU with {option}, which replaces the socket; a stale one may be "
            f"removed: rm {shlex.quote(path)}",
        )
    if not kind:
        return _missing(path)
    hint = "give the path of the socket that QEMU's -qmp option names"
    if kind == "a directory" and (others := _sockets_in(path)):
        hint += f"; sockets there: {others}"
    return Diagnosis(f"{path!r} is {kind}, not a socket", hint)


def _queue_full(address: UnixAddress) -> Diagnosis:
    """Explain EAGAIN: QEMU lets one or two connections wait, and not a further one."""
    now = occupancy(address)
    waiting = "the queue of clients that wait for the monitor is full"
    # As if we stood in that queue.
    found = explain_occupancy(address, now._replace(ours_waiting=1), now.server)
    return Diagnosis(f"{waiting}: {found.reason}", found.hint)


def _fd(address: FdAddress, code: int | None, error: OSError) -> Diagnosis:
    remedy = "start this program with a connected socket, and give its number"
    match code:
        case errno.EBADF:
            return Diagnosis(
                f"this process has no open file descriptor {address.fd}", remedy
            )
        case errno.ENOTSOCK:
            return Diagnosis(f"file descriptor {address.fd} is no socket", remedy)
        case errno.ENOTCONN:
            return Diagnosis(
                f"file descriptor {address.fd} is a socket without a peer", remedy
            )
    return _other(address, error)


def _network(address: Address, code: int | None, error: OSError) -> Diagnosis:
    """Explain what became of a connection to a port."""
    option = qemu_option(address)
    match code:
        case errno.ECONNREFUSED | errno.ECONNRESET:
            did = "nobody listens at" if code == errno.ECONNREFUSED else "reset by"
            return Diagnosis(
                f"{did} {_place(address)}",
                f"start QEMU with {option}, or correct the port",
            )
        case errno.ETIMEDOUT:
            return Diagnosis(
                f"no answer from {_place(address)} in time",
                "check the host, the route and the firewalls between",
            )
        case errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EADDRNOTAVAIL:
            return Diagnosis(
                f"no way leads to {_place(address)}: {os.strerror(code)}",
                "check the host and the network of this machine",
            )
        case errno.ENODEV | errno.EAFNOSUPPORT:
            return Diagnosis(
                f"this machine cannot reach {_place(address)}: {os.strerror(code)}",
                "load the kernel's module for such addresses, or use another kind",
            )
    return _other(address, error)


def _unknown_host(address: Address, error: socket.gaierror) -> Diagnosis:
    host = address.host if isinstance(address, TcpAddress) else str(address)
    family = ""
    if isinstance(address, TcpAddress) and address.family != "any":
        family = f" for {address.family}"
    return Diagnosis(
        f"the host {host!r} has no address{family}: {error.strerror}",
        "correct the name, or give the number of the host",
    )


def _other(address: Address, error: OSError) -> Diagnosis:
    hint = f"check that QEMU runs and was started with {qemu_option(address)}"
    if isinstance(address, FdAddress | StdioAddress):
        hint = "check what this program was started with"
    return Diagnosis(error.strerror or str(error) or type(error).__name__, hint)


def _place(address: Address) -> str:
    if isinstance(address, TcpAddress):
        return f"{address.host or 'localhost'} port {address.port}"
    return str(address)


def _sockets_in(directory: str) -> str:
    """Name the sockets in a directory: the one that was meant may be among them."""
    try:
        with os.scandir(directory) as entries:
            names = sorted(
                repr(entry.name)
                for entry in entries
                if _type_of(entry.path) == "a socket"
            )
    except OSError:
        return ""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _type_of(path: str) -> str:
    """Say what is at *path*; empty when nothing is, or nothing can be seen."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return ""
    return "a socket" if kind == stat.S_IFSOCK else NAMES_OF_TYPES.get(kind, "a file")
