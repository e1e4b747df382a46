"""The page of figures and the JSON, from the verdicts, the samples and the profiles."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from benchmarks.goals import Form
from benchmarks.measure import Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.goals import Goal, Verdict
    from benchmarks.measure import Samples
    from benchmarks.profiling import Profile

_INTRODUCTION: Final = """\
# Performance

This page is written by `make bench` (`python -m benchmarks`); do not edit it. One run
measures everything, the compared programs taking turns, and holds each figure against
its goal in `benchmarks/goals.py`. The same figures are in `benchmarks/results.json`.

CPU is the on-CPU time of the whole process tree for each operation. A ratio is taken
within each round; shown is the median of the rounds, and the lowest and highest in
brackets. "10x" says that ours is ten times better than the anchor, unless the goal is
an upper limit ("<= 0.5x"): then it is ours divided by the anchor. Rates and latencies
of a busy machine vary far more than CPU time does.
"""

_METHOD: Final = """\
## How it is measured

- A request is `{"execute":"query-status","id":12345}` and a newline: 38 bytes, since
  QEMU's cost depends on the length (it reads its monitor byte by byte). Without
  newlines the id has a digit more.
- The load on servers comes from a small C program, `benchmarks/load.c`, which checks
  every reply's id. *n* in flight: *n* requests in one write, then all their replies.
- The bare responder is `benchmarks/responder.c`: one thread, epoll, brackets counted,
  fixed replies with the id copied. It shows what the machine could do.
- QEMU runs with `-machine none -accel tcg`, and is left alone for 0.3 s first.
- An event is caused by `stop` and `cont` in turn, 64 in a write; cost is counted for
  each delivery and includes the command that caused it.
- Memory after load is that of the largest of each kind of server once all the loads
  above have passed (schema replies and 1,000 sessions with events among them).
- Each client figure comes from a process of its own; the responder answers all.
- The raw socket loop sends `json.dumps` of the request, an integer id included.
- What the gateway adds to a command is the difference of two medians that were taken
  within a second, one directly at the bare responder and one through `qmpx share`
  before it, both by the load generator, which blocks. All three share a core.
- Events for the gateway's clients are caused at the responder directly: one that all
  must have before the next; a stream of single ones, at most 16 of them ahead of the
  slowest client; 64 at once. Gateway and clients use all cores.
- The stand-in and QEMU inherit a socket that listens already, with a client in it, as
  from libvirt. `virsh start` and `destroy` are those of a private libvirtd, and include
  `virsh` itself; what an emulator can do was asked before.
- Server and load, and client and responder, share one core, where they take turns:
  waking an idle core of a virtual machine costs more than what is measured, and varies
  more. This helps QEMU, too, whose two threads hand each request over. Only the crowds
  and the events to 100 and 1,000 sessions use all cores. `--free` does without.
- Nothing but unix sockets carries the traffic.

## How to run it

    make bench                               # everything, and this page
    make bench ARGS="--only server.seq"      # some of it, shown but not written
    make bench ARGS="--quick --no-write"     # a glance
    make bench ARGS="--profile server.seq"   # where the time goes, for one metric

`qemu-system-x86_64`, a C compiler and `qemu.qmp` are used where there are any; what
cannot be measured without them is left out and said to be.
"""


def number(value: float) -> str:
    """Return *value* with three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def limit(goal: Goal) -> str:
    """Return the goal as the page shows it."""
    match goal.form:
        case Form.TIMES:
            return f">= {goal.limit:g}x"
        case Form.SHARE:
            return f"<= {goal.limit:g}x"
        case Form.BEST:
            return f">= {goal.limit:.0%}"
        case Form.AT_MOST:
            return f"<= {goal.limit:,g} {goal.unit}"
        case Form.AT_LEAST:
            return f">= {goal.limit:,.5g} {goal.unit}"


def judgement(verdict: Verdict) -> str:
    """Return whether the goal is met, or by how much it is missed."""
    if verdict.met is None:
        return "not measured"
    return "met" if verdict.met else f"missed by {verdict.gap:.0%}"


