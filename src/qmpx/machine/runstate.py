"""The run states of a machine and the moves between them: one table.

Names are QEMU's (``RunState`` of its schema); the table holds the states and moves that
this machine has, and a missing key is a move that cannot be.
"""

import enum
from typing import Final


class RunState(enum.Enum):
    """What the machine is about."""

    PRELAUNCH = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    IO_ERROR = "io-error"
    SHUTDOWN = "shutdown"

    # Members are singletons: the interpreter's own hash does, and is quicker.
    __hash__ = object.__hash__

    @property
    def is_running(self) -> bool:
        """Whether the virtual processors run."""
        return self is RunState.RUNNING


class Cause(enum.Enum):
    """What moves a machine from one run state to another."""

    CONT = "cont"
    STOP = "stop"
    RESET = "reset"
    SUSPEND = "suspend"
    WAKEUP = "wakeup"
    IO_ERROR = "io-error"
    SHUTDOWN = "shutdown"


MOVES: Final[dict[tuple[RunState, Cause], RunState]] = {
    (RunState.PRELAUNCH, Cause.CONT): RunState.RUNNING,
    (RunState.PRELAUNCH, Cause.STOP): RunState.PRELAUNCH,
    (RunState.PRELAUNCH, Cause.RESET): RunState.PRELAUNCH,
    (RunState.PRELAUNCH, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.RUNNING, Cause.CONT): RunState.RUNNING,
    (RunState.RUNNING, Cause.STOP): RunState.PAUSED,
    (RunState.RUNNING, Cause.RESET): RunState.RUNNING,
    (RunState.RUNNING, Cause.SUSPEND): RunState.SUSPENDED,
    (RunState.RUNNING, Cause.IO_ERROR): RunState.IO_ERROR,
    (RunState.RUNNING, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.PAUSED, Cause.CONT): RunState.RUNNING,
    (RunState.PAUSED, Cause.STOP): RunState.PAUSED,
    (RunState.PAUSED, Cause.RESET): RunState.PRELAUNCH,
    (RunState.PAUSED, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.SUSPENDED, Cause.CONT): RunState.SUSPENDED,
    (RunState.SUSPENDED, Cause.STOP): RunState.SUSPENDED,
    (RunState.SUSPENDED, Cause.RESET): RunState.PRELAUNCH,
    (RunState.SUSPENDED, Cause.WAKEUP): RunState.RUNNING,
    (RunState.SUSPENDED, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.IO_ERROR, Cause.CONT): RunState.RUNNING,
    (RunState.IO_ERROR, Cause.STOP): RunState.IO_ERROR,
    (RunState.IO_ERROR, Cause.RESET): RunState.PRELAUNCH,
    (RunState.IO_ERROR, Cause.SHUTDOWN): RunState.SHUTDOWN,
}
"""Where each cause leads. A reset leaves a machine that does not run in ``prelaunch``.

Source: QEMU 7.2.22, observed with guests that sleep and that switch themselves off.
"""
