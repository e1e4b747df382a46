"""Times as the gateway writes them."""

from __future__ import annotations

import time
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING

from qmpx.gateway.host.times import SteadyTime, stamp

if TYPE_CHECKING:
    import pytest


def test_a_time_has_microseconds() -> None:
    assert stamp(1.000005) == "1970-01-01T00:00:01.000005Z"


def test_steady_time_begins_with_the_hosts_and_does_not_follow_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = [5_000_000 * 1000]
    clock = SimpleNamespace(
        time_ns=lambda: host[0], clock_gettime_ns=time.clock_gettime_ns
    )
    monkeypatch.setattr("qmpx.gateway.host.times.time", clock)
    steady, seen = SteadyTime(), [5_000_000]
    for moment in (0, 10**18, 1):
        host[0] = moment
        seen.append(steady.now())
    assert all(one <= other for one, other in pairwise(seen))
    assert seen[-1] < 10**15


def test_steady_time_is_later_than_what_was_written_before() -> None:
    future = (time.time_ns() // 1000) * 2
    assert SteadyTime(future).now() >= future
