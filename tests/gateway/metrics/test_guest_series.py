"""A guest's figures: read from what QEMU says, kept while it says nothing."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway import SharedMonitor
from qmpx.gateway.care.health import HealthWatch
from qmpx.gateway.metrics.guest_series import (
    KINDS,
    MAX_THINGS,
    Figure,
    GuestSeries,
    balloon,
    disks,
    migration,
    processors,
    sample_of,
    thread_seconds,
)
from qmpx.gateway.settings.process import HealthSettings
from tests.loops import settle, silenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.monitor.conftest import Run, Stage

STATS = {
    "rd_bytes": 1,
    "wr_bytes": 2,
    "rd_operations": 3,
    "wr_operations": 4,
    "flush_operations": 5,
    "rd_total_time_ns": 6_000_000_000,
    "wr_total_time_ns": 7_000_000_000,
    "failed_rd_operations": 8,
    "failed_wr_operations": 9,
}
BLOCK = [name for name in KINDS if name.startswith("block_")]


@pytest.mark.parametrize(
    ("read", "value", "figures"),
    [
        (
            disks,
            [{"device": "disk0", "stats": STATS}],
            [(name, number, "disk0") for number, name in enumerate(BLOCK, 1)],
        ),
        (
            disks,
            [{"device": "", "qdev": "q", "stats": {"rd_bytes": 1}}, {"stats": {}}],
            [("block_read_bytes", 1, "q")],
        ),
        (balloon, {"actual": 1024}, [("balloon_actual_bytes", 1024, "")]),
        (
            lambda value: processors(value, None),
            [{"cpu-index": 0, "thread-id": 1}, {"cpu-index": 1, "thread-id": 2}],
            [("vcpus", 2, "")],
        ),
        (migration, {}, [("migration_active", 0, "")]),
        (migration, {"status": "completed"}, [("migration_active", 0, "")]),
        (
            migration,
            {"status": "active", "ram": {"transferred": 1, "remaining": 2, "total": 3}},
            [
                ("migration_active", 1, ""),
                ("migration_transferred_bytes", 1, ""),
                ("migration_remaining_bytes", 2, ""),
                ("migration_total_bytes", 3, ""),
            ],
        ),
    ],
)
def test_figures(
    read: Callable[[Any], Iterator[Figure]],
    value: Any,
    figures: list[tuple[str, float, str]],
) -> None:
    expected = [Figure(*each) for each in figures]
    sample = sample_of(read, json.dumps(value).encode())
    assert list(sample.figures) == expected
    assert {figure.name for figure in expected} <= KINDS.keys()


def test_the_seconds_of_a_thread_are_those_of_the_system() -> None:
    pid, thread = os.getpid(), threading.get_native_id()
    seconds = thread_seconds(pid, thread)
    assert seconds is not None
    assert 0 <= seconds <= sum(os.times()[:2]) + 0.1
    assert thread_seconds(pid, 0) is None
    (_, figure) = processors([{"cpu-index": 3, "thread-id": thread}], pid)
    assert (figure.name, figure.label) == ("vcpu_seconds", "3")


def test_of_too_many_disks_the_first_have_series() -> None:
    value = [
        {"device": f"d{number}", "stats": {"rd_bytes": number}}
        for number in range(MAX_THINGS + 3)
    ]
    sample = sample_of(disks, json.dumps(value).encode())
    assert [each.label for each in sample.figures] == [
        f"d{number}" for number in range(MAX_THINGS)
    ]
    assert sample.left_out == 3


def test_a_monitor_is_asked_while_it_is_well_and_keeps_its_last_figures(
    run: Run, share: Any, stage: Stage
) -> None:
    async def main() -> None:
        asked: list[str] = []

        @stage.monitor.command("query-balloon")
        async def query_balloon() -> dict[str, int]:
            asked.append("query-balloon")
            if len(asked) > 1:
                await stage.wait("balloon")
            return {"actual": 100 * len(asked)}

        @stage.monitor.command("query-migrate")
        def query_migrate() -> list[int]:
            return [1]  # no object, as QEMU's is

        async with share() as shared:
            assert isinstance(shared, SharedMonitor)
            watch = HealthWatch(shared.upstream, HealthSettings(), "it")
            series = GuestSeries(shared.upstream, watch, 3600.0)
            await series.look()
            assert asked == []  # it is not known to be well
            watch.found()
            await series.look()
            assert list(series.samples) == ["query-balloon"]
            (figure,) = series.samples["query-balloon"].figures
            assert figure == Figure("balloon_actual_bytes", 100.0)
            first = series.samples["query-balloon"]
            again = asyncio.ensure_future(series.look())
            await settle()
            other = asyncio.ensure_future(series.look())
            await settle()
            assert len(asked) == 2  # it is not asked twice at once
            assert series.samples["query-balloon"] is first
            stage.open("balloon")
            await asyncio.gather(again, other)
            (figure,) = series.samples["query-balloon"].figures
            assert figure == Figure("balloon_actual_bytes", 200.0)

    with silenced("qmpx.gateway"):
        run(main())
