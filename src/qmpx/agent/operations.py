"""What takes more than one command of the agent, as steps: see `qmpx.client.steps`.

Source: the agent's QAPI schema; observed on qemu-ga 7.2.
"""

import base64
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from qmpx.agent.deadlines import THAW_TIMEOUT, TIMEOUT
from qmpx.client.steps import Deadline, Pause, Run, Steps
from qmpx.errors import (
    CommandError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    OperationFailed,
    QmpxError,
    RemoteProtocolError,
)

LOOK_FIRST: Final = 0.02
LOOK_LAST: Final = 0.5
"""Seconds between two looks at a process of the guest; doubled each time."""

CHUNK: Final = 256 * 1024
"""Bytes of a file in one command: agents and what is between take a third more."""

MAX_FILE: Final = 256 * 1024 * 1024
"""Bytes of a file that are read, unless the caller says otherwise: it is all kept."""

CLOSE_TIMEOUT: Final = 10.0
"""Seconds to close a file of the guest when something went wrong with it."""

THAW_PAUSE: Final = 0.5
"""Seconds between two tries to thaw."""


class Finished(Struct, frozen=True):
    """What became of a program in the guest.

    Attributes:
        path: The program.
        exit_code: What it exited with; ``None`` if a signal ended it.
        signal: The signal that ended it (on Windows, the exception), if one did.
        stdout: What it wrote to its standard output.
        stderr: What it wrote to its standard error.
        is_truncated: Whether it wrote more than the agent keeps, 16 MiB.
    """

    path: str
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    is_truncated: bool = False

    def check(self) -> "Finished":
        """Return this if it exited with 0.

        Raises:
            OperationFailed: It did not; the reason has what it said.
        """
        if self.exit_code == 0:
            return self
        how = f"exit status {self.exit_code}"
        if self.exit_code is None:
            how = f"signal {self.signal}"
        said = self.stderr.decode("utf-8", "replace").strip()
        raise OperationFailed(f"{self.path!r}", f"{how}: {said}" if said else how)


def run_program(
    path: str,
    words: Sequence[str],
    stdin: bytes | None,
    env: Mapping[str, str] | None,
    timeout: float | None,
) -> Steps[Finished]:
    """Run a program in the guest and wait for its end.

    Raises:
        CommandError: It cannot be started, or the agent may not start programs.
        DeadlineExceeded: It runs still.
    """
    deadline = Deadline(timeout)
    arguments: dict[str, Any] = {"path": path, "capture-output": True}
    if words:
        arguments["arg"] = list(words)
    if stdin is not None:
        arguments["input-data"] = base64.b64encode(stdin).decode()
    if env is not None:
        arguments["env"] = [f"{name}={value}" for name, value in env.items()]
    pid = (yield Run("guest-exec", arguments))["pid"]
    pause = LOOK_FIRST
    while not (status := (yield Run("guest-exec-status", {"pid": pid})))["exited"]:
        deadline.require(f"end of {path!r} (process {pid} of the guest)")
        yield Pause(deadline.left(pause) or 0.0)
        pause = min(pause * 2, LOOK_LAST)
    return Finished(
        path,
        status.get("exitcode"),
        status.get("signal"),
        _decoded(status.get("out-data", ""), "guest-exec-status"),
        _decoded(status.get("err-data", ""), "guest-exec-status"),
        bool(status.get("out-truncated") or status.get("err-truncated")),
    )


def read_file(path: str, limit: int) -> Steps[bytes]:
    """Return what is in a file of the guest.

    Raises:
        CommandError: It cannot be read.
        OperationFailed: It holds more than *limit* bytes.
    """
    handle = yield from _open(path, "rb")
    pieces: list[bytes] = []
    size = 0
    is_over = False
    try:
        while not is_over:
            read = yield Run("guest-file-read", {"handle": handle, "count": CHUNK})
            piece = _decoded(read["buf-b64"], "guest-file-read")
            size += len(piece)
            if size > limit:
                reason = f"it holds more than {limit} bytes: raise the limit"
                raise OperationFailed(f"reading {path!r}", reason)
            pieces.append(piece)
            is_over = bool(read["eof"]) or not read["count"]
    except BaseException:
        yield from _close_after_error(handle)
        raise
    yield Run("guest-file-close", {"handle": handle})
    return b"".join(pieces)


def write_file(path: str, data: bytes, *, append: bool) -> Steps[None]:
    """Write a file of the guest.

    Raises:
        CommandError: It cannot be written.
        OperationFailed: Nothing more could be written.
    """
    handle = yield from _open(path, "ab" if append else "wb")
    rest = memoryview(data)
    try:
        while rest:
            piece = base64.b64encode(rest[:CHUNK]).decode()
            written = yield Run(
                "guest-file-write", {"handle": handle, "buf-b64": piece}
            )
            if not written["count"]:
                raise OperationFailed(f"writing {path!r}", "nothing more is taken")
            rest = rest[written["count"] :]
        yield Run("guest-file-flush", {"handle": handle})
    except BaseException:
        yield from _close_after_error(handle)
        raise
    yield Run("guest-file-close", {"handle": handle})


def _open(path: str, mode: str) -> Generator[Any, Any, int]:
    handle: int = yield Run("guest-file-open", {"path": path, "mode": mode})
    return handle


def _close_after_error(handle: int) -> Steps[None]:
    """Close a file; that it cannot be is of less concern than what went wrong."""
    try:
        yield Run("guest-file-close", {"handle": handle}, CLOSE_TIMEOUT)
    except QmpxError:
        return


def freeze(mountpoints: Sequence[str] | None) -> Steps[int]:
    """Freeze the guest's file systems and return how many were.

    If it is not known whether they are, they are thawed.

    Raises:
        CommandError: They cannot be frozen.
    """
    name, arguments = "guest-fsfreeze-freeze", None
    if mountpoints is not None:
        name = "guest-fsfreeze-freeze-list"
        arguments = {"mountpoints": list(mountpoints)}
    try:
        count: int = yield Run(name, arguments)
    except CommandError:
        # The agent thaws what it had frozen when it met the one that failed; the rest
        # costs one question.
        yield from _thaw_if_frozen()
        raise
    except BaseException:
        yield from thaw()
        raise
    return count


def _thaw_if_frozen() -> Steps[None]:
    if (yield Run("guest-fsfreeze-status")) == "frozen":
        yield from thaw()


def thaw() -> Steps[int]:
    """Thaw the guest's file systems, however often it has to be tried.

    Returns:
        How many were thawed, by the try that did it.

    Raises:
        QmpxError: It could not be done; the guest may be frozen still.
    """
    deadline = Deadline(THAW_TIMEOUT)
    while True:
        try:
            seconds = deadline.left(TIMEOUT)
            count: int = yield Run("guest-fsfreeze-thaw", None, seconds)
        except (ConnectError, ConnectionLost, DeadlineExceeded, RemoteProtocolError):
            if deadline.is_over:
                raise
            yield Pause(THAW_PAUSE)
        else:
            return count


def _decoded(text: str, command: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        message = f"the reply to {command!r} is no base64: {error}"
        raise RemoteProtocolError(message) from error