def _spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "-"
    text = f"{number(spread.median)}{unit}"
    if spread.rounds == 1:
        return text
    return f"{text} [{number(spread.least)}..{number(spread.most)}]"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    goal = verdict.goal
    unit = goal.unit if goal.unit.startswith("/") else f" {goal.unit}"
    anchor = (
        f"{goal.anchor}: {number(verdict.anchor.median)}" if verdict.anchor else "-"
    )
    ours = number(verdict.ours.median) + unit if verdict.ours else "-"
    if goal.form is Form.BEST:
        judged = f"{verdict.judged.median:.0%}" if verdict.judged else "-"
    else:
        absolute = goal.form in {Form.AT_MOST, Form.AT_LEAST}
        judged = _spread(verdict.judged, "" if absolute else "x")
    return goal.title, anchor, ours, judged, limit(goal), judgement(verdict)


def _table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for index, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if not index:
            yield "|---|" + "--:|" * (len(row) - 1)


_HEAD: Final = ("metric", "anchor", "ours", "median [min..max]", "goal", "")


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return in one sentence how many goals are met."""
    measured = [verdict for verdict in verdicts if verdict.met is not None]
    met = sum(1 for verdict in measured if verdict.met)
    text = f"{met} of {len(measured)} goals are met"
    if left := len(verdicts) - len(measured):
        text += f", {left} were not measured"
    return text


def misses(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts on missed goals, the worst first."""
    return sorted((v for v in verdicts if v.met is False), key=lambda v: -v.gap)


def page(
    verdicts: Sequence[Verdict],
    samples: Samples,
    profiles: Sequence[Profile],
    machine: dict[str, str],
) -> str:
    """Return the page of figures, in Markdown."""
    lines = [_INTRODUCTION, f"**{summary(verdicts)}.**", "", *tables(verdicts)]
    missed = misses(verdicts)
    if missed:
        lines += ["", "## What is missed", ""]
        lines += [
            f"- {v.goal.title} (`{v.goal.metric}`, {v.goal.ours}): "
            f"goal {limit(v.goal)}, {judgement(v)}"
            for v in missed
        ]
    if profiles:
        lines += ["", "## Where the time goes", ""]
        lines += ["Profiles of what misses a goal; own time of each function."]
    for each in profiles:
        lines += [
            "",
            f"### `{each.metric}`, {each.subject}",
            "",
            f"{each.summary}.",
            "",
        ]
        lines += [f"    {line}" for line in each.lines]
    if samples.remarks:
        lines += ["", "## Remarks", "", *(f"- {text}" for text in samples.remarks)]
    lines += ["", "## The machine", "", *_table([("", ""), *machine.items()])]
    lines += ["", _METHOD, "## All figures", "", *figures(samples), ""]
    return "\n".join(lines)


def tables(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield a table for each section, with its heading."""
    for section, group in groupby(verdicts, key=lambda v: v.goal.section):
        yield from ("", f"## {section}", "")
        yield from _table([_HEAD, *map(_cells, group)])


def figures(samples: Samples) -> Iterator[str]:
    """Yield a table of everything that was measured."""
    rows = [("metric", "subject", "median [min..max]", "rounds")]
    for metric, subjects in samples.values.items():
        for subject, values in subjects.items():
            spread = Spread.of(values)
            rows.append((metric, subject, _spread(spread, ""), str(spread.rounds)))
    return _table(rows)


def results(
    verdicts: Iterable[Verdict], samples: Samples, machine: dict[str, str]
) -> str:
    """Return everything as JSON."""
    goals: list[dict[str, Any]] = [
        {
            **asdict(verdict.goal),
            "form": verdict.goal.form.name.lower(),
            "met": verdict.met,
            "missed_by": round(verdict.gap, 4),
            "median": verdict.judged and verdict.judged.median,
            "min": verdict.judged and verdict.judged.least,
            "max": verdict.judged and verdict.judged.most,
        }
        for verdict in verdicts
    ]
    document = {
        "machine": machine,
        "remarks": samples.remarks,
        "goals": goals,
        "samples": samples.values,
    }
    return json.dumps(document, indent=1) + "\n"
