"""Greeting whoever comes while the rest of the program is still being imported.

A greeting is always the same, and who starts a QEMU waits for it. A thread sends it;
what the client then says waits in its socket.
"""

from __future__ import annotations

import os
import select
import sys
import threading

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Final

    from qmpx.standin.endpoints import Endpoint

PROMPT: Final = 0.0001
"""Seconds after which the thread that imports lets the one that greets go on. It is
asked for that at each of three steps, each time for 5 ms if this is left alone."""


class Greeter:
    """Greets the first client of each monitor for programs.

    Args:
        endpoints: The monitors.
        version: What the greeting says of the version, as JSON.
    """

    def __init__(self, endpoints: Sequence[Endpoint], version: bytes) -> None:
        self._greeting = (
            b'{"QMP": {"version": ' + version + b', "capabilities": ["oob"]}}\r\n'
        )
        control = [x for x in endpoints if x.is_control and not x.pretty]
        for endpoint in control:
            if endpoint.connected is not None:
                self._greet(endpoint, endpoint.connected)
        self._waited_for = [
            x for x in control if x.listening is not None and x.connected is None
        ]
        self._end, self._stop = os.pipe()
        self._usual = sys.getswitchinterval()
        sys.setswitchinterval(PROMPT)
        self._thread = threading.Thread(target=self._run, name="qmpx-greeter")
        self._thread.start()

    def _greet(self, endpoint: Endpoint, sock: socket.socket) -> None:
        try:
            sock.sendall(self._greeting)
        except OSError:
            return  # it has gone: the session will notice
        endpoint.is_greeted = True

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._end, select.POLLIN)
        listening = {}
        for endpoint in self._waited_for:
            if endpoint.listening is not None:
                listening[endpoint.listening.fileno()] = endpoint
                poller.register(endpoint.listening, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd == self._end:
                    return
                poller.unregister(fd)
                self._accept(listening[fd])

    def _accept(self, endpoint: Endpoint) -> None:
        if endpoint.listening is None:
            return
        try:
            endpoint.connected, _ = endpoint.listening.accept()
        except OSError:
            return  # it has gone again
        self._greet(endpoint, endpoint.connected)

    def stop(self) -> None:
        """Greet nobody any more."""
        os.write(self._stop, b"\0")
        self._thread.join()
        sys.setswitchinterval(self._usual)
        os.close(self._end)
        os.close(self._stop)
