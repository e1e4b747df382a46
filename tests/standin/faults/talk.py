"""A client by hand: bytes and lines, as a program without a library sees them."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0  # for what takes milliseconds
SILENCE = 0.15  # in which one who is not to hear anything hears nothing


class Talk:
    """One connection."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(path)
        self._rest = b""

    def send(self, name: str, id_: Any = None, **arguments: Any) -> None:
        """Send a command."""
        command: dict[str, Any] = {"execute": name}
        if arguments:
            command["arguments"] = arguments
        if id_ is not None:
            command["id"] = id_
        self.sock.sendall(json.dumps(command).encode() + b"\n")

    def line(self) -> bytes:
        """Return the next line, or what is left at the end."""
        while b"\n" not in self._rest:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                rest, self._rest = self._rest, b""
                return rest
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line + b"\n"

    def message(self) -> Any:
        """Return the next message, without its time."""
        message = json.loads(self.line())
        message.pop("timestamp", None)
        return message

    def is_silent(self) -> bool:
        """Tell whether nothing comes."""
        if self._rest:
            return False
        self.sock.settimeout(SILENCE)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(SECONDS)
        self._rest = data
        return False

    def negotiate(self) -> None:
        """Read the greeting, and agree."""
        assert "QMP" in self.message()
        self.send("qmp_capabilities")
        assert self.message() == {"return": {}}


@contextmanager
def talking(path: str) -> Iterator[Talk]:
    """Connect, without a word."""
    talk = Talk(path)
    with talk.sock:
        yield talk


@contextmanager
def negotiated(path: str) -> Iterator[Talk]:
    """Connect and negotiate."""
    with talking(path) as talk:
        talk.negotiate()
        yield talk
