"""What changed is told by name, without paths, and no more than there is room for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmpx.gateway.care.standing import MAX_TOLD, PARTS, Standing, differences

VALUES: dict[str, Any] = {
    "status": {"status": "running", "running": True},
    "jobs": [{"id": "job0", "type": "commit", "status": "running"}],
    "block-jobs": [{"device": "job0", "type": "commit", "status": "running"}],
    "block-nodes": [
        {"node-name": "disk0", "file": "/secret/a", "drv": "qcow2", "ro": False}
    ],
    "chardevs": [
        {"label": "serial0", "filename": "pty:/dev/pts/3"},
        {"label": "mon0", "filename": "tcp:[::1]:4,server=on <-> [::1]:51234"},
    ],
    "devices": [
        {"name": "net0", "type": "child<e1000>"},
        {"name": "type", "type": "string"},
    ],
    "balloon": {"actual": 1 << 30},
}
NOTHING: dict[str, Any] = {"changed": {}, "unknown": []}


def standing(**values: Any) -> Standing:
    taken = Standing()
    told = VALUES | {key.replace("_", "-"): value for key, value in values.items()}
    for name, value in told.items():
        taken.take(name, None if value is None else json.dumps(value).encode())
    return taken


def test_every_part_is_tried_here() -> None:
    assert VALUES.keys() == PARTS.keys() == standing().parts.keys()


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({}, NOTHING),
        (
            {"status": {"status": "paused"}},
            {
                "status": {
                    "changed": [{"name": "status", "was": "running", "is": "paused"}]
                }
            },
        ),
        (
            {"jobs": [{"id": "job1", "status": "created"}]},
            {"jobs": {"new": ["job1"], "gone": ["job0"]}},
        ),
        (
            {"block_nodes": [{"node-name": "disk0", "file": "/secret/b"}]},
            {"block-nodes": {"changed": ["disk0"]}},
        ),
        (
            {
                "chardevs": [
                    {"label": "mon0", "filename": "disconnected:tcp:[::1]:4,server=on"}
                ]
            },
            {"chardevs": {"gone": ["serial0"]}},
        ),
        ({"devices": []}, {"devices": {"gone": ["net0"]}}),
        (
            {"balloon": {"actual": 1}},
            {
                "balloon": {
                    "changed": [{"name": "actual", "was": 1 << 30, "is": 1}],
                }
            },
        ),
        ({"balloon": None}, {"changed": {}, "unknown": ["balloon"]}),
        ({"jobs": [{"no": "id"}]}, {"changed": {}, "unknown": ["jobs"]}),
        ({"status": []}, {"changed": {}, "unknown": ["status"]}),
    ],
)
def test_differences(after: dict[str, Any], told: dict[str, Any]) -> None:
    if "unknown" not in told:
        told = {"changed": told, "unknown": []}
    found = differences(standing(), standing(**after))
    assert found == told
    assert "secret" not in json.dumps(found)


def test_of_many_things_the_first_are_named_and_the_others_counted() -> None:
    many = [
        {"name": f"d{number}", "type": "child<x>"} for number in range(MAX_TOLD + 7)
    ]
    found = differences(standing(devices=[]), standing(devices=many))
    assert found["changed"] == {
        "devices": {"new": [f"d{n}" for n in range(MAX_TOLD)], "left-out": 7}
    }
