"""What machines do, counted."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.cli.top.measures import (
    Rates,
    Sample,
    disk_bytes,
    human,
    interfaces_in,
    jobs_in,
    rates,
    threads_in,
)


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (
            Sample(1.0, cpu=1.0, read=100, received=0, sent=5),
            Sample(3.0, cpu=4.0, read=300, written=50, received=8, sent=5),
            Rates(1.5, 100.0, 25.0, 4.0, 0.0),
        ),
        (Sample(1.0), Sample(2.0), Rates()),
        (Sample(1.0, cpu=2.0), Sample(1.0, cpu=3.0), Rates()),
        (Sample(1.0, read=100), Sample(2.0, read=30), Rates(read=30.0)),
    ],
)
def test_how_fast_it_goes(before: Sample, now: Sample, found: Rates) -> None:
    assert rates(before, now) == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (
            [
                {"stats": {"rd_bytes": 1, "wr_bytes": 2}},
                {"stats": {"rd_bytes": 10, "wr_bytes": "x"}},
                {"stats": None},
                7,
            ],
            (11, 2),
        ),
        (None, (0, 0)),
    ],
)
def test_what_disks_have_done(told: Any, found: tuple[int, int]) -> None:
    assert disk_bytes(told) == found


def test_jobs_threads_and_interfaces() -> None:
    job = {"id": "j", "type": "mirror", "current-progress": 1, "total-progress": 4}
    assert jobs_in([job, {"id": "k"}]) == [("mirror j", 0.25), ("? k", 0.0)]
    assert threads_in([{"thread-id": 7}]) == [7]
    text = "net0: index=0,type=tap,ifname=tap0,script=no\r\n x: ifname=../../etc\r\n"
    assert interfaces_in(text) == ["tap0"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1234, "1.2k"),
        (123456, "123k"),
        (5e9, "5.0G"),
        (5e15, "5000T"),
    ],
)
def test_amounts_for_people(amount: float | None, text: str) -> None:
    assert human(amount) == text
