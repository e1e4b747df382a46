"""A program with a QMP monitor on a socket that it is given when it starts.

So there is no moment at which the socket is there and nobody answers.
"""

import json
import resource
import select
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

Message = dict[str, Any]

SECONDS: Final = 20.0
"""How long is waited for a reply: a machine under load takes a second to start."""

LARGEST_FILE: Final = 256 << 20
"""The size of the largest file that a program may write: some commands are told how
much to write, and are told so at random."""

MOST_SURPLUS: Final = 200
"""How many events in a row are read after a reply: a stream of them need not end."""


class ProgramEnded(Exception):
    """The program has ended, or says nothing any more.

    Attributes:
        status: Its exit status; ``None`` if it is there still.
        said: What it wrote to its standard error.
    """

    def __init__(self, status: int | None, said: str) -> None:
        super().__init__(f"status {status}: {said}")
        self.status = status
        self.said = said


class Program:
    """A running QEMU, or what stands in for it.

    Args:
        path: The executable.
        arguments: Its command line, but for the monitor.
        folder: Where it runs.

    Raises:
        ProgramEnded: It does not come up.
    """

    def __init__(self, path: str, arguments: Sequence[str], folder: Path) -> None:
        self._socket, theirs = socket.socketpair()
        self._rest = b""
        self._errors = (folder / "stderr").open("w+b")
        number = theirs.fileno()
        monitor = ["-chardev", f"socket,id=mon0,fd={number}"]
        monitor += ["-mon", "chardev=mon0,mode=control"]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - what is compared
                [path, *arguments, *monitor],
                cwd=folder,
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                restore_signals=False,  # SIGXFSZ, which Python ignores
            )
        limits = (LARGEST_FILE, LARGEST_FILE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, limits)
        try:
            self._read(SECONDS)
            self.run({"execute": "qmp_capabilities"})
        except ProgramEnded:
            self.close()
            raise

    def run(self, request: Message) -> tuple[list[Message], Message]:
        """Send a request; return the events before its reply, and the reply.

        Raises:
            ProgramEnded: There is none.
        """
        self.send(request)
        return self.reply()

    def send(self, request: Message) -> None:
        """Send a request.

        Raises:
            ProgramEnded: It is gone.
        """
        try:
            self._socket.sendall(json.dumps(request).encode())
        except OSError:
            raise self._ended() from None

    def reply(self) -> tuple[list[Message], Message]:
        """Return the events before the next reply, and the reply.

        Raises:
            ProgramEnded: There is none.
        """
        before = []
        while "event" in (message := self._read(SECONDS)):
            before.append(message)
        return before, message

    def listen(self, seconds: float) -> list[Message]:
        """Return the events that come until none has come for so long."""
        heard: list[Message] = []
        while len(heard) < MOST_SURPLUS:
            if b"\n" not in self._rest:
                ready, _, _ = select.select([self._socket], [], [], seconds)
                if not ready:
                    break
            try:
                heard.append(self._read(SECONDS))
            except ProgramEnded:
                break  # the next request will tell
        return heard

    def _read(self, seconds: float) -> Message:
        self._socket.settimeout(seconds)
        while b"\n" not in self._rest:
            try:
                chunk = self._socket.recv(1 << 16)
            except OSError:
                chunk = b""
            if not chunk:
                raise self._ended()
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        message: Message = json.loads(line)
        message.pop("timestamp", None)
        return message

    def _ended(self) -> ProgramEnded:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            status = None
        self._errors.seek(0)
        return ProgramEnded(status, self._errors.read().decode(errors="replace"))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._socket.close()
        self._errors.close()
