"""Which sockets belong to an address, as the Linux kernel's tables have it.

Unix sockets are looked up through sock_diag(7), which alone knows the client's end of a
connection, and TCP ports in ``/proc/net/tcp``. Sockets are named by their inodes, as
``/proc/*/fd`` names them.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from qmpx.transport.address import Address, TcpAddress, UnixAddress

NETLINK_TIMEOUT = 1.0  # seconds; the kernel answers at once or not at all

# linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
ERROR, DONE = 2, 3
NAME, FILE, PEER, WAITING = range(4)  # attributes of an answer
SHOW = 0x1 | 0x2 | 0x4 | 0x8  # ask for these four
ESTABLISHED, LISTEN = 1, 10  # states, of TCP too
UINT32 = 2**32 - 1  # any state, any inode, any cookie
HEADER = struct.Struct("=IHHII")
ANSWER = struct.Struct("=BBBBI8x")
ATTRIBUTE = struct.Struct("=HH")


class Sockets(NamedTuple):
    """The inodes of the listening sockets and of the clients' ends.

    A client of inode 0 is there, but the kernel does not say which it is.
    """

    listening: list[int]
    accepted: list[int]
    waiting: list[int]


def sockets_at(address: Address) -> Sockets:
    """Look up *address*; nothing is found where the kernel does not tell."""
    nothing = Sockets([], [], [])
    if sys.platform != "linux":
        return nothing
    try:
        if isinstance(address, UnixAddress):
            try:
                return _from_sock_diag(address)
            except OSError:  # the kernel was built without, or a filter forbids it
                return _from_proc_net_unix(address)
        if isinstance(address, TcpAddress):
            return _from_proc_net_tcp(address.port)
    except (OSError, ValueError, struct.error):
        return nothing
    return nothing


class _UnixSocket(NamedTuple):
    inode: int
    state: int
    attributes: dict[int, bytes]

    def inodes(self, attribute: int) -> list[int]:
        """Return the sockets that an attribute lists, those left out that closed."""
        data = self.attributes.get(attribute, b"")
        return [inode for (inode,) in struct.iter_unpack("=I", data) if inode]


def _from_sock_diag(address: UnixAddress) -> Sockets:
    """Look up *address* in the kernel's own list, where each socket knows its peer."""
    table = list(_unix_sockets())
    with_name = _wanted_names(address)
    here = [it for it in table if it.attributes.get(NAME, b"") in with_name]
    if not address.abstract and (file := _file_identity(address.path)):
        # A name is what the server wrote, perhaps relative, or through a link; the file
        # is what we see, and tells an old server from the one that replaced its socket.
        by_file = [it for it in table if it.attributes.get(FILE) == file]
        here = by_file or here
    return Sockets(
        [it.inode for it in here if it.state == LISTEN],
        [inode for it in here if it.state == ESTABLISHED for inode in it.inodes(PEER)],
        [inode for it in here if it.state == LISTEN for inode in it.inodes(WAITING)],
    )


def _wanted_names(address: UnixAddress) -> set[bytes]:
    if address.abstract:
        return {os.fsencode(address.kernel_name)}
    spellings = (address.path, os.path.abspath(address.path))
    return {os.fsencode(path) + b"\0" for path in spellings}


def _file_identity(path: str) -> bytes | None:
    """Return the file at *path* as the kernel names it, (inode, device) in 32 bits."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    device = os.major(status.st_dev) << 20 | os.minor(status.st_dev)
    return struct.pack("=II", status.st_ino & 0xFFFFFFFF, device & 0xFFFFFFFF)


def _unix_sockets() -> Iterator[_UnixSocket]:
    """Ask the kernel for all unix sockets of this network namespace.

    Raises:
        OSError: It does not tell.
    """
    body = struct.pack(
        "=BBHIIIII", socket.AF_UNIX, 0, 0, UINT32, 0, SHOW, UINT32, UINT32
    )
    head = HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG) as link:
        link.settimeout(NETLINK_TIMEOUT)
        link.send(head + body)
        while True:
            chunk = link.recv(1 << 16)  # whole messages, of 32 KiB at most
            while chunk:
                length, message, *_ = HEADER.unpack_from(chunk)
                if message == DONE:
                    return
                if message == ERROR:
                    (code,) = struct.unpack_from("=i", chunk, HEADER.size)
                    raise OSError(-code, os.strerror(-code))
                yield _unix_socket(chunk[HEADER.size : length])
                chunk = chunk[max(_aligned(length), HEADER.size) :]


def _unix_socket(message: bytes) -> _UnixSocket:
    _, _, state, _, inode = ANSWER.unpack_from(message)
    attributes: dict[int, bytes] = {}
    at = ANSWER.size
    while at + ATTRIBUTE.size <= len(message):
        length, name = ATTRIBUTE.unpack_from(message, at)
        attributes[name] = message[at + ATTRIBUTE.size : at + length]
        at += max(_aligned(length), ATTRIBUTE.size)
    return _UnixSocket(inode, state, attributes)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _from_proc_net_unix(address: UnixAddress) -> Sockets:
    """Look up *address* where only the servers' ends can be told."""
    names = {address.path, os.path.abspath(address.path)}
    if address.abstract:
        names = {f"@{address.path}"}
    listening, accepted = [], []
    with open("/proc/net/unix", errors="surrogateescape") as table:
        next(table)
        for row in table:
            *_, flags, _, state, inode, path = (*row.split(None, 7), "")[:8]
            if path.rstrip("\n") not in names:
                continue
            if int(flags, 16) & 0x10000:  # __SO_ACCEPTCON
                listening.append(int(inode))
            elif state == "03" and int(inode):
                accepted.append(0)
    return Sockets(listening, accepted, [])


def _from_proc_net_tcp(port: int) -> Sockets:
    """Look up a port of this host; a server's end that is not accepted has inode 0."""
    inodes: dict[tuple[str, str], int] = {}
    sockets = Sockets([], [], [])
    servers: list[tuple[str, str]] = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}") as table:
                rows = [row.split() for row in table][1:]
        except OSError:
            continue
        for _, local, remote, state, *rest in rows:
            ends, inode = (_plain(local), _plain(remote)), int(rest[5])
            at_port = int(local.rpartition(":")[2], 16) == port
            if int(state, 16) == LISTEN and at_port:
                sockets.listening.append(inode)
            elif int(state, 16) == ESTABLISHED:
                inodes[ends] = inode
                if at_port:
                    servers.append(ends)
    for local, remote in servers:
        client = inodes.get((remote, local), 0)
        (sockets.accepted if inodes[local, remote] else sockets.waiting).append(client)
    return sockets


def _plain(end: str) -> str:
    """Return an end of a connection, an IPv4 one in IPv6's clothes as plain IPv4."""
    mapped = "0000000000000000FFFF0000"
    return (
        end[len(mapped) :] if len(end) > len(mapped) and end.startswith(mapped) else end
    )
