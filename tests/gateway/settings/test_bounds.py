"""What ``[limits]`` and ``[lease]`` may say."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": -1.0}, "rate: expected 0 or more"),
        ({"identity_rate": float("nan")}, "identity-rate: expected 0 or more"),
        ({"burst": 0}, "burst: expected at least 1"),
        ({"in_flight": -1}, "in-flight: expected 0 or more"),
        ({"max_unread": 10}, "max-unread: expected at least 65536, or 0"),
    ],
)
def test_limits_have_bounds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LimitsSettings(**options)


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan")])
def test_a_lease_has_bounds(seconds: float) -> None:
    with pytest.raises(ValueError, match="max-seconds: expected more than 0"):
        LeaseSettings(max_seconds=seconds)
