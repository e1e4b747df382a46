"""Other processes at a socket, and other users, for the tests of diagnosis."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

NOBODY = 65534  # user and group, on every Linux

# Listens at, or connects to, a path or a port, says what it does, and stays until its
# standard input ends. It takes the name by which the kernel shows it to others.
PROGRAM = """
import socket, sys
role, name, where, accept = sys.argv[1:]
with open("/proc/self/comm", "w") as comm:
    comm.write(name)
is_port = where.isdigit()
sock = socket.socket(socket.AF_INET if is_port else socket.AF_UNIX)
address = ("127.0.0.1", int(where)) if is_port else where.replace("@", chr(0))
if role == "listen":
    sock.bind(address)
    sock.listen(1)
else:
    sock.connect(address)
print(sock.getsockname()[1] if is_port else "ready", flush=True)
accepted = []
for _ in range(int(accept)):
    accepted.append(sock.accept())
    print("accepted", flush=True)
sys.stdin.read()
"""


class OtherProcess:
    """A process at one end of a socket.

    Attributes:
        pid: Its number.
        ready: What it said when it listened or was connected: its port, for TCP.
    """

    def __init__(self, role: str, name: str, where: str, accept: int) -> None:
        # Out of the way of the coverage's and the environment's start-up code.
        command = [sys.executable, "-I", "-S", "-c", PROGRAM]
        self.process = subprocess.Popen(
            [*command, role, name, where, str(accept)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid
        self.ready = self.line()

    def line(self) -> str:
        """Wait for the next thing that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Kill it, stopped or not, and wait until it is gone."""
        self.process.kill()
        self.process.communicate()


class StartProcess(Protocol):
    """The fixture `other_process`."""

    def __call__(
        self, role: str, name: str, where: str | int | Path, *, accept: int = 0
    ) -> OtherProcess:
        """Start a process, and wait until it listens or is connected.

        Args:
            role: ``listen`` or ``connect``.
            name: The name of its command, as others see it.
            where: A path, an abstract name after an ``@``, or a port of this host.
            accept: How many connections it accepts; it says so each time.
        """


@pytest.fixture
def other_process() -> Iterator[StartProcess]:
    """Start other processes; all of them end with the test."""
    started: list[OtherProcess] = []

    def start(
        role: str, name: str, where: str | int | Path, *, accept: int = 0
    ) -> OtherProcess:
        started.append(OtherProcess(role, name, str(where), accept))
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


def as_nobody(function: Callable[[], T]) -> T:
    """Call *function* as the user nobody, in a child, and return what it returns."""
    readable, writable = os.pipe()
    if (pid := os.fork()) == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writable, pickle.dumps(function()))
            status = 0
        finally:
            os._exit(status)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        answer = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return pickle.loads(answer)  # type: ignore[no-any-return]  # noqa: S301
