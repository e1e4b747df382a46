"""The servers under load, each a process of its own that always ends with its block.

Subjects: ``qemu``, ``responder`` (C), ``qmpx`` (``qmpx serve``), ``qmpx-2010`` (that of
2010), and small monitors on our library: ``qmpx-asyncio`` (no uvloop), ``qmpx-async``
(async handlers) and ``qmpx-schema`` (a big reply from kept bytes).
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.lab import Lab

PATIENCE: Final = 20.0  # seconds for a server to greet, then to end
# QEMU can hang for good if a client connects in the first moments of its life.
_QEMU_RACE: Final = 0.3


class ServerFailed(Exception):
    """A server did not come up or went away."""


@dataclass(frozen=True)
class Server:
    """A server that has greeted once, so it is ready."""

    subject: str
    process: subprocess.Popen[bytes]
    addresses: tuple[Path, ...]
    log: Path

    @property
    def pid(self) -> int:
        """Return the process to look at."""
        return self.process.pid


def command(
    lab: Lab, subject: str, addresses: tuple[Path, ...], wrapper: tuple[str, ...] = ()
) -> list[str]:
    """Return the command line that starts *subject*.

    Args:
        lab: Where programs and files are.
        subject: What to start.
        addresses: Sockets to listen at.
        wrapper: Options of Python that come before ``-m``, such as a profiler's.
    """
    module = [sys.executable, *wrapper, "-m"]
    first = str(addresses[0])
    match subject:
        case "qemu":
            listen = [f"unix:{path},server=on,wait=off" for path in addresses]
            return [
                *(lab.qemu, "-machine", "none", "-accel", "tcg", "-display", "none"),
                *("-nodefaults", "-S"),
                *(word for each in listen for word in ("-qmp", each)),
            ]
        case "responder":
            return [*lab.responder, first, str(lab.schema)]
        case "qmpx":
            listen = [word for path in addresses for word in ("--qmp", f"unix:{path}")]
            return [*module, "qmpx", "serve", "--dialect", "modern", *listen]
        case "qmpx-2010":
            return [*module, "qmpx", "serve", "--dialect", "2010", "--qmp", first]
        case "qmpx-schema":
            return [*module, "benchmarks.schema_server", first, str(lab.schema)]
        case "qmpx-async":
            return [*module, "benchmarks.async_server", first]
        case "qmpx-asyncio":
            return [*module, "benchmarks.async_server", first, "--plain"]
    raise ValueError(subject)


@contextmanager
def serve(
    lab: Lab,
    subject: str,
    sockets: int = 1,
    wrapper: tuple[str, ...] = (),
    ending: signal.Signals = signal.SIGTERM,
) -> Iterator[Server]:
    """Start *subject*, wait until it greets, and end it after the block.

    Args:
        lab: Where programs and files are.
        subject: What to start.
        sockets: How many sockets it listens at.
        wrapper: Options of Python that come before ``-m``.
        ending: The signal that ends it.

    Raises:
        ServerFailed: It ended, or did not greet in time; with what it said.
    """
    addresses = _new_places(lab, subject, sockets)
    line = command(lab, subject, addresses, wrapper)
    with _running(subject, addresses, line, ending) as server:
        yield server


@contextmanager
def share(lab: Lab, subject: str, upstream: Path, *options: str) -> Iterator[Server]:
    """Start a gateway before the server at *upstream*, as `serve` does.

    Args:
        lab: Where programs and files are.
        subject: What the gateway is called among the figures.
        upstream: The socket of the server.
        options: Of ``qmpx share``, beside the addresses.

    Raises:
        ServerFailed: See `serve`.
    """
    addresses = _new_places(lab, subject, 1)
    line = [sys.executable, "-m", "qmpx", "share", f"unix:{upstream}"]
    line += ["--listen", f"unix:{addresses[0]}", *options]
    with _running(subject, addresses, line, signal.SIGTERM) as server:
        yield server


def _new_places(lab: Lab, subject: str, sockets: int) -> tuple[Path, ...]:
    name = f"{subject}-{time.monotonic_ns()}"
    return tuple(lab.scratch / f"{name}.{i}" for i in range(sockets))


@contextmanager
def _running(
    subject: str,
    addresses: tuple[Path, ...],
    line: list[str],
    ending: signal.Signals,
) -> Iterator[Server]:
    log = addresses[0].with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=environment(),
        )
    try:
        for address in addresses:
            wait_for_greeting(process, address, log, patient=subject == "qemu")
        yield Server(subject, process, addresses, log)
    finally:
        stop(process, ending)
        for address in addresses:
            address.unlink(missing_ok=True)


def wait_for_greeting(
    process: subprocess.Popen[bytes], address: Path, log: Path, *, patient: bool = False
) -> None:
    """Return when the server at *address* has greeted.

    Args:
        process: The server's process.
        address: Its socket.
        log: What it prints.
        patient: Whether to leave it alone for a while once its socket exists.

    Raises:
        ServerFailed: The process ended, or did not greet in time.
    """
    deadline = time.monotonic() + PATIENCE
    rested = not patient
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if not address.exists():
            time.sleep(0.002)
            continue
        if not rested:
            time.sleep(_QEMU_RACE)
            rested = True
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            try:
                sock.connect(str(address))
                if sock.recv(4096).startswith(b'{"QMP"'):
                    return
            except OSError:
                time.sleep(0.002)
    said = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
    raise ServerFailed(f"no greeting; the last it said: {said[-1]}")


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End *process*, by force if it does not go."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(PATIENCE / 4)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
