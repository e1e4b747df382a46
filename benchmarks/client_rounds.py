"""Figures of clients: each work done by each library, in turns, round by round."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.loads import LoadFailed, run_client
from benchmarks.servers import ServerFailed, serve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.lab import Lab

MEASURER: Final = (sys.executable, "-m", "benchmarks.clients")


@dataclass(frozen=True)
class Work:
    """One work, and how many operations of it each library does.

    Attributes:
        name: First part of the metrics.
        kind: What the client process is told to do.
        ops: By subject: the slow ones do less, for each to take about 0.3 s.
        server: Who answers.
    """

    name: str
    kind: str
    ops: Mapping[str, int]
    server: str = "responder"


_PEER = "qemu.qmp"
_LEGACY = "qemu.qmp-legacy"
_UVLOOP = "qmpx-uvloop"
_PLAIN = "qmpx-asyncio"
_SYNC = "qmpx-sync"

WORKS: Final = (
    Work(
        "client.seq",
        "seq",
        {_PEER: 1500, _LEGACY: 1200, _UVLOOP: 8000, _PLAIN: 6000, _SYNC: 12000},
    ),
    Work("client.gather64", "gather64", {_PEER: 2560, _UVLOOP: 19200, _PLAIN: 19200}),
    Work("client.batch64", "batch64", {_UVLOOP: 64000, _PLAIN: 64000, _SYNC: 96000}),
    Work("client.events", "events", {_PEER: 8000, _UVLOOP: 60000, _SYNC: 60000}),
    Work("client.schema", "schema", {_PEER: 64, _UVLOOP: 96, _SYNC: 96}),
    Work("client.schema-raw", "schema-raw", {_UVLOOP: 500, _SYNC: 500}),
    Work("client.errors", "errors", {_PEER: 1500, _UVLOOP: 6000, _SYNC: 8000}),
    Work("client.echo64k", "echo64k", {_PEER: 200, _UVLOOP: 1000, _SYNC: 1000}),
    Work(
        "client.churn",
        "churn",
        {_PEER: 400, _UVLOOP: 2000, _PLAIN: 1500, _SYNC: 2000},
    ),
    Work(
        "client.memory",
        "memory",
        {_PEER: 1000, _UVLOOP: 1000, _PLAIN: 1000, _SYNC: 1000},
    ),
    Work("client.qemu", "seq", {"raw": 1200, _PEER: 800, _SYNC: 1200}, "qemu"),
)


def measure_clients(lab: Lab) -> None:
    """Take the figures of all works that are wanted, round by round."""
    works = [work for work in WORKS if lab.wants(work.name)]
    fixed = [work for work in works if work.server == "responder"]
    real = [work for work in works if work.server == "qemu" and lab.qemu]
    for server, chosen in (("responder", fixed), ("qemu", real)):
        if not chosen:
            continue
        try:
            with serve(lab, server) as running:
                for number in range(lab.rounds):
                    lab.note(f"clients of {server}, round {number + 1} of {lab.rounds}")
                    for work in chosen:
                        _do(lab, work, running.addresses[0])
        except ServerFailed as error:
            lab.samples.remark(f"clients: {error}")


def _do(lab: Lab, work: Work, address: Path) -> None:
    """Let each library do *work* once."""
    for subject, ops in work.ops.items():
        if subject in {_PEER, _LEGACY} and not lab.peer:
            continue
        try:
            client = run_client(lab, subject, work.kind, address, ops, [*MEASURER])
        except LoadFailed as error:
            lab.samples.remark(f"{work.name}: failed: {error}")
            continue
        add = lab.samples.add
        if work.kind == "memory":
            add(f"{work.name}.idle", subject, client.figures["idle_kb"])
            add(f"{work.name}.used", subject, client.figures["used_kb"])
            continue
        add(f"{work.name}.cpu", subject, client.cpu_us)
        add(f"{work.name}.rate", subject, client.rate)
        if work.kind == "seq":
            add(f"{work.name}.p50", subject, client.p50_us)
