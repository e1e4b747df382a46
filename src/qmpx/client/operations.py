"""What takes more than one command, as steps: unplug, migrate, shut down, wait.

Each subscribes before it sends, for events come before the reply of the command that
causes them, and looks for itself when events may be missing.

Source: QEMU's QAPI schema; observed on QEMU 7.2.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from qmpx.client.arguments import Arguments
from qmpx.client.complaints import complaint
from qmpx.client.deadlines import DEFAULT, EXIT_TIMEOUT, Timeout
from qmpx.client.events import RECONNECTED, Event
from qmpx.client.key_chords import chords
from qmpx.client.steps import Deadline, Next, Pause, Run, Steps, Subscribe
from qmpx.errors import (
    CommandError,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    OperationFailed,
)

LOOK_FIRST: Final = 0.05
LOOK_LAST: Final = 1.0
"""Seconds between two looks at a migration; doubled from the first to the last."""

Matching = Mapping[str, Any] | Callable[[Event], bool] | None


class MigrationProgress(Struct, frozen=True):
    """How far a migration is.

    Attributes:
        status: Its state, such as ``active`` or ``completed``.
        transferred: Bytes sent.
        remaining: Bytes of memory to be sent still; it grows while the guest writes.
        total: Bytes of memory.
        details: All that ``query-migrate`` returned.
    """

    status: str
    transferred: int
    remaining: int
    total: int
    details: dict[str, Any]

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1; it may fall."""
        if self.status == "completed":
            return 1.0
        return max(1 - self.remaining / self.total, 0.0) if self.total > 0 else 0.0


OnMigration = Callable[[MigrationProgress], object]


# Waiting for events.


def wait_for(
    names: Sequence[str],
    matching: Matching,
    after: tuple[str, Arguments] | None,
    timeout: float | None,
) -> Steps[Event]:
    """Subscribe, run the command *after*, and wait for the first event that matches.

    Raises:
        DeadlineExceeded: None came in time.
        ConnectionLost: The connection broke off; also if it is back, when what was
            waited for may have passed unseen.
    """
    yield Subscribe(tuple(names))
    deadline = Deadline(timeout)
    if after is not None:
        command, arguments = after
        yield Run(command, arguments, DEFAULT if timeout is None else timeout)
    while (event := (yield Next(deadline.left()))) is not None:
        if event.name == RECONNECTED and RECONNECTED not in names:
            if after is not None:
                message = "the connection was lost, and is back: events may be missing"
                raise ConnectionLost(message)
        elif matches(event, matching):
            found: Event = event
            return found
    raise DeadlineExceeded("", timeout or 0.0, f"event {' or '.join(names)}")


def matches(event: Event, matching: Matching) -> bool:
    """Whether an event's data are as wanted; ``a.b`` is a member within another."""
    if matching is None:
        return True
    if callable(matching):
        return matching(event)
    return all(_member(event.data, path) == want for path, want in matching.items())


def _member(data: Any, path: str) -> Any:
    if isinstance(data, dict) and path in data:
        return data[path]
    for name in path.split("."):
        if not isinstance(data, dict) or name not in data:
            return None
        data = data[name]
    return data


# Devices.


def unplug(device: str, timeout: float | None) -> Steps[None]:
    """Ask the guest to let a device go, and wait until it is gone.

    Raises:
        CommandError: There is no such device, or it cannot be unplugged.
        OperationFailed: The guest refused.
        DeadlineExceeded: The guest does nothing.
    """
    yield Subscribe(("DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR", "MEM_UNPLUG_ERROR"))
    deadline = Deadline(timeout)
    yield Run("device_del", {"id": device}, DEFAULT if timeout is None else timeout)
    path = device if device.startswith("/") else f"/machine/peripheral/{device}"
    while (event := (yield Next(deadline.left()))) is not None:
        if event.name == RECONNECTED:
            if (yield from _is_gone(path)):
                return
            continue
        # A device with parts is told of more than once: a part has a path only, below
        # that of its device.
        if device not in (event.data.get("device"), event.data.get("path")):
            continue
        if event.name == "DEVICE_DELETED":
            return
        reason = str(event.data.get("msg", "the guest refuses to let it go"))
        raise OperationFailed(f"unplugging {device!r}", reason)
    if not (yield from _is_gone(path)):
        raise DeadlineExceeded("", timeout or 0.0, f"end of device {device!r}")


