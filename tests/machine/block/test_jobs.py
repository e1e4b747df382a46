"""Jobs: their life, their order of events, their speed, their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.copying import MirrorJob, StreamJob
from qmpx.machine.block.job_states import MOVES, VERBS, JobStatus
from qmpx.machine.block.jobs import MAX_JOBS
from qmpx.machine.happenings import BlockJobFailed, BlockJobTold, JobMoved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmpx.machine.block.jobs import Job

MIB = 1 << 20


class Shop:
    """A machine with virtual time, two empty disks, and what it has told."""

    def __init__(self, size: int = 4 * MIB) -> None:
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.graph = self.machine.blocks
        self.told: list[Any] = []
        self.machine.listen(self.told.append)
        for name in ("source", "target"):
            self.null(name, size)

    def null(self, name: str, size: int) -> None:
        """Make a node without data."""
        self.graph.add({"driver": "null-co", "node-name": name, "size": size})

    def mirror(self, **rest: Any) -> Job:
        """Begin to mirror."""
        nodes = self.graph.nodes
        job = MirrorJob(self.graph, "m", nodes["source"], nodes["target"], **rest)
        self.graph.jobs.begin(job)
        return job

    def states(self) -> list[str]:
        """Return the states that jobs have come to since the last time."""
        states = [each.status for each in self.told if isinstance(each, JobMoved)]
        self.told.clear()
        return states


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Open a shop, and close it."""
    opened = Shop()
    yield opened
    opened.machine.close()


def test_every_state_but_null_leads_on_and_every_verb_has_a_state() -> None:
    assert set(MOVES) == set(JobStatus)
    assert [state for state, after in MOVES.items() if not after] == [JobStatus.NULL]
    assert all(VERBS.values())


def test_a_job_lives_from_created_to_null(shop: Shop) -> None:
    job = shop.mirror()
    assert shop.states() == ["created", "running"]
    shop.clock.advance(0)
    assert shop.told == [
        JobMoved("m", "ready"),
        BlockJobTold("ready", "m", "mirror", 4 * MIB, 4 * MIB, 0),
    ]
    shop.told.clear()
    job.complete()
    assert shop.told == []
    shop.clock.advance(0)
    assert shop.told == [
        JobMoved("m", "waiting"),
        JobMoved("m", "pending"),
        BlockJobTold("completed", "m", "mirror", 4 * MIB, 4 * MIB, 0),
        JobMoved("m", "concluded"),
        JobMoved("m", "null"),
    ]
    assert shop.graph.jobs == {}


