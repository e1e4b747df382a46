"""A wiretap: passes bytes between a client and a server, and shows each line."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Self

_PIECE = 64 * 1024


class Wiretap:
    """Listen for one client, connect it to a server, and show what passes.

    Args:
        listen: The path of the socket to listen on.
        server: The path of the server's socket.
        show: Called with ``->`` or ``<-`` (client to server, server to client) and a
            line, from two threads but never at once.
    """

    def __init__(
        self, listen: str, server: str, show: Callable[[str, str], None]
    ) -> None:
        self._path = listen
        self._server = server
        self._show = show
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(listen)
        self._listening.listen(1)

    def __enter__(self) -> Self:
        self._start(self._serve)
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        os.unlink(self._path)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        try:
            client, _ = self._listening.accept()
        except OSError:
            return  # closed before anybody came
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        self._start(self._pass_on, "->", client, server)
        self._start(self._pass_on, "<-", server, client)

    def _pass_on(self, arrow: str, source: socket.socket, sink: socket.socket) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                *lines, rest = (rest + data).split(b"\n")
                with self._lock:
                    for line in lines:
                        self._show(arrow, line.decode("utf-8", "replace").rstrip("\r"))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
