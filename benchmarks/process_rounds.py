"""Figures of whole processes: what an import costs, and one command from a shell."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment
from benchmarks.servers import ServerFailed, serve

if TYPE_CHECKING:
    from benchmarks.lab import Lab

_TIME_LIMIT: Final = 30


def measure_processes(lab: Lab) -> None:
    """Take the CPU time of imports and of one-shot commands."""
    if lab.wants("process.import"):
        lab.note("imports")
        for _ in range(2 * lab.rounds):
            for subject, module in (("qemu.qmp", "qemu.qmp"), ("qmpx", "qmpx")):
                if subject == "qmpx" or lab.peer:
                    line = [sys.executable, "-c", f"import {module}"]
                    _take(lab, "process.import.cpu", subject, line)
            bare = [sys.executable, "-c", "pass"]
            _take(lab, "process.import.cpu", "python", bare)
    if lab.wants("process.oneshot"):
        try:
            with serve(lab, "responder") as server:
                _oneshots(lab, str(server.addresses[0]))
        except ServerFailed as error:
            lab.samples.remark(f"process.oneshot: {error}")


def _oneshots(lab: Lab, address: str) -> None:
    ours = [*script("qmpx"), "run", f"unix:{address}", "query-status"]
    lab.note("one-shot commands")
    for _ in range(2 * lab.rounds):
        if lab.peer:
            line = [*script("qmp-shell"), address]
            _take(lab, "process.oneshot.cpu", "qmp-shell", line, "query-status\n")
        _take(lab, "process.oneshot.cpu", "qmpx", ours)


def script(name: str) -> list[str]:
    """Return how to run the console script *name* of this environment."""
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return [str(beside)]
    return [sys.executable, "-m", name.replace("-", "_")]


def _take(lab: Lab, metric: str, subject: str, line: list[str], text: str = "") -> None:
    try:
        spent = child_cpu_ms(line, text, str(lab.scratch))
    except (subprocess.SubprocessError, OSError) as error:
        lab.samples.remark(f"{metric}: {subject} failed: {error}")
    else:
        lab.samples.add(metric, subject, spent)


def child_cpu_ms(line: list[str], text: str, home: str) -> float:
    """Run *line* and return the CPU time of that process, in ms.

    Raises:
        SubprocessError: It failed or took too long.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        line,
        input=text,
        capture_output=True,
        check=True,
        timeout=_TIME_LIMIT,
        cwd=ROOT,
        env={**environment(), "HOME": home},  # qmp-shell leaves a history there
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return (user + system) * 1000
