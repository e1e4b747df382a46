"""The goals: one table, each row a figure of ours, its anchor and the limit.

A goal is a ratio inside one run wherever there is an anchor, since absolute figures
say more about the machine than about the program.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Spread, ratios

if TYPE_CHECKING:
    from benchmarks.measure import Samples


class Form(enum.Enum):
    """How a figure is held against its limit."""

    TIMES = "times better than the anchor, at least"
    SHARE = "share of the anchor's cost, at most"
    BEST = "best of the anchor to best of ours, at least"
    AT_MOST = "absolute, at most"
    AT_LEAST = "absolute, at least"


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Attributes:
        section: Heading under which the page shows it.
        title: What is measured, in words.
        metric: Name of the figure among the samples.
        unit: Of the figure; those per second and shares are better when higher.
        form: How the figure is judged.
        limit: The goal itself.
        ours: The subject that is judged.
        anchor: The subject that it is held against; shown only, if `form` is
            absolute.
        anchor_metric: Name of the anchor's figure where it is another one.
    """

    section: str
    title: str
    metric: str
    unit: str
    form: Form
    limit: float
    ours: str = "qmpx"
    anchor: str = ""
    anchor_metric: str = ""

    @property
    def higher_is_better(self) -> bool:
        """Tell whether more of the unit is better."""
        return self.unit in {"/s", "sessions", "replies", "least/most"}


