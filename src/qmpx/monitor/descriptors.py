"""File descriptors that clients hand over: pending, named, and in sets.

* *Pending* ones belong to a connection, from the moment they are read until a command
  takes them; the next message with descriptors closes those that nobody took.
* *Named* ones (``getfd``) belong to a monitor, here a listener, and outlive its
  connections.
* *Sets* (``add-fd``) belong to the whole program.

Source: observed on QEMU 7.2 (facts 77 to 82 of the conformance notes).
"""

import errno
import fcntl
import os

from msgspec import Struct

from qmpx.errors import FdNotFound, FdNotSupplied, InvalidParameterValue
from qmpx.transport.channel import close_fds


class PendingDescriptors:
    """The descriptors of one connection that no command has taken yet."""

    __slots__ = ("_fds",)

    def __init__(self) -> None:
        self._fds: list[int] = []

    def replace(self, fds: list[int]) -> None:
        """Keep what came with a message; close what came before."""
        close_fds(self._fds)
        self._fds = fds

    def take(self) -> int:
        """Return the first descriptor, now the caller's, and close the others.

        Raises:
            FdNotSupplied: There is none.
        """
        if not self._fds:
            raise FdNotSupplied
        first, *others = self._fds
        self._fds = []
        close_fds(others)
        return first

    def take_all(self) -> list[int]:
        """Return all descriptors, now the caller's."""
        fds, self._fds = self._fds, []
        return fds

    def give_back(self, fds: list[int]) -> None:
        """Keep again what was taken; if others have come since, close it."""
        if self._fds:
            close_fds(fds)
        else:
            self._fds = fds


class NamedDescriptors:
    """The descriptors of one monitor by name."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}

    def add(self, name: str, fd: int) -> None:
        """Keep *fd* as *name*; one that had the name is closed.

        Raises:
            InvalidParameterValue: The name begins with a digit; *fd* is closed.
        """
        if name[:1].isdigit():
            close_fds([fd])
            raise InvalidParameterValue(
                name="fdname", expected="a name not starting with a digit"
            )
        if name in self._fds:
            close_fds([self._fds[name]])
        self._fds[name] = fd

    def take(self, name: str) -> int:
        """Return the descriptor of that name, now the caller's.

        Raises:
            FdNotFound: There is none.
        """
        if name not in self._fds:
            raise FdNotFound(name=name)
        return self._fds.pop(name)

    def close(self) -> None:
        """Close all of them."""
        close_fds(list(self._fds.values()))
        self._fds.clear()


class SetMember(Struct):
    """A descriptor in a set.

    Attributes:
        fd: Its number in this process.
        opaque: What the client noted with it.
        removed: Whether it is to be closed as soon as the machine runs.
    """

    fd: int
    opaque: str | None = None
    removed: bool = False


class DescriptorSets:
    """All sets of descriptors, which ``/dev/fdset/N`` in file names refers to."""

    def __init__(self) -> None:
        self.sets: dict[int, list[SetMember]] = {}
        self._lent: dict[int, int] = {}  # duplicates, and the sets that they are of

    def add(self, fd: int, set_id: int | None, opaque: str | None) -> int:
        """Put *fd* into a set, and return the set's number.

        Args:
            fd: The descriptor, from now on the set's.
            set_id: Which set; a new one takes the lowest free number.
            opaque: A note to keep with it.

        Raises:
            InvalidParameterValue: The number is negative; *fd* is closed.
        """
        if set_id is None:
            set_id = 0
            while set_id in self.sets:
                set_id += 1
        elif set_id < 0:
            close_fds([fd])
            raise InvalidParameterValue(
                name="fdset-id", expected="a non-negative value"
            )
        self.sets.setdefault(set_id, []).append(SetMember(fd, opaque))
        self.sets = dict(sorted(self.sets.items()))
        return set_id

    def lend(self, set_id: int, flags: int) -> int:
        """Return a duplicate of a descriptor of a set, for who opens its file.

        Args:
            set_id: Which set.
            flags: As for ``os.open``: the descriptor must have that very access.

        Raises:
            OSError: There is no such set (``ENOENT``), or nothing in it has that access
                (``EACCES``).
        """
        if set_id not in self.sets:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        for member in self.sets[set_id]:
            has = fcntl.fcntl(member.fd, fcntl.F_GETFL)
            if has & os.O_ACCMODE == flags & os.O_ACCMODE:
                fd = os.dup(member.fd)
                self._lent[fd] = set_id
                return fd
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def take_back(self, fd: int, *, running: bool) -> None:
        """Close what was lent; a set goes with the last that was lent of it.

        Args:
            fd: What `lend` has returned.
            running: Whether the machine runs.
        """
        set_id = self._lent.pop(fd)
        close_fds([fd])
        self.clean_up(set_id, running=running)

    def remove(self, set_id: int, fd: int | None, *, running: bool) -> None:
        """Remove one descriptor of a set, or all.

        Args:
            set_id: Which set.
            fd: Which descriptor; ``None`` for all.
            running: Whether the machine runs; if not, they are closed only when it
                does and something is removed again.

        Raises:
            FdNotFound: There is no such set, or no such descriptor in it.
        """
        of_set = self.sets.get(set_id)
        members = [m for m in of_set or () if fd is None or m.fd == fd]
        if not members and (fd is not None or of_set is None):
            which = (
                f"fdset-id:{set_id}" if fd is None else f"fdset-id:{set_id}, fd:{fd}"
            )
            raise FdNotFound(name=which)
        for member in members:
            member.removed = True
        self.clean_up(set_id, running=running)

    def clean_up(self, set_id: int, *, running: bool, abandoned: bool = False) -> None:
        """Close what was removed from a set.

        Args:
            set_id: Which set.
            running: Whether the machine runs; nothing is closed while it does not.
            abandoned: Whether no client is left that could use the others.
        """
        if not running or set_id not in self.sets:
            return
        is_lent = set_id in self._lent.values()
        kept: list[SetMember] = []
        for member in self.sets[set_id]:
            if member.removed or (abandoned and not is_lent):
                close_fds([member.fd])
            else:
                kept.append(member)
        if kept or is_lent:
            self.sets[set_id] = kept
        else:
            del self.sets[set_id]

    def abandon(self, *, running: bool) -> None:
        """Close all descriptors, as no client is left that could use them.

        Args:
            running: Whether the machine runs; nothing is closed while it does not.
        """
        for set_id in list(self.sets):
            self.clean_up(set_id, running=running, abandoned=True)

    def close(self) -> None:
        """Close all descriptors of all sets."""
        for members in self.sets.values():
            close_fds([member.fd for member in members])
        self.sets.clear()
