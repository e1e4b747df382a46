"""Peers for the command line: a machine that is served, and a server by hand."""

from __future__ import annotations

import socket
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.programs import SECONDS, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.programs import Served

GREETING = b'{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n'
NEGOTIATED = b'{"return": {}, "id": 1}\r\n'


class Talk:
    """The server's end of one conversation, held by hand."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lines = sock.makefile("rb")
        self.is_over = threading.Event()

    def send(self, data: bytes) -> None:
        """Send bytes; nobody may be there any more."""
        try:
            self._sock.sendall(data)
        except OSError:
            self.is_over.set()

    def line(self) -> bytes:
        """Return the next line of the client, or what is left of one."""
        return self._lines.readline()

    def negotiate(self) -> None:
        """Greet, and agree."""
        self.send(GREETING)
        self.line()
        self.send(NEGOTIATED)

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._sock.close()


@contextmanager
def by_hand(talk: Callable[[Talk], object]) -> Iterator[str]:
    """Listen, let *talk* converse with the first client, and yield the address.

    At the end of the block it is waited until *talk* has returned.
    """
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            sock, _ = listening.accept()
            sock.settimeout(SECONDS)
            with closing(Talk(sock)) as conversation:
                talk(conversation)
        except BaseException as failure:  # noqa: BLE001 - told in the test's thread
            failures.append(failure)

    with (
        tempfile.TemporaryDirectory(prefix="qmpx-") as folder,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        listening.settimeout(SECONDS)
        listening.bind(str(Path(folder, "qmp")))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"unix:{folder}/qmp"
        finally:
            thread.join()
    assert failures == []


@pytest.fixture(scope="module")
def box() -> Iterator[Served]:
    """Serve a machine with a CD-ROM drive to the tests of one module."""
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    with serving("--name", "box", "--uuid", uuid) as server:
        yield server
