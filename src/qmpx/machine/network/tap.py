"""The host's end of a TAP interface, made here or handed over.

No frames pass: no guest code sends any. What an interface is to the host it is: it
exists, and has its name, as long as its descriptor is open.

Source: QEMU 7.2.22, observed.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Final

from qmpx.machine.network.clients import Failed

_TUNSETIFF: Final = 0x400454CA
_TUNGETIFF: Final = 0x800454D2
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_LONGEST_NAME: Final = 15  # bytes of an interface's name in Linux
_DEVICE: Final = "/dev/net/tun"


class Tap:
    """The descriptors of one TAP interface.

    Args:
        fds: The queues, and whatever goes with them; they are its own from now on.
        info: What there is to say of it, for people.
    """

    def __init__(self, fds: Sequence[int], info: str) -> None:
        self._fds = list(fds)
        self.info = info

    def close(self) -> None:
        """Close them; an interface that nobody else has open is gone then."""
        fds, self._fds = self._fds, []
        for fd in fds:
            with contextlib.suppress(OSError):  # it was no descriptor of ours
                os.close(fd)


def check_tap(id_: str, fd: int) -> str:
    """Return the name of the interface that a descriptor is one end of.

    Raises:
        Failed: It is none.
    """
    try:
        os.fstat(fd)
    except OSError as error:
        message = f"{id_}: Can't use file descriptor {fd}: {error.strerror}"
        raise Failed(message) from error
    request = bytearray(40)
    try:
        fcntl.ioctl(fd, _TUNGETIFF, request)
    except OSError as error:
        message = f"Unable to query TUNGETIFF on FD {fd}: {error.strerror}"
        raise Failed(message) from error
    return bytes(request[:16]).partition(b"\0")[0].decode(errors="replace")


def make_tap(name: str | None) -> tuple[int, str]:
    """Make an interface; return its descriptor and its name.

    Args:
        name: Its name; ``None`` for the next free one.

    Raises:
        Failed: The host refuses.
    """
    try:
        fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        message = f"could not open {_DEVICE}: {error.strerror}"
        raise Failed(message) from error
    wanted = (name or "tap%d").encode()[:_LONGEST_NAME]
    request = bytearray(struct.pack("16sH22x", wanted, _IFF_TAP | _IFF_NO_PI))
    try:
        fcntl.ioctl(fd, _TUNSETIFF, request)
    except OSError as error:
        os.close(fd)
        shown = f"{_DEVICE} ({name})" if name else _DEVICE
        message = f"could not configure {shown}: {error.strerror}"
        raise Failed(message) from error
    return fd, bytes(request[:16]).partition(b"\0")[0].decode(errors="replace")
