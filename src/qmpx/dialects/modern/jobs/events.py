"""The events of jobs, block nodes and exports.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Any, Final, NotRequired, TypedDict

from qmpx.machine.happenings import (
    BlockJobFailed,
    BlockJobTold,
    ExportDeleted,
    Happening,
    JobMoved,
    WriteThresholdReached,
)
from qmpx.qapi import Values

JobType = Annotated[
    str, Values("commit", "stream", "mirror", "backup", "create", "amend")
]
JobStatus = Annotated[
    str,
    Values(
        *("undefined", "created", "running", "paused", "ready", "standby"),
        *("waiting", "pending", "aborting", "concluded", "null"),
    ),
]


class JobStatusChange(TypedDict):
    """A job's new state."""

    id: str
    status: JobStatus


class BlockJobEvent(TypedDict):
    """A block job, as events tell of it."""

    type: JobType
    device: str
    len: int
    offset: int
    speed: int
    error: NotRequired[str]


class BlockJobPending(TypedDict):
    """A block job that waits to be finalized."""

    type: JobType
    id: str


class BlockJobErrorReport(TypedDict):
    """What a block job could not do."""

    device: str
    operation: Annotated[str, Values("read", "write")]
    action: Annotated[str, Values("ignore", "report", "stop")]


class BlockExportDeleted(TypedDict):
    """An export that is gone."""

    id: str


BlockWriteThreshold = TypedDict(
    "BlockWriteThreshold",
    {"node-name": str, "amount-exceeded": int, "write-threshold": int},
)

EVENTS: Final[dict[str, Any]] = {
    "JOB_STATUS_CHANGE": JobStatusChange,
    "BLOCK_JOB_READY": BlockJobEvent,
    "BLOCK_JOB_COMPLETED": BlockJobEvent,
    "BLOCK_JOB_CANCELLED": BlockJobEvent,
    "BLOCK_JOB_PENDING": BlockJobPending,
    "BLOCK_JOB_ERROR": BlockJobErrorReport,
    "BLOCK_EXPORT_DELETED": BlockExportDeleted,
    "BLOCK_WRITE_THRESHOLD": BlockWriteThreshold,
}
"""The events of jobs, nodes and exports, with the types of their data."""


TOLD: Final = frozenset(
    {JobMoved, BlockJobTold, BlockJobFailed, ExportDeleted, WriteThresholdReached}
)
"""The kinds of happenings that these events tell of."""


def as_event(happening: Happening) -> tuple[str, Any] | None:
    """Return the event that tells of *happening*, if it is one of these."""
    match happening:
        case JobMoved(id_, status):
            return "JOB_STATUS_CHANGE", {"id": id_, "status": status}
        case BlockJobTold("pending", id_, type_):
            return "BLOCK_JOB_PENDING", {"type": type_, "id": id_}
        case BlockJobTold(what, id_, type_, length, offset, speed, error):
            data = {
                "type": type_,
                "device": id_,
                "len": length,
                "offset": offset,
                "speed": speed,
            }
            if error is not None:
                data["error"] = error
            return f"BLOCK_JOB_{what.upper()}", data
        case BlockJobFailed(id_, operation, action):
            told = {"device": id_, "operation": operation, "action": action}
            return "BLOCK_JOB_ERROR", told
        case ExportDeleted(id_):
            return "BLOCK_EXPORT_DELETED", {"id": id_}
        case WriteThresholdReached(node_name, exceeded, threshold):
            return "BLOCK_WRITE_THRESHOLD", {
                "node-name": node_name,
                "amount-exceeded": exceeded,
                "write-threshold": threshold,
            }
    return None