def _is_gone(path: str) -> Steps[bool]:
    try:
        yield Run("qom-list", {"path": path})
    except CommandError:
        return True
    return False


# Migration.


def migrate(
    uri: str,
    timeout: float | None,
    on_progress: OnMigration | None,
    options: Mapping[str, Any],
) -> Steps[MigrationProgress]:
    """Migrate and wait for the end; a migration that is given up is cancelled.

    Raises:
        CommandError: It cannot begin.
        OperationFailed: It failed, or somebody cancelled it.
        DeadlineExceeded: It took too long, and was cancelled.
    """
    yield Subscribe(("MIGRATION",))
    deadline = Deadline(timeout)
    yield Run("migrate", {"uri": uri, **options})
    pause = LOOK_FIRST
    try:
        while True:
            now = _progress((yield Run("query-migrate")))
            if on_progress is not None:
                on_progress(now)
            if now.status == "completed":
                return now
            if now.status in ("failed", "cancelled", "postcopy-paused"):
                reason = str(
                    now.details.get("error-desc", f"its state is {now.status}")
                )
                raise OperationFailed(f"migration to {uri!r}", reason)
            deadline.require(f"end of the migration to {uri!r}")
            event = yield Next(deadline.left(pause))
            pause = LOOK_FIRST if event is not None else min(pause * 2, LOOK_LAST)
    except (OperationFailed, ConnectionLost, CommandError, GeneratorExit):
        raise
    except BaseException:
        # Nobody waits for it any more: whoever gave up expects the guest to stay.
        yield Run("migrate_cancel")
        raise


def _progress(told: dict[str, Any]) -> MigrationProgress:
    ram = told.get("ram", {})
    return MigrationProgress(
        str(told.get("status", "none")),
        int(ram.get("transferred", 0)),
        int(ram.get("remaining", 0)),
        int(ram.get("total", 0)),
        told,
    )


# The end.


def shut_down(timeout: float | None, *, force: bool) -> Steps[dict[str, Any]]:
    """Press the power button and wait until the guest is off.

    Returns:
        The data of SHUTDOWN: ``guest`` and ``reason``; empty if QEMU was gone before
        they were read.

    Raises:
        DeadlineExceeded: The guest does not shut down.
    """
    yield Subscribe(("SHUTDOWN",))
    deadline = Deadline(timeout)
    try:
        yield Run("system_powerdown", None, DEFAULT if timeout is None else timeout)
        while (event := (yield Next(deadline.left()))) is not None:
            if event.name == "SHUTDOWN":
                return dict(event.data)
        if not force:
            raise DeadlineExceeded("", timeout or 0.0, "shutdown of the guest")
        yield Run("quit")
        event = yield Next(EXIT_TIMEOUT)
    except ConnectionLost:
        event = yield from _last_event()
    if event is None:
        raise DeadlineExceeded("quit", EXIT_TIMEOUT, "end of QEMU")
    return dict(event.data)


def _last_event() -> Steps[Event]:
    """Return what was told before the connection was closed."""
    try:
        event = yield Next(0)
    except ConnectionLost:
        event = None
    return event or Event("SHUTDOWN", {}, synthetic=True)


# People's commands, and their keyboard.


def hmp(
    line: str, timeout: Timeout, cpu_index: int | None, *, check: bool
) -> Steps[str]:
    """Run a line of the human monitor and return what it prints.

    Raises:
        OperationFailed: The text says that it failed.
    """
    arguments: dict[str, Any] = {"command-line": line}
    if cpu_index is not None:
        arguments["cpu-index"] = cpu_index
    text = yield Run("human-monitor-command", arguments, timeout)
    text = str(text).replace("\r\n", "\n")
    if check and (reason := complaint(text, line)):
        raise OperationFailed(f"{line!r}", reason)
    return text


def type_text(
    text: str, keys: Mapping[str, Sequence[str]] | None, pause: float
) -> Steps[None]:
    """Type a text on the guest's keyboard.

    Raises:
        LocalProtocolError: A character has no key; nothing is typed then.
    """
    pressed = chords(text, keys)
    if pause < 0:
        message = f"a pause of {pause} s: expected none, or more"
        raise LocalProtocolError(message)
    hold = max(int(pause * 1000), 1)
    for chord in pressed:
        codes = [{"type": "qcode", "data": key} for key in chord]
        yield Run("send-key", {"keys": codes, "hold-time": hold})
        yield Pause(pause * 2)  # the time it is held, and the time until the next
