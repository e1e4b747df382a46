"""What ``[audit]`` and ``[journal]`` may say."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.gateway.settings.records import (
    LEAST_AUDIT_FILE,
    AuditSettings,
    JournalSettings,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_size": 10}, f"max-size: expected at least {LEAST_AUDIT_FILE}"),
        ({"keep": -1}, "keep: expected 0 or more"),
    ],
)
def test_an_audit_has_bounds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AuditSettings("audit.jsonl", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_size": 0}, "max-size, max-events: expected at least 1"),
        ({"max_events": 0}, "max-size, max-events: expected at least 1"),
        ({"max_age": 0}, "max-age: expected more than 0 seconds"),
        ({"max_age": float("nan")}, "max-age: expected more than 0 seconds"),
    ],
)
def test_a_journal_has_bounds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JournalSettings("events", **options)
