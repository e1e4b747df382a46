"""Figures of the stand-in for QEMU, and of libvirt that starts it, beside the real one.

Both programs get the same options, and inherit a socket that listens already, as from
libvirt: a client waits in it, and is greeted as soon as that is possible.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment
from benchmarks.measure import cpu_ns, rss_bytes
from benchmarks.process_rounds import script
from benchmarks.servers import PATIENCE, ServerFailed, stop
from tests.peers.libvirt import libvirt_version, private_libvirt
from tests.peers.libvirt_domains import define, domain_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.lab import Lab
    from tests.peers.libvirt import Libvirt

_TURNS: Final = 2  # in each round
_OPTIONS: Final = ("-machine", "none", "-accel", "tcg", "-display", "none")
_MONITOR: Final = ("-nodefaults", "-S", "-mon", "chardev=m,mode=control")


def measure_standins(lab: Lab) -> None:
    """Take the figures of the stand-in and, if it is there, of QEMU."""
    emulators = {"qmpx": script("qmpx-system-x86_64")[0]}
    if lab.qemu:
        emulators = {"qemu": lab.qemu, **emulators}
    if lab.wants("standin.start") or lab.wants("standin.memory"):
        for number in range(_TURNS * lab.rounds):
            lab.note(f"stand-in, turn {number + 1} of {_TURNS * lab.rounds}")
            for subject, emulator in emulators.items():
                try:
                    _start(lab, subject, emulator)
                except (ServerFailed, OSError) as error:
                    lab.samples.remark(f"standin.start: {subject} failed: {error}")
    if lab.wants("standin.libvirt"):
        _measure_libvirt(lab, emulators)


def _start(lab: Lab, subject: str, emulator: str) -> None:
    with _listening(lab) as (listening, client):
        device = f"socket,id=m,fd={listening.fileno()},server=on,wait=off"
        line = [emulator, *_OPTIONS, *_MONITOR, "-chardev", device]
        begun = time.perf_counter()
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(),
            pass_fds=[listening.fileno()],
        )
        try:
            if not client.recv(4096).startswith(b'{"QMP"'):
                message = "it did not greet"
                raise ServerFailed(message)
            wall = time.perf_counter() - begun
            # The rest of its start: until it has answered.
            client.sendall(b'{"execute":"qmp_capabilities"}\n')
            client.recv(4096)
            answered = time.perf_counter() - begun
            spent, idle = cpu_ns(process.pid), rss_bytes(process.pid)
        finally:
            stop(process, signal.SIGKILL)
    for name, value in (
        ("start.wall", wall * 1e3),
        ("start.answer", answered * 1e3),
        ("start.cpu", spent / 1e6),
        ("memory.idle", idle / 1e6),
    ):
        lab.samples.add(f"standin.{name}", subject, value)


@contextmanager
def _listening(lab: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    path = lab.scratch / f"standin-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as c:
        listening.bind(str(path))
        listening.listen(1)
        c.settimeout(PATIENCE)
        c.connect(str(path))
        yield listening, c


def _measure_libvirt(lab: Lab, emulators: dict[str, str]) -> None:
    if libvirt_version() is None:
        lab.samples.remark("no libvirtd that may be started: no domain is")
        return
    try:
        with private_libvirt() as libvirt:
            for subject, emulator in emulators.items():
                define(libvirt, subject, domain_xml(subject, emulator=Path(emulator)))
                _run_domain(libvirt, subject)  # what the emulator can do is asked once
            for number in range(lab.rounds):
                lab.note(f"libvirt, round {number + 1} of {lab.rounds}")
                for subject in emulators:
                    for name, seconds in _run_domain(libvirt, subject).items():
                        metric = f"standin.libvirt.{name}"
                        lab.samples.add(metric, subject, seconds * 1e3)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        lab.samples.remark(f"standin.libvirt: {str(error).splitlines()[0]}")


def _run_domain(libvirt: Libvirt, name: str) -> dict[str, float]:
    """Start and destroy a domain; return the seconds that each took."""
    begun = time.perf_counter()
    libvirt.told("start", name)
    started = time.perf_counter()
    libvirt.told("destroy", name)
    return {"start": started - begun, "destroy": time.perf_counter() - started}
