"""Standard input and output as one connected socket.

The two may be pipes, a terminal or files, and not all of these can be waited for on an
event loop. Two threads carry the bytes between them and a pair of sockets, which can.
"""

import atexit
import contextlib
import os
import socket
import threading
from collections.abc import Callable

_PIECE = 64 * 1024  # one read; the socket pair's own buffer holds back the rest

_LINGER = 5.0  # seconds that the end of the program waits for whoever reads our output


def stdio_socket(
    read_fd: int = 0, write_fd: int = 1, *, is_raw: bool = False
) -> socket.socket:
    """Return a socket whose peer is standard input and standard output.

    Args:
        read_fd: Where its bytes come from.
        write_fd: Where the bytes sent to it go.
        is_raw: Whether a terminal is to hand over each key at once, until the socket is
            closed.
    """
    restore = _make_raw(read_fd) if is_raw else None
    ours, theirs = socket.socketpair()
    under_way = ["in", "out"]

    def carried() -> None:
        under_way.pop()
        if not under_way:
            theirs.close()
            atexit.unregister(finish)

    def carry_in() -> None:
        with contextlib.suppress(OSError):  # the session has closed
            while data := os.read(read_fd, _PIECE):
                theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
        carried()

    def carry_out() -> None:
        with contextlib.suppress(OSError):  # nobody reads our output any more
            while data := theirs.recv(_PIECE):
                while data:
                    data = data[os.write(write_fd, data) :]
        if restore is not None:
            restore()
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RD)
        carried()

    def finish() -> None:
        # Without this the end of the program would cut off what is on its way.
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RD)
        out.join(_LINGER)
        theirs.close()

    threading.Thread(target=carry_in, name="qmpx-stdin", daemon=True).start()
    out = threading.Thread(target=carry_out, name="qmpx-stdout", daemon=True)
    atexit.register(finish)
    out.start()
    return ours


def _make_raw(fd: int) -> Callable[[], None]:
    from qmpx.transport.terminal import set_raw  # not every system has terminals

    return set_raw(fd)
