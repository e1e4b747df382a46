"""Who a client is, as far as its connection tells."""

import array
import functools
import pwd
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

_CREDENTIALS: Final = struct.Struct("3i")
_SO_PEERGROUPS: Final = 59
"""Linux's number; the socket module has no name for it."""

MAX_GROUPS: Final = 4096
"""Groups of a client that are looked at; nearly all users are in fewer than 100."""


class Identity(Struct, frozen=True):
    """Who a client is.

    Attributes:
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
    if uid < 0 or uid in _unmapped("uid"):
        return UNKNOWN
    nobody = _unmapped("gid")
    return Identity(
        "unix",
        user_name(uid),
        uid=uid,
        gid=None if gid in nobody else gid,
        pid=pid or None,
        groups=tuple(x for x in (gid, *_groups_of(sock)) if x not in nobody),
    )


@functools.cache
def _unmapped(kind: str) -> frozenset[int]:
    """Return the number that stands for all who are not of this user namespace.

    In one of its own, such as a container's, the kernel gives one number to all users
    whom it does not know there. That is nobody in particular, and no proof of anything.

    Args:
        kind: ``uid`` or ``gid``.

    Returns:
        None, if that number is one of the namespace's own, as it is outside of them.
    """
    try:
        number = int(Path(f"/proc/sys/kernel/overflow{kind}").read_text())
        lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    except (OSError, ValueError):  # not on Linux
        return frozenset()
    return frozenset() if is_mapped(number, lines) else frozenset({number})


def is_mapped(number: int, lines: Iterable[str]) -> bool:
    """Whether a user's or group's number is one of a user namespace's.

    Args:
        number: As it is within the namespace.
        lines: Of its map: the first number within, the first outside, and how many
            (user_namespaces(7)).
    """
    for line in lines:
        first, _, count = map(int, line.split())
        if first <= number < first + count:
            return True
    return False


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
