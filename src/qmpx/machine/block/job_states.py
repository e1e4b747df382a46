"""The life of a job: its states, what leads from one to another, what may be asked.

Source: QEMU 7.2, ``qapi/job.json`` (states and verbs) and observation (which verb is
refused in which state).
"""

import enum
from typing import Final


class JobStatus(enum.StrEnum):
    """Where a job is in its life."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    READY = "ready"
    STANDBY = "standby"
    """Paused while it was ready."""
    WAITING = "waiting"
    """Done; others of its transaction are not."""
    PENDING = "pending"
    """Done, all of them; somebody may have to say ``finalize``."""
    ABORTING = "aborting"
    CONCLUDED = "concluded"
    """Over; kept until it is dismissed."""
    NULL = "null"


MOVES: Final[dict[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.CREATED: frozenset(
        {JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.ABORTING, JobStatus.NULL}
    ),
    JobStatus.RUNNING: frozenset(
        {JobStatus.PAUSED, JobStatus.READY, JobStatus.WAITING, JobStatus.ABORTING}
    ),
    JobStatus.PAUSED: frozenset({JobStatus.RUNNING}),
    JobStatus.READY: frozenset(
        {JobStatus.STANDBY, JobStatus.WAITING, JobStatus.ABORTING}
    ),
    JobStatus.STANDBY: frozenset({JobStatus.READY}),
    JobStatus.WAITING: frozenset({JobStatus.PENDING, JobStatus.ABORTING}),
    JobStatus.PENDING: frozenset({JobStatus.ABORTING, JobStatus.CONCLUDED}),
    JobStatus.ABORTING: frozenset({JobStatus.ABORTING, JobStatus.CONCLUDED}),
    JobStatus.CONCLUDED: frozenset({JobStatus.NULL}),
    JobStatus.NULL: frozenset(),
}
"""Which state may follow which."""

STANDS_AS: Final[dict[JobStatus, JobStatus]] = {
    JobStatus.RUNNING: JobStatus.PAUSED,
    JobStatus.READY: JobStatus.STANDBY,
}
"""What a job that goes on becomes while it is paused."""

GOES_ON_AS: Final = {still: going for going, still in STANDS_AS.items()}
"""What a paused job becomes when it goes on."""

_LIVE: Final = frozenset(
    {
        *(JobStatus.CREATED, JobStatus.RUNNING, JobStatus.PAUSED),
        *(JobStatus.READY, JobStatus.STANDBY),
    }
)

VERBS: Final[dict[str, frozenset[JobStatus]]] = {
    "cancel": _LIVE | {JobStatus.WAITING, JobStatus.PENDING},
    "pause": _LIVE,
    "resume": _LIVE,
    "set-speed": _LIVE,
    "complete": frozenset({JobStatus.READY, JobStatus.STANDBY}),
    "finalize": frozenset({JobStatus.PENDING}),
    "dismiss": frozenset({JobStatus.CONCLUDED}),
}
"""In which states a job takes a verb."""
