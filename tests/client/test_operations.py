"""What takes more than one command, with a peer that plays all that can happen."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx import errors
from qmpx.client import operations
from qmpx.client.deadlines import DEFAULT
from qmpx.client.events import RECONNECTED, Event
from qmpx.client.steps import Run
from tests.client.playing import Play, event, refused

BACK = Event(RECONNECTED, {}, synthetic=True)
LOST = errors.ConnectionLost("gone")
GONE = refused("Device '/machine/peripheral/d' not found", "DeviceNotFound")


def played(steps: Any, *moves: Any) -> Any:
    """Play steps to their end, and see that every move was made."""
    play = Play(*moves)
    try:
        return play.run(steps)
    finally:
        assert play.is_over


# Unplugging.

DELETED = event("DEVICE_DELETED", device="d", path="/machine/peripheral/d")
PART = event("DEVICE_DELETED", path="/machine/peripheral/d/virtio-backend")


def unplug(*moves: Any, device: str = "d") -> Any:
    """Play the unplugging of a device."""
    return played(operations.unplug(device, 1.0), ("device_del", {}), *moves)


def test_the_first_of_two_events_is_about_a_part_of_the_device() -> None:
    unplug(("event", PART), ("event", DELETED))


def test_what_is_left_of_an_earlier_one_does_not_count() -> None:
    old = event("DEVICE_DELETED", device="c", path="/machine/peripheral/c")
    unplug(("event", old), ("event", PART), ("event", DELETED))


def test_a_device_is_known_by_its_path_too() -> None:
    path = "/machine/peripheral-anon/device[0]"
    unplug(("event", event("DEVICE_DELETED", path=path)), device=path)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            event("DEVICE_UNPLUG_GUEST_ERROR", device="d", path="/x"),
            "the guest refuses",
        ),
        (event("MEM_UNPLUG_ERROR", device="d", msg="in use"), "in use"),
    ],
)
def test_a_guest_may_refuse(told: Event, reason: str) -> None:
    with pytest.raises(
        errors.OperationFailed, match=f"unplugging 'd' failed: {reason}"
    ):
        unplug(("event", told))


def test_after_a_lost_connection_it_looks_for_itself() -> None:
    unplug(("event", BACK), ("qom-list", []), ("event", BACK), ("qom-list", GONE))


def test_an_event_that_was_missed_is_no_failure() -> None:
    unplug(("event", None), ("qom-list", GONE))
    with pytest.raises(
        errors.DeadlineExceeded, match="no end of device 'd' within 1 s"
    ):
        unplug(("event", None), ("qom-list", []))


# Waiting for an event.


def test_the_command_is_sent_after_the_subscription() -> None:
    play = Play(("stop", {}), ("event", event("STOP")))
    found = play.run(operations.wait_for(("STOP",), None, ("stop", None), 1.0))
    assert (found.name, play.names) == ("STOP", ("STOP",))
    assert play.asked == [Run("stop", None, 1.0)]


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        ({"a": 2}, 1),
        ({"b.c": 1}, 2),
        ({"b.c": 1, "a": 3}, 2),
        ({"d.e": 5}, 3),
        (lambda event: "d.e" in event.data, 3),
        (None, 0),
    ],
)
def test_only_what_matches_counts(matching: Any, expected: int) -> None:
    events = [
        event("X", a=1),
        event("X", a=2, b={"d": 1}),
        event("X", a=3, b={"c": 1}),
        event("X", **{"d.e": 5}),
    ]
    moves = [("event", each) for each in events[: expected + 1]]
    assert (
        played(operations.wait_for(("X",), matching, None, 1.0), *moves)
        == (events[expected])
    )


def test_a_gap_in_the_events_is_told_if_one_was_to_follow_a_command() -> None:
    steps = operations.wait_for(("STOP",), None, ("stop", None), 1.0)
    with pytest.raises(errors.ConnectionLost, match="events may be missing"):
        played(steps, ("stop", {}), ("event", BACK))
    steps = operations.wait_for(("STOP",), None, None, 1.0)
    played(steps, ("event", BACK), ("event", event("STOP")))
    steps = operations.wait_for((RECONNECTED,), None, None, 1.0)
    assert played(steps, ("event", BACK)) == BACK


# Migration.


def migration(*moves: Any, timeout: float | None = 9.0) -> Any:
    """Play a migration."""
    return played(operations.migrate("tcp:a:1", timeout, None, {}), *moves)


def told(status: str, **more: Any) -> Any:
    """Return what ``query-migrate`` tells."""
    return "query-migrate", {"status": status, **more}


RAM = {"ram": {"transferred": 5, "remaining": 25, "total": 100}}


def test_a_migration_ends_when_it_has_completed() -> None:
    last = migration(
        ("migrate", {}),
        told("setup"),
        ("event", None),
        told("active", **RAM),
        ("event", event("MIGRATION", status="completed")),
        told("completed", **RAM),
    )
    assert (last.status, last.fraction, last.transferred) == ("completed", 1.0, 5)


@pytest.mark.parametrize("status", ["failed", "cancelled", "postcopy-paused"])
def test_a_migration_that_ends_badly_is_an_error(status: str) -> None:
    with pytest.raises(errors.OperationFailed, match=f"its state is {status}"):
        migration(("migrate", {}), told(status))
    with pytest.raises(errors.OperationFailed, match="failed: no route"):
        migration(("migrate", {}), told(status, **{"error-desc": "no route"}))


@pytest.mark.parametrize(
    "moves",
    [
        [told("active")],
        [told("active"), ("event", KeyboardInterrupt())],
        [("query-migrate", errors.DeadlineExceeded("query-migrate", 1.0))],
    ],
)
def test_a_migration_that_is_given_up_is_cancelled(moves: Any) -> None:
    timeout = None if len(moves) > 1 else 0.0
    with pytest.raises((errors.DeadlineExceeded, KeyboardInterrupt)):
        migration(("migrate", {}), *moves, ("migrate_cancel", {}), timeout=timeout)


# The end.

GUEST = {"guest": True, "reason": "guest-shutdown"}


def test_a_guest_shuts_down() -> None:
    off = ("event", event("SHUTDOWN", **GUEST))
    assert (
        played(operations.shut_down(1.0, force=False), ("system_powerdown", {}), off)
        == GUEST
    )


def test_a_peer_that_goes_at_once_has_shut_down() -> None:
    steps = operations.shut_down(1.0, force=False)
    assert played(steps, ("system_powerdown", {}), ("event", LOST)) == {}


def test_a_guest_that_does_not_is_ended_if_that_is_wanted() -> None:
    steps = operations.shut_down(1.0, force=False)
    with pytest.raises(errors.DeadlineExceeded, match="no shutdown of the guest"):
        played(steps, ("system_powerdown", {}), ("event", None))
    by_us = {"guest": False, "reason": "host-qmp-quit"}
    steps = operations.shut_down(1.0, force=True)
    moves: list[Any] = [("system_powerdown", {}), ("event", None), ("quit", {})]
    assert played(steps, *moves, ("event", event("SHUTDOWN", **by_us))) == by_us
    steps = operations.shut_down(1.0, force=True)
    assert played(steps, *moves[:2], ("quit", LOST)) == {}


# People's commands, and their keyboard.


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ""),
        ("VM status: running\r\n", ""),
        ("Error: it is broken\r\n", "it is broken"),
        ("unknown command: 'x'\r\n", "unknown command: 'x'"),
        (
            'stop|s: extraneous characters\r\nTry "help stop" for more information\r\n',
            "stop|s: extraneous characters",
        ),
        ("cpu: the word Error: is in here\r\n", ""),
        (
            "invalid char 'n' in expression\r\nTry \"help x\" for more information\r\n",
            "invalid char 'n' in expression",
        ),
        ('a\r\nb\r\nTry "help x" for more information\r\n', ""),
        ("Device 'nope' not found\r\n", "Device 'nope' not found"),
        ("invalid parameter: nope\r\n", "invalid parameter: nope"),
        ("Could not open '/x': no\r\n", "Could not open '/x': no"),
        ("Device 'nope' not found\r\nDevice 'd' found\r\n", ""),
    ],
)
def test_a_complaint_is_told_from_an_answer(text: str, complaint: str) -> None:
    steps = operations.hmp("x", DEFAULT, None, check=True)
    if not complaint:
        assert played(steps, ("human-monitor-command", text)) == text.replace("\r", "")
        return
    with pytest.raises(errors.OperationFailed) as caught:
        played(steps, ("human-monitor-command", text))
    assert caught.value.reason == complaint


def test_a_text_is_typed_with_time_between_keys() -> None:
    play = Play(*[("send-key", {}), ("pause", None)] * 3)
    play.run(operations.type_text("aB\n", None, 0.01))
    keys = [[key["data"] for key in run.arguments["keys"]] for run in play.asked]  # type: ignore[index]
    assert keys == [["a"], ["shift", "b"], ["ret"]]


def test_a_text_that_cannot_be_typed_is_not_begun() -> None:
    with pytest.raises(errors.LocalProtocolError, match="types '☃'"):
        Play().run(operations.type_text("a☃", None, 0.01))
    with pytest.raises(errors.LocalProtocolError, match=r"a pause of -1 s"):
        Play().run(operations.type_text("a", None, -1))
