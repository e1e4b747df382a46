"""Opening files of the host by name, some of which are descriptors that came along.

A client may hand descriptors over in sets; ``/dev/fdset/N`` means one of such a set,
with the access that is wanted. Who keeps the sets lends them to the machine.
"""

import errno
import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SETS: Final = "/dev/fdset/"
"""What the names begin with that mean a descriptor of a set."""

_IN_SET: Final = re.compile(rf"{SETS}([0-9]+)")


def _nothing_is_lent(number: int, flags: int) -> int:  # noqa: ARG001 - the others do
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


def _close(fd: int) -> None:
    os.close(fd)


class NotLent(OSError):
    """A set of descriptors has none that fits.

    Attributes:
        access: What was wanted: ``O_RDONLY``, ``O_WRONLY`` or ``O_RDWR``; who wanted
            ``O_DIRECT``, too, adds that.
    """

    def __init__(self, error: OSError, filename: str, flags: int) -> None:
        super().__init__(error.errno, error.strerror, filename)
        self.access = flags & os.O_ACCMODE


class HostFiles:
    """The files of the host, as a machine sees them.

    Attributes:
        lend: Returns a descriptor of a set, duplicated, by the set's number and the
            flags of ``open``.
        take_back: Closes what was lent.
    """

    def __init__(self) -> None:
        self.lend: Callable[[int, int], int] = _nothing_is_lent
        self.take_back: Callable[[int], None] = _close
        self._lent: set[int] = set()

    def open(self, filename: str, flags: int, mode: int = 0o666) -> int:
        """Return a descriptor of a file, which is closed at ``exec``.

        Args:
            filename: Its name, or ``/dev/fdset/N``.
            flags: As for ``os.open``; of a set, only the access counts.
            mode: The rights of a new file.

        Raises:
            OSError: It cannot be opened; there is no such set (``ENOENT``), or nothing
                in it has that access (``EACCES``).
            ValueError: There is a NUL in the name.
        """
        if (named := _IN_SET.fullmatch(filename)) is None:
            return os.open(filename, flags | os.O_CLOEXEC, mode)
        try:
            fd = self.lend(int(named[1]), flags)
        except OSError as error:
            raise NotLent(error, filename, flags) from None
        self._lent.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """Close a descriptor that `open` has returned.

        Raises:
            OSError: The host could not write what was written.
        """
        if fd in self._lent:
            self._lent.discard(fd)
            self.take_back(fd)
        else:
            os.close(fd)


OF_THE_HOST: Final = HostFiles()
"""The files of the host alone, for those who have no machine."""
