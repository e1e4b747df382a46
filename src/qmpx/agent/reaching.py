"""The way to a guest agent: a socket that QEMU gives, or a terminal or port of a guest.

Here a connection is a file descriptor that does not block, whatever is behind it.
"""

import os
import stat
import tty
from typing import TypeGuard

from qmpx.errors import ConnectError
from qmpx.transport.address import Address, UnixAddress
from qmpx.transport.dial import dial, dial_async


def reach(address: Address, timeout: float, wait: float) -> int:
    """Return a descriptor that is connected to an agent's address.

    Args:
        address: A socket, or the path of a terminal or of a virtio port.
        timeout: Seconds for the connection to be made.
        wait: Seconds for QEMU to listen.

    Raises:
        ConnectError: There is no connection; the message says why.
    """
    if _is_device(address):
        return _open_device(address)
    sock = dial(address, timeout=timeout, wait=wait)
    sock.setblocking(False)  # noqa: FBT003 - the standard library's
    return sock.detach()


async def reach_async(address: Address, timeout: float, wait: float) -> int:
    """Return a connected descriptor; arguments and errors are those of `reach`."""
    if _is_device(address):
        return _open_device(address)
    sock = await dial_async(address, timeout=timeout, wait=wait)
    sock.setblocking(False)  # noqa: FBT003 - the standard library's
    return sock.detach()


def _is_device(address: Address) -> TypeGuard[UnixAddress]:
    if not isinstance(address, UnixAddress):
        return False
    try:
        return stat.S_ISCHR(os.stat(address.path).st_mode)
    except (OSError, ValueError):
        return False


def _open_device(address: UnixAddress) -> int:
    """Open a terminal or a port; a terminal is to hand over every byte as it is."""
    try:
        fd = os.open(
            address.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        )
        if os.isatty(fd):
            tty.setraw(fd)
    except OSError as error:
        reason = f"the device cannot be opened: {error.strerror}"
        raise ConnectError(str(address), reason) from error
    return fd
