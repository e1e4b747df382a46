"""Real QEMUs and libvirtds for tests: fixtures start them, and end them."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import qmpx
from tests.peers.faces import FACES
from tests.peers.libvirt import private_libvirt
from tests.peers.libvirt_domains import make_images, rich_xml, running_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from tests.peers.faces import Face
    from tests.peers.libvirt import Libvirt

START_SECONDS = 20.0  # a start takes 0.1 s; the rest is for a machine under load
LONGEST_SOCKET_PATH = 107  # Linux: sun_path has 108 bytes, the last one zero

# QEMU 7.2 can hang for good if a client connects in the first milliseconds of a
# monitor's socket, and nothing that can be seen from outside says that it is ready.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Qemu:
    """A running QEMU.

    Attributes:
        process: The process. A test may signal or kill it.
        monitors: The paths of the sockets of its QMP monitors.
    """

    process: subprocess.Popen[bytes]
    monitors: tuple[Path, ...]

    @property
    def qmp(self) -> Path:
        """The path of the socket of its first QMP monitor."""
        return self.monitors[0]


class StartQemu(Protocol):
    """The fixture `qemu`."""

    def __call__(
        self, *arguments: str, monitors: int = 1, pretty: bool = False
    ) -> Qemu:
        """Start a QEMU: an empty machine, paused, under TCG, if nothing else is said.

        Args:
            arguments: More of its command line, such as ``"-machine", "q35"``.
            monitors: How many QMP monitors it has.
            pretty: Whether these indent what they say.
        """


@contextlib.contextmanager
def running_qemu(
    arguments: Sequence[str], monitors: int, pretty: str
) -> Iterator[Qemu]:
    """Run a QEMU until the end of the block, and kill it then."""
    # pytest's own tmp_path is too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        folder = Path(name)
        sockets = tuple(folder / f"qmp{number}" for number in range(monitors))
        command = ["qemu-system-x86_64", "-machine", "none", "-accel", "tcg"]
        command += ["-display", "none", "-nodefaults", "-S"]
        for socket in sockets:
            if len(bytes(socket)) > LONGEST_SOCKET_PATH:
                pytest.fail(f"too long for a socket: {socket}; set TMPDIR to less")
            chardev = f"socket,id={socket.name},path={socket},server=on,wait=off"
            command += ["-chardev", chardev]
            command += ["-mon", f"chardev={socket.name},mode=control,pretty={pretty}"]
        with (
            (folder / "stderr").open("wb") as stderr,
            subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            ) as process,
        ):
            try:
                wait_for(sockets, process, folder / "stderr")
                yield Qemu(process, sockets)
            finally:
                process.kill()


def wait_for(
    sockets: Sequence[Path], process: subprocess.Popen[bytes], stderr: Path
) -> None:
    """Wait until QEMU listens on all its sockets and can be talked to."""
    deadline = time.monotonic() + START_SECONDS
    while not all(socket.exists() for socket in sockets):
        if process.poll() is not None:
            pytest.fail(f"QEMU ended ({process.returncode}): {stderr.read_text()}")
        if time.monotonic() > deadline:
            pytest.fail(f"QEMU does not listen after {START_SECONDS} s")
        time.sleep(0.01)
    time.sleep(SETTLE_SECONDS)


@pytest.fixture
def qemu() -> Iterator[StartQemu]:
    """Start real QEMUs; all of them end with the test."""
    with contextlib.ExitStack() as machines:

        def start(*arguments: str, monitors: int = 1, pretty: bool = False) -> Qemu:
            switch = "on" if pretty else "off"
            return machines.enter_context(running_qemu(arguments, monitors, switch))

        yield start


@pytest.fixture(params=sorted(FACES))
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Face]]:
    """Connect one of the two clients; each test is run with either."""
    with contextlib.ExitStack() as clients:

        def connect(address: str | Path, **options: Any) -> Face:
            face = FACES[request.param](address, **options)
            return clients.enter_context(contextlib.closing(face))

        yield connect


class Block(Protocol):
    """The fixture `block`."""

    def __call__(self, vm: Face) -> Future[Any]:
        """Let QEMU run a command that blocks it, and return the call."""

    def release(self) -> None:
        """Let it go on."""


class _BlockByFifo:
    # A secret in a FIFO is read until somebody has written it.

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)

    def __call__(self, vm: Face) -> Future[Any]:
        secret = {"qom-type": "secret", "id": "secret0", "file": str(self._path)}
        blocked = vm.start("execute", "object-add", secret, timeout=None)
        while True:  # it may be on its way still
            try:
                vm.execute("query-status", timeout=0.05)
            except qmpx.DeadlineExceeded:
                return blocked

    def release(self) -> None:
        self._path.write_bytes(b"letmein")


@pytest.fixture
def block(tmp_path: Path) -> Block:
    """Keep a QEMU busy, for as long as a test likes."""
    return _BlockByFifo(tmp_path / "secret")


@pytest.fixture(scope="module")
def libvirt() -> Iterator[Libvirt]:
    """Run a libvirtd for the tests of a module."""
    with private_libvirt() as libvirt:
        yield libvirt


@pytest.fixture(scope="module")
def rich(libvirt: Libvirt) -> Iterator[str]:
    """Run a domain with a little of everything for the tests of a module."""
    make_images(libvirt.folder)
    with running_domain(libvirt, "rich", rich_xml("rich", libvirt.folder)) as name:
        yield name


@pytest.fixture
def fresh(libvirt: Libvirt, request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a domain with a little of everything, and new images, for one test."""
    make_images(libvirt.folder)
    name = re.sub(r"[^a-z]+", "-", request.node.name)[-24:].strip("-")
    with running_domain(libvirt, name, rich_xml(name, libvirt.folder)) as name:
        yield name
