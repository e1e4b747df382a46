"""Snapshots of a whole machine in its disk images, as steps.

Since QEMU 6.0 they are jobs, which name the images by their nodes; before that only the
human monitor could take one.
"""

from collections.abc import Sequence
from typing import Any, Final

from qmpx.client.deadlines import DEFAULT
from qmpx.client.job_work import JobWork, OnProgress
from qmpx.client.operations import hmp
from qmpx.client.steps import Run, Steps
from qmpx.errors import CommandNotFound, LocalProtocolError, OperationFailed

_HUMAN: Final = {
    "snapshot-save": "savevm",
    "snapshot-load": "loadvm",
    "snapshot-delete": "delvm",
}


def snapshot(
    command: str,
    tag: str,
    nodes: Sequence[str] | None,
    vmstate: str | None,
    timeout: float | None,
    on_progress: OnProgress | None,
) -> Steps[None]:
    """Save, load or delete a snapshot.

    Args:
        command: ``snapshot-save``, ``snapshot-load`` or ``snapshot-delete``.
        tag: What it is called.
        nodes: The nodes of the images; all that can be written, if it is not said.
        vmstate: The node that has the machine's state: by default the first.
        timeout: Seconds.
        on_progress: Called with each `JobProgress`.

    Raises:
        CommandError: It cannot begin.
        OperationFailed: It failed.
        DeadlineExceeded: It took too long, and was cancelled.
        LocalProtocolError: There is no image to hold it.
    """
    named = list(nodes) if nodes is not None else (yield from _writable_nodes())
    if not named:
        message = f"no disk of this machine can hold the snapshot {tag!r}"
        raise LocalProtocolError(message)
    arguments: dict[str, Any] = {"tag": tag, "devices": named}
    if command != "snapshot-delete":
        arguments["vmstate"] = vmstate or named[0]
    work = JobWork(command, arguments, None)
    try:
        yield from work.start()
    except CommandNotFound:
        if nodes is not None or vmstate is not None:
            raise
        seconds = DEFAULT if timeout is None else timeout
        line = f"{_HUMAN[command]} {_quoted(tag)}"
        said = yield from hmp(line, seconds, None, check=True)
        if said.strip():
            raise OperationFailed(f"{line!r}", said.strip()) from None
        return
    try:
        yield from work.wait(timeout, on_progress, complete=True)
    except GeneratorExit:
        raise
    except BaseException:
        yield from work.end(is_wanted=False)
        raise
    yield from work.end(is_wanted=True)


def _writable_nodes() -> Steps[list[str]]:
    """Return the nodes of all images that hold something and can be written."""
    drives = yield Run("query-block")
    return [
        drive["inserted"]["node-name"]
        for drive in drives
        if "node-name" in drive.get("inserted", {}) and not drive["inserted"]["ro"]
    ]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
