"""The table of moves: one row for each state and cause."""

from __future__ import annotations

import itertools

import pytest

from qmpx.machine.runstate import MOVES, TRANSFERS, Cause, RunState

# Where each cause leads, in the order of CAUSES; a dash is a move that cannot be.
CAUSES = [
    *("cont", "stop", "reset", "suspend", "wakeup", "io-error", "internal-error"),
    *("shutdown", "watchdog", "panic"),
]
TABLE = """
prelaunch running prelaunch prelaunch - - - - shutdown - -
running running paused running suspended - io-error internal-error shutdown watchdog guest-panicked
paused running paused prelaunch - - - - shutdown - -
suspended suspended suspended prelaunch - running - - shutdown - -
io-error running io-error prelaunch - - - - shutdown - -
internal-error - internal-error prelaunch - - - - shutdown - -
shutdown - shutdown prelaunch - - - - shutdown - -
inmigrate - inmigrate inmigrate - - - - shutdown - -
finish-migrate - finish-migrate finish-migrate - - - - shutdown - -
postmigrate running postmigrate prelaunch - - - - shutdown - -
save-vm - save-vm save-vm - - - - shutdown - -
restore-vm running restore-vm restore-vm - - - - shutdown - -
watchdog running watchdog prelaunch - - - - shutdown - -
guest-panicked running guest-panicked prelaunch - - - - shutdown - -
"""  # noqa: E501
CELLS = [
    (state, cause, None if target == "-" else target)
    for state, *targets in map(str.split, TABLE.strip().splitlines())
    for cause, target in zip(CAUSES, targets, strict=True)
]


@pytest.mark.parametrize(("state", "cause", "target"), CELLS)
def test_each_cause_leads_from_each_state_where_it_should(
    state: str, cause: str, target: str | None
) -> None:
    found = MOVES.get((RunState(state), Cause(cause)))
    assert (None if found is None else found.value) == target


def test_the_table_is_whole() -> None:
    pairs = itertools.product(RunState, Cause)
    assert [(s.value, c.value) for s, c in pairs] == [(s, c) for s, c, _ in CELLS]


@pytest.mark.parametrize("state", RunState)
def test_only_a_running_machine_runs(state: RunState) -> None:
    assert state.is_running is (state.value == "running")


def test_states_are_told_apart_as_keys() -> None:
    assert len({*RunState}) == len(dict.fromkeys(RunState, 1)) == 14
    assert {RunState.RUNNING: 1}[RunState("running")] == 1


def test_no_cont_ends_a_state_on_the_way_and_each_leads_back() -> None:
    on_the_way = {s for s in RunState if s not in TRANSFERS.get(RunState.SAVE_VM, ())}
    for state in on_the_way:
        if state is not RunState.RESTORE_VM:  # where a restore that failed leads
            assert (state, Cause.CONT) not in MOVES
        assert {RunState.RUNNING, RunState.PAUSED} <= TRANSFERS[state]
    assert {s.value for s in on_the_way} == {
        "inmigrate",
        "finish-migrate",
        "save-vm",
        "restore-vm",
    }
