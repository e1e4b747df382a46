"""``python -m benchmarks``: measure, judge, and write the page of figures."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

from benchmarks import machine, report
from benchmarks.client_rounds import measure_clients
from benchmarks.crowd_rounds import measure_crowds, measure_mutes
from benchmarks.fleet_rounds import measure_fleets
from benchmarks.gateway_rounds import measure_gateways
from benchmarks.goals import GOALS, judge
from benchmarks.lab import ROOT, open_lab
from benchmarks.process_rounds import measure_processes
from benchmarks.profiling import profile
from benchmarks.schema_rounds import measure_schema
from benchmarks.server_rounds import measure_servers, measure_starts
from benchmarks.shell_rounds import measure_shell
from benchmarks.standin_rounds import measure_standins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.goals import Verdict
    from benchmarks.lab import Lab
    from benchmarks.profiling import Profile

PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
RESULTS: Final = ROOT / "benchmarks" / "results.json"
_LINES_IN_PAGE: Final = 8  # of each profile


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the children, too
    rounds = options.rounds or (2 if options.quick else 5)
    with open_lab(rounds, tuple(options.only), quick=options.quick) as lab:
        lab.free = options.free
        partial = options.no_write or options.quick or options.free or options.only
        if options.profile:
            return _show_profile(lab, *options.profile.partition(":")[::2])
        return _run(lab, write=not partial)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--free",
        action="store_true",
        help="let the system choose the core of each process; nothing is written",
    )
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only benchmarks whose name has PATTERN in it (server.seq, client, ...); "
        "may be repeated; nothing is written",
    )
    parser.add_argument(
        "--rounds", metavar="N", type=int, help="rounds (default 5, quick 2)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the work; nothing is written"
    )
    parser.add_argument(
        "--no-write", action="store_true", help="show the figures, write no file"
    )
    parser.add_argument(
        "--profile",
        metavar="METRIC[:SUBJECT]",
        help="only show where the time goes (server.seq, client.seq:qmpx-sync, ...)",
    )
    return parser


def _run(lab: Lab, *, write: bool) -> int:
    """Measure everything that is wanted, show it and, if *write*, keep it."""
    begun = time.monotonic()
    described = machine.describe(lab)
    measure_servers(lab)
    measure_crowds(lab)
    measure_fleets(lab)
    measure_gateways(lab)
    measure_standins(lab)
    with lab.one_core():
        measure_starts(lab)
        measure_mutes(lab)
        measure_clients(lab)
        measure_processes(lab)
        measure_schema(lab)
        measure_shell(lab)
    verdicts = [judge(goal, lab.samples) for goal in GOALS if lab.wants(goal.metric)]
    profiles = _profiles(lab, report.misses(verdicts)) if write else []
    minutes = (time.monotonic() - begun) / 60
    described["duration"] = f"{minutes:.1f} minutes, {lab.rounds} rounds"
    print("\n".join(report.tables(verdicts)))
    if not write:
        print("\n".join(("", "## All figures", "", *report.figures(lab.samples))))
    for remark in lab.samples.remarks:
        print(f"- {remark}")
    print(f"\n{report.summary(verdicts)}; {minutes:.1f} minutes")
    if write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(report.page(verdicts, lab.samples, profiles, described))
        RESULTS.write_text(report.results(verdicts, lab.samples, described))
        print(f"written: {PAGE.relative_to(ROOT)}, {RESULTS.relative_to(ROOT)}")
    return 0


def _profiles(lab: Lab, missed: Sequence[Verdict]) -> list[Profile]:
    """Profile whatever misses a goal, each work once."""
    wanted = dict.fromkeys(
        (verdict.goal.metric.rpartition(".")[0], verdict.goal.ours)
        for verdict in missed
    )
    lab.note(f"profiles of {len(wanted)}")
    found = (profile(lab, f"{name}.cpu", who, _LINES_IN_PAGE) for name, who in wanted)
    return [each for each in found if each is not None]


def _show_profile(lab: Lab, metric: str, subject: str) -> int:
    """Print where the time goes for *metric*."""
    ours = subject or next(
        (goal.ours for goal in GOALS if goal.metric.startswith(metric)), "qmpx"
    )
    found = profile(lab, metric, ours)
    for remark in lab.samples.remarks:
        print(remark, file=sys.stderr)
    if found is None:
        print(f"there is no profile of {metric!r} for {ours}", file=sys.stderr)
        return 1
    print(f"{found.metric}, {found.subject}: {found.summary}", *found.lines, sep="\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
