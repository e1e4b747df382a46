"""Figures of servers under load: the shapes of load, and whom each is put on.

All servers of a run stay up through its rounds and take turns, shape by shape, so
that what else happens on the machine hits all of them alike.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.lab import keep_schema
from benchmarks.loads import LoadFailed, run_load
from benchmarks.measure import cpu_ns, rss_bytes
from benchmarks.servers import Server, ServerFailed, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.lab import Lab


@dataclass(frozen=True)
class Shape:
    """One shape of load.

    Attributes:
        name: First part of the metrics: ``name.cpu``, ``name.rate``, ``name.p50``.
        mode: Of the load generator.
        ops: How much of it a fast server gets; there is a slow one, too.
        slow_ops: How much of it QEMU gets.
        options: Of the load generator.
        servers: The servers that get it, by the subject they stand for.
        sockets: How many sockets QEMU has to open, one for each session.
        one_core: Whether server and generator share a core: they take turns.
    """

    name: str
    mode: str
    ops: int
    slow_ops: int
    options: Mapping[str, int] = field(default_factory=dict)
    servers: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("qemu", "responder", "qmpx"), "")
    )
    sockets: int = 1
    one_core: bool = True


_NO_QEMU: Final = {"responder": "", "qmpx": ""}
_SEQ: Final = {"qemu": "", "responder": "", "qmpx": "", "qmpx-asyncio": ""}
_YEARS: Final = {"qmpx": "", "qmpx-2010": ""}
_SCHEMA: Final = {"qemu": "", "responder": "", "qmpx": "qmpx-schema"}

SHAPES: Final = (
    Shape("server.seq", "seq", 8_000, 1_000, {"warm": 200}, _SEQ),
    Shape("server.pipe64", "pipe", 128_000, 1_280),
    Shape("server.pipe512", "pipe", 128_000, 1_024, {"depth": 512}),
    Shape("server.glued64", "pipe", 128_000, 1_280, {"lines": 0}),
    Shape("server.years1", "seq", 8_000, 0, {"warm": 200}, _YEARS),
    Shape("server.years64", "pipe", 128_000, 0, {}, _YEARS),
    Shape(
        "server.years1000",
        "events",
        256,
        0,
        {"sessions": 1000},
        _YEARS,
        one_core=False,
    ),
    Shape("server.async64", "pipe", 128_000, 0, {}, {"qmpx": "qmpx-async"}),
    Shape("server.schema", "schema", 1_500, 8, {"warm": 2}, _SCHEMA),
    Shape("server.churn", "churn", 2_000, 400),
    Shape("server.events1", "events", 32_000, 640),
    Shape("server.events2", "events", 32_000, 640, {"sessions": 2}, sockets=2),
    Shape("server.events10", "events", 12_800, 640, {"sessions": 10}, sockets=10),
    Shape(
        "server.events100",
        "events",
        1_920,
        0,
        {"sessions": 100},
        _NO_QEMU,
        one_core=False,
    ),
    Shape(
        "server.events1000",
        "events",
        256,
        0,
        {"sessions": 1000},
        _NO_QEMU,
        one_core=False,
    ),
)


def measure_servers(lab: Lab) -> None:
    """Take the figures of all shapes of load that are wanted, round by round."""
    shapes = [shape for shape in SHAPES if lab.wants(shape.name)]
    with ExitStack() as stack:
        park = _Park(lab, stack)
        for shape in shapes:
            if shape.mode == "schema":
                with lab.one_core():
                    park.learn_schema(shape)
        for number in range(lab.rounds if shapes else 0):
            lab.note(f"servers, round {number + 1} of {lab.rounds}")
            for shape in shapes:
                with lab.one_core(wanted=shape.one_core):
                    for subject in shape.servers:
                        _measure(lab, park, shape, subject)
        park.weigh()


def _measure(lab: Lab, park: _Park, shape: Shape, subject: str) -> None:
    """Put one load on one server and note what it cost."""
    server = park.get(shape, shape.servers[subject] or subject)
    if server is None:
        return
    slow = subject == "qemu"
    depth = shape.options.get("depth", 64)
    ops = lab.scale(shape.slow_ops if slow else shape.ops, depth if depth > 64 else 4)
    options = {
        **shape.options,
        "ops": max(ops, 2 * depth) if shape.mode in {"pipe", "events"} else ops,
    }
    try:
        load = run_load(lab, shape.mode, server, options)
    except LoadFailed as error:
        lab.samples.remark(f"{shape.name}: {subject} failed: {error}")
        return
    lab.samples.add(f"{shape.name}.cpu", subject, load.cpu_us)
    lab.samples.add(f"{shape.name}.rate", subject, load.rate)
    if shape.mode == "seq":
        lab.samples.add(f"{shape.name}.p50", subject, load.figures["p50_ns"] / 1000)


class _Park:
    """The servers that are up, each started when it is first asked for."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        self._lab, self._stack = lab, stack
        self._up: dict[tuple[str, int, bool], Server | None] = {}

    def get(self, shape: Shape, subject: str) -> Server | None:
        """Return the server for *subject*; None if there can be none."""
        lab = self._lab
        sockets = shape.sockets if subject == "qemu" else 1
        key = subject, sockets, shape.one_core
        if key not in self._up:
            server = None
            missing = not (lab.compiler if subject == "responder" else True)
            missing = missing or not (lab.qemu if subject == "qemu" else True)
            if not missing:
                try:
                    server = self._stack.enter_context(serve(lab, subject, sockets))
                except ServerFailed as error:
                    lab.samples.remark(f"server {subject} failed: {error}")
            self._up[key] = server
        return self._up[key]

    def weigh(self) -> None:
        """Note what the servers have grown to, having served all of the loads."""
        grown: dict[str, int] = {}
        for (kind, *_), server in self._up.items():
            subject = "qmpx" if kind.startswith("qmpx") else kind
            if server is not None and server.process.poll() is None:
                size = rss_bytes(server.pid)
                grown[subject] = max(grown.get(subject, 0), size)
        for subject, size in grown.items():
            self._lab.samples.add("server.memory.loaded", subject, size / 1e6)

    def learn_schema(self, shape: Shape) -> None:
        """Take the schema from the QEMU, before those start that are to return it."""
        server = self.get(shape, "qemu")
        if server is None:
            self._lab.samples.remark("no QEMU: the schema is made up, of like size")
        else:
            keep_schema(self._lab, server.addresses[0])


def measure_starts(lab: Lab) -> None:
    """Take the cost of a start, and the memory when idle."""
    name = "server.start", "server.memory"
    if not any(map(lab.wants, name)):
        return
    lab.note("server starts")
    for _ in range(lab.rounds):
        for subject in ("qemu", "qmpx"):
            if subject == "qemu" and not lab.qemu:
                continue
            try:
                with serve(lab, subject) as server:
                    spent = cpu_ns(server.pid)
                    lab.samples.add("server.start.cpu", subject, spent / 1e6)
                    idle = rss_bytes(server.pid)
                    lab.samples.add("server.memory.idle", subject, idle / 1e6)
            except ServerFailed as error:
                lab.samples.remark(f"server.start: {subject} failed: {error}")
