"""What cannot be sent, or not be waited for, is refused when a fault is described."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from qmpx.standin.faults import FaultError
from qmpx.standin.faults.fault import read_fault
from qmpx.standin.faults.kind import MAX_SECONDS
from qmpx.standin.faults.members import MAX_DEPTH
from qmpx.standin.faults.reply_kinds import MAX_OVERSIZED


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


ANSWERED: dict[str, Any] = {"kind": "command-answered"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"kind": "reply-late", "seconds": math.nan},
        "'seconds' is nan: expected 0 or more",
    ),
    (
        {"kind": "reply-late", "seconds": math.inf},
        "'seconds' is inf: expected 1e+09 at most",
    ),
    (
        {"kind": "reply-late", "seconds": 10**400},
        "'seconds' is inf: expected 1e+09 at most",
    ),
    ({"kind": "mute", "at": math.nan}, "'at' is nan: expected 0 or more"),
    (
        {"kind": "reply-lost", "probability": math.nan},
        "'probability' is nan: expected 0 or more",
    ),
    (
        {"kind": "reply-oversized", "bytes": MAX_OVERSIZED + 1},
        f"'bytes' is {MAX_OVERSIZED + 1}: expected 2.68435e+08 at most",
    ),
    ({"kind": "crash", "status": 256}, "'status' is 256: expected 255 at most"),
    ({"kind": "crash", "signal": 65}, "'signal' is 65: expected 64 at most"),
    (
        {"kind": "command-failed", "desc": "\ud800"},
        "expected JSON for 'desc', not half a character",
    ),
    (
        {"kind": "event-storm", "data": {"a": math.nan}},
        "expected JSON for 'data', not nan",
    ),
    (
        {"kind": "event-storm", "data": {1: 2}},
        "expected JSON for 'data', not a name that is no string",
    ),
    (
        {"kind": "reply-wrong-id", "id": dt.date(2020, 1, 1)},
        "expected JSON for 'id', not datetime.date(2020, 1, 1)",
    ),
    (
        ANSWERED | {"return": nested(MAX_DEPTH + 1)},
        f"expected JSON for 'return', not more than {MAX_DEPTH} levels",
    ),
    (
        ANSWERED | {"events": ["STOP"]},
        "expected objects with 'event', a name, for 'events'",
    ),
    (
        ANSWERED | {"events": [{"data": {}}]},
        "expected objects with 'event', a name, for 'events'",
    ),
    (
        ANSWERED | {"events": [{"event": "X", "after": -1}]},
        "expected 'after' to be from 0 to 1e+09 seconds for 'events'",
    ),
    (
        ANSWERED | {"events": [{"event": "X", "data": 1}]},
        "expected 'data' to be an object for 'events'",
    ),
    (
        ANSWERED | {"events": [{"event": "X", "delay": 1}]},
        "expected no 'delay' of an event for 'events'",
    ),
    (
        {"kind": "reply-patched", "remove": [1]},
        "expected strings for 'remove'",
    ),
]


@pytest.mark.parametrize(("description", "message"), REFUSED)
def test_it_is_refused(description: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError) as raised:
        read_fault(description)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "description",
    [
        {"kind": "reply-late", "seconds": MAX_SECONDS},
        {"kind": "reply-oversized", "bytes": MAX_OVERSIZED},
        {"kind": "mute", "seconds": None},
        {"kind": "crash", "status": 255, "signal": 64},
        {"kind": "event-storm", "count": 10**30},
        ANSWERED | {"return": nested(MAX_DEPTH)},
        ANSWERED | {"events": [{"event": "X", "data": {"a": [1.5, None]}, "after": 1}]},
        {"kind": "reply-patched", "set": {"a.b": {"c": []}}, "remove": ["a", ""]},
    ],
)
def test_what_can_be_sent_is_taken(description: dict[str, Any]) -> None:
    kept = read_fault(description).describe()
    given = {name: value for name, value in description.items() if value is not None}
    assert {name: kept[name] for name in given} == given
