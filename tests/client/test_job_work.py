"""The races of jobs, each as the peer would play it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qmpx import errors
from qmpx.client.job_state import EVENTS
from qmpx.client.job_work import JobWork
from qmpx.client.steps import Run
from tests.client.playing import Play, after, event, refused, status

LATE = errors.DeadlineExceeded("blockdev-backup", 1.0)
GONE = refused("Job not found")


def job(status: str, **more: Any) -> list[dict[str, Any]]:
    """Return what ``query-jobs`` tells of a job called j."""
    told = {"id": "j", "type": "backup", "status": status}
    return [{"id": "other", "status": "running"}, told | more]


def works(command: str | None = "blockdev-backup", **arguments: Any) -> JobWork:
    """Return the work on a job called j."""
    return JobWork(command, arguments, "j")


def wait(work: JobWork, *, complete: bool = True, timeout: float | None = None) -> Any:
    """Return the steps of waiting."""
    return work.wait(timeout, None, complete=complete)


# The start.


def test_it_subscribes_first_and_keeps_the_result() -> None:
    play = Play(("blockdev-backup", {}))
    play.run(works(device="d").start())
    kept = {"device": "d", "job-id": "j", "auto-dismiss": False}
    assert play.names == EVENTS
    assert play.asked == [Run("blockdev-backup", kept)]


def test_a_peer_that_knows_no_auto_dismiss_is_asked_without() -> None:
    unknown = refused("Parameter 'auto-dismiss' is unexpected")
    play = Play(("blockdev-backup", unknown), ("blockdev-backup", {}))
    play.run(works(device="d").start())
    assert play.asked[1] == Run("blockdev-backup", {"device": "d", "job-id": "j"})


def test_what_the_caller_says_of_it_stays() -> None:
    play = Play(("blockdev-backup", {}))
    play.run(JobWork("blockdev-backup", {"auto-dismiss": True}, "j").start())
    assert play.asked[0].arguments == {"job-id": "j", "auto-dismiss": True}


def test_jobs_that_always_stay_are_not_told_to() -> None:
    play = Play(("snapshot-save", {}))
    play.run(works("snapshot-save", tag="t").start())
    assert play.asked[0].arguments == {"tag": "t", "job-id": "j"}


def test_a_job_without_a_name_gets_one_of_its_own() -> None:
    first, second = (JobWork("x", None, None).state.id for _ in range(2))
    assert first != second
    assert first.startswith("qmpx-")


def test_arguments_may_be_a_struct() -> None:
    class Backup(msgspec.Struct, rename="kebab"):
        job_id: str
        device: str

    play = Play(("blockdev-backup", {}))
    work = JobWork("blockdev-backup", Backup("mine", "d"), None)
    play.run(work.start())
    assert work.state.id == "mine"
    assert play.asked[0].arguments == {
        "job-id": "mine",
        "device": "d",
        "auto-dismiss": False,
    }


@pytest.mark.parametrize(
    ("command", "arguments", "name"), [(None, {}, None), ("x", {"job-id": "a"}, "b")]
)
def test_a_job_has_one_name(command: Any, arguments: Any, name: Any) -> None:
    with pytest.raises(errors.LocalProtocolError):
        JobWork(command, arguments, name)


def test_a_late_reply_to_the_start_is_no_failure_if_the_job_is_there() -> None:
    work = works()
    play = Play(("blockdev-backup", LATE), ("query-jobs", job("running")))
    play.run(work.start())
    assert work.state.progress.status == "running"


def test_a_late_reply_is_one_if_the_job_is_not_there() -> None:
    play = Play(("blockdev-backup", LATE), ("query-jobs", []))
    with pytest.raises(errors.DeadlineExceeded) as caught:
        play.run(works().start())
    assert caught.value is LATE


def test_a_job_that_ended_before_its_late_start_was_looked_into_is_known() -> None:
    work = works()
    ended = [status("j", "running"), event("BLOCK_JOB_COMPLETED", device="j", len=4)]
    play = Play(("blockdev-backup", LATE), ("query-jobs", after([], *ended)))
    play.run(work.start())
    assert work.state.progress.status == "concluded"


def test_a_peer_that_stays_silent_is_the_first_error() -> None:
    second = errors.DeadlineExceeded("query-jobs", 1.0)
    play = Play(("blockdev-backup", LATE), ("query-jobs", second))
    with pytest.raises(errors.DeadlineExceeded) as caught:
        play.run(works().start())
    assert caught.value is LATE


# The end.


def test_the_end_is_told_by_a_query_though_no_event_comes() -> None:
    play = Play(
        ("query-jobs", job("running")),
        ("event", None),
        ("query-jobs", job("concluded", **{"current-progress": 4})),
    )
    last = play.run(wait(works()))
    assert (last.status, last.current) == ("concluded", 4)


def test_a_job_that_dismissed_itself_is_over_by_its_events() -> None:
    ended = [
        status("j", "running"),
        event("BLOCK_JOB_COMPLETED", device="j", type="backup", len=8, offset=8),
        status("j", "concluded"),
        status("j", "null"),
    ]
    play = Play(("query-jobs", after([], *ended)))
    last = play.run(wait(works()))
    assert (last.status, last.type, last.fraction) == ("concluded", "backup", 1.0)


def test_a_job_that_failed_and_dismissed_itself_failed() -> None:
    ended = [
        status("j", "aborting"),
        event("BLOCK_JOB_COMPLETED", device="j", len=8, offset=4, error="No space"),
        status("j", "null"),
    ]
    play = Play(("query-jobs", after([], *ended)))
    with pytest.raises(errors.OperationFailed, match=r"^job 'j' failed: No space$"):
        play.run(wait(works()))


def test_a_job_that_is_gone_without_a_word_is_not_taken_for_done() -> None:
    play = Play(("query-jobs", []))
    with pytest.raises(errors.OperationFailed, match="nothing told how it ended"):
        play.run(wait(works()))


def test_events_of_other_jobs_count_for_nothing() -> None:
    others = [status("k", "null"), event("BLOCK_JOB_COMPLETED", device="k", len=1)]
    play = Play(
        ("query-jobs", after(job("running"), *others)),
        ("event", status("k", "concluded")),
        ("event", status("j", "waiting")),
        ("query-jobs", job("concluded")),
    )
    assert play.run(wait(works())).status == "concluded"


def test_a_late_event_does_not_bring_a_job_back() -> None:
    play = Play(("query-jobs", after(job("concluded"), status("j", "running"))))
    assert play.run(wait(works())).status == "concluded"


def test_what_it_waits_for_is_done_once() -> None:
    play = Play(
        ("query-jobs", job("ready")),
        ("job-complete", {}),
        ("event", status("j", "ready")),
        ("query-jobs", job("ready")),
        ("event", status("j", "pending")),
        ("query-jobs", job("pending")),
        ("job-finalize", {}),
        ("event", None),
        ("query-jobs", job("concluded")),
    )
    assert play.run(wait(works())).status == "concluded"
    assert play.is_over


def test_a_job_that_ends_between_query_and_complete_is_no_error() -> None:
    play = Play(
        ("query-jobs", job("ready")),
        ("job-complete", GONE),
        ("query-jobs", job("concluded")),
        ("event", None),
        ("query-jobs", job("concluded")),
    )
    assert play.run(wait(works())).status == "concluded"


@pytest.mark.parametrize("command", ["job-complete", "job-cancel", "block-job-cancel"])
def test_a_command_for_a_job_that_goes_on_may_fail(command: str) -> None:
    work = works()
    steps: dict[str, Any] = {
        "job-complete": work.complete,
        "job-cancel": lambda: work.cancel(force=True),
        "block-job-cancel": lambda: work.cancel(force=False),
    }
    refusal = refused("cannot accept command verb")
    play = Play((command, refusal), ("query-jobs", job("running")))
    with pytest.raises(errors.GenericError):
        play.run(steps[command]())


def test_the_deadline_leaves_it_alone() -> None:
    play = Play(("query-jobs", job("running")))
    with pytest.raises(errors.DeadlineExceeded, match="no end of job 'j' within 0 s"):
        play.run(wait(works(), timeout=0.0))
    assert play.is_over


@pytest.mark.parametrize("by_us", [True, False])
def test_only_we_may_cancel_it(by_us: bool) -> None:
    work = works()
    if by_us:
        Play(("job-cancel", {})).run(work.cancel(force=True))
    cancelled = event("BLOCK_JOB_CANCELLED", device="j", len=8, offset=1)
    play = Play(("query-jobs", after([], status("j", "aborting"), cancelled)))
    if by_us:
        assert play.run(wait(work)).is_cancelled
        return
    with pytest.raises(errors.OperationFailed, match="it was cancelled"):
        play.run(wait(work))


def test_readiness_is_waited_for() -> None:
    play = Play(
        ("query-jobs", job("running")),
        ("event", status("j", "ready")),
        ("query-jobs", job("ready")),
    )
    assert play.run(works().wait_ready(None, None)).status == "ready"
    play = Play(("query-jobs", job("concluded")))
    with pytest.raises(errors.OperationFailed, match="without having been ready"):
        play.run(works().wait_ready(None, None))


# Leaving the block.


def ended(work: JobWork, *moves: Any, is_wanted: bool) -> Play:
    """Play how a block is left."""
    play = Play(*moves)
    play.run(work.end(is_wanted=is_wanted))
    assert play.is_over
    return play


def test_a_job_that_was_not_waited_for_is() -> None:
    ended(
        works(),
        ("query-jobs", job("running")),
        ("event", None),
        ("query-jobs", job("concluded")),
        ("job-dismiss", {}),
        is_wanted=True,
    )


def test_a_job_that_somebody_dismissed_needs_it_no_more() -> None:
    moves = [("query-jobs", job("concluded")), ("job-dismiss", GONE)]
    ended(works(), *moves, is_wanted=True)
    ended(works(), ("query-jobs", after([], status("j", "null"))), is_wanted=True)


def test_a_job_that_is_not_wanted_is_cancelled() -> None:
    ended(
        works(),
        ("job-cancel", {}),
        ("query-jobs", job("aborting")),
        ("event", status("j", "concluded")),
        ("query-jobs", job("concluded", error="Operation canceled")),
        ("job-dismiss", {}),
        is_wanted=False,
    )


@pytest.mark.parametrize("error", [errors.ConnectionLost("gone"), LATE])
def test_an_error_that_ends_a_block_is_not_hidden_by_another(error: Exception) -> None:
    ended(works(), ("job-cancel", error), is_wanted=False)
