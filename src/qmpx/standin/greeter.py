"""Greeting whoever comes while the rest of the program is still being imported.

A greeting is always the same, and who starts a QEMU waits for it. What the client then
says waits in its socket.
"""

from __future__ import annotations

import os
import select
import sys

from qmpx.standin.plain_sockets import accept

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Thread
    from typing import Final

    from qmpx.standin.endpoints import Endpoint
    from qmpx.standin.plain_sockets import PlainSocket

PROMPT: Final = 0.0001
"""Seconds after which the thread that imports lets the one that greets go on. It is
asked for that at each of three steps, each time for 5 ms if this is left alone."""


class Greeter:
    """Greets the first client of each monitor for programs.

    Who waits already is greeted at once; for others there is a thread.

    Args:
        endpoints: The monitors.
        version: What the greeting says of the version, as JSON.
    """

    def __init__(self, endpoints: Sequence[Endpoint], version: bytes) -> None:
        self._greeting = (
            b'{"QMP": {"version": ' + version + b', "capabilities": ["oob"]}}\r\n'
        )
        self._poller = select.poll()
        self._awaited: dict[int, Endpoint] = {}
        for endpoint in endpoints:
            if not endpoint.is_control or endpoint.pretty:
                continue
            if endpoint.connected is not None:
                self._greet(endpoint, endpoint.connected)
            elif endpoint.listening is not None:
                self._awaited[endpoint.listening.fileno()] = endpoint
                self._poller.register(endpoint.listening, select.POLLIN)
        self._accept(0)
        self._usual = sys.getswitchinterval()
        self._thread: Thread | None = None
        if self._awaited:
            self._start()

    def _greet(self, endpoint: Endpoint, sock: PlainSocket) -> None:
        try:
            sock.sendall(self._greeting)
        except OSError:
            return  # it has gone: the session will notice
        endpoint.is_greeted = True

    def _accept(self, patience: int | None = None) -> bool:
        """Greet who has come; tell whether it is time to stop.

        Args:
            patience: Milliseconds to wait for somebody.
        """
        for fd, _ in self._poller.poll(patience):
            endpoint = self._awaited.pop(fd, None)
            if endpoint is None:
                return True
            self._poller.unregister(fd)
            if endpoint.listening is not None:
                try:
                    endpoint.connected = accept(endpoint.listening)
                except OSError:
                    continue  # it has gone again
                self._greet(endpoint, endpoint.connected)
        return False

    def _start(self) -> None:
        from threading import Thread  # not if all are greeted

        self._end, self._stop = os.pipe()
        self._poller.register(self._end, select.POLLIN)
        sys.setswitchinterval(PROMPT)
        self._thread = Thread(target=self._run, name="qmpx-greeter")
        self._thread.start()

    def _run(self) -> None:
        while not self._accept():
            pass

    def stop(self) -> None:
        """Greet nobody any more."""
        if self._thread is None:
            return
        os.write(self._stop, b"\0")
        self._thread.join()
        sys.setswitchinterval(self._usual)
        os.close(self._end)
        os.close(self._stop)
