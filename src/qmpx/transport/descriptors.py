"""Descriptors that are handed on: to a peer, or by whoever started this program."""

from __future__ import annotations

import os
import socket

from qmpx.errors import LocalProtocolError

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

MAX_SENT: Final = 16
"""Most descriptors in one message; QEMU, and our monitor, take no more."""


def require_sendable(sock: socket.socket, fds: Sequence[int]) -> None:
    """Return if descriptors can be handed over on a socket.

    Asked before anything is sent, so that a slip does not cost the connection.

    Raises:
        LocalProtocolError: They cannot, and why.
    """
    if sock.family != getattr(socket, "AF_UNIX", None):
        message = "descriptors can be handed over on unix sockets only"
        raise LocalProtocolError(message)
    if len(fds) > MAX_SENT:
        message = f"{len(fds)} descriptors are too many for one message: {MAX_SENT} go"
        raise LocalProtocolError(message)
    for fd in fds:
        try:
            os.fstat(fd)
        except (OSError, OverflowError, TypeError) as error:
            message = f"descriptor {fd!r} cannot be handed over: {error}"
            raise LocalProtocolError(message) from error


def copy_socket(fd: int) -> socket.socket:
    """Return the socket behind a descriptor, which stays open.

    Raises:
        OSError: It is not open, or no socket.
    """
    copy = os.dup(fd)
    try:
        return socket.socket(fileno=copy)
    except BaseException:
        os.close(copy)
        raise
