"""What a conversation comes to."""

from __future__ import annotations

from qmpx.transcript import Entry
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from qmpx.transcript.statistics import CommandStatistics, Statistics, statistics_of


def test_replies_belong_to_commands_by_their_ids() -> None:
    entries = [
        Entry(10.0, connection=1, note="connected"),
        Entry(10.0, TO_SERVER, 1, {"execute": "a", "id": 1}),
        Entry(10.5, TO_SERVER, 1, {"execute": "b", "id": 2}),
        Entry(11.0, TO_CLIENT, 1, {"return": {}, "id": 2}),
        Entry(12.0, TO_CLIENT, 1, {"event": "E"}),
        Entry(13.0, TO_CLIENT, 1, {"error": {}, "id": 1}),
        Entry(13.0, TO_SERVER, 2, {"execute": "a", "id": 1}),
        Entry(14.0, TO_CLIENT, 2, {"event": "E"}),
        Entry(14.0, TO_CLIENT, 2, {"return": {}, "id": 99}),
    ]
    assert statistics_of(entries) == Statistics(
        connections=2,
        messages=8,
        seconds=4.0,
        commands={
            "a": CommandStatistics(2, 1, 1, 3.0, 3.0),
            "b": CommandStatistics(1, 0, 0, 0.5, 0.5),
        },
        events={"E": 2},
    )


def test_replies_without_ids_come_in_order() -> None:
    entries = [
        Entry(1.0, TO_SERVER, 1, {"execute": "a"}),
        Entry(1.0, TO_SERVER, 1, {"execute": "b"}),
        Entry(2.0, TO_CLIENT, 1, {"return": {}}),
        Entry(5.0, TO_CLIENT, 1, {"return": {}}),
    ]
    commands = statistics_of(entries).commands
    assert (commands["a"].total, commands["b"].total) == (1.0, 4.0)


def test_nothing_comes_to_nothing() -> None:
    assert statistics_of([]) == Statistics()
