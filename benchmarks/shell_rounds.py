"""Figures of what people wait for: help, a command, the shell's prompt, completion."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from typing import TYPE_CHECKING, Final

from benchmarks.lab import ROOT, environment
from benchmarks.process_rounds import script
from benchmarks.servers import ServerFailed, serve
from qmpx.cli.shell.completion import candidates
from qmpx.cli.shell.explanation import explanation
from qmpx.cli.shell.slots import slot_at
from qmpx.qapi.shipped import shipped_schema

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.lab import Lab

FIGURES: Final = ("help", "run", "prompt", "complete")

# From an empty line, which all commands may follow, to what lies deep in a union.
LINES: Final = (
    "",
    "q",
    "query-block",
    "blockdev-add ",
    "blockdev-add driver=",
    "blockdev-add driver=qcow2 file.driver=nbd file.server.type=unix file.server.",
    "object-add qom-type=",
    "migrate-set-parameters ",
    "transaction( blockdev-",
    "help ",
    "events ",
)

_TIME_LIMIT: Final = 30
_WHERE_IS_THE_CURSOR: Final = b"\x1b[6n"


def measure_shell(lab: Lab) -> None:
    """Take the time on the wall: that is what a person waits."""
    if lab.wants("shell.complete"):
        lab.note("completion")
        _complete(lab)
    if not any(lab.wants(f"shell.{name}") for name in FIGURES[:3]):
        return
    lab.note("start-up of what people use")
    try:
        with serve(lab, "qmpx") as server:
            _start(lab, f"unix:{server.addresses[0]}")
    except (ServerFailed, OSError, subprocess.SubprocessError) as error:
        lab.samples.remark(f"shell: {error}")


def _complete(lab: Lab) -> None:
    schema = shipped_schema("9.2")
    for _ in range(2 * lab.rounds):
        worst = 0.0
        for line in LINES:
            begin = time.perf_counter()
            slot = slot_at(line, schema)
            candidates(slot, schema)
            explanation(slot, schema)
            worst = max(worst, time.perf_counter() - begin)
        lab.samples.add("shell.complete.worst", "qmpx", worst * 1e3)


def _start(lab: Lab, address: str) -> None:
    ours = script("qmpx")
    for _ in range(2 * lab.rounds):
        lab.samples.add("shell.help.wall", "qmpx", _wall_ms([*ours, "--help"]))
        line = [*ours, "run", address, "query-status"]
        lab.samples.add("shell.run.wall", "qmpx", _wall_ms(line))
        prompt = _prompt_ms(ours[0], address, lab.scratch)
        lab.samples.add("shell.prompt.wall", "qmpx", prompt)


def _wall_ms(line: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_TIME_LIMIT,
        cwd=ROOT,
        env=environment(),
    )
    return (time.perf_counter() - begin) * 1e3


def _prompt_ms(program: str, address: str, state: Path) -> float:
    """Start the shell on a terminal; return the time until its first prompt.

    Args:
        program: The program.
        address: What it connects to.
        state: Where it may keep its history.
    """
    begin = time.perf_counter()
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [program, "shell", address],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        env={**environment(), "TERM": "xterm", "XDG_STATE_HOME": str(state)},
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while b"(QEMU)" not in shown:
                data = os.read(leader, 65536)
                if _WHERE_IS_THE_CURSOR in data:
                    os.write(leader, b"\x1b[1;1R")
                shown += data
            return (time.perf_counter() - begin) * 1e3
        finally:
            process.kill()
            os.close(leader)
