"""telnet on the human monitor: banner, prompt, echo, history, CR LF."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator

from tests.peers.clients.playing import SECONDS, Note, Place, Script, until
from tests.peers.clients.relay import relay_on_tcp

script = Script()


class Telnet:
    """A telnet that talks with the human monitor."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            ["telnet", "127.0.0.1", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.until("(qemu) ")

    def until(self, end: str) -> str:
        """Return what it says up to a text."""
        said = b""
        assert self.process.stdout is not None
        while not said.endswith(end.encode()):
            byte = self.process.stdout.read(1)
            if not byte:
                break
            said += byte
        return said.decode()

    def line(self, text: str) -> str:
        """Type a line; return what is shown until the next prompt."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        # It comes as CR LF, and each of the two ends a line.
        return self.until("\n(qemu) ") + self.until("\n(qemu) ")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def telnet(place: Place) -> Iterator[Telnet]:
    """Talk with the human monitor."""
    with relay_on_tcp(place.hmp) as port:
        terminal = Telnet(port)
        try:
            yield terminal
        finally:
            terminal.close()


@script.scene
def lines(place: Place, note: Note) -> None:
    with telnet(place) as terminal:
        for line in (
            *("info status", "info name", "stop", "info status", "c", "cont", ""),
            *("frobnicate", "device_del none", "info stat", "print 2+3", "cpu 1"),
        ):
            note(terminal.line(line))
        shown = terminal.line("info").splitlines()
        note(len(shown) > 40)
        shown = terminal.line("help").splitlines()
        note(len(shown) > 90)


@script.scene
def raw_bytes(place: Place, note: Note) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(SECONDS)
        raw.connect(place.hmp)
        stream = raw.makefile("rwb", buffering=0)

        def shown() -> bytes:
            said = b""
            while not said.endswith(b"(qemu) "):
                said += stream.read(1) or b""
            return said

        banner = shown()
        note(re.sub(r"[0-9.]+", "N", banner.decode()))
        for keys in (
            *(b"info name\r", b"info nam\x7fme\n", b"in\x01\x05fo name\n", b"\x1b[A\n"),
            *(b"info nx\x1b[Dam\x1b[3~e\n", b"stop\n", b"\x1b[A\x1b[A\x1b[B\n", b"c\n"),
            *(b"info  name \n", b"'\n", b"info foo\n"),
        ):
            stream.write(keys)
            note([keys.decode(), shown().decode()])


@script.scene
def quits(place: Place, note: Note) -> None:
    with telnet(place) as terminal:
        assert terminal.process.stdin is not None
        terminal.process.stdin.write(b"q\n")
        note(until(lambda: not place.is_served()))


script.play()
