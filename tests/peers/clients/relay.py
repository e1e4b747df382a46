"""A way to the machine that a client may take away, or that is no unix socket."""

import contextlib
import socket
import threading
from collections.abc import Iterator


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _serve(listener: socket.socket, path: str, ends: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


@contextlib.contextmanager
def relay(listener: socket.socket, path: str) -> Iterator[None]:
    """Pass on what comes to a listening socket, to the unix socket at *path*."""
    ends: list[socket.socket] = []
    listener.listen()
    threading.Thread(target=_serve, args=(listener, path, ends), daemon=True).start()
    try:
        yield
    finally:
        for end in (listener, *ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def relay_at(file: str, path: str) -> Iterator[str]:
    """Offer the unix socket at *path* at another path too, and return that."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(file)
    with relay(listener, path):
        yield file


@contextlib.contextmanager
def relay_on_tcp(path: str) -> Iterator[int]:
    """Offer the unix socket at *path* at a TCP port of this host, and return that."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    with relay(listener, path):
        yield int(listener.getsockname()[1])
