"""Events and the buffers in which they wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qmpx.client.events import MAX_EVENTS, Event, EventBuffer
from qmpx.errors import ConnectionLost, EventsLost
from qmpx.wire.messages import ServerMessage


def taken(buffer: EventBuffer) -> list[str]:
    """Return the names of all events that a buffer holds."""
    names = []
    while (event := buffer.take()) is not None:
        names.append(event.name)
    return names


@pytest.mark.parametrize(
    ("message", "event", "timestamp"),
    [
        (
            {
                "event": "STOP",
                "data": {"a": 1},
                "timestamp": {"seconds": 3, "microseconds": 250_000},
            },
            Event("STOP", {"a": 1}, 3, 250_000),
            3.25,
        ),
        ({"event": "STOP"}, Event("STOP", {}, -1, 0), -1.0),
        (
            {"event": "STOP", "x-qmpx-sequence": 7},
            Event("STOP", {}, -1, 0, sequence=7),
            -1.0,
        ),
        (
            {"event": "STOP", "x-qmpx-sequence": "another's"},
            Event("STOP", {}, -1, 0),
            -1.0,
        ),
        (
            {"event": "STOP", "timestamp": {"seconds": -1, "microseconds": -1}},
            Event("STOP", {}, -1, -1),
            None,
        ),
        ({"event": "STOP", "data": "odd"}, Event("STOP", {}, -1, 0), -1.0),
    ],
)
def test_an_event_is_read_from_its_message(
    message: dict[str, Any], event: Event, timestamp: float | None
) -> None:
    read = Event.of(msgspec.convert(message, ServerMessage))
    assert read == event
    assert not read.synthetic
    if timestamp is not None:
        assert read.timestamp == timestamp


def test_an_event_is_a_value() -> None:
    event = Event("STOP", {"a": 1})
    assert event == Event("STOP", {"a": 1})
    with pytest.raises(AttributeError):
        event.name = "CONT"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ((), ["STOP", "RESUME", "BLOCK_JOB_READY", "stop"]),
        (("STOP",), ["STOP"]),
        (("*",), ["STOP", "RESUME", "BLOCK_JOB_READY", "stop"]),
        (("BLOCK_*", "RES??E"), ["RESUME", "BLOCK_JOB_READY"]),
        (("[RS]*",), ["STOP", "RESUME"]),
        (("TOP", "STO", "S.OP"), []),
    ],
)
def test_patterns_choose_whole_names(
    patterns: tuple[str, ...], kept: list[str]
) -> None:
    buffer = EventBuffer(patterns)
    offered = [
        name
        for name in ("STOP", "RESUME", "BLOCK_JOB_READY", "stop")
        if buffer.offer(Event(name, {}))
    ]
    assert offered == taken(buffer) == kept
    assert buffer.dropped == 0


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop-oldest", ["C", "D"]), ("drop-newest", ["A", "B"]), ("error", ["A", "B"])],
)
def test_a_full_buffer_follows_its_policy(overflow: Any, kept: list[str]) -> None:
    buffer = EventBuffer((), 2, overflow)
    kept_each = [buffer.offer(Event(name, {})) for name in "ABCD"]
    assert kept_each == [True, True, *[overflow == "drop-oldest"] * 2]
    assert [getattr(buffer.take(), "name", None) for _ in range(2)] == kept
    assert buffer.dropped == 2
    if overflow == "error":
        with pytest.raises(EventsLost, match=r"^2 events were dropped"):
            buffer.take()
        assert buffer.dropped == 0
    assert buffer.take() is None
    buffer.offer(Event("E", {}))
    assert taken(buffer) == ["E"]


def test_what_is_not_wanted_does_not_fill_a_buffer() -> None:
    buffer = EventBuffer(("A",), 1, "error")
    for name in "BCAD":
        buffer.offer(Event(name, {}))
    assert taken(buffer) == ["A"]


def test_the_reason_of_the_end_comes_after_the_events() -> None:
    buffer = EventBuffer(())
    buffer.offer(Event("A", {}))
    buffer.failure = ConnectionLost("gone")
    assert getattr(buffer.take(), "name", None) == "A"
    for _ in range(2):
        with pytest.raises(ConnectionLost, match=r"^gone$"):
            buffer.take()


def test_a_closed_buffer_gives_what_it_has_and_takes_no_more() -> None:
    buffer = EventBuffer(())
    buffer.offer(Event("A", {}))
    buffer.is_closed = True
    buffer.failure = ConnectionLost("gone")
    assert not buffer.offer(Event("B", {}))
    assert getattr(buffer.take(), "name", None) == "A"
    for _ in range(2):
        with pytest.raises(StopIteration):
            buffer.take()


def test_a_buffer_is_ready_when_take_has_something_to_say() -> None:
    states = []
    buffer = EventBuffer((), 1, "error")
    states.append(buffer.is_ready)
    buffer.offer(Event("A", {}))
    states.append(buffer.is_ready)
    buffer.offer(Event("B", {}))
    buffer.take()
    states.append(buffer.is_ready)
    with pytest.raises(EventsLost):
        buffer.take()
    states.append(buffer.is_ready)
    buffer.failure = ConnectionLost("gone")
    states.append(buffer.is_ready)
    buffer.failure = None
    buffer.is_closed = True
    states.append(buffer.is_ready)
    assert states == [False, True, True, False, True, True]


def test_a_buffer_has_a_limit_by_default() -> None:
    buffer = EventBuffer(())
    for _ in range(MAX_EVENTS + 3):
        buffer.offer(Event("A", {}))
    assert buffer.dropped == 3
    assert len(taken(buffer)) == MAX_EVENTS


@pytest.mark.parametrize(
    ("limit", "overflow", "text"),
    [
        (0, "drop-oldest", "a subscription of 0 events holds none"),
        (-1, "drop-oldest", "a subscription of -1 events holds none"),
        (1, "block", "no overflow policy 'block'"),
    ],
)
def test_what_a_buffer_cannot_be_is_refused(
    limit: int, overflow: Any, text: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{text}"):
        EventBuffer((), limit, overflow)
