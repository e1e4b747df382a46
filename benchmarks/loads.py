"""Drives the load generator and looks at the server in between.

The generator stops at named phases; there the server's CPU time and memory are read
while nothing moves, so that connecting and warming up are not counted.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment
from benchmarks.measure import cpu_ns, rss_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.lab import Lab
    from benchmarks.servers import Server

TIME_LIMIT: Final = 120  # seconds; the generator in C ends itself after as many
# What a server does after its last reply was read (for it to notice and to sleep).
_SETTLE: Final = 0.003


class LoadFailed(Exception):
    """The load generator gave up: the server was wrong or silent."""


@dataclass(frozen=True)
class Mark:
    """The server as it stood at one phase."""

    cpu_ns: int
    rss_bytes: int


@dataclass
class Load:
    """What one run of the generator gave."""

    figures: dict[str, float] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def cpu_us(self) -> float:
        """Return the server's CPU time for each operation, in microseconds."""
        spent = self.marks["done"].cpu_ns - self.marks["ready"].cpu_ns
        return spent / self.figures["ops"] / 1000

    @property
    def rate(self) -> float:
        """Return the operations a second."""
        return self.figures["ops"] / self.figures["wall_ns"] * 1e9

    def growth(self, before: str, after: str) -> int:
        """Return by how many bytes the server grew between two phases."""
        return self.marks[after].rss_bytes - self.marks[before].rss_bytes


def run_load(
    lab: Lab, mode: str, server: Server, options: Mapping[str, int], settle: float = 0
) -> Load:
    """Put a load on *server*.

    Args:
        lab: Where the generator is.
        mode: One of the generator's modes.
        server: Whom to ask and to watch.
        options: The generator's options.
        settle: Seconds to wait at each phase, over and above a moment.

    Raises:
        LoadFailed: It gave up, for the reason it printed.
    """
    with subprocess.Popen(
        [
            *(*lab.load, mode, ",".join(map(str, server.addresses))),
            *(f"{key}={value}" for key, value in options.items()),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        text=True,
    ) as process:
        try:
            return _follow(process, server, settle)
        finally:
            process.kill()


def _follow(process: subprocess.Popen[str], server: Server, settle: float) -> Load:
    load = Load()
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise LoadFailed("no pipes")
    for line in process.stdout:  # ends at the latest with the generator's own alarm
        said = json.loads(line)
        if "phase" not in said:
            load.figures = said
            return load
        time.sleep(_SETTLE + settle)
        try:
            load.marks[said["phase"]] = Mark(cpu_ns(server.pid), rss_bytes(server.pid))
        except FileNotFoundError as error:
            raise LoadFailed("the server has gone") from error
        process.stdin.write("\n")
        process.stdin.flush()
    said = process.stderr.read().strip().splitlines() or ["it ended without a word"]
    raise LoadFailed(said[-1])


@dataclass(frozen=True)
class Client:
    """What one measuring client process reported."""

    cpu_us: float
    rate: float
    p50_us: float
    figures: dict[str, float]


def run_client(
    lab: Lab,
    subject: str,
    work: str,
    address: Path,
    ops: int,
    command: list[str],
) -> Client:
    """Let a client process of its own do *work* and report on itself.

    Raises:
        LoadFailed: It ended with an error or took too long.
    """
    try:
        done = subprocess.run(
            [*command, subject, work, str(address), str(lab.scale(ops, 64))],
            capture_output=True,
            check=False,
            timeout=TIME_LIMIT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(),
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{subject} {work}: no end in {TIME_LIMIT} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LoadFailed(f"{subject} {work}: {last}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return Client(
        figures["cpu_ns"] / figures["ops"] / 1000,
        figures["ops"] / figures["wall_ns"] * 1e9,
        figures.get("p50_ns", 0) / 1000,
        figures,
    )
