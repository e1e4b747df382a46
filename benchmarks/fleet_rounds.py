"""Figures of very many machines in one process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment

if TYPE_CHECKING:
    from benchmarks.lab import Lab

FLEET: Final = 1_000
_ROUNDS: Final = 3  # memory hardly varies
_TIME_LIMIT: Final = 120
_DIALECTS: Final = {"modern": "qmpx", "2010": "qmpx-2010"}


def measure_fleets(lab: Lab) -> None:
    """Take the figures of a thousand machines, in each dialect."""
    if not lab.wants("fleet"):
        return
    for number in range(min(lab.rounds, _ROUNDS)):
        lab.note(f"fleet of {FLEET}, round {number + 1}")
        for dialect, subject in _DIALECTS.items():
            _fleet(lab, dialect, subject)


def _fleet(lab: Lab, dialect: str, subject: str) -> None:
    with tempfile.TemporaryDirectory(dir=lab.scratch) as directory:
        line = [sys.executable, "-m", "benchmarks.fleet"]
        try:
            done = subprocess.run(
                [*line, dialect, str(lab.scale(FLEET, 1)), directory],
                capture_output=True,
                check=True,
                cwd=ROOT,
                env=environment(),
                timeout=_TIME_LIMIT,
            )
        except subprocess.SubprocessError as error:
            lab.samples.remark(f"fleet: {subject} failed: {error}")
            return
    figures = json.loads(done.stdout)
    lab.samples.add("fleet.each", subject, figures["kb_each"])
    lab.samples.add("fleet.start", subject, figures["ms_each"])