def test_speed_is_kept_by_the_clock(shop: Shop) -> None:
    for name in ("wide", "wider"):
        shop.null(name, 25 * MIB)
    nodes = shop.graph.nodes
    job = MirrorJob(shop.graph, "m", nodes["wide"], nodes["wider"], speed=MIB)
    shop.graph.jobs.begin(job)
    seen = []
    for _ in range(5):
        shop.clock.advance(5)
        seen.append((job.offset // MIB, job.status.value))
    assert seen == [
        (10, "running"),
        (20, "running"),
        (20, "running"),
        (25, "running"),
        (25, "ready"),
    ]


def test_a_new_speed_counts_at_once(shop: Shop) -> None:
    job = shop.mirror(speed=1)
    shop.clock.advance(1)
    assert (job.offset, job.status) == (4 * MIB, "running")
    job.set_speed(0)
    shop.clock.advance(0)
    assert job.status == "ready"
    with pytest.raises(GenericError, match="expects a non-negative value"):
        job.set_speed(-1)


def test_a_paused_job_stands_still(shop: Shop) -> None:
    job = shop.mirror()
    job.user_pause()
    with pytest.raises(GenericError, match="Job is already paused"):
        job.user_pause()
    shop.clock.advance(100)
    assert (job.status, job.offset) == ("paused", 0)
    job.user_resume()
    with pytest.raises(GenericError, match="Can't resume a job that was not paused"):
        job.user_resume()
    shop.clock.advance(0)
    assert shop.states() == ["created", "running", "paused", "running", "ready"]


@pytest.mark.parametrize(
    ("verb", "states"),
    [
        ("complete", {"ready"}),
        ("user_finalize", {"pending"}),
        ("user_dismiss", {"concluded"}),
        ("user_pause", {"running", "ready"}),
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
            job.complete()
            shop.clock.advance(0)
        if state == "concluded":
            job.user_finalize()
        assert job.status == state
        if state in states:
            getattr(job, verb)()
            taken.add(state)
        else:
            word = verb.removeprefix("user_")
            with pytest.raises(GenericError) as caught:
                getattr(job, verb)()
            assert caught.value.desc == (
                f"Job 'm' in state '{state}' cannot accept command verb '{word}'"
            )
        shop.machine.close()
    assert taken == states


def test_a_ready_job_that_is_cancelled_ends_well_and_keeps_the_graph(
    shop: Shop,
) -> None:
    drive = shop.graph.plug("source", "disk")
    job = shop.mirror()
    shop.clock.advance(0)
    job.cancel(force=False)
    shop.clock.advance(0)
    assert drive.medium is not None
    assert drive.medium.node_name == "source"
    assert shop.told[-3] == BlockJobTold(
        "completed", "m", "mirror", 4 * MIB, 4 * MIB, 0
    )


def test_a_completed_mirror_puts_its_target_into_the_drive(shop: Shop) -> None:
    drive = shop.graph.plug("source", "disk")
    job = shop.mirror()
    shop.clock.advance(0)
    job.complete()
    shop.clock.advance(0)
    assert drive.medium is not None
    assert drive.medium.node_name == "target"


def test_a_forced_end_is_an_error(shop: Shop) -> None:
    job = shop.mirror(auto_dismiss=False)
    shop.clock.advance(0)
    job.cancel(force=True)
    shop.clock.advance(0)
    assert (job.status, job.error) == ("concluded", "Operation canceled")
    assert shop.told[-2] == BlockJobTold(
        "cancelled", "m", "mirror", 4 * MIB, 4 * MIB, 0
    )


def test_nodes_of_a_job_stay_where_they_are(shop: Shop) -> None:
    shop.mirror()
    with pytest.raises(GenericError, match="in use by block job: mirror"):
        shop.graph.delete("source")
    with pytest.raises(GenericError, match="Node target is in use"):
        shop.graph.delete("target")
    with pytest.raises(GenericError, match="in use by block job: mirror"):
        StreamJob(shop.graph, "s", shop.graph.nodes["source"], None)


@pytest.mark.parametrize("id_", ["", "1a", "a b", "a/b"])
def test_ids_are_checked(shop: Shop, id_: str) -> None:
    with pytest.raises(GenericError, match=f"Invalid job ID '{id_}'"):
        shop.graph.jobs.new_id(id_, None)


def test_there_is_an_end_to_jobs(shop: Shop) -> None:
    job = shop.mirror()
    shop.graph.jobs.update({f"j{number}": job for number in range(MAX_JOBS)})
    with pytest.raises(GenericError, match=f"more than {MAX_JOBS} jobs"):
        shop.graph.jobs.new_id("fine", None)


def faulty(shop: Shop, kind: str) -> None:
    """Let the node *kind* be one that fails once."""
    rule = {"event": "none", "once": True, "errno": 28, "iotype": None}
    name = {"read": "source", "write": "target"}[kind]
    shop.graph.delete(name)
    shop.graph.add(
        {
            "driver": "blkdebug",
            "node-name": name,
            "image": {"driver": "null-co", "size": 4 * MIB},
            "inject-error": [rule],
        }
    )


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    ("policy", "action", "ends"),
    [
        ("report", "report", "null"),
        ("ignore", "ignore", "ready"),
        ("stop", "stop", "paused"),
        ("enospc", "stop", "paused"),
        ("auto", "report", "null"),
    ],
)
def test_errors_are_met_as_the_user_wants(
    shop: Shop, kind: str, policy: str, action: str, ends: str
) -> None:
    faulty(shop, kind)
    nodes = shop.graph.nodes
    job = MirrorJob(shop.graph, "m", nodes["source"], nodes["target"])
    job.on_source_error = policy if kind == "read" else "report"
    job.on_target_error = policy if kind == "write" else "report"
    shop.graph.jobs.begin(job)
    shop.clock.advance(0)
    assert BlockJobFailed("m", kind, action) in shop.told
    assert job.status == ends
    if ends == "null":
        assert job.error == "No space left on device"
        completed = BlockJobTold(
            "completed", "m", "mirror", 4 * MIB, 0, 0, "No space left on device"
        )
        assert completed in shop.told
    if ends == "paused":
        assert job.io_status == "nospace"
        job.user_resume()
        shop.clock.advance(0)
        assert (job.status, job.offset) == ("ready", 4 * MIB)
