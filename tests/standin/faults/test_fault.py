"""When a fault sets in, and what is said of one that is not described as it must be."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import LocalProtocolError
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults import CONDITIONS, FAULTS, FaultError, FaultPlan, Point
from qmpx.standin.faults.fault import read_fault


def strikes(
    fault: Any, *names: str, connection: int = 1, now: float = 0.0
) -> list[bool]:
    return [fault.strikes(name, connection, now) for name in names]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "xxxxx"),
        ({"after": 2}, "..xxx"),
        ({"nth": 3}, "..x.."),
        ({"times": 2}, "xx..."),
        ({"after": 1, "times": 2}, ".xx.."),
        ({"probability": 0.0}, "....."),
        ({"probability": 1}, "xxxxx"),
        ({"connection": 1}, "xxxxx"),
        ({"connection": 2}, "....."),
        ({"at": 1.0}, "....."),
        ({"command": "stop"}, "xxxxx"),
        ({"command": "st*"}, "xxxxx"),
        ({"command": "cont"}, "....."),
    ],
)
def test_it_sets_in_when_its_conditions_are_met(
    conditions: dict[str, Any], expected: str
) -> None:
    fault = read_fault({"kind": "reply-lost", **conditions})
    assert strikes(fault, *["stop"] * 5) == [x == "x" for x in expected]
    assert fault.fired == expected.count("x")


def test_only_what_matches_is_counted() -> None:
    fault = read_fault({"kind": "reply-lost", "command": "stop", "nth": 2})
    names = ("stop", "cont", "stop", "stop")
    assert strikes(fault, *names) == [False, False, True, False]
    assert (fault.seen, fault.fired) == (3, 1)


def test_the_negotiation_counts_only_where_it_is_meant() -> None:
    names = ("qmp_capabilities", "stop")
    assert strikes(read_fault({"kind": "reply-lost"}), *names) == [False, True]
    named = read_fault({"kind": "reply-lost", "command": "*"})
    assert strikes(named, *names) == [True, True]


def test_it_waits_for_its_moment() -> None:
    fault = read_fault({"kind": "reply-lost", "at": 5.0})
    assert strikes(fault, "stop", now=4.9) == [False]
    assert strikes(fault, "stop", now=5.0) == [True]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    def run() -> list[list[bool]]:
        plan = FaultPlan(VirtualClock(), seed=seed)
        faults = [plan.add("reply-lost", probability=p) for p in (0.1, 0.5, 0.5)]
        return [strikes(fault, *["stop"] * 100) for fault in faults]

    one = run()
    assert run() == one
    assert one[1] != one[2]  # each has its own chance
    assert 20 < sum(one[1]) < 80


def test_seeds_differ() -> None:
    runs = {
        tuple(
            strikes(
                read_fault({"kind": "reply-lost", "probability": 0.5}, seed=seed),
                *["stop"] * 40,
            )
        )
        for seed in range(10)
    }
    assert len(runs) == 10


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({}, 'expected kind = "...", the name of a fault'),
        (
            {"kind": "reply-lat"},
            "no fault is called 'reply-lat'; did you mean 'reply-late'?",
        ),
        ({"kind": "xyzzy"}, "no fault is called 'xyzzy'"),
        (
            {"kind": "reply-late", "second": 1},
            "reply-late has no 'second'; did you mean 'seconds'?",
        ),
        (
            {"kind": "reply-lost", "x": 1},
            f"reply-lost has no 'x' (it has {', '.join(CONDITIONS)})",
        ),
        (
            {"kind": "reply-late", "seconds": "1"},
            "expected a number for 'seconds', not '1'",
        ),
        (
            {"kind": "reply-late", "seconds": True},
            "expected a number for 'seconds', not True",
        ),
        (
            {"kind": "reply-late", "seconds": -1},
            "'seconds' is -1.0: expected 0 or more",
        ),
        (
            {"kind": "reply-late", "seconds": 1e10},
            "'seconds' is 10000000000.0: expected 1e+09 at most",
        ),
        (
            {"kind": "reply-cut", "bytes": 1.5},
            "expected a whole number for 'bytes', not 1.5",
        ),
        (
            {"kind": "reply-late", "overtakable": 1},
            "expected true or false for 'overtakable', not 1",
        ),
        (
            {"kind": "reply-patched", "set": []},
            "expected a table for 'set', not []",
        ),
        (
            {"kind": "reply-after-event"},
            "reply-after-event needs 'event': the event's name",
        ),
        (
            {"kind": "reply-lost", "probability": 1.5},
            "expected a number from 0 to 1",
        ),
        ({"kind": "reply-lost", "nth": 0}, "expected a number from 1 on"),
        (
            {"kind": "reply-lost", "nth": 2, "times": 3},
            "'nth' stands for 'after' and 'times': give one",
        ),
        (
            {"kind": "event-lost", "command": "stop"},
            "a fault of the kind event-lost has no 'command'",
        ),
        (
            {"kind": "reply-lost", "event-name": "STOP"},
            "a fault of the kind reply-lost has no 'event-name'",
        ),
        (
            {"kind": "socket-late", "connection": 1},
            "a fault of the kind socket-late has no 'connection'",
        ),
    ],
)
def test_what_is_wrong_with_a_description_is_said(
    description: dict[str, Any], message: str
) -> None:
    with pytest.raises(FaultError) as raised:
        read_fault(description)
    assert str(raised.value) == message


def test_it_describes_itself_as_it_was_described() -> None:
    described = {"kind": "reply-late", "command": "stop", "after": 1, "seconds": 3.0}
    fault = read_fault(described, id=4)
    assert fault.describe() == described | {"id": 4, "seen": 0, "fired": 0}


@pytest.mark.parametrize("kind", ["crash", "hang-then-die"])
def test_a_plan_does_not_end_a_process_that_is_not_its_own(kind: str) -> None:
    with pytest.raises(LocalProtocolError, match="would end this process"):
        FaultPlan().add(kind)


def test_a_plan_has_room_for_so_many_faults() -> None:
    plan = FaultPlan()
    for _ in range(1024):
        plan.add("reply-lost")
    with pytest.raises(LocalProtocolError, match="1024 faults: that is the limit"):
        plan.add("reply-lost")
    assert plan.remove(1)
    assert not plan.remove(1)
    assert plan.add("reply-lost").id == 1025
    plan.clear()
    assert plan.faults == []


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: str(kind.name))
def test_the_menu_says_what_each_fault_is(kind: Any) -> None:
    assert kind.summary.endswith(".")
    assert kind.seen
    assert kind.incidents
    assert not set(kind.parameters) & set(CONDITIONS)
    required = {x for x, y in kind.parameters.items() if y.default is ...}
    values = {"event": "X"}
    description = {name: values[name] for name in required}
    fault = read_fault({"kind": kind.name, **description})
    assert fault.is_of_a_moment is False
    if kind.point is Point.ANY:
        assert read_fault({"kind": kind.name, "at": 1}).is_of_a_moment
