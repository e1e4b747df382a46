"""What differs between two conversations."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.transcript import Entry
from qmpx.transcript.difference import STRICT, Looseness, difference
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER


def conversation(*messages: dict[str, Any], start: float = 0.0) -> list[Entry]:
    return [
        Entry(
            start + number,
            TO_SERVER if "execute" in message else TO_CLIENT,
            1,
            message,
        )
        for number, message in enumerate(messages)
    ]


ASKED = {"execute": "query-cpus-fast", "id": 1}


@pytest.mark.parametrize(
    ("looseness", "differs"),
    [(Looseness(), False), (STRICT, True), (Looseness(("thread-id",)), False)],
)
def test_what_differs_from_run_to_run_does_not_count_unless_it_is_to(
    looseness: Looseness, *, differs: bool
) -> None:
    one = conversation(ASKED, {"return": [{"thread-id": 11}], "id": 1})
    two = conversation(
        ASKED | {"id": "x"}, {"return": [{"thread-id": 12}], "id": "x"}, start=9.0
    )
    assert bool(difference(one, two, looseness)) is differs


def test_greetings_events_and_notes_may_be_left_out() -> None:
    one = conversation({"QMP": {"version": 1}}, ASKED, {"event": "A"})
    two = [*conversation({"QMP": {"version": 2}}, ASKED), Entry(note="closed")]
    assert difference(one, two, Looseness(events=False)) == []
    assert difference(one, two, Looseness()) != []
    assert difference(one[:2], two, STRICT) != []


def test_the_difference_is_shown_as_lines() -> None:
    one = conversation({"execute": "eject", "arguments": {"device": "a"}})
    two = conversation({"execute": "eject", "arguments": {"device": "b"}})
    assert difference(one, two, names=("old", "new")) == [
        "--- old",
        "+++ new",
        "@@ -1,6 +1,6 @@",
        " -> {",
        '      "arguments": {',
        '-       "device": "a"',
        '+       "device": "b"',
        "      },",
        '      "execute": "eject"',
        "    }",
    ]


def test_the_order_of_members_does_not_count() -> None:
    one = conversation({"return": {"a": 1, "b": 2}})
    two = conversation({"return": {"b": 2, "a": 1}})
    assert difference(one, two, STRICT) == []


def test_bytes_that_are_no_message_are_compared_as_they_are() -> None:
    one, two = ([Entry(0.0, TO_CLIENT, 1, raw=raw)] for raw in ("a", "b"))
    assert difference(one, two)[-2:] == ["-<- 'a'", "+<- 'b'"]
