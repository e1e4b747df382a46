"""What the figures were taken on: the machine, and the versions of all programs."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.lab import Lab


def describe(lab: Lab) -> dict[str, str]:
    """Return, by name, what a reader needs to judge the figures."""
    now = dt.datetime.now(dt.UTC)
    described = {
        "date": now.strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
    }
    for package in ("qmpx", "msgspec", "uvloop", "qemu.qmp"):
        try:
            described[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            described[package] = "from source" if package == "qmpx" else "absent"
    described["QEMU"] = _first_line([lab.qemu, "--version"]) if lab.qemu else "absent"
    compiler = [lab.compiler, "--version"]
    described["C compiler"] = _first_line(compiler) if lab.compiler else "absent"
    return described


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(line: list[str]) -> str:
    done = subprocess.run(line, capture_output=True, check=False, timeout=30, text=True)
    return (done.stdout.splitlines() or ["unknown"])[0]
