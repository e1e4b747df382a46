"""Which processes listen at a monitor's address, hold it and wait for it (Linux).

QEMU serves one client per monitor and lets the next one wait without a word, so the
useful answer to "it is silent" is the name of the process that has it. Which sockets
belong to it, the kernel's tables say (`kernel_sockets`); which process has a socket,
``/proc/*/fd``, as far as this user may look: into others' processes only root may.

Nothing here raises for what cannot be read: the answer then has gaps, and on systems
other than Linux it is empty. The calls read files for some milliseconds, on a busy host
for more: in an event loop, run them in a thread.
"""

import os
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from typing import NamedTuple

from qmpx.transport.address import Address, parse_address
from qmpx.transport.kernel_sockets import sockets_at

MAX_PROCESSES = 4096
"""Processes that one question looks into: some 10 µs each, and more for a big one."""

MAX_DESCRIPTORS = 200_000
"""Descriptors that one question looks at in all: some 2 µs each."""


class Holder(NamedTuple):
    """A process that has a socket; ``str()`` is fit for a terminal."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({visible(self.command)})"


class Occupancy(NamedTuple):
    """Who is at a socket.

    Args:
        listeners: The processes that have the listening socket.
        holders: Other processes with a connection that was accepted.
        hidden: Accepted connections of processes that this user cannot see.
        ours: Accepted connections of this process.
        ours_waiting: Connections of this process that nobody accepted yet.
        others_waiting: Such connections of other processes.
    """

    listeners: list[Holder]
    holders: list[Holder]
    hidden: int = 0
    ours: int = 0
    ours_waiting: int = 0
    others_waiting: int = 0

    @property
    def server(self) -> Holder | None:
        """The listener that serves: of several, QEMU if it is among them."""

        # Who opened the socket for QEMU may have kept it: init, a management daemon.
        def rank(holder: Holder) -> tuple[bool, bool, int]:
            is_qemu = holder.command.startswith("qemu")
            return not is_qemu, holder.pid == 1, holder.pid

        return min(self.listeners, key=rank, default=None)


def holders(
    address: str | os.PathLike[str] | Address, *, max_processes: int = MAX_PROCESSES
) -> list[Holder]:
    """Find the other processes whose connection to *address* was accepted."""
    return occupancy(address, max_processes=max_processes).holders


def listener(
    address: str | os.PathLike[str] | Address, *, max_processes: int = MAX_PROCESSES
) -> Holder | None:
    """Find the process that listens at *address*: of several, QEMU if it is there."""
    return occupancy(address, max_processes=max_processes).server


def occupancy(
    address: str | os.PathLike[str] | Address, *, max_processes: int = MAX_PROCESSES
) -> Occupancy:
    """Find out who listens at *address*, who holds it and who waits.

    A TCP address is looked up by its port among the connections of this host.
    """
    sockets = sockets_at(parse_address(address))
    known = {*sockets.listening, *sockets.accepted, *sockets.waiting} - {0}
    owners = _owners(known, max_processes)
    me = os.getpid()
    # A socket of ours that a child of ours shares is still our own connection.
    ours = {inode for inode, found in owners.items() if any(h.pid == me for h in found)}
    theirs = [inode for inode in sockets.accepted if inode not in ours]
    return Occupancy(
        listeners=_distinct(owners, sockets.listening),
        holders=_distinct(owners, theirs),
        hidden=sum(inode not in owners for inode in theirs),
        ours=len(sockets.accepted) - len(theirs),
        ours_waiting=sum(inode in ours for inode in sockets.waiting),
        others_waiting=sum(inode not in ours for inode in sockets.waiting),
    )


def peer(connection: socket.socket) -> Holder | None:
    """Find the process at the other end of a unix socket: who listened, mostly."""
    if sys.platform != "linux" or connection.family != socket.AF_UNIX:
        return None
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return None
    pid, _, _ = struct.unpack("=iII", credentials)
    # 0 when it is out of our sight, in another pid namespace.
    return Holder(pid, _command(pid)) if pid else None


def visible(text: str) -> str:
    """Return *text* with what a terminal would obey, or could not show, escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def _distinct(owners: dict[int, list[Holder]], inodes: list[int]) -> list[Holder]:
    return sorted({holder for inode in inodes for holder in owners.get(inode, ())})


def _owners(inodes: Collection[int], max_processes: int) -> dict[int, list[Holder]]:
    """Find the processes that have a descriptor of these sockets."""
    found: dict[int, list[Holder]] = {}
    if not inodes:
        return found
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    looked_at = 0
    for pid in _processes(max_processes):
        mine: set[int] = set()
        for link in _links(f"/proc/{pid}/fd"):
            looked_at += 1
            if (inode := wanted.get(link)) is not None:
                mine.add(inode)
        if mine:
            holder = Holder(pid, _command(pid))
            for inode in mine:
                found.setdefault(inode, []).append(holder)
        if looked_at >= MAX_DESCRIPTORS:
            break
    return found


def _processes(most: int) -> list[int]:
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
    # Our own first: which connection is ours must be known whatever the limit.
    pids.sort(key=lambda pid: (pid != os.getpid(), pid))
    return pids[:most]


def _links(directory: str) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError:  # another user's process, or it has ended
        return
    for name in names:
        try:
            yield os.readlink(f"{directory}/{name}")
        except OSError:  # closed since it was listed
            continue


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            return file.read().removesuffix("\n")
    except OSError:
        return "?"
