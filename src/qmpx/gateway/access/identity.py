"""Who a client is, as far as its connection tells."""

import array
import functools
import pwd
import socket
import struct
from typing import Final

from msgspec import Struct

_CREDENTIALS: Final = struct.Struct("3i")
_SO_PEERGROUPS: Final = 59
"""Linux's number; the socket module has no name for it."""

MAX_GROUPS: Final = 4096
"""Groups of a client that are looked at; nearly all users are in fewer than 100."""


class Identity(Struct, frozen=True):
    """Who a client is.

    Args:
        kind: How it is known: ``unix``, ``tls``, ``token``, ``tcp`` (an address, which
            proves little), or ``unknown``.
        name: What it is called: a user of this host, a certificate's name, a token's.
        uid: Of a unix socket's peer; its user.
        gid: Its group.
        pid: Its process when it connected.
        groups: All groups that it is in.
        names: All names that a certificate gives it.
        digest: Of the token that it has shown.
    """

    kind: str
    name: str = ""
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    groups: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    digest: str = ""

    def __str__(self) -> str:
        pid = "" if self.pid is None else f" (pid {self.pid})"
        # A certificate's name may be anything, and this goes into logs.
        name = "".join(c if c.isprintable() else "?" for c in self.name)
        return f"{self.kind}:{name}{pid}"


UNKNOWN: Final = Identity("unknown")
"""A client of whom its connection tells nothing."""


def identify(sock: socket.socket) -> Identity:
    """Return who is at the other end of a socket, as far as the kernel knows."""
    if sock.family == socket.AF_UNIX:
        return _identify_unix(sock)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        try:
            return Identity("tcp", str(sock.getpeername()[0]))
        except OSError:  # it has gone already
            return UNKNOWN
    return UNKNOWN


def _identify_unix(sock: socket.socket) -> Identity:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return UNKNOWN  # not on Linux
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    except OSError:
        return UNKNOWN
    pid, uid, gid = _CREDENTIALS.unpack(data)
    if uid < 0:
        return UNKNOWN
    return Identity(
        "unix",
        user_name(uid),
        uid=uid,
        gid=gid,
        pid=pid or None,
        groups=(gid, *_groups_of(sock)),
    )


def _groups_of(sock: socket.socket) -> tuple[int, ...]:
    groups = array.array("I")
    try:
        size = MAX_GROUPS * groups.itemsize
        groups.frombytes(sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, size))
    except OSError:  # an older kernel, or more groups than that: its main group counts
        return ()
    return tuple(groups)


@functools.lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """Return the name of a user of this host; the number, if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
