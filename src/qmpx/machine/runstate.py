"""The run states of a machine and the moves between them: one table.

Names are QEMU's (``RunState`` of its schema); the table holds the states and moves that
this machine has, and a missing key is a move that cannot be.
"""

import enum
from typing import Final


class RunState(enum.Enum):
    """What the machine is about.

    Attributes:
        is_running: Whether the virtual processors run.
    """

    PRELAUNCH = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    IO_ERROR = "io-error"
    INTERNAL_ERROR = "internal-error"
    SHUTDOWN = "shutdown"
    INMIGRATE = "inmigrate"
    FINISH_MIGRATE = "finish-migrate"
    POSTMIGRATE = "postmigrate"
    SAVE_VM = "save-vm"
    RESTORE_VM = "restore-vm"
    WATCHDOG = "watchdog"
    GUEST_PANICKED = "guest-panicked"

    # Members are singletons: the interpreter's own hash does, and is quicker.
    __hash__ = object.__hash__

    def __init__(self, name: str) -> None:
        self.is_running = name == "running"


class Cause(enum.Enum):
    """What moves a machine from one run state to another."""

    CONT = "cont"
    STOP = "stop"
    RESET = "reset"
    SUSPEND = "suspend"
    WAKEUP = "wakeup"
    IO_ERROR = "io-error"
    INTERNAL_ERROR = "internal-error"
    SHUTDOWN = "shutdown"
    WATCHDOG = "watchdog"
    PANIC = "panic"


class PanicAction(enum.Enum):
    """What is done when a guest gives up; the values are QEMU's names."""

    PAUSE = "pause"
    SHUTDOWN = "shutdown"
    EXIT_FAILURE = "exit-failure"
    NONE = "none"


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
    (RunState.RUNNING, Cause.INTERNAL_ERROR): RunState.INTERNAL_ERROR,
    (RunState.RUNNING, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.RUNNING, Cause.WATCHDOG): RunState.WATCHDOG,
    (RunState.RUNNING, Cause.PANIC): RunState.GUEST_PANICKED,
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
    (RunState.INTERNAL_ERROR, Cause.STOP): RunState.INTERNAL_ERROR,
    (RunState.INTERNAL_ERROR, Cause.RESET): RunState.PRELAUNCH,
    (RunState.INTERNAL_ERROR, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.SHUTDOWN, Cause.STOP): RunState.SHUTDOWN,
    (RunState.SHUTDOWN, Cause.RESET): RunState.PRELAUNCH,
    (RunState.SHUTDOWN, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.INMIGRATE, Cause.STOP): RunState.INMIGRATE,
    (RunState.INMIGRATE, Cause.RESET): RunState.INMIGRATE,
    (RunState.INMIGRATE, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.FINISH_MIGRATE, Cause.STOP): RunState.FINISH_MIGRATE,
    (RunState.FINISH_MIGRATE, Cause.RESET): RunState.FINISH_MIGRATE,
    (RunState.FINISH_MIGRATE, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.POSTMIGRATE, Cause.CONT): RunState.RUNNING,
    (RunState.POSTMIGRATE, Cause.STOP): RunState.POSTMIGRATE,
    (RunState.POSTMIGRATE, Cause.RESET): RunState.PRELAUNCH,
    (RunState.POSTMIGRATE, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.SAVE_VM, Cause.STOP): RunState.SAVE_VM,
    (RunState.SAVE_VM, Cause.RESET): RunState.SAVE_VM,
    (RunState.SAVE_VM, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.RESTORE_VM, Cause.CONT): RunState.RUNNING,
    (RunState.RESTORE_VM, Cause.STOP): RunState.RESTORE_VM,
    (RunState.RESTORE_VM, Cause.RESET): RunState.RESTORE_VM,
    (RunState.RESTORE_VM, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.WATCHDOG, Cause.CONT): RunState.RUNNING,
    (RunState.WATCHDOG, Cause.STOP): RunState.WATCHDOG,
    (RunState.WATCHDOG, Cause.RESET): RunState.PRELAUNCH,
    (RunState.WATCHDOG, Cause.SHUTDOWN): RunState.SHUTDOWN,
    (RunState.GUEST_PANICKED, Cause.CONT): RunState.RUNNING,
    (RunState.GUEST_PANICKED, Cause.STOP): RunState.GUEST_PANICKED,
    (RunState.GUEST_PANICKED, Cause.RESET): RunState.PRELAUNCH,
    (RunState.GUEST_PANICKED, Cause.SHUTDOWN): RunState.SHUTDOWN,
}
"""Where each cause leads. A reset leaves a machine that does not run in ``prelaunch``.

Source: QEMU 7.2.22, observed with guests that sleep and that switch themselves off.
"""

_AT_HOME: Final = frozenset(
    {
        RunState.PRELAUNCH,
        RunState.RUNNING,
        RunState.PAUSED,
        RunState.SUSPENDED,
        RunState.IO_ERROR,
        RunState.WATCHDOG,
        RunState.GUEST_PANICKED,
        RunState.POSTMIGRATE,
        RunState.INTERNAL_ERROR,
        RunState.SHUTDOWN,
    }
)

TRANSFERS: Final[dict[RunState, frozenset[RunState]]] = {
    **dict.fromkeys(
        _AT_HOME,
        frozenset({RunState.FINISH_MIGRATE, RunState.SAVE_VM, RunState.RESTORE_VM}),
    ),
    RunState.PRELAUNCH: frozenset(
        {
            RunState.INMIGRATE,
            RunState.FINISH_MIGRATE,
            RunState.SAVE_VM,
            RunState.RESTORE_VM,
        }
    ),
    RunState.INMIGRATE: _AT_HOME,
    RunState.FINISH_MIGRATE: _AT_HOME,
    RunState.SAVE_VM: _AT_HOME,
    RunState.RESTORE_VM: _AT_HOME,
}
"""Where migration and snapshots may bring a machine, beside what a `Cause` does.

While its state is on the way, a machine is in a state that no ``cont`` ends.
"""
