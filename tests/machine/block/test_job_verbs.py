"""What users may ask of a job, and in which state."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block import job_verbs
from tests.machine.block.conftest import MIB, Shop


def test_a_new_speed_counts_at_once(shop: Shop) -> None:
    job = shop.mirror(speed=1)
    shop.clock.advance(1)
    assert (job.offset, job.status) == (4 * MIB, "running")
    job_verbs.set_speed(job, 0)
    shop.clock.advance(0)
    assert job.status == "ready"
    with pytest.raises(GenericError, match="expects a non-negative value"):
        job_verbs.set_speed(job, -1)


def test_a_paused_job_stands_still(shop: Shop) -> None:
    job = shop.mirror()
    job_verbs.pause(job)
    with pytest.raises(GenericError, match="Job is already paused"):
        job_verbs.pause(job)
    shop.clock.advance(100)
    assert (job.status, job.offset) == ("paused", 0)
    job_verbs.resume(job)
    with pytest.raises(GenericError, match="Can't resume a job that was not paused"):
        job_verbs.resume(job)
    shop.clock.advance(0)
    assert shop.states() == ["created", "running", "paused", "running", "ready"]


@pytest.mark.parametrize(
    ("verb", "states"),
    [
        ("complete", {"ready"}),
        ("finalize", {"pending"}),
        ("dismiss", {"concluded"}),
        ("pause", {"running", "ready"}),
    ],
)
def test_verbs_are_taken_in_their_states_only(verb: str, states: set[str]) -> None:
    taken = set()
    for state in ("running", "ready", "pending", "concluded"):
        shop = Shop()
        job = shop.mirror(auto_finalize=False, auto_dismiss=False)
        if state != "running":
            shop.clock.advance(0)
        if state in ("pending", "concluded"):
            job_verbs.complete(job)
            shop.clock.advance(0)
        if state == "concluded":
            job_verbs.finalize(job)
        assert job.status == state
        if state in states:
            getattr(job_verbs, verb)(job)
            taken.add(state)
        else:
            with pytest.raises(GenericError) as caught:
                getattr(job_verbs, verb)(job)
            assert caught.value.desc == (
                f"Job 'm' in state '{state}' cannot accept command verb '{verb}'"
            )
        shop.machine.close()
    assert taken == states