@dataclass(frozen=True)
class Verdict:
    """What the run says about one goal; the spreads are None if not measured."""

    goal: Goal
    anchor: Spread | None
    ours: Spread | None
    judged: Spread | None

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met; None if it was not measured."""
        if self.judged is None:
            return None
        if self.goal.form in {Form.SHARE, Form.AT_MOST}:
            return self.judged.median <= self.goal.limit
        return self.judged.median >= self.goal.limit

    @property
    def gap(self) -> float:
        """Return how much is missing, as a share of the goal (0.1: a tenth)."""
        if self.judged is None or self.met:
            return 0.0
        return abs(self.judged.median - self.goal.limit) / self.goal.limit


def judge(goal: Goal, samples: Samples) -> Verdict:
    """Hold what was measured against *goal*."""
    ours = samples.of(goal.metric, goal.ours)
    anchor = samples.of(goal.anchor_metric or goal.metric, goal.anchor)
    judged: list[float] = []
    if goal.form in {Form.AT_LEAST, Form.AT_MOST}:
        judged = ours
    elif ours and anchor:
        if goal.form is Form.BEST and goal.higher_is_better:
            judged = [max(ours) / max(anchor)]
        elif goal.form is Form.BEST:
            judged = [min(anchor) / min(ours)]
        elif goal.form is Form.SHARE or goal.higher_is_better:
            judged = ratios(ours, anchor)
        else:
            judged = ratios(anchor, ours)
    return Verdict(
        goal,
        Spread.of(anchor) if anchor else None,
        Spread.of(ours) if ours else None,
        Spread.of(judged) if judged else None,
    )


_SERVER: Final = "Server, against QEMU"
_BARE: Final = "Server, as a share of a bare responder in C"
_MANY: Final = "Server, many sessions"
_OLD: Final = "The monitor of 2010, beside the modern one"
_FLEET: Final = "A thousand machines in one process, each served and asked once"
_CLIENT: Final = "Client, against qemu.qmp, on one fixed responder"
_REAL: Final = "Client, against a real QEMU"
_PROCESS: Final = "Process"
_SCHEMA: Final = "Schema, QEMU 9.2's"
_GATEWAY: Final = "The gateway, before a bare responder"
_STANDIN: Final = "The stand-in, against QEMU"
_PEOPLE: Final = "What a person waits for"


def _qemu(
    limit: float,
    metric: str,
    unit: str,
    title: str,
    ours: str = "qmpx",
    other: str = "",
) -> Goal:
    return Goal(_SERVER, title, metric, unit, Form.TIMES, limit, ours, "qemu", other)


def _bare(limit: float, metric: str, unit: str, title: str) -> Goal:
    return Goal(_BARE, title, metric, unit, Form.BEST, limit, anchor="responder")


def _many(
    form: Form, limit: float, metric: str, unit: str, title: str, anchor: str
) -> Goal:
    return Goal(_MANY, title, metric, unit, form, limit, anchor=anchor)


def _peer(
    limit: float,
    metric: str,
    unit: str,
    title: str,
    ours: str = "qmpx-uvloop",
    anchor: str = "qemu.qmp",
    other: str = "",
) -> Goal:
    return Goal(_CLIENT, title, metric, unit, Form.TIMES, limit, ours, anchor, other)


def _real(limit: float, title: str, anchor: str) -> Goal:
    metric = "client.qemu.p50"
    return Goal(_REAL, title, metric, "us", Form.TIMES, limit, "qmpx-sync", anchor)


def _process(form: Form, limit: float, metric: str, title: str, anchor: str) -> Goal:
    return Goal(_PROCESS, title, metric, "ms", form, limit, anchor=anchor)


_LEAST: Final = Form.AT_LEAST
_P64 = "server.pipe64.cpu"
_GATHER = "client.gather64.cpu"

GOALS: Final = (
    _qemu(10, "server.seq.p50", "us", "one at a time, p50 latency"),
    _qemu(14, "server.seq.cpu", "us", "one at a time, CPU"),
    _qemu(
        9, "server.seq.cpu", "us", "one at a time, plain asyncio, CPU", "qmpx-asyncio"
    ),
    _qemu(110, _P64, "us", "64 in flight, CPU"),
    _qemu(80, "server.pipe64.rate", "/s", "64 in flight, rate"),
    _qemu(160, "server.pipe512.cpu", "us", "512 in flight, CPU"),
    _qemu(100, "server.glued64.cpu", "us", "64 in flight, no newlines, CPU"),
    _qemu(60, "server.async64.cpu", "us", "64 in flight, async def, CPU", other=_P64),
    _qemu(600, "server.schema.cpu", "us", "query-qmp-schema, kept bytes, CPU"),
    _qemu(250, "server.schema.rate", "/s", "query-qmp-schema, kept bytes, rate"),
    _qemu(4, "server.churn.cpu", "us", "connect, negotiate, close, CPU"),
    _qemu(35, "server.events1.cpu", "us", "events, 1 monitor, CPU a delivery"),
    _qemu(18, "server.events2.cpu", "us", "events, 2 monitors, CPU a delivery"),
    _qemu(8, "server.events10.cpu", "us", "events, 10 monitors, CPU a delivery"),
    _qemu(0.22, "server.start.cpu", "ms", "start to greeting, CPU"),
    _qemu(1.0, "server.memory.idle", "MB", "memory, idle"),
    _qemu(1.6, "server.memory.loaded", "MB", "memory, after load"),
    _bare(0.40, "server.seq.cpu", "us", "one at a time, CPU"),
    _bare(0.35, "server.pipe64.rate", "/s", "64 in flight, rate"),
    _bare(0.55, "server.churn.cpu", "us", "connect, negotiate, close, CPU"),
    *(
        _many(form, limit, f"server.{metric}", unit, title, "responder")
        for form, limit, metric, unit, title in (
            (Form.AT_LEAST, 1e5, "events100.rate", "/s", "events to 100 sessions"),
            (Form.AT_LEAST, 6e4, "events1000.rate", "/s", "events to 1,000 sessions"),
            (Form.AT_LEAST, 1e4, "crowd.sessions", "sessions", "served at once"),
            (Form.AT_MOST, 2.5, "crowd.each", "kB", "memory of each of them"),
            (Form.AT_MOST, 60, "crowd.total", "MB", "memory of the server with them"),
            (Form.AT_LEAST, 3e4, "crowd.rate", "/s", "requests of all of them"),
            (Form.AT_LEAST, 0.5, "crowd.fair", "least/most", "served: least to most"),
        )
    ),
    *(
        _many(form, limit, f"server.mute.{metric}", unit, title, "qemu")
        for form, limit, metric, unit, title in (
            (Form.AT_MOST, 0.5, "growth", "MB", "2.7 MB sent, nothing read: growth"),
            (Form.AT_MOST, 5, "other", "ms", "meanwhile, slowest reply to another"),
            (Form.AT_LEAST, 71_052, "replies", "replies", "then, replies in order"),
        )
    ),
    *(
        Goal(_OLD, title, metric, unit, form, limit, "qmpx-2010", "qmpx")
        for form, limit, metric, unit, title in (
            (Form.SHARE, 2.0, "server.years1.cpu", "us", "one at a time, CPU"),
            (Form.AT_LEAST, 1e4, "server.years1.rate", "/s", "commands a second"),
            (Form.SHARE, 3.0, "server.years64.cpu", "us", "64 in flight, CPU"),
            (Form.AT_LEAST, 1e5, "server.years64.rate", "/s", "64 in flight, rate"),
            (Form.AT_LEAST, 6e4, "server.years1000.rate", "/s", "events to 1,000"),
        )
    ),
    *(
        Goal(_FLEET, f"{title}, {year}", metric, unit, Form.AT_MOST, limit, subject)
        for year, subject in (("modern", "qmpx"), ("2010", "qmpx-2010"))
        for limit, metric, unit, title in (
            (50, "fleet.each", "kB", "memory of each"),
            (3, "fleet.start", "ms", "CPU time of each"),
        )
    ),
    _peer(8, "client.seq.cpu", "us", "one at a time, uvloop, CPU"),
    _peer(6, "client.seq.rate", "/s", "one at a time, uvloop, rate"),
    _peer(
        5, "client.seq.cpu", "us", "one at a time, plain asyncio, CPU", "qmpx-asyncio"
    ),
    _peer(
        16,
        "client.seq.cpu",
        "us",
        "one at a time, blocking (anchor: legacy.py), CPU",
        "qmpx-sync",
        "qemu.qmp-legacy",
    ),
    _peer(11, _GATHER, "us", "gather of 64, CPU"),
    _peer(10, "client.gather64.rate", "/s", "gather of 64, rate"),
    _peer(
        35, "client.batch64.cpu", "us", "execute_many of 64, uvloop, CPU", other=_GATHER
    ),
    _peer(
        70,
        "client.batch64.cpu",
        "us",
        "execute_many of 64, blocking, CPU",
        "qmpx-sync",
        other=_GATHER,
    ),
    _peer(13, "client.events.cpu", "us", "events consumed, CPU"),
    _peer(10, "client.events.rate", "/s", "events consumed, rate"),
    _peer(8, "client.schema.cpu", "us", "reply of 207 kB, decoded, CPU"),
    _peer(
        45,
        "client.schema-raw.cpu",
        "us",
        "reply of 207 kB, kept raw (anchor: decoded), CPU",
        other="client.schema.cpu",
    ),
    _peer(6, "client.errors.cpu", "us", "error replies, CPU"),
    _peer(7, "client.echo64k.cpu", "us", "64 kB there and back, CPU"),
    _peer(6, "client.churn.cpu", "us", "connect, negotiate, close, CPU"),
    _peer(6, "client.memory.idle", "kB", "memory of a connection, uvloop"),
    _peer(
        2.8,
        "client.memory.idle",
        "kB",
        "memory of a connection, asyncio",
        "qmpx-asyncio",
    ),
    _real(0.95, "blocking, p50 (anchor: raw socket and json)", "raw"),
    _real(1.8, "blocking, p50 (anchor: qemu.qmp)", "qemu.qmp"),
    _process(Form.SHARE, 0.5, "process.import.cpu", "import qmpx, CPU", "qemu.qmp"),
    _process(
        Form.SHARE,
        0.45,
        "process.oneshot.cpu",
        "qmpx run, one command, CPU",
        "qmp-shell",
    ),
    _process(
        Form.AT_MOST, 80, "process.oneshot.cpu", "qmpx run, absolute", "qmp-shell"
    ),
    _process(
        Form.AT_MOST, 140, "server.start.cpu", "qmpx serve to its greeting, CPU", "qemu"
    ),
    Goal(
        _SCHEMA,
        "1,000 mixed commands, decoded and validated (anchor: decoded), CPU",
        "schema.validate.cpu",
        "ms",
        Form.SHARE,
        1.5,
        anchor="msgspec",
    ),
    *(
        Goal(_SCHEMA, title, f"schema.{metric}.cpu", "ms", Form.AT_MOST, limit)
        for limit, metric, title in (
            (500, "parse", "files read and checked, CPU"),
            (100, "compile", "validation of all commands compiled, CPU"),
            (200, "bindings", "a program that imports the bindings, CPU"),
        )
    ),
    *(
        Goal(
            _GATEWAY, title, "gateway.seq.added", "us", Form.AT_MOST, 60, f"qmpx{more}"
        )
        for more, title in (
            ("", "added to one command, p50"),
            ("-role", "the same, with a role"),
            ("-audit", "the same, with an audit, which has all commands"),
            ("-journal", "the same, with a journal of events"),
        )
    ),
    *(
        Goal(_GATEWAY, title, f"gateway.{metric}", unit, form, limit, anchor=anchor)
        for form, limit, metric, unit, title, anchor in (
            (Form.TIMES, 0.1, "crowd64.rate", "/s", "commands of 64 clients", "direct"),
            (_LEAST, 0.5, "crowd64.fair", "least/most", "served of these", "direct"),
            (
                Form.BEST,
                0.5,
                "single.cpu",
                "us",
                "one event to 1,000, CPU",
                "responder",
            ),
            (_LEAST, 3e5, "stream.rate", "/s", "single events to 1,000", "responder"),
            (
                _LEAST,
                3e5,
                "bursts.rate",
                "/s",
                "64 events at once to 1,000",
                "responder",
            ),
            (Form.AT_MOST, 4, "memory.each", "kB", "memory of each client", "direct"),
        )
    ),
    *(
        Goal(_STANDIN, title, f"standin.{metric}", unit, form, limit, anchor="qemu")
        for form, limit, metric, unit, title in (
            (Form.SHARE, 1, "start.wall", "ms", "start to greeting"),
            (Form.TIMES, 1, "memory.idle", "MB", "memory, idle"),
            (Form.SHARE, 1, "libvirt.start", "ms", "virsh start"),
            (Form.SHARE, 1, "libvirt.destroy", "ms", "virsh destroy"),
        )
    ),
    *(
        Goal(_PEOPLE, title, f"shell.{metric}", "ms", Form.AT_MOST, limit)
        for limit, metric, title in (
            (150, "help.wall", "qmpx --help"),
            (150, "run.wall", "qmpx run, one command"),
            (400, "prompt.wall", "the shell's first prompt"),
            (
                30,
                "complete.worst",
                "completion with all of QEMU 9.2, slowest of 11 lines",
            ),
        )
    ),
)
