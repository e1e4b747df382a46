"""What is measured: CPU time, memory, and what many rounds say together.

CPU is the time that all threads of a process and its children spent on a core, in
nanoseconds, from ``/proc/*/task/*/schedstat``: exact to the context switch, where
``utime`` and ``stime`` are sampled.
"""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_tree(pid: int) -> list[int]:
    """Return *pid* and all processes below it."""
    found = [pid]
    for parent in found:  # grows while it is walked
        for task in (_PROC / str(parent) / "task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_ns(pid: int) -> int:
    """Return the on-CPU time of the process tree of *pid*, in nanoseconds."""
    return sum(
        int((task / "schedstat").read_text().split()[0])
        for each in process_tree(pid)
        for task in (_PROC / str(each) / "task").iterdir()
    )


def rss_bytes(pid: int) -> int:
    """Return the resident memory of the process tree of *pid*, in bytes."""
    return sum(
        int((_PROC / str(each) / "statm").read_text().split()[1]) * _PAGE
        for each in process_tree(pid)
    )


def ticks(pid: int) -> tuple[int, int]:
    """Return the ticks that *pid* spent in user and in kernel mode (sampled)."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


@dataclass(frozen=True)
class Spread:
    """What several rounds gave: the median, and how far they were apart."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of *values*, of which there is at least one."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1], len(known))


@dataclass
class Samples:
    """All figures of a run, by metric and subject, in the order of the rounds."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    remarks: list[str] = field(default_factory=list)

    def add(self, metric: str, subject: str, value: float) -> None:
        """Note one figure."""
        self.values[metric][subject].append(value)

    def remark(self, text: str) -> None:
        """Note, once, what a reader of the figures has to know."""
        if text not in self.remarks:
            self.remarks.append(text)

    def of(self, metric: str, subject: str) -> list[float]:
        """Return the figures of *subject*; none if it was not measured."""
        return self.values.get(metric, {}).get(subject, [])


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return above/below for each round, or for each *above* against one median."""
    if len(above) == len(below):
        return [a / b for a, b in zip(above, below, strict=True) if b]
    if len(above) < len(below):
        middle = statistics.median(above)
        return [middle / b for b in below if b]
    middle = statistics.median(below)
    return [a / middle for a in above if middle]
