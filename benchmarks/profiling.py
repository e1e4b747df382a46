"""Where the time goes: the same work under a profiler, for one metric.

Servers and clients run under cProfile, which counts calls exactly and makes small
functions look dearer than they are; the share of the kernel comes from a run without
it. Starts and imports run under ``-X importtime``.
"""

from __future__ import annotations

import os
import pstats
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import client_rounds, server_rounds
from benchmarks.lab import ROOT, environment
from benchmarks.loads import LoadFailed, run_client, run_load
from benchmarks.measure import ticks
from benchmarks.servers import ServerFailed, serve
from benchmarks.stopwatch import PROFILE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.lab import Lab

_IMPORT: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")
_DILUTION: Final = 3  # how many times the usual work makes the start small


@dataclass(frozen=True)
class Profile:
    """The costliest functions, or modules, of one metric.

    Attributes:
        metric: The metric that was looked at, without its last part.
        subject: What was looked at.
        summary: One sentence.
        lines: The costliest first, with a heading.
    """

    metric: str
    subject: str
    summary: str
    lines: tuple[str, ...]


def profile(lab: Lab, metric: str, subject: str, top: int = 15) -> Profile | None:
    """Do the work of *metric* under a profiler.

    Returns:
        The profile; None if there is nothing to see (memory) or it failed, which is
        then remarked on.
    """
    name = ".".join(metric.split(".")[:2])
    try:
        for shape in server_rounds.SHAPES:
            if shape.name == name:
                with lab.one_core(wanted=shape.one_core):
                    return _profile_server(lab, shape, subject, top)
        for work in client_rounds.WORKS:
            if work.name == name and work.kind != "memory":
                with lab.one_core():
                    return _profile_client(lab, work, subject, top)
        if name in {"process.import", "process.oneshot", "server.start"}:
            return _profile_imports(lab, name, top)
    except (ServerFailed, LoadFailed, subprocess.SubprocessError, OSError) as error:
        lab.samples.remark(f"no profile of {metric}: {error}")
    return None


def _profile_server(
    lab: Lab, shape: server_rounds.Shape, subject: str, top: int
) -> Profile:
    kind = shape.servers.get(subject) or subject
    ops = lab.scale(shape.ops, 128) * _DILUTION
    options = {**shape.options, "ops": ops}
    path = lab.scratch / "server.prof"
    wrapper = ("-m", "cProfile", "-o", str(path))
    with serve(lab, kind, wrapper=wrapper, ending=signal.SIGINT) as server:
        spent = run_load(lab, shape.mode, server, options).cpu_us
    with serve(lab, kind) as server:
        user, kernel = ticks(server.pid)
        plain = run_load(lab, shape.mode, server, {**options, "ops": ops * 2}).cpu_us
        users, kernels = ticks(server.pid)
    user, kernel = users - user, kernels - kernel
    share = kernel / (user + kernel) if user + kernel else 0
    summary = (
        f"{plain:.3g} us of CPU an operation, {share:.0%} of it in the kernel "
        f"(under the profiler {spent:.3g} us)"
    )
    return Profile(shape.name, subject, summary, _top_functions(path, ops, top))


def _profile_client(
    lab: Lab, work: client_rounds.Work, subject: str, top: int
) -> Profile:
    path = lab.scratch / "client.prof"
    ops = work.ops[subject]
    command = ["env", f"{PROFILE}={path}", *client_rounds.MEASURER]
    with serve(lab, work.server) as server:
        address = server.addresses[0]
        plain = run_client(
            lab, subject, work.kind, address, ops, [*client_rounds.MEASURER]
        )
        spent = run_client(lab, subject, work.kind, address, ops, command)
    summary = (
        f"{plain.cpu_us:.3g} us of CPU an operation "
        f"(under the profiler {spent.cpu_us:.3g} us)"
    )
    lines = _top_functions(path, int(spent.figures["ops"]), top)
    return Profile(work.name, subject, summary, lines)


def _top_functions(path: Path, ops: int, top: int) -> tuple[str, ...]:
    """Return the functions with the most time of their own."""
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    ranked = sorted(stats.items(), key=lambda item: -item[1][2])
    lines = [f"{'us/op':>8} {'calls/op':>9}  function"]
    for (file, line, function), (_, calls, own, *_rest) in ranked[:top]:
        place = f"{_short(file)}:{line}({function})" if line else function
        lines.append(f"{own / ops * 1e6:8.3f} {calls / ops:9.3f}  {place}")
    return tuple(lines)


def _short(file: str) -> str:
    """Return *file* from its package on."""
    for root in (
        str(ROOT / "src"),
        str(ROOT),
        *sorted(sys.path, key=len, reverse=True),
    ):
        if root and file.startswith(root + os.sep):
            return file[len(root) + 1 :]
    return file


def _profile_imports(lab: Lab, name: str, top: int) -> Profile:
    """Return the modules that take longest to import, with what they import."""
    options = ["-X", "importtime"]
    if name == "server.start":
        with serve(lab, "qmpx", wrapper=tuple(options)) as server:
            said = server.log.read_text(errors="replace")
    elif name == "process.oneshot":
        with serve(lab, "responder") as server:
            address = f"unix:{server.addresses[0]}"
            line = ["-m", "qmpx", "run", address, "query-status"]
            said = _stderr_of([sys.executable, *options, *line])
    else:
        said = _stderr_of([sys.executable, *options, "-c", "import qmpx"])
    modules = [
        (int(found[2]), int(found[1]), found[3]) for found in _IMPORT.finditer(said)
    ]
    total = sum(own for _, own, _ in modules) / 1000
    summary = f"{total:.3g} ms to import {len(modules)} modules; slower when traced"
    lines = [f"{'us':>8} {'own us':>8}  module, with all that it imports first"]
    ranked = sorted(modules, reverse=True)[: 2 * top]
    lines += [f"{whole:8} {own:8}  {module}" for whole, own, module in ranked]
    return Profile(name, "qmpx", summary, tuple(lines))


def _stderr_of(line: list[str]) -> str:
    return subprocess.run(
        line,
        capture_output=True,
        check=True,
        timeout=30,
        cwd=ROOT,
        env=environment(),
        text=True,
    ).stderr
