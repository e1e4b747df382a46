"""Times as the gateway writes them."""

from __future__ import annotations

from qmpx.gateway.host.times import stamp


def test_a_time_has_microseconds() -> None:
    assert stamp(1.000005) == "1970-01-01T00:00:01.000005Z"
