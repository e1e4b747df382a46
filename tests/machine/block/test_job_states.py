"""The table of the states of jobs."""

from __future__ import annotations

from qmpx.machine.block.job_states import MOVES, VERBS, JobStatus


def test_every_state_but_null_leads_on_and_every_verb_has_a_state() -> None:
    assert set(MOVES) == set(JobStatus)
    assert [state for state, after in MOVES.items() if not after] == [JobStatus.NULL]
    assert all(VERBS.values())
