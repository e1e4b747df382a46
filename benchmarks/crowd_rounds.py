"""Figures of a server with very many sessions, and of one with a client that is mute.

Each is taken on a fresh server, since memory is what is measured.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from benchmarks.loads import LoadFailed, run_load
from benchmarks.servers import ServerFailed, serve

if TYPE_CHECKING:
    from benchmarks.lab import Lab

CROWD: Final = 10_000
_SPARE_FILES: Final = 100  # what a process has open besides its sessions
_MUTE_BYTES: Final = 2_700_000
_ROUNDS: Final = 3  # memory hardly varies


def measure_crowds(lab: Lab) -> None:
    """Take the figures of ten thousand sessions at once."""
    if not (lab.compiler and lab.wants("server.crowd")):
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    sessions = min(CROWD, hard - _SPARE_FILES)
    if sessions < CROWD:
        lab.samples.remark(f"only {hard} files may be open: {sessions} sessions tried")
    for number in range(min(lab.rounds, _ROUNDS)):
        lab.note(f"crowd of {sessions}, round {number + 1}")
        for subject in ("responder", "qmpx"):
            try:
                _crowd(lab, subject, sessions)
            except (ServerFailed, LoadFailed) as error:
                lab.samples.remark(f"server.crowd: {subject} failed: {error}")


def _crowd(lab: Lab, subject: str, sessions: int) -> None:
    with serve(lab, subject) as server:
        options = {"sessions": sessions, "ops": 10 * sessions}
        load = run_load(lab, "crowd", server, options)
    figures = {
        "sessions": load.figures["sessions"],
        "each": load.growth("empty", "open") / sessions / 1000,
        "total": load.marks["done"].rss_bytes / 1e6,
        "rate": load.rate,
        "fair": load.figures["least"] / load.figures["most"],
        "open": sessions / load.figures["open_ns"] * 1e9,
    }
    for name, value in figures.items():
        lab.samples.add(f"server.crowd.{name}", subject, value)


def measure_mutes(lab: Lab) -> None:
    """Take the figures of a client that sends much and reads nothing."""
    if not (lab.compiler and lab.wants("server.mute")):
        return
    for number in range(min(lab.rounds, _ROUNDS)):
        lab.note(f"mute client, round {number + 1}")
        for subject in ("qemu", "responder", "qmpx"):
            # It takes QEMU some 17 s to read what the client sends: once is enough.
            if subject == "qemu" and (number or lab.quick or not lab.qemu):
                continue
            try:
                _mute(lab, subject)
            except (ServerFailed, LoadFailed) as error:
                lab.samples.remark(f"server.mute: {subject} failed: {error}")


def _mute(lab: Lab, subject: str) -> None:
    slow = subject == "qemu"
    # QEMU may need seconds before it lets more be written: that is not yet a stall.
    options = {"bytes": _MUTE_BYTES, "stall": 4000 if slow else 500}
    with serve(lab, subject, 2 if slow else 1) as server:
        load = run_load(lab, "mute", server, options, settle=1.5 if slow else 0.05)
    lab.samples.add(
        "server.mute.growth", subject, load.growth("empty", "stalled") / 1e6
    )
    lab.samples.add("server.mute.other", subject, load.figures["max_ns"] / 1e6)
    # The generator checks each id: it fails if one is missing or out of order.
    lab.samples.add("server.mute.replies", subject, load.figures["ops"])
