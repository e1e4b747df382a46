"""Other processes at a socket: servers that stay silent, and clients that hold them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

# Listens at, or connects to, a path or a port, says what it does, and stays until its
# standard input ends. It takes the name by which the kernel shows it to others.
PROGRAM = """
import socket, sys
role, name, kind, where, count = sys.argv[1:]
with open("/proc/self/comm", "w") as comm:
    comm.write(name)
family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
sock = socket.socket(family)
address = where if kind == "unix" else ("127.0.0.1", int(where))
if role == "listen":
    sock.bind(address)
    sock.listen(1)
    print(sock.getsockname()[1] if kind == "tcp" else "ready", flush=True)
    accepted = []
    for _ in range(int(count)):
        accepted.append(sock.accept())
        print("accepted", flush=True)
else:
    sock.connect(address)
    print("ready", flush=True)
sys.stdin.read()
"""


class OtherProcess:
    """A process of its own at one end of a socket.

    Attributes:
        pid: Its number.
        ready: What it said when it listened or was connected: a port, for TCP.
    """

    def __init__(self, role: str, name: str, where: str | int, *, accept: int) -> None:
        kind = "unix" if isinstance(where, str) else "tcp"
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", PROGRAM, role, name, kind, str(where)]
            + [str(accept)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.ready = self.line()

    def line(self) -> str:
        """Wait for the next thing that it says."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Kill it, stopped or not, and wait until it is gone."""
        self._process.kill()
        self._process.communicate()


Listen: TypeAlias = "Callable[..., OtherProcess]"


@pytest.fixture
def other_process() -> Iterator[Listen]:
    """Give a function that starts processes: (role, name, where, accept=0)."""
    started: list[OtherProcess] = []

    def start(
        role: str, name: str, where: str | int | Path, *, accept: int = 0
    ) -> OtherProcess:
        place = where if isinstance(where, int) else str(where)
        started.append(OtherProcess(role, name, place, accept=accept))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Give a directory that every user may enter, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="qmpx-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
