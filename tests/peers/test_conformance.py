"""The conformance corpus, recorded from a real QEMU, against ``qmpx serve``."""

from __future__ import annotations

import heapq
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CONFORMANCE

# Under load it takes minutes: it plays six hundred cases.
pytestmark = [
    pytest.mark.peer("conformance"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

CASES = CONFORMANCE / "public.jsonl"
SERVE = (
    f"{shlex.quote(str(Path(sys.executable).with_name('qmpx')))} serve -S --no-async"
)
SOCKETS = "--qmp unix:{sock} --qmp unix:{sock2}"
SHARDS = 6  # a case mostly waits for silence, so more shards than processors pay

Outcome = dict[str, Any]


def conform(serve: str, results: Path, *arguments: str) -> list[Outcome]:
    """Play cases to a server, and return what became of each."""
    runner = [sys.executable, str(CONFORMANCE / "conform.py"), "--cases", str(CASES)]
    runner += ["--cmd", serve, "--skip-missing", "--json", str(results), *arguments]
    ended = subprocess.run(runner, capture_output=True, text=True, timeout=240)
    assert results.exists(), ended.stdout + ended.stderr
    outcomes: list[Outcome] = json.loads(results.read_text())
    return outcomes


def shards() -> list[list[str]]:
    """Return the groups of cases, spread so that each share takes about as long."""
    seconds: dict[str, float] = {}
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        silences = sum(step.get("expect") == [] for step in case["steps"])
        blocks = "x:block" in case.get("needs", ())
        slow = "x:slow" in case.get("needs", ())
        share = 0.03 + 0.2 * silences + 0.3 * blocks + 7 * slow
        seconds[case["group"]] = seconds.get(case["group"], 0.0) + share
    spread: list[tuple[float, list[str]]] = [(0.0, []) for _ in range(SHARDS)]
    for group in sorted(seconds, key=lambda group: -seconds[group]):
        total, groups = heapq.heappop(spread)
        heapq.heappush(spread, (total + seconds[group], [*groups, group]))
    return [groups for _, groups in spread]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Play all cases that can be played: on two servers at once for each share."""
    folder = tmp_path_factory.mktemp("conformance")
    both = f"{SERVE} {SOCKETS}"
    runs = [(both, ["--slow", "--group", ",".join(groups)]) for groups in shards()]
    runs.append((f"{SERVE} --clients 1 {SOCKETS}", ["--group", "connection"]))
    with ThreadPoolExecutor(len(runs)) as pool:
        played = pool.map(
            lambda run: conform(run[1][0], folder / f"{run[0]}.json", *run[1][1]),
            enumerate(runs),
        )
        return [outcome for part in played for outcome in part]


def test_no_case_fails(outcomes: list[Outcome]) -> None:
    failed = {
        outcome["id"]: outcome["diffs"]
        for outcome in outcomes
        if outcome["verdict"] not in ("strict", "skipped")
    }
    assert failed == {}


def test_only_what_the_machine_lacks_is_skipped(outcomes: list[Outcome]) -> None:
    ran = {outcome["id"] for outcome in outcomes if outcome["verdict"] == "strict"}
    reasons = {outcome["id"]: outcome["skipped"] for outcome in outcomes}
    skipped = {reason for case, reason in reasons.items() if case not in ran}
    assert len(ran) >= 550
    assert skipped <= {
        "missing device_add",
        "missing human-monitor-command",
        "missing qom-get",
        "missing qom-list",
    }
